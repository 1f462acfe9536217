"""Owns: datagrams to this machine or to a group come as lines."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

import pytest

from stswatch.pipeline.sources.address import Loss
from stswatch.pipeline.sources.kinds import parse, receive
from tests.pipeline.sources.listen import Listening, free_port, wait

GROUP = "239.255.77.7"


@pytest.fixture
def sending():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        yield one


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_each_datagram_is_a_line_or_more(sending, host):
    port = free_port()
    with Listening(f"udp://{host}:{port}") as listening:
        listening.standing()
        for data in (b"a", b"b\r\n", b"", b"c\nd", b"\xff\x00"):
            sending.sendto(data, ("127.0.0.1", port))
        listening.until(lambda source: len(source.came) >= 12)
    assert listening.came == b"a\nb\r\nc\nd\n\xff\x00\n"


def test_many_are_not_lost_while_they_are_taken(sending):
    """At 30,000 a second, or where the system keeps only a few, at fewer."""
    port, rate = free_port(), 30_000 if os.geteuid() == 0 else 3_000
    with Listening(f"udp://127.0.0.1:{port}") as listening:
        listening.standing()
        begun = time.monotonic()
        for number in range(rate // 2):
            sending.sendto(b"%075d" % number, ("127.0.0.1", port))
            while number > (time.monotonic() - begun) * rate:
                time.sleep(0)
        listening.until(lambda source: len(source.came) == rate // 2 * 76)
    assert [int(line) for line in listening.came.split()] == list(range(rate // 2))
    assert sum(map(bool, listening.pieces)) < rate // 6


def test_a_multicast_group(sending):
    port = free_port()
    with Listening(f"udp://{GROUP}:{port}?interface=127.0.0.1") as listening:
        listening.standing()
        sending.sendto(b"!AIVDM", (GROUP, port))
        assert listening.until(lambda source: bool(source.came)) == b"!AIVDM\n"


def test_the_newer_protocol():
    port = free_port(socket.AF_INET6)
    with Listening(f"udp://[::1]:{port}") as listening, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        listening.standing()
        one.sendto(b"!AIVDM", ("::1", port))
        assert listening.until(lambda source: bool(source.came)) == b"!AIVDM\n"


@pytest.mark.parametrize(("host", "why"), [("127.0.0.1", "Address already in use"), ("192.0.2.1", "Cannot assign")])
def test_where_one_cannot_listen(host, why):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with Listening(f"udp://{host}:{taken.getsockname()[1]}") as listening:
            wait(lambda: listening.ended)
    assert listening.lost is not None
    assert listening.lost.startswith(f"cannot listen there ({why}")


def test_what_the_system_throws_away_is_counted(sending):
    """What came and what was lost is what was sent."""
    port, taken, lost = free_port(), b"", 0
    coming: Any = receive(parse(f"udp://127.0.0.1:{port}"), {}, threading.Event())
    assert next(coming) == b""
    for _ in range(3):
        for _ in range(30_000):  # and nobody takes them
            sending.sendto(b"!", ("127.0.0.1", port))
        for each in iter(lambda: next(coming), b""):
            if isinstance(each, Loss):
                lost += each.messages
            else:
                taken += each
    coming.close()
    assert lost > 0
    assert taken.count(b"!\n") + lost == 90_000
