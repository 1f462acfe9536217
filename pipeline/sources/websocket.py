"""A WebSocket that sends JSON as aisstream.io does: `wss://stream.aisstream.io/v0/stream?box=117,30,143,46`.

The key is in the environment, AISSTREAM_API_KEY or what `secret=` names. It is sent with the boxes once the connection
stands. With `format=nmea` nothing is sent, and the messages are taken as NMEA lines.

Source: https://aisstream.io/documentation
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from threading import Event
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.sources.base import (
    BATCH_BYTES,
    CONNECT_S,
    POLL_S,
    Address,
    AddressError,
    Lost,
    Resume,
    ended,
)

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

OPTIONS = {
    "box": "WEST,SOUTH,EAST,NORTH in degrees, may be given several times; the world by default",
    "secret": "variable of the environment that holds the key; AISSTREAM_API_KEY by default",
}

_WORLD = "-180,-90,180,90"
_MESSAGE_BYTES = 1 << 20
_CLOSE_S = 1.0


def check(address: Address) -> None:
    """Raise AddressError for a box that is none."""
    boxes(address)


def secret(address: Address) -> str:
    """The variable of the key; none where nothing is sent."""
    return address.one("secret", "AISSTREAM_API_KEY") if address.format == "json" else ""


def boxes(address: Address) -> list[list[list[float]]]:
    """The boxes as aisstream.io takes them: two corners each, latitude first; one across 180 degrees is two.

    Raises AddressError.

    >>> boxes(Address("a", "wss", "wss://a", options=(("box", "170,50,-170,60"),)))
    [[[50.0, 170.0], [60.0, 180.0]], [[50.0, -180.0], [60.0, -170.0]]]
    """
    found = []
    for text in address.every("box") or [_WORLD]:
        try:
            west, south, east, north = (float(part) for part in text.split(","))
        except ValueError as error:
            raise _no_box(address, text) from error
        if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90):
            raise _no_box(address, text)
        spans = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
        found += [[[south, a], [north, b]] for a, b in spans if a < b]
    return found


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Connect, subscribe, and give each message as a line. Raises Lost."""
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.sync.client import connect

    try:
        server = connect(
            address.text.partition("?")[0], open_timeout=CONNECT_S, close_timeout=_CLOSE_S, max_size=_MESSAGE_BYTES
        )
    except (OSError, WebSocketException) as error:
        raise Lost(f"cannot be reached ({_first_line(error)})") from error
    with server:
        try:
            if name := secret(address):
                server.send(json.dumps({"APIKey": secrets[name], "BoundingBoxes": boxes(address)}))
            yield b""
            while not stop.is_set():
                yield from _batch(server, address)
        except ConnectionClosed as error:
            raise Lost(f"the connection was closed ({_first_line(error)})") from error


def _batch(server: ClientConnection, address: Address) -> Iterator[bytes]:
    """The messages that wait, up to a batch, as one; where the connection ends, first what came before."""
    found: list[bytes] = []
    try:
        _take(server, address, found)
    except Exception:
        if found:
            yield b"".join(found)
        raise
    yield b"".join(found)


def _take(server: ClientConnection, address: Address, found: list[bytes]) -> None:
    """Add the messages that wait. Raises Lost where one says that the server will not have us."""
    size, patience_s = 0, POLL_S
    while size < BATCH_BYTES:
        try:
            message = server.recv(patience_s)
        except TimeoutError:
            return
        found.append(_line(message, address))
        size += len(found[-1])
        patience_s = 0.0


def _line(message: str | bytes, address: Address) -> bytes:
    data = message.encode() if isinstance(message, str) else message
    if address.format == "nmea":
        return ended(data)
    if data.startswith(b'{"error"'):
        raise Lost(f"the server says: {_error_of(data)}")
    return data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"  # no line end stands within a JSON string


def _error_of(data: bytes) -> str:
    try:
        told: Any = json.loads(data)["error"]
    except ValueError:
        told = data[:200].decode("ascii", "replace")
    return str(told).partition("\n")[0]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(". ") or type(error).__name__


def _no_box(address: Address, text: str) -> AddressError:
    return AddressError(f"{address.text}: box={text} is none; give WEST,SOUTH,EAST,NORTH in degrees")
