"""Owns: a TCP server's bytes come as they were sent, and each way to lose the connection is a sentence."""

from __future__ import annotations

import random
import socket
import struct
import time

import pytest

from tests.pipeline.sources.listen import Listening, in_pieces, wait


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        yield listening


def at(server: socket.socket) -> str:
    return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_every_byte_in_order(server):
    sent = random.Random(1).randbytes(3_000_000)
    with Listening(at(server)) as listening:
        connection, _ = server.accept()
        with connection:
            for piece in in_pieces(sent, 70_001):
                connection.sendall(piece)
            listening.until(lambda source: len(source.came) == len(sent))
        listening.until(lambda source: source.ended)
    assert listening.came == sent
    assert listening.lost == "the connection was closed by the other side"


def test_what_comes_together_is_given_together(server):
    """A sentence at a time costs as much as a batch does."""
    with Listening(at(server)) as listening:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            for _ in range(500):
                connection.sendall(b"!AIVDM\n")
                time.sleep(0.001)
            listening.until(lambda source: len(source.came) == 3_500)
    assert sum(map(bool, listening.pieces)) < 250


def test_silence_gives_signs_of_life(server):
    with Listening(at(server)) as listening:
        connection, _ = server.accept()
        with connection:
            listening.until(lambda source: source.signs >= 3)
            assert (listening.came, listening.lost) == (b"", None)


def test_a_connection_that_is_reset(server):
    with Listening(at(server)) as listening:
        connection, _ = server.accept()
        listening.standing()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        listening.until(lambda source: source.ended)
    assert listening.lost == "the connection broke (Connection reset by peer)"


def test_nobody_there(server):
    where = at(server)
    server.close()
    with Listening(where) as listening:
        wait(lambda: listening.ended)
    assert listening.lost == "cannot be reached (Connection refused)"
    assert listening.signs == 0


def test_no_such_host():
    with Listening("tcp://host.invalid:1") as listening:
        wait(lambda: listening.ended, 60)
    assert listening.lost is not None
    assert listening.lost.startswith("cannot be reached (")


def test_a_dead_peer_is_noticed_by_the_system(server):
    with Listening(at(server)) as listening:
        connection, (_, port) = server.accept()
        listening.standing()
        with open("/proc/net/tcp") as file:
            mine = [line for line in file if f":{port:04X} " in line.split("rem")[0][:40]]
        connection.close()
    assert any(line.split()[5].startswith("02:") for line in mine), "the timer that runs is that of keepalive"
