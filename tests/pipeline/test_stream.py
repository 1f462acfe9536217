"""Owns: `stswatch stream` as people run it: from TCP to a web hook, to its quiet end, and what it says of errors.

The commands are processes of their own; what they listen to and tell is real.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from stswatch.pipeline import api, cli
from tests.pipeline.alerts.receiver import SECRET, receiving, until
from tests.pipeline.live import replay

pytestmark = pytest.mark.e2e

STSWATCH = [sys.executable, "-m", "stswatch.pipeline.cli"]
HOOK = '[floor]\nkind = "webhook"\nurl = "{}"\nsecret_env = "HOOK_SECRET"\nper_hour = 0\n'


def lines(hours):
    """The sentences of some hours of the recording, as they were received."""
    return b"".join(replay.lines(hours, after_h=replay.MEETINGS_FROM_H))


@pytest.fixture(scope="module")
def some_hours():
    return lines(3)


@contextmanager
def serving(text) -> Iterator[int]:
    """A TCP server that sends a text to whoever connects first, and then nothing; gives its port."""
    left = [text]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if left:
                self.request.sendall(left.pop())
            over.wait()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    over = threading.Event()
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        over.set()
        server.shutdown()


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Watch:
    """The command, running."""

    def __init__(self, folder, *words, **given):
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        command = [*STSWATCH, "stream", *words, "--data", self.data, "--interval", "0.5", "--arrival", "recorded"]
        self.errors = folder / "errors"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*map(str, command), "--health", f"127.0.0.1:{self.port}"],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"HOOK_SECRET": SECRET},
                **given,
            )

    def asked(self, path):
        """Code and text of an answer of its health; 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            assert self.process.poll() is None, self.errors.read_text()
            return 0, ""

    def metric(self, name):
        found = re.search(rf"^stswatch_{name}(?:\{{.*\}})? (\S+)$", self.asked("/metrics")[1], re.M)
        return float(found[1]) if found else None

    def until_all_is_read(self, count):
        """Until the loop has looked at all of so many lines, and finalized what is over."""
        wanted = {"source_lines_total": count, "behind_bytes": 0, "lag_seconds": 0, "finalizing": 0}
        until(lambda: all(self.metric(name) == value for name, value in wanted.items()), 120, every_s=0.3)

    def end(self, number=signal.SIGTERM):
        """Exit code and output after a signal."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode()


@pytest.fixture
def watching(tmp_path):
    """Start a watch; it is killed at the end if it still runs."""
    begun = []

    def start(*words, **given):
        begun.append(Watch(tmp_path, *words, **given))
        return begun[-1]

    yield start
    for watch in begun:
        watch.process.kill()
        watch.process.communicate()


def leads(data):
    """Id and last revision of each lead, and how it stands."""
    with closing(api.connect(data)) as db:
        return dict(db.sql("SELECT id, revision FROM flagged_encounters").fetchall())


# ------------------------------------------------------------------------------------------------ end to end


def test_from_a_tcp_server_to_a_web_hook_and_to_a_quiet_end(some_hours, watching, tmp_path):
    with serving(some_hours) as port, receiving() as receiver:
        (tmp_path / "alerts.toml").write_text(HOOK.format(receiver.url))
        watch = watching(f"roof=tcp://127.0.0.1:{port}", "--area", "world", "--alerts", tmp_path / "alerts.toml")
        watch.until_all_is_read(some_hours.count(b"\n"))
        code, text = watch.asked("/healthz")
        assert (code, text) == (200, '{"ok": true, "reasons": []}\n')
        running = api.status(watch.data)
        assert running["runs"]
        assert running["sources"][0]["name"] == "roof"
        words = ["stream", f"tcp://127.0.0.1:{port}", "--data", watch.data, "--health", "none", "--quiet"]
        second = subprocess.run([*STSWATCH, *words], capture_output=True, text=True)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == f"stswatch: {watch.data}: another watch runs over this folder; give another --data\n"
        done = subprocess.run([*STSWATCH, "reconcile", "--data", watch.data], capture_output=True, text=True)
        assert re.fullmatch(r"reconciled by the watch that runs: [\d,]+ late rows; .* retracted\n", done.stdout), done
        until(lambda: watch.metric("alerts_waiting") == 0)
        assert watch.end() == (0, "")
        collected = {}
        for alert in receiver.alerts():
            collected[alert["id"]] = (alert["revision"], alert["change"])
        assert {name: revision for name, (revision, change) in collected.items() if change != "retracted"} == leads(
            watch.data
        )
        assert len(collected) >= 3
    printed = watch.errors.read_text()
    assert printed.startswith("stswatch: watching roof from tcp://127.0.0.1:")
    assert printed.endswith("stswatch: stopped; the same command goes on from here\n")
    assert "Traceback" not in printed
    assert {path.suffix for path in (watch.data / "spool" / "roof").iterdir()} == {".zst"}
    assert not api.status(watch.data)["runs"]
    for path in [*watch.data.rglob("*"), watch.errors]:
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()


def test_at_the_end_of_a_recording_all_is_finalized_and_is_what_a_run_finds(some_hours, watching, tmp_path):
    watch = watching("-", "--area", "world", stdin=subprocess.PIPE)
    watch.process.stdin.write(some_hours)
    out, _ = watch.process.communicate(timeout=120)
    assert watch.process.returncode == 0, watch.errors.read_text()
    assert re.search(r"^stswatch: reconciled: [\d,]+ late rows; ", watch.errors.read_text(), re.M)
    (tmp_path / "capture.nmea").write_bytes(some_hours)
    api.run(tmp_path / "capture.nmea", tmp_path / "run", area="world", slice_h=1)
    query = "SELECT mmsi_a, mmsi_b, start_time, end_time, score FROM encounters WHERE status = 'current' ORDER BY ALL"
    with closing(api.connect(watch.data)) as live, closing(api.connect(tmp_path / "run")) as run:
        assert live.sql(query).fetchall() == run.sql(query).fetchall()
        assert live.sql("SELECT count(*) FROM encounters WHERE status = 'provisional'").fetchall() == [(0,)]
    alerted = set(re.findall(r"^lead \w+: (\S+) revision", out.decode(), re.M))
    assert set(leads(watch.data)) <= alerted
    assert len(alerted) >= 4
    status = api.status(watch.data)
    assert status["total"]["sentences"] >= some_hours.count(b"\n")
    assert status["spool_bytes"] > 10_000
    (collected,) = status["alerts"]
    assert (collected["waiting"], collected["delivered"]) == (0, out.count(b"\nlead ") + out.startswith(b"lead "))


def settled(watch, name):
    """A figure of a watch once it has stood for some cycles."""
    seen = [watch.metric(name)]
    while (len(seen) < 60 and len(set(seen[-6:])) > 1) or len(seen) < 6:
        time.sleep(0.5)
        seen.append(watch.metric(name))
    return seen[-1]


def test_killed_and_started_again_it_goes_on(some_hours, watching, tmp_path):
    with serving(some_hours) as port:
        watch = watching(f"roof=tcp://127.0.0.1:{port}", "--area", "world")
        watch.until_all_is_read(some_hours.count(b"\n"))
        before = settled(watch, "open_encounters")  # what came has been acknowledged by then
        watch.end(signal.SIGKILL)
        printed = subprocess.run([*STSWATCH, "status", "--data", watch.data], capture_output=True, text=True)
        assert "was not ended, but broke off after" in printed.stdout
        again = watching(f"roof=tcp://127.0.0.1:{port}", "--area", "world")
        until(lambda: again.metric("open_encounters") == before, 120, every_s=0.3)
        assert before > 0
        assert again.end(signal.SIGINT)[0] == 0


# ------------------------------------------------------------------------------------------------ what is amiss


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["carrier://pigeon:1"], "carrier://: is no kind of source; use tcp://HOST:PORT"),
        (["tcp://127.0.0.1"], "names no port"),
        (["tcp://a:1", "tcp://a:1"], "name it: NAME=tcp://a:1"),
        (["tcp://a:1", "--area", "mars"], "mars"),
        (["tcp://a:1", "--alerts", "none.toml"], "none.toml: cannot be read"),
        (["tcp://a:1", "--alerts", "alerts.toml"], "alerts.toml: [floor] secret_env: the environment has no variable"),
        (["tcp://a:1", "--health", "here"], "'here' is no address; give one such as 127.0.0.1:9257, or none"),
        (["tcp://a:1", "--keep-spool", "some"], "'some': give an age or a size such as 7d"),
        (["tcp://a:1", "--interval", "0"], "--interval: '0': give seconds from 0.5 to 3600"),
        (["tcp://a:1", "--data", "file"], "file: cannot be the data folder"),
        (["tcp://a:1", "--rules", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(words, printed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("alerts.toml").write_text(HOOK.format("https://example.org"))
    Path("file").touch()
    try:
        code = cli.main(["stream", "--quiet", *words])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert out == ""
    assert printed in err.splitlines()[-1]
    assert not (tmp_path / "stswatch-data").exists()


@pytest.mark.parametrize("command", ["status", "reconcile"])
def test_a_folder_without_a_watch_is_one_sentence(command, tmp_path, capsys):
    assert cli.main([command, "--data", str(tmp_path / "none")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert str(tmp_path / "none") in err
