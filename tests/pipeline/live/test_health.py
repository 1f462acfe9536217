"""Owns: what a watch says of itself is so, to a browser, to Prometheus, to systemd, in its file, and once to people.

The server is asked over real HTTP; sources are states as the supervisor gives them, at times that a test makes up.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace

import pytest

from stswatch.pipeline.alerts.delivery import Delivery
from stswatch.pipeline.live import health, server
from stswatch.pipeline.live.health import ALIVE, Health, notify
from stswatch.pipeline.live.server import METRICS, HealthError, ListenAddress, parse, serving
from stswatch.pipeline.live.state import Report
from stswatch.pipeline.spool.segments import Position
from stswatch.pipeline.spool.supervisor import SourceState
from stswatch.pipeline.spool.writer import SpoolCounts
from tests.pipeline.alerts.receiver import until

T_US = 1_741_600_000_000_000
S = 1_000_000
COUNTS = SpoolCounts(5_000, 100, 7, T_US, Position())
ROOF = SourceState("roof", "tcp://roof:10110", True, T_US - 60 * S, 2, False, "", COUNTS)
SLICE = Report(
    arrival_us=T_US,
    finalized_us=T_US - 3600 * S,
    took_s=0.25,
    sentences=100,
    fixes=70,
    static_reports=20,
    rejects={"checksum": 3},
    late=2,
    vessels=40,
    open_encounters=5,
    leads=1,
)
FLOOR = Delivery("floor", "example.org", 3, 9, 0.0, None)


class Watch:
    """What a health object is told, at a time that stands until a test moves it."""

    def __init__(self, data, every_s=5.0):
        self.now_us, self.sources, self.alerts, self.printed = T_US, [ROOF], [FLOOR], []
        self.health = Health(
            data,
            lambda: self.now_us,
            every_s,
            sources=lambda: {source.name: source for source in self.sources},
            alerts=lambda: self.alerts,
            tell=self.printed.append,
        )

    def pass_to(self, seconds):
        """Look every five seconds until then; the sources stay as they are."""
        while self.now_us < T_US + seconds * S:
            self.now_us = min(self.now_us + 5 * S, T_US + int(seconds * S))
            self.health.look()

    def hear(self, seconds=0):
        """A line has come, now or then."""
        heard_us = self.now_us + int(seconds * S)
        self.sources = [replace(source, counts=replace(COUNTS, last_line_us=heard_us)) for source in self.sources]

    @property
    def reasons(self):
        return self.health.state()["reasons"]


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path / "data")


def asked(address, path):
    """Code, kind and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://{address.host}:{address.port}{path}") as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_a_watch_to_which_nearly_all_is_late_says_so_until_it_is_not(watch):
    """As one does that was begun with the clock of the machine years ahead."""
    for _ in range(3):
        watch.health.slice_done(replace(SLICE, fixes=80, static_reports=20, late=95))
    (reason,) = watch.reasons
    assert reason.startswith("285 of the last 300 rows are of hours that were final when they came")
    assert "another `data`" in reason
    watch.health.slice_done(replace(SLICE, fixes=80, static_reports=20, late=0))
    assert watch.reasons == []


def test_a_wrong_clock_of_arrivals_is_amiss(tmp_path):
    health = Health(tmp_path / "data", lambda: T_US, 5.0, clock=lambda: "arrival times are ahead")
    health.slice_done(SLICE)
    assert health.state()["reasons"] == ["arrival times are ahead"]


# ------------------------------------------------------------------------------------------------ over HTTP


def test_health_is_200_while_nothing_is_amiss_and_503_with_the_reasons(watch):
    watch.health.slice_done(SLICE)
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        code, kind, text = asked(address, "/healthz")
        assert (code, kind, json.loads(text)) == (200, "application/json", {"ok": True, "reasons": []})
        watch.health.amiss("disk", "data: the disk is full")
        code, _, text = asked(address, "/healthz?verbose")
        assert (code, json.loads(text)) == (503, {"ok": False, "reasons": ["data: the disk is full"]})
        watch.health.amiss("disk", None)
        assert asked(address, "/healthz")[0] == 200
        assert asked(address, "/")[0] == 404


LINE = re.compile(r"([a-z_]+)(?:\{([a-z]+)=\"((?:[^\"\\\n]|\\[\\n\"])*)\"\})? (\S+)")


def parsed(text):
    """Prometheus text by its rules: HELP and TYPE before the samples of a name, each name in one place."""
    found, kinds, last = {}, {}, None
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            assert line.split()[2] not in kinds
            last = None
        elif line.startswith("# TYPE "):
            _, _, last, kind = line.split(" ")
            kinds[last] = kind
        else:
            name, _, label, value = LINE.fullmatch(line).groups()
            assert name == last
            found[name, label] = float(value)
    return found, kinds


def test_metrics_are_what_the_watch_knows(watch):
    watch.sources = [replace(ROOF, name='the "roof"\\\n'), replace(ROOF, name="mast", connected=False, since_us=T_US)]
    watch.health.slice_done(SLICE)
    watch.health.slice_done(replace(SLICE, sentences=50, rejects={"checksum": 1, "syntax": 4}))
    watch.now_us += 2 * S
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        code, kind, text = asked(address, "/metrics")
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found, kinds = parsed(text)
    assert found["stswatch_sentences_total", None] == 150
    assert found["stswatch_rejects_total", "checksum"] == 4
    assert found["stswatch_rejects_total", "syntax"] == 4
    assert found["stswatch_lag_seconds", None] == 2
    assert found["stswatch_slice_seconds", None] == 0.25
    assert found["stswatch_open_encounters", None] == 5
    assert found["stswatch_finalized_time_seconds", None] == T_US / 1e6 - 3600
    assert found["stswatch_source_connected", "mast"] == 0
    assert found["stswatch_source_connected", 'the \\"roof\\"\\\\\\n'] == 1
    assert found["stswatch_alerts_waiting", "floor"] == 3
    assert found["stswatch_healthy", None] == 1
    assert {name.removeprefix("stswatch_") for name in kinds} == {metric.name for metric in METRICS}
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    assert len(kinds) >= 25


def test_before_the_first_slice_what_is_not_known_is_not_shown(watch):
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        found, _ = parsed(asked(address, "/metrics")[2])
    assert ("stswatch_slice_seconds", None) not in found
    assert ("stswatch_finalized_time_seconds", None) not in found
    assert found["stswatch_sentences_total", None] == 0


def test_who_asks_and_then_says_nothing_keeps_nobody_waiting(watch):
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        idle = [socket.create_connection(address) for _ in range(20)]
        began_s = time.monotonic()
        assert asked(address, "/healthz")[0] in (200, 503)
        assert time.monotonic() - began_s < 2
        for each in idle:
            each.close()


def test_an_address_that_is_taken_is_said(watch):
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        taken = f"{address.host}:{address.port}"
        with (
            pytest.raises(HealthError, match=rf"`health={taken}`: cannot be listened on .*; give another"),
            serving(parse(taken), watch.health.state),
        ):
            pass


def test_none_is_off_and_nonsense_is_said(watch):
    with serving(parse(server.OFF), watch.health.state) as address:
        assert address is None
    for text in ("", "9257", ":9257", "localhost", "localhost:x", "localhost:70000", "localhost:-1"):
        with pytest.raises(HealthError, match="give one such as"):
            parse(text)


# ------------------------------------------------------------------------------------------------ silence


def live_through(watch, pauses_s):
    """A source that is heard after each of these pauses."""
    for pause_s in pauses_s:
        watch.pass_to((watch.now_us - T_US) / S + pause_s)
        watch.hear()
    watch.health.look()


def test_a_busy_source_that_falls_silent_is_said_within_a_minute_once_and_when_it_is_back(watch):
    live_through(watch, [30] * 300)  # two hours and a half
    assert watch.printed == []
    began_s = (watch.now_us - T_US) / S
    watch.pass_to(began_s + 3600)
    assert watch.printed == ["roof: connected, but silent for 65 s; its habit is 60 s at most"]
    watch.health.slice_done(replace(SLICE, arrival_us=watch.now_us))
    assert watch.reasons == ["roof: silent for 60 min, longer than its habit"]
    watch.hear()
    watch.health.look()
    assert watch.printed[1:] == ["roof: heard again"]
    assert watch.reasons == []


def test_a_satellite_that_passes_every_ninety_minutes_is_never_silent(watch):
    """Once it is known: the first pause is a silence like any other."""
    live_through(watch, [1] * 5 + [5400])
    assert len(watch.printed) == 2
    live_through(watch, ([1] * 5 + [5400]) * 20)
    assert len(watch.printed) == 2
    watch.pass_to((watch.now_us - T_US) / S + 2.1 * 5400)
    assert len(watch.printed) == 3


def test_one_long_outage_does_not_become_a_habit(watch):
    live_through(watch, [30] * 120 * 72)
    live_through(watch, [2 * 3600])
    assert len(watch.printed) == 2
    live_through(watch, [30] * 120)
    watch.pass_to((watch.now_us - T_US) / S + 70)
    assert len(watch.printed) == 3


def test_a_source_that_was_never_heard_is_said_after_ten_minutes(watch):
    watch.sources = [replace(ROOF, connected=False, since_us=0, counts=replace(COUNTS, last_line_us=0))]
    watch.pass_to(600)
    assert watch.printed == []
    watch.pass_to(610)
    assert watch.printed == ["roof: silent for 10 min; its habit is 10 min at most"]


def test_a_source_that_has_ended_is_not_silent(watch):
    watch.sources = [replace(ROOF, connected=False, ended=True)]
    watch.pass_to(100_000)
    watch.health.slice_done(replace(SLICE, arrival_us=watch.now_us))
    assert (watch.printed, watch.reasons) == ([], [])


def test_habits_outlive_the_watch(watch, tmp_path):
    live_through(watch, [600] * 24)
    with watch.health.running():
        until((tmp_path / "data" / "live" / "status.json").exists)
    again = Watch(tmp_path / "data")
    again.sources = watch.sources
    again.now_us = watch.now_us
    again.health.look()
    again.now_us += 1100 * S
    again.health.look()
    assert again.printed == []
    again.now_us += 110 * S
    again.health.look()
    assert again.printed == ["roof: connected, but silent for 20 min; its habit is 20 min at most"]


@pytest.mark.parametrize("spoiled", [b"", b"[]", b'{"roof": 3}', b'{"roof": {"x": "y"}}', b"\xff"])
def test_habits_that_cannot_be_read_are_learnt_anew(spoiled, tmp_path):
    (tmp_path / "data" / "live").mkdir(parents=True)
    (tmp_path / "data" / "live" / "habits.json").write_bytes(spoiled)
    watch = Watch(tmp_path / "data")
    watch.pass_to(599)
    assert watch.printed == []


# ------------------------------------------------------------------------------------------------ what is amiss


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"source": {"connected": False}}, None),
        ({"source": {"connected": False}, "later_s": 10}, "roof: not connected for 70 s"),
        (
            {"source": {"connected": False, "trouble": "refused"}, "later_s": 10},
            "roof: not connected for 70 s (refused)",
        ),
        ({"source": {"trouble": "the disk is full"}}, "roof: the disk is full"),
        ({"alert": {"stuck_s": 500.0, "trouble": "answers 500"}}, None),
        ({"alert": {"stuck_s": 7200.0, "trouble": "answers 500"}}, "alerts to floor: answers 500; 3 wait, for 2.0 h"),
        ({"later_s": 61}, "what is shown is 61 s behind what arrives"),
        ({"later_s": 61, "every_s": 60.0}, None),
    ],
)
def test_each_reason_is_given_where_it_holds(what, reason, tmp_path):
    watch = Watch(tmp_path / "data", what.get("every_s", 5.0))
    watch.sources = [replace(ROOF, **what.get("source", {}))]
    watch.alerts = [replace(FLOOR, **what.get("alert", {}))]
    watch.health.slice_done(SLICE)
    watch.now_us += what.get("later_s", 0) * S
    assert watch.reasons == ([] if reason is None else [reason])


def test_a_loop_that_hangs_is_amiss(watch):
    watch.health.slice_done(SLICE)
    watch.health._done_s -= 100
    assert watch.reasons == ["no slice was finished for 100 s"]


# ------------------------------------------------------------------------------------------------ the file


def test_the_status_file_follows_each_slice_and_says_when_it_ended(watch, tmp_path):
    data = tmp_path / "data"
    with health.only_watch(data), watch.health.running():
        watch.health.slice_done(SLICE)
        until(lambda: (data / "live" / "status.json").exists() and health.read(data)["slice"] is not None, 3)
        collected = health.read(data)
        assert collected["runs"] is True
        assert collected["ended"] is None
        watch.health.slice_done(SLICE)
        until(lambda: health.read(data)["total"]["sentences"] == 200, 3)
    collected = health.read(data)
    assert collected["runs"] is False
    assert collected["ended"] is not None
    assert collected["slice"]["finalized"] == "2025-03-10T08:46:40.000Z"


def test_the_status_is_whole_whenever_it_is_read(watch, tmp_path):
    """Read on and on while it is written on and on."""
    data, over = tmp_path / "data", threading.Event()
    watch.health.write()

    def write():
        while not over.is_set():
            watch.health.write()

    writing = threading.Thread(target=write)
    writing.start()
    for _ in range(300):
        assert health.read(data)["sources"][0]["name"] == "roof"
    over.set()
    writing.join()


def test_a_folder_that_may_not_be_written_is_amiss_and_the_watch_goes_on(watch, tmp_path):
    live = tmp_path / "data" / "live"
    live.rename(tmp_path / "data" / "gone")
    live.write_text("a file in its place")
    watch.health.write()
    assert any("cannot be written" in reason for reason in watch.reasons)
    live.unlink()
    watch.health.write()
    assert not any("cannot be written" in reason for reason in watch.reasons)


def test_one_watch_over_a_folder(tmp_path):
    with health.only_watch(tmp_path / "data"):
        assert health.runs(tmp_path / "data")
        with pytest.raises(health.WatchError, match="another watch runs"), health.only_watch(tmp_path / "data"):
            pass
    assert not health.runs(tmp_path / "data")
    assert not health.runs(tmp_path / "nowhere")
    assert stat.S_ISREG(os.stat(tmp_path / "data" / "live" / ".lock").st_mode)


def test_a_folder_without_a_watch_is_said(tmp_path):
    with pytest.raises(health.WatchError, match="no watch has run over this folder; stswatch stream begins one"):
        health.read(tmp_path)
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "status.json").write_text("{")
    with pytest.raises(health.WatchError, match="is no status"):
        health.read(tmp_path)


def test_a_status_of_another_version_is_said(watch, tmp_path):
    """What is shown is missing from it, or is of another kind; what is not shown may be missing."""
    watch.health.slice_done(SLICE)
    watch.health.write()
    path = tmp_path / "data" / "live" / "status.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in kept.items() if name != "ok"}))
    assert health.read(tmp_path / "data")["pid"] == os.getpid()
    older = {**kept["slice"], "sealed": kept["slice"]["finalized"]}
    del older["finalized"]
    for other in ({**kept, "slice": older}, {**kept, "sources": ["roof"]}, {**kept, "started": "soon"}, {}, [], None):
        path.write_text(json.dumps(other))
        with pytest.raises(health.WatchError, match="no status of this version of stswatch; a running watch writes"):
            health.read(tmp_path / "data")


# ------------------------------------------------------------------------------------------------ systemd


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_a_word(abstract, tmp_path):
    name = f"@stswatch-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        assert notify(ALIVE, {"NOTIFY_SOCKET": name})
        assert systemd.recv(100) == b"WATCHDOG=1"
    with suppress(FileNotFoundError):
        os.unlink(name)
    assert not notify(ALIVE, {"NOTIFY_SOCKET": name})
    assert not notify(ALIVE, {})
