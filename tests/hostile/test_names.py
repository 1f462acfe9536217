"""Owns: a hostile name, of a vessel, a file, a zone or a server, changes nothing of what is printed but itself.

Each command is run beside its benign twin: as many lines, each harmless, the name visible with what would have acted.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from websockets.sync.server import serve

from stswatch.pipeline import cli
from stswatch.pipeline.alerts.alert import Alert, Message
from stswatch.pipeline.alerts.destinations import text
from stswatch.pipeline.live.health import status_text
from tests.hostile import corpus
from tests.hostile.text import ACTS, harm
from tests.pipeline.alerts.receiver import until

pytestmark = pytest.mark.e2e

EVIL = "A\x1b[2J\n\x9bB\u202e\r=$x^2$" + "\u0301" * 9
SEEN = "A\\x1b[2J\\n\\x9bB\\u202e\\r=$x^2$"
NICE = "N" * 66  # as long as the other is shown, so that lines are broken alike
FILE = "x\n\x1b]0;y\x07\udcff\u202e.parquet"


def printed(*collected):
    """Code, output and errors of a command, run here as from a shell."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main([str(word) for word in collected])
        except SystemExit as end:
            code = end.code
    return code, *(stream.buffer.getvalue().decode("utf-8", "backslashreplace") for stream in (out, err))


def area(path, name):
    """A file of areas of this name, round where the pair lies."""
    box = [[[124.0, 38.0], [126.0, 38.0], [126.0, 39.0], [124.0, 39.0], [124.0, 38.0]]]
    collected = {"id": name, "labels": [name], "source": name, "date": name, "regime": name}
    path.write_text(
        json.dumps({"type": "Feature", "properties": collected, "geometry": {"type": "Polygon", "coordinates": box}})
    )
    return path


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Folder and archive of the two, and what `run` said."""
    found = {}
    for name, file, folder in ((EVIL, FILE, "da\x1bta"), (NICE, "x.parquet", "data")):
        home = tmp_path_factory.mktemp("twin")
        (home / file).write_bytes(corpus.parquet(corpus.columns(name)))
        zone = area(home / ("zone\x1b\n.geojson" if name is EVIL else "zone.geojson"), name)
        run = printed(
            "run", home / file, "--data", home / folder, "--area", zone, "--licence", name, "--scorecard", "rules"
        )
        found[name] = home, home / file, home / folder, zone, run
    return found


def are_alike(evil, nice, seen=SEEN):
    assert evil[0] == nice[0]
    for one, other in zip(evil[1:], nice[1:], strict=True):
        assert harm(one) == []
        assert one.count("\n") == other.count("\n")
    assert seen in evil[1] + evil[2]


def test_the_summary_of_a_run(twins):
    evil, nice = (twins[name][4] for name in (EVIL, NICE))
    assert nice[0] == 0, nice[2]
    are_alike(evil, nice, "x\\n\\x1b]0;y\\x07\\udcff\\u202e.parquet")


@pytest.mark.parametrize("command", ["leads", "explain"])
def test_what_is_found(command, twins):
    are_alike(*(printed(command, "--data", twins[name][2]) for name in (EVIL, NICE)))


def test_areas(twins):
    are_alike(*(printed("areas", "--area", twins[name][3]) for name in (EVIL, NICE)))


def test_pictures_are_sound_and_take_no_markup(twins):
    for name in (EVIL, NICE):
        home, _, data, zone, _ = twins[name]
        for words_ in (["explain", "--quiet", "--data", data], ["areas", "--area", zone]):
            picture = home / "picture.svg"
            code, out, err = printed(*words_, "--picture", picture)
            assert (code, err) == (0, "")
            assert harm(out) == []
            ET.fromstring(picture.read_bytes())  # well formed
            drawn = picture.read_text()
            assert harm(drawn.replace("\t", " ")) == []
            assert name is NICE or words_[0] == "areas" or "A\\x1b[2J" in drawn  # there is no room for it on the map


@pytest.mark.parametrize(
    "collected",
    [
        ["run", FILE],
        ["run", "good", "--area", EVIL],
        ["run", "good", "--columns", EVIL],
        ["run", "good", "--rules", EVIL],
        ["run", "good", "--format", EVIL],
        ["run", "good", "--receiver", EVIL],
        ["run", "good", "--scorecard", EVIL],
        ["run", "good", "--workers", EVIL],
        ["run", "good", "--" + EVIL],
        ["decode", FILE, "--to", "csv"],
        ["decode", FILE, "--to", EVIL],
        ["leads", "--data", EVIL],
        ["explain", "E1", "--data", EVIL],
        ["explain", "--picture", EVIL],
        ["areas", "--area", EVIL],
        ["rules", "--data", EVIL],
        ["status", "--data", EVIL],
        ["reconcile", "--data", EVIL],
        ["reconcile", "--day", EVIL],
        ["stream", "tcp://h:1?" + EVIL + "=1"],
        ["stream", "tcp://" + EVIL],
        ["stream", "--quiet", "a=tcp://a:1", "--health", EVIL],
        ["stream", "--quiet", "a=tcp://a:1", "--alerts", EVIL],
        ["stream", "--quiet", "a=tcp://a:1", "--keep-spool", EVIL],
        ["stream", "-?" + EVIL + "=1"],
        ["simulate", "--out", "out", "--scenario", EVIL],
        ["train", "--out", "x", "--seeds", EVIL],
        ["evaluate", "--out", "x", "--scorecard", EVIL],
        [EVIL],
    ],
    ids=lambda collected: " ".join(collected[::2]).encode("ascii", "replace").decode()[:20],
)
def test_every_error_is_one_line(collected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("good").write_bytes(corpus.table(corpus.rows(NICE)))
    Path(FILE).write_bytes(b"\0" * 100)
    code, out, err = printed(*collected)
    assert code in (1, 2), (out, err)
    assert out == ""
    assert harm(err) == []
    assert [line.partition(" ")[0] for line in err.splitlines() if "stswatch" in line][-1].startswith(
        ("stswatch", "usage")
    )
    assert len([line for line in err.splitlines() if line.startswith("stswatch")]) == 1
    assert "\\x1b" in err


@pytest.mark.parametrize("act", range(len(ACTS)))
def test_alerts_and_status(act):
    name = ACTS[act]
    data = {"change": "opened", "id": name, "revision": 1, "kind": "lit", "zones": [name], "score": 1.0}
    data |= {"start_time": "2025-03-10T06:54:00.000Z", "end_time": "2025-03-10T07:30:00.000Z"}
    data |= {"mmsi_a": 1, "mmsi_b": 2, "name_a": name, "name_b": name}
    message = Message((Alert("k", "e", "t", data),))
    assert harm(text(message)) == []
    line = message.line().decode()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["data"] == data
    source = {"ended": False, "connected": False, "silent_s": 1.0, "last_arrival": None, "lines": 1, "reconnects": 0}
    alerts = {"name": name, "delivered": 1, "waiting": 1, "trouble": name}
    collected = {
        "started": "2025-03-10T00:00:00.000Z",
        "runs": True,
        "version": "1",
        "pid": 1,
        "slice": None,
        "total": {},
    }
    collected |= {"sources": [source | {"name": name, "address": name}], "alerts": [alerts], "reasons": [name]}
    shown = status_text(collected)
    assert harm(shown) == []
    assert shown.count("\n") == 4


@contextmanager
def refusing(error):
    """A WebSocket server that answers everybody so."""

    def handle(connection):
        connection.recv()
        connection.send(json.dumps({"error": error}))
        connection.recv()

    with serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def test_what_a_server_says_is_one_line_of_the_log(tmp_path):
    log = tmp_path / "log"
    with refusing("no \x1b[2J\rstswatch: forged\n") as port, log.open("wb") as errors:
        command = [sys.executable, "-m", "stswatch.pipeline.cli", "stream", f"ws://127.0.0.1:{port}/?secret=KEY"]
        process = subprocess.Popen(
            [*command, "--data", str(tmp_path / "data"), "--health", "none"],
            stderr=errors,
            env=os.environ | {"KEY": "very-secret"},
        )
        try:
            until(lambda: "trying again" in log.read_text(), 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    shown = log.read_text()
    assert harm(shown) == []
    assert re.search(r"the server says: no \\x1b\[2J\\rstswatch: forged;? trying again", shown), shown
    assert all(line.startswith("stswatch: ") for line in shown.splitlines())
    assert "very-secret" not in shown
