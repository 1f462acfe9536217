"""Owns: neither a line without an end nor a server that hardly sends takes memory, time or the end of a watch."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.live import health
from stswatch.pipeline.sources.address import CONNECT_S
from tests.hostile.corpus import REPORT
from tests.peak import peak_bytes
from tests.pipeline.alerts.receiver import until
from tests.pipeline.sources.listen import Listening

pytestmark = pytest.mark.e2e

MB = 1 << 20
STARTS = {  # what was sent first -> what a server of that kind begins to answer, and never ends
    b"G": b"HTTP/1.1 101 ",
    b"\x16": b"\x16\x03\x03\x40\x00\x02",  # a TLS record of 16 kB with a handshake
    b"\x10": b"\x20\xff\xff\x7f",  # CONNACK of MQTT, as long as its length can say
}


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.soak)])
def test_one_line_without_end_on_standard_input_is_one_reject(megabytes, tmp_path):
    command = [sys.executable, "-m", "stswatch.pipeline.cli", "stream", "-", "--data", tmp_path, "--health", "none"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        watch.stdin.write(REPORT + b"\n")
        for _ in range(megabytes):
            watch.stdin.write(b"x" * MB)
        watch.stdin.write(b"\n" + REPORT + b"\n")
        watch.stdin.flush()
        time.sleep(1)
        assert peak_bytes(watch.pid) < 600 * MB
        _, err = watch.communicate()
    assert watch.returncode == 0, err
    assert "\nread: 3 sentences (1 malformed rejected), 2 positions, " in health.status_text(api.status(tmp_path))
    assert sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*")) < MB


@contextmanager
def dripping(every_s: float) -> Iterator[int]:
    """A server that sends a byte now and then, of what whoever connects waits for; its port."""
    over = threading.Event()

    def drip(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            first = peer.recv(1) if select.select([peer], [], [], 1)[0] else b""
            text = STARTS[first] + b"x" * 100_000 if first else (REPORT + b"\n") * 1000
            for k in range(len(text)):
                peer.sendall(text[k : k + 1])
                if over.wait(every_s):
                    return

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        over.set()


def test_a_server_that_sends_a_byte_now_and_then_keeps_nobody_longer_than_one_that_is_silent():
    """Time to connect is counted from its beginning, not from the last byte."""
    with dripping(0.2) as port, ExitStack() as stack:
        began_s = time.monotonic()
        waiting = [
            stack.enter_context(Listening(f"{scheme}://127.0.0.1:{port}/x?{option}"))
            for scheme, option in (("ws", "format=nmea"), ("wss", "format=nmea"), ("mqtts", ""))
        ]
        until(lambda: all(each.ended for each in waiting), CONNECT_S + 15)
        assert time.monotonic() - began_s >= CONNECT_S - 1
        assert all("timed out" in each.lost for each in waiting), [each.lost for each in waiting]


def test_what_comes_a_byte_at_a_time_comes_and_ends_when_it_is_told():
    with dripping(0.005) as port, Listening(f"tcp://127.0.0.1:{port}") as lines:
        lines.until(lambda source: source.came.startswith(REPORT + b"\n"))
    with dripping(0.2) as port, Listening(f"mqtt://127.0.0.1:{port}/x") as broker:
        time.sleep(2)
        assert broker.signs == 0  # it does not stand, and must end all the same
