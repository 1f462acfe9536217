"""Owns: whenever a watch is killed, every byte that it acknowledged is there, and the next one goes on behind it."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import Position, segment_of, segments
from tests.pipeline.spool.spools import collected, decoded_spool, received

pytestmark = pytest.mark.e2e

# A watch of one source that says all the time up to where it acknowledged, and closes and packs all the time.
SCRIPT = """
import pathlib, sys, threading
from stswatch.pipeline.sources.kinds import parse_all
from stswatch.pipeline.spool.clock import Clock
from stswatch.pipeline.spool.writer import Limits
from stswatch.pipeline.spool.supervisor import run_sources
limits = Limits(sync_s=0.0, segment_bytes=300_000)
data, addresses = pathlib.Path(sys.argv[1]), parse_all([sys.argv[2]])
running = run_sources(data, addresses, Clock(), print, threading.Event(), limits=limits)
said = None
while True:
    running.check()
    at = running.spools["busan"].acknowledged
    if at != said:
        print("at", *at, flush=True)
        said = at
"""
FIRST_S, LINES = 1_700_000_000, 1_000_000


class Numbering:
    """A server whose lines are numbered on, each connection from where the last was lost or later."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"busan=tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self.next = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            try:
                with connection:
                    while self.next < LINES:
                        lines = collected(range(FIRST_S + self.next, FIRST_S + self.next + 500))
                        self.next += 500
                        connection.sendall(lines)
                        time.sleep(0.002)
            except OSError:
                continue


def killed(data, address: str, after_s: float) -> Position:
    """Let a watch run and kill it; gives what it acknowledged last, as far as it could say."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data), address], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        printed = [child.stdout.readline()]
        timer = threading.Timer(after_s, child.kill)
        timer.start()
        printed += child.stdout.readlines()
    whole = [line.split() for line in printed if re.fullmatch(r"at \S+ \d+\n", line)]
    return Position(whole[-1][1], int(whole[-1][2])) if whole else Position()


def numbers(text: bytes) -> list[int]:
    return [int(each) - FIRST_S for each in re.findall(rb"^\\c:(\d+)\*..\\!AIVDM\S*\*..$", text, re.MULTILINE)]


def tried(seed: int, data, kills: int) -> None:
    rng, server, folder = random.Random(seed), Numbering(), data / "spool" / "busan"
    data.mkdir()
    for _ in range(kills):
        before = received(folder) if folder.exists() else b""
        acknowledged = killed(data, server.address, rng.uniform(0.0, 0.8))
        assert acknowledged.segment in {"", *(segment_of(path) for path in segments(folder))}
        held = received(folder, until=acknowledged)
        assert held.startswith(before[: before.rfind(b"\n") + 1]), "what a former watch left is not touched"
        settle(folder)
        assert received(folder, until=acknowledged) == held
        found = numbers(held)
        assert len(found) == held.count(b"\n"), "nothing but whole lines"
    text = received(folder)
    found = numbers(text)
    assert found == sorted(set(found)), "each line once, in order"
    holes = sum(b - a > 1 for a, b in pairwise(found))
    assert holes <= kills - 1, "within a connection no line is missing"
    assert len(found) > 1000
    assert decoded_spool(folder).messages >= len(found)


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment(tmp_path, seed):
    tried(seed, tmp_path / "data", 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_killed_again_and_again(tmp_path, seed):
    tried(100 + seed, tmp_path / "data", 5)


# Says how much memory a watch needed at most, bytes, once so many bytes have come.
MEMORY = """
import pathlib, sys, threading
from stswatch.pipeline.sources.kinds import parse_all
from stswatch.pipeline.spool.clock import Clock
from stswatch.pipeline.spool.supervisor import run_sources
from tests.peak import peak_bytes

running = run_sources(pathlib.Path(sys.argv[1]), parse_all([sys.argv[2]]), Clock(), print, threading.Event())
while running.spools["busan"].counts().bytes < int(sys.argv[3]):
    threading.Event().wait(0.05)
running.check()
running.close()
print(peak_bytes())
"""


def needed_mb(data, size: int) -> float:
    """Memory of a watch to which so many bytes come without a line end, MB."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pour() -> None:
            connection, _ = server.accept()
            piece = b"x" * (1 << 20)
            with connection:
                for _ in range(size >> 20):
                    connection.sendall(piece)
                connection.sendall(b"\n" + collected([FIRST_S]))
                connection.recv(1)

        pouring = threading.Thread(target=pour, daemon=True)
        pouring.start()
        address = f"busan=tcp://127.0.0.1:{server.getsockname()[1]}"
        words = [sys.executable, "-c", MEMORY, str(data), address, str(size + 1 + len(collected([FIRST_S])))]
        done = subprocess.run(words, capture_output=True, check=True)
        pouring.join(20)
    assert numbers(received(data / "spool" / "busan")) == [0]
    return int(done.stdout.split()[-1]) / 1e6


def test_a_gigabyte_without_a_line_end(tmp_path):
    little, much = needed_mb(tmp_path / "little", 1 << 20), needed_mb(tmp_path / "much", 1 << 30)
    assert much < little + 30
    held = sum(path.stat().st_size for path in segments(tmp_path / "much" / "spool" / "busan"))
    assert held < 10_000
    assert received(tmp_path / "much" / "spool" / "busan").startswith(b"x" * 4096)
