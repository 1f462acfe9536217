"""Owns: sources fill their spools side by side, whatever the connection does; what happens is said once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stswatch.pipeline.sources.address import AddressError
from stswatch.pipeline.sources.kinds import parse_all
from stswatch.pipeline.spool.clock import Clock
from stswatch.pipeline.spool.segments import segments
from stswatch.pipeline.spool.supervisor import Supervisor, backoff_s, client_id, identity_of, run_sources
from stswatch.pipeline.spool.writer import Limits
from tests.pipeline.sources.listen import free_port, wait
from tests.pipeline.spool.spools import arrivals, bare, collected, decoded_spool, received, remarks

pytestmark = pytest.mark.e2e

QUICK = Limits(sync_s=0.05)


class Watch:
    """Sources that run into a folder; what was said."""

    def __init__(self, data: Path, *addresses: str, clock=None, hurry: float = 1.0, limits: Limits = QUICK) -> None:
        self.printed: list[str] = []
        self.data, self.stop = data, threading.Event()
        data.mkdir(exist_ok=True)
        self.supervisor: Supervisor = run_sources(
            data,
            parse_all(addresses),
            clock or Clock(),
            self.printed.append,
            self.stop,
            secrets={},
            limits=limits,
            draw=lambda: 0.0,
            monotonic=lambda: hurry * time.monotonic(),
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.close()
        self.supervisor.check()

    def folder(self, name: str) -> Path:
        return self.data / "spool" / name

    def until(self, name: str, true: Callable[[bytes], bool], within_s: float = 20.0) -> bytes:
        """Wait for what is acknowledged; gives it."""
        found = [b""]

        def enough() -> bool:
            self.supervisor.check()
            spool = self.supervisor.spools[name]
            found[0] = received(spool.folder, until=spool.acknowledged)
            return true(found[0])

        wait(enough, within_s)
        return found[0]


class Server:
    """Sends to each connection what `each` gives for its number, then closes it."""

    def __init__(self, each: Callable[[int], bytes], port: int = 0, hold_s: float = 0.0) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self.connections = 0
        self._each, self._hold_s = each, hold_s
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with connection:
                    connection.sendall(self._each(self.connections))
                    time.sleep(self._hold_s)
            except OSError:
                continue

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(20)


def test_a_server_that_hangs_up_all_the_time(tmp_path):
    """All that it sent is there, and it is said once, not each time."""
    server = Server(lambda n: collected([1_700_000_000 + n]))
    with Watch(tmp_path / "data", f"busan=tcp://127.0.0.1:{server.port}") as watch:
        got = watch.until("busan", lambda text: text.count(b"\n") >= 4)
        state = watch.supervisor.state()["busan"]
        printed = list(watch.printed)
    server.close()
    assert got.startswith(collected(range(1_700_000_001, 1_700_000_005)))
    assert state.reconnects >= 3
    assert state.trouble == "the connection was closed by the other side"
    assert printed == [
        f"busan: tcp://127.0.0.1:{server.port} the connection was closed by the other side;"
        " trying again, at most every 60 s"
    ]


def test_half_lines_at_the_end_of_a_connection_are_not_joined_to_the_next(tmp_path):
    server = Server(lambda n: b"last %d\nfirst half %d" % (n, n))
    with Watch(tmp_path / "data", f"busan=tcp://127.0.0.1:{server.port}") as watch:
        got = watch.until("busan", lambda text: text.count(b"\n") >= 4)
    server.close()
    assert got.startswith(b"last 1\nfirst half 1\nlast 2\nfirst half 2\n")


def test_a_server_that_comes_and_goes_is_told_of(tmp_path):
    first = Server(lambda n: bare(1), hold_s=3600)
    first.close()
    with Watch(tmp_path / "data", f"busan=tcp://127.0.0.1:{first.port}", hurry=20.0) as watch:
        wait(lambda: len(watch.printed) == 1)
        assert "cannot be reached (Connection refused)" in watch.printed[0]
        state = watch.supervisor.state()["busan"]
        assert (state.connected, state.reconnects) == (False, 0)
        second = Server(lambda n: bare(1), first.port, hold_s=3600)
        wait(lambda: len(watch.printed) == 2)
        assert watch.printed[1] == f"busan: tcp://127.0.0.1:{first.port} is back"
        state = watch.supervisor.state()["busan"]
        assert (state.connected, state.trouble, state.counts.lines) == (True, "", 1)
        assert abs(state.since_us / 1e6 - time.time()) < 60
    second._listening.close()


def test_several_sources_at_once_each_into_its_own(tmp_path):
    (tmp_path / "log.nmea").write_bytes(collected(range(1_700_000_000, 1_700_000_100)))
    server = Server(lambda n: bare(500), hold_s=3600)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        port = free_port()
        addresses = (f"t=tcp://127.0.0.1:{server.port}", f"u=udp://127.0.0.1:{port}", f"f={tmp_path / 'log.nmea'}")
        with Watch(tmp_path / "data", *addresses) as watch:
            wait(lambda: watch.supervisor.state()["u"].connected)
            sending.sendto(b"!AIVDM", ("127.0.0.1", port))
            assert watch.until("t", lambda text: len(text) == len(bare(500))) == bare(500)
            assert watch.until("u", bool) == b"!AIVDM\n"
            watch.until("f", lambda text: b"1700000099" in text)
            assert set(watch.supervisor.acknowledged()) == {"t", "u", "f"}
            assert not watch.supervisor.ended
    server._listening.close()
    assert watch.printed == []
    assert decoded_spool(watch.folder("f")).messages == 100


def test_a_file_is_read_on_after_a_stop_however_long_it_was_silent(tmp_path):
    path = tmp_path / "log.nmea"
    lines = collected(range(1_700_000_000, 1_700_000_300)).splitlines(keepends=True)
    for stop in (100, 200, 300):
        with path.open("ab") as file:
            file.writelines(lines[stop - 100 : stop])
        with Watch(tmp_path / "data", f"log={path}", hurry=100.0) as watch:
            watch.until("log", lambda text, last=lines[stop - 1]: last in text)
            watch.supervisor.spools["log"].rotate()
            beats = arrivals(watch.folder("log"))
            wait(lambda before=beats: arrivals(watch.folder("log")) > before + 1)
    assert received(watch.folder("log")) == b"".join(lines)


def test_standard_input_that_ends_ends_the_watch(tmp_path):
    """Where it is the only source."""
    import subprocess
    import sys

    script = (
        "import sys, threading, pathlib\n"
        "from stswatch.pipeline.sources.kinds import parse_all\n"
        "from stswatch.pipeline.spool.clock import RecordedClock\n"
        "from stswatch.pipeline.spool.supervisor import run_sources\n"
        "stop = threading.Event()\n"
        "running = run_sources(pathlib.Path(sys.argv[1]), parse_all(['-']), RecordedClock(), print, stop)\n"
        "while not running.ended: stop.wait(0.01)\n"
        "running.close()\n"
    )
    text = collected(range(1_700_000_000, 1_700_000_050))
    words = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(words, input=text + b"!AIVDM,half", capture_output=True, check=True)
    assert done.stdout == b"stdin: - has ended\n"
    assert received(tmp_path / "spool" / "stdin") == text + b"!AIVDM,half\n"


def test_rubbish_is_kept_as_it_came(tmp_path):
    rubbish = b"".join(bytes(range(256)) * 3 for _ in range(200))
    server = Server(lambda n: rubbish + b"\n" + bare(1), hold_s=3600)
    with Watch(tmp_path / "data", f"busan=tcp://127.0.0.1:{server.port}") as watch:
        got = watch.until("busan", lambda text: text.endswith(bare(1)))
    server._listening.close()
    assert got == rubbish + b"\n" + bare(1)
    assert decoded_spool(watch.folder("busan")).messages == 1


def test_silence_is_an_arrival_every_five_seconds(tmp_path):
    server = Server(lambda n: b"", hold_s=3600)
    with Watch(tmp_path / "data", f"busan=tcp://127.0.0.1:{server.port}", hurry=20.0) as watch:
        wait(lambda: arrivals(watch.folder("busan")) >= 4)
    server._listening.close()


def test_time_passes_too_where_nobody_can_be_reached(tmp_path):
    with Watch(tmp_path / "data", "busan=tcp://127.0.0.1:1", hurry=20.0) as watch:
        wait(lambda: arrivals(watch.folder("busan")) >= 4)
    assert len(watch.printed) == 1


def test_what_the_system_throws_away_is_said_once_and_counted(tmp_path):
    """Here while the folder is gone, so that nothing is taken."""
    data, away = tmp_path / "data", tmp_path / "away"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        port = free_port()
        with Watch(data, f"u=udp://127.0.0.1:{port}") as watch:
            wait(lambda: watch.supervisor.state()["u"].connected)
            sending.sendto(b"!first", ("127.0.0.1", port))
            watch.until("u", bool)
            data.rename(away)
            sending.sendto(b"!second", ("127.0.0.1", port))
            wait(lambda: watch.supervisor.state()["u"].trouble != "")
            for _ in range(40_000):
                sending.sendto(b"!", ("127.0.0.1", port))
            away.rename(data)

            def lost() -> int:
                return watch.supervisor.state()["u"].lost_messages

            got = watch.until("u", lambda text: lost() + text.count(b"!\n") >= 40_000)
            found = lost()
    noted = [each for path in segments(watch.folder("u")) for each in remarks(path)]
    assert noted
    assert sum(int(each.removeprefix("# stswatch lost ")) for each in noted) == found == 40_000 - got.count(b"!\n") > 0
    assert sum("sends more than this machine takes" in each for each in watch.printed) == 1


def test_what_is_missing_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(AddressError, match="AISSTREAM_API_KEY"):
        Watch(tmp_path / "data", "tcp://127.0.0.1:1", "wss://127.0.0.1/a")
    assert not (tmp_path / "data" / "spool").exists()


def test_what_a_thread_died_of_is_raised(tmp_path):
    watch = Watch(tmp_path / "data", "busan=tcp://127.0.0.1:1")
    watch.supervisor.spools["busan"].tick = lambda: 1 / 0
    wait(lambda: watch.supervisor._failed is not None)
    with pytest.raises(ZeroDivisionError):
        watch.supervisor.check()
    watch.supervisor.close()


def test_tries_come_less_and_less_often():
    longest = [backoff_s(n, lambda: 1.0) for n in range(1, 9)]
    assert longest == [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(backoff_s(n, lambda: 0.0) == each / 2 for n, each in enumerate(longest, 1))


def test_the_identity_of_a_folder_stays(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    drawn = identity_of(one)
    assert identity_of(one) == drawn
    assert identity_of(other) != drawn
    names = {client_id(identity, name) for identity in (drawn, identity_of(other)) for name in ("busan", "pohang")}
    assert len(names) == 4


def test_a_feed_that_cannot_be_reached_holds_up_no_other(tmp_path):
    server = Server(lambda n: bare(50), hold_s=3600)
    with Watch(tmp_path / "data", f"t=tcp://127.0.0.1:{server.port}", "d=tcp://127.0.0.1:1", hurry=20.0) as watch:
        assert watch.until("t", lambda text: len(text) == len(bare(50))) == bare(50)
        assert not watch.supervisor.ended
    server._listening.close()
    assert decoded_spool(watch.folder("t")).messages == 50
    assert len(watch.printed) == 1
