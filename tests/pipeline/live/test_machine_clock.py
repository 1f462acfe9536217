"""Owns: a watch that was begun with the clock of the machine years ahead: it says so, and what it advises helps."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from stswatch.pipeline.live import health, stream
from stswatch.pipeline.sources.kinds import parse
from stswatch.pipeline.spool.clock import Clock
from tests.pipeline.live.replay import STAMP, WORLD, lines, until

pytestmark = pytest.mark.e2e

HOURS = 0.5
YEARS_US = 10 * 365 * 24 * 3_600_000_000


@contextmanager
def repeating(text):
    """A TCP server that sends lines to everyone who connects, then keeps still; gives its port."""
    over = threading.Event()

    def serve():
        while not over.is_set():
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.sendall(b"".join(text))
                while not over.wait(0.02) and open_(peer):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        over.set()


def open_(peer):
    """Whether the other end has not closed a connection."""
    peer.setblocking(False)
    try:
        return peer.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def watched(data, port, wall_us, monkeypatch, holds):
    """What status says of a watch with such a clock of the machine, in numbers and in words, once that holds."""
    began_us = time.monotonic_ns() // 1000

    def now_us():
        return wall_us + time.monotonic_ns() // 1000 - began_us

    monkeypatch.setitem(stream.CLOCKS, "clock", lambda tell: Clock(tell, wall_us=now_us))
    stop, failed = threading.Event(), []

    def run():
        try:
            plan_of = stream.WatchPlan([parse(f"rec=tcp://127.0.0.1:{port}")], [])
            stream.stream(data, plan_of, WORLD, {}, lambda sentence: None, stop)
        except BaseException as error:
            failed.append(error)

    def enough():
        try:
            return bool(failed) or holds(health.read(data))
        except health.WatchError:
            return False

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        until(enough)
        found = health.read(data)
        return found, health.status_text(found)
    finally:
        stop.set()
        thread.join()
        assert failed == []


def test_begun_ten_years_ahead_it_says_so_and_a_folder_of_its_own_heals_it(tmp_path, monkeypatch):
    text = lines(HOURS)
    right_us = int(STAMP.search(text[-1])[1]) * 1_000_000
    wrong, afresh = tmp_path / "wrong", tmp_path / "afresh"

    def amiss(found):
        return found["runs"] and any("were final when they came" in reason for reason in found["reasons"])

    with repeating(text) as port:
        ahead, _ = watched(wrong, port, right_us + YEARS_US, monkeypatch, amiss)
        assert not ahead["ok"]

        def noticed(found):
            return amiss(found) and len(found["reasons"]) > 1

        then, printed = watched(wrong, port, right_us, monkeypatch, noticed)
        assert not then["ok"]
        clock = next(reason for reason in then["reasons"] if "ahead of this machine's clock" in reason)
        assert "87,600.0 h" in clock
        assert "stop the watch and start it with another `data`" in clock
        assert f"amiss: {clock}" in printed

        def heard(found):
            return found["total"]["fixes"] >= 1000

        healed, printed = watched(afresh, port, right_us, monkeypatch, heard)
        assert healed["reasons"] == []
        assert healed["total"]["late"] <= 10  # the first lines are of the second before the hour
        assert healed["slice"]["vessels"] > 50
        assert "nothing is amiss" in printed
