"""Owns: standard input is read to its end, and a watch that stops does not wait for it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading
from stswatch.pipeline.sources.kinds import parse, receive
stop = threading.Event()
for data in receive(parse("-"), {}, stop):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    if b"stop" in data:
        stop.set()
print("ended")
"""


def started() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_to_the_end():
    with started() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"a\nb\n")
        child.stdin.flush()
        assert child.stdout.readline() + child.stdout.readline() == b"a\nb\n", "before the end"
        out, _ = child.communicate(b"c" * 3_000_000)
    assert out == b"c" * 3_000_000 + b"ended\n"


def test_until_told():
    with started() as child:
        assert child.stdin is not None
        child.stdin.write(b"stop\n")
        child.stdin.flush()
        assert child.wait(20) == 0
        assert child.stdout is not None
        assert child.stdout.read() == b"stop\nended\n"
