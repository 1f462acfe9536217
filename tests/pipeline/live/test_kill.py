"""Owns: a watch that is killed at any moment goes on: its spool is finalized as ever, and every lead is told, once."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.flow.late_data import finalized_by
from stswatch.pipeline.spool.segments import closed
from tests.pipeline import seas
from tests.pipeline.flow.commands import of_session
from tests.pipeline.live.replay import CUT_OFF, MEETINGS_FROM_H, STAMP, lines, until
from tests.pipeline.live.test_law import events

pytestmark = pytest.mark.e2e

HOURS = 5
RULES = "[vessel]\ngap_terrestrial_h = 1.0\ngap_satellite_h = 1.0\n[encounter]\naround_h = 0.5\n"
ALERTS = '[log]\nkind = "file"\npath = "{}"\nper_hour = 0\n'
PART = 250
SECONDS = 1_000_000


class Feed:
    """Sends a recording to whoever connects, as long as it takes; after a loss it goes on behind what was sent.

    The last fifth waits until nobody is killed any more, so that its end comes to somebody.
    """

    def __init__(self, text: list[bytes], parts_a_second: float) -> None:
        self.parts = [b"".join(text[at : at + PART]) for at in range(0, len(text), PART)]
        self.last_us = max(int(collected) for collected in STAMP.findall(self.parts[-1])) * SECONDS
        self.sent, self._pause_s, self.until = 0, 1 / parts_a_second, len(self.parts) * 4 // 5

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                peer.settimeout(self._pause_s)
                while not _gone(peer):
                    if self.sent < self.until:
                        peer.sendall(self.parts[self.sent])
                        self.sent += 1


def _gone(peer: socket.socket) -> bool:
    """Whether who was connected goes within its timeout."""
    try:
        return not peer.recv(1)
    except TimeoutError:
        return False


@contextmanager
def fed(feed: Feed) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=feed.serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def status(data):
    with suppress(OSError, ValueError):
        return json.loads((data / "live" / "status.json").read_text())
    return {}


def killed(commands, words, data, rng, pool):
    """Start the command and kill it: a while after its first slice, or now and then before that."""
    early = rng.random() < 0.25
    done = pool.submit(commands, *words, kill_after_s=float(rng.uniform(0.2, 3.0)) if early else 600.0)
    if not early:
        before = status(data).get("pid")
        until(lambda: done.done() or (status(data).get("slice") and status(data)["pid"] != before))
        time.sleep(rng.uniform(0, 2.0))
        if not done.done():
            os.kill(status(data)["pid"], signal.SIGKILL)
    ended = done.result()
    assert ended.killed, ended.err
    until(lambda: not of_session(ended.pid), 30)
    return not early


def undisturbed(commands, words, data, feed, pool):
    """Let it come to the end of what is sent, and end it quietly."""
    feed.until = len(feed.parts)
    done, before = pool.submit(commands, *words), status(data).get("pid")
    over_us = finalized_by(feed.last_us, 60 * SECONDS)

    def heard():
        collected = status(data)
        last = collected.get("slice") or {"arrival": "", "finalized": ""}
        due = [f"{np.datetime64(us, 'us')}"[:19] for us in (feed.last_us, over_us)]
        there = collected.get("pid") != before and last["arrival"] >= due[0] and (last["finalized"] or "") >= due[1]
        return done.done() or (feed.sent == len(feed.parts) and there and not last["finalizing"])

    try:
        until(heard)
        assert not done.done(), done.result().err
    finally:  # whatever was heard: nobody waits for it for ever
        with suppress(ProcessLookupError):
            os.kill(status(data)["pid"], signal.SIGTERM)
    assert (done.result().code, done.result().err) == (0, done.result().err)


@pytest.mark.parametrize(
    ("seed", "kills"), [(0, 5), *(pytest.param(k, 5, marks=pytest.mark.soak) for k in range(1, 11))]
)
def test_killed_at_any_moment_nothing_is_lost_and_no_lead_is_left_untold(seed, kills, commands, tmp_path):
    data, collected = tmp_path / "data", tmp_path / "told.jsonl"
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "alerts.toml").write_text(ALERTS.format(collected))
    rng, feed = np.random.default_rng(seed), Feed(lines(HOURS, after_h=MEETINGS_FROM_H), 8)
    with fed(feed) as port, ThreadPoolExecutor(1) as pool:
        words = ["stream", f"rec=tcp://127.0.0.1:{port}", "--data", data, "--area", "world", "--interval", "0.5"]
        words += ["--rules", tmp_path / "rules.toml", "--alerts", tmp_path / "alerts.toml"]
        words += ["--arrival", "recorded", "--health", "none"]
        running = sum(killed(commands, words, data, rng, pool) for _ in range(kills))
        assert running >= kills // 2
        undisturbed(commands, words, data, feed, pool)
    leads, keys = stored(data), [key(line) for line in collected.read_text().splitlines()]
    assert len(leads) >= 3
    assert {k for k in keys if not k.endswith("retracted")} == leads
    assert len(set(keys)) >= len(keys) - kills, "of one that was being told when it was killed nobody knows"
    segments_hold_what_the_watch_finds(commands, data, tmp_path)


def key(line):
    about = json.loads(line)["data"]
    return f"{about['id']}:{about['revision']}" + (":retracted" if about["change"] == "retracted" else "")


def stored(data):
    """The revisions that are or were leads."""
    with api.connect(data) as db:
        query = f"SELECT id, revision FROM encounters WHERE in_area AND score >= {CUT_OFF}"
        return {f"{name}:{revision}" for name, revision in db.sql(query).fetchall()}


def segments_hold_what_the_watch_finds(commands, data, folder):
    """A run over the segments, which hold all that was acknowledged, finds what the watch has, once reconciled."""
    rules = ("--rules", folder / "rules.toml", "--area", "world")
    assert commands("reconcile", "--data", data, *rules).code == 0
    segments = closed(data / "spool" / "rec")
    done = commands(
        "run", *segments, "--data", folder / "run", "--slice-hours", "1", "--quiet", "--format", "nmea", *rules
    )
    assert (done.code, done.err) == (0, "")
    found = events(folder / "run")
    assert found["encounters"].num_rows >= 5
    seas.assert_same(found, events(data))
