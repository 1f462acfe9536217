"""A server that sends lines to whoever connects: `tcp://HOST:PORT`."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from threading import Event

from stswatch.pipeline.sources.base import BATCH_BYTES, CONNECT_S, POLL_S, Address, Lost, Resume, why

# Between two readings: at 30,000 sentences a second there is one each 33 µs, and a batch costs what a sentence does.
_NAP_S = 0.02
# A peer that is gone without a word is noticed after 30 + 3 * 10 s.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Connect and give what comes; never a byte twice. Raises Lost."""
    try:
        connection = socket.create_connection((address.host, address.port), CONNECT_S)
    except OSError as error:
        raise Lost(f"cannot be reached ({why(error)})") from error
    with connection:
        _keep_alive(connection)
        connection.settimeout(POLL_S)
        yield b""
        while not stop.is_set():
            try:
                data = connection.recv(BATCH_BYTES)
            except TimeoutError:
                yield b""
                continue
            except OSError as error:
                raise Lost(f"the connection broke ({why(error)})") from error
            if not data:
                raise Lost("the connection was closed by the other side")
            yield data
            if len(data) < BATCH_BYTES:
                stop.wait(_NAP_S)


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
