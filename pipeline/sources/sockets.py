"""Sources over sockets: `tcp://` (a server that sends lines), `udp://` (datagrams), `wss://` (a WebSocket of JSON)."""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.sources.address import (
    BATCH_BYTES,
    CONNECT_S,
    POLL_S,
    Address,
    AddressError,
    Loss,
    Lost,
    Resume,
    ended,
    why,
)

if TYPE_CHECKING:
    from asyncio import Runner

    from websockets.asyncio.client import ClientConnection


# --------------------------------------------------- A server that sends lines to whoever connects: `tcp://HOST:PORT`

# Between two readings: at 30,000 sentences a second there is one each 33 µs, and a batch costs what a sentence does.
_NAP_S = 0.02
# A peer that is gone without a word is noticed after 30 + 3 * 10 s.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def receive_tcp(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
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


# ----------- Datagrams sent to this machine or to a multicast group: `udp://HOST:PORT`, HOST the address to listen on
# Nothing holds a sender back: what comes while the disk is full or the machine is busy is lost in the kernel, which
# keeps some hundred datagrams (more where this program may raise it: root, or `sysctl net.core.rmem_max`). On Linux
# what is lost so is counted, said, and stands as a comment in the spool (format nmea).

OPTIONS = {"interface": "address of the network interface on which a multicast group is joined"}

_FULL = "sends more than this machine takes; the spool says how many are lost, and when"
_DATAGRAM_NAP_S = 0.002  # short: a default kernel keeps what comes in 5 ms at 30,000 datagrams a second
_BUFFER_BYTES = 8 << 20
_DATAGRAM_BYTES = 65_536
_SO_RCVBUFFORCE = 33  # Linux; for root, beyond rmem_max
# Source: include/uapi/asm-generic/socket.h, include/uapi/linux/sock_diag.h: SK_MEMINFO_DROPS is the last of nine
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("=9I")


def check(address: Address) -> None:
    """Raise AddressError where the host is no address of a network interface or group."""
    for given in (address.host, *address.every("interface")):
        try:
            ipaddress.ip_address(given)
        except ValueError as error:
            raise AddressError(
                f"{address.text}: {given!r} is no IP address; give the one to listen on, 0.0.0.0 for all"
            ) from error


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Listen and give the datagrams as they come, each ended as a line. Raises Lost."""
    try:
        listening = _listen(address)
    except OSError as error:
        raise Lost(f"cannot listen there ({why(error)})") from error
    with listening:
        yield b""
        dropped = 0
        while not stop.is_set():
            ready, _, _ = select.select([listening], [], [], POLL_S)
            yield _waiting(listening) if ready else b""
            if (now := _dropped(listening)) != dropped:
                yield Loss.of((now - dropped) % 2**32, _FULL)
            dropped = now
            if ready:
                stop.wait(_DATAGRAM_NAP_S)


def _waiting(listening: socket.socket) -> bytes:
    """All datagrams that wait, up to a batch."""
    found: list[bytes] = []
    size = 0
    while size < BATCH_BYTES:
        try:
            data = listening.recv(_DATAGRAM_BYTES)
        except BlockingIOError:
            break
        except OSError as error:
            if found:  # the next call meets it again
                break
            raise Lost(f"listening failed ({why(error)})") from error
        found.append(ended(data))
        size += len(data)
    return b"".join(found)


def _dropped(listening: socket.socket) -> int:
    """Datagrams that the kernel had no room for, so far; modulo 2**32."""
    try:
        return int(_MEMINFO.unpack(listening.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1])
    except (OSError, struct.error):  # not Linux
        return 0


def _listen(address: Address) -> socket.socket:
    host = ipaddress.ip_address(address.host)
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for level, option in ((socket.SOL_SOCKET, socket.SO_RCVBUF), (socket.SOL_SOCKET, _SO_RCVBUFFORCE)):
            _try(listening, level, option, _BUFFER_BYTES)
        if host.is_multicast:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _join(listening, host, address.one("interface", ""))
        listening.bind((address.host, address.port))
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _try(listening: socket.socket, level: int, option: int, value: int) -> None:
    try:
        listening.setsockopt(level, option, value)
    except OSError:  # not root, or not Linux: the buffer stays as large as the system lets it be
        return


def _join(listening: socket.socket, group: ipaddress.IPv4Address | ipaddress.IPv6Address, interface: str) -> None:
    if group.version == 4:
        own = ipaddress.ip_address(interface or "0.0.0.0").packed  # nosec B104  # of a group, the interface that the system takes
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + own)
    else:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", 0))


# ---------- A WebSocket that sends JSON as aisstream.io does: `wss://stream.aisstream.io/v0/stream?box=117,30,143,46`
# The key is in the environment, AISSTREAM_API_KEY or what `secret=` names. It is sent with the boxes once the
# connection stands. With `format=nmea` nothing is sent, and the messages are taken as NMEA lines.
#
# Source: https://aisstream.io/documentation

WEBSOCKET_OPTIONS = {
    "box": "WEST,SOUTH,EAST,NORTH in degrees, may be given several times; the world by default",
    "secret": "variable of the environment that holds the key; AISSTREAM_API_KEY by default",
}

_WORLD = "-180,-90,180,90"
_MESSAGE_BYTES = 1 << 20
_CLOSE_S = 1.0
_KEY_LETTERS = 8  # what is shorter is no key, and may well stand in a message


def check_websocket(address: Address) -> None:
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


def receive_websocket(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Connect, subscribe, and give each message as a line. Raises Lost.

    In an event loop of its own: the client of websockets that needs none reads and writes from two threads, which
    OpenSSL forbids on one connection; a server that sends while it is written to then crashes the process.
    """
    import asyncio

    from websockets.exceptions import ConnectionClosed, WebSocketException

    with asyncio.Runner() as loop:
        try:
            server = loop.run(_connect(address))
        except (OSError, WebSocketException) as error:
            raise Lost(f"cannot be reached ({_first_line(error)})") from error
        try:
            key = ""
            if name := secret(address):
                key = secrets[name]
                loop.run(server.send(json.dumps({"APIKey": key, "BoundingBoxes": boxes(address)})))
            yield b""
            while not stop.is_set():
                yield from _batch(loop, server, address, key)
        except ConnectionClosed as error:
            raise Lost(f"the connection was closed ({_first_line(error)})") from error
        finally:
            loop.run(server.close())


async def _connect(address: Address) -> ClientConnection:
    """Connect to the address and to no other."""
    from websockets.asyncio.client import connect

    class ToNoOther(connect):
        def process_redirect(self, exc: Exception) -> Exception:
            """Follow no redirect: what comes next is the key."""
            return exc

    return await ToNoOther(
        address.text.partition("?")[0], open_timeout=CONNECT_S, close_timeout=_CLOSE_S, max_size=_MESSAGE_BYTES
    )


def _batch(loop: Runner, server: ClientConnection, address: Address, key: str) -> Iterator[bytes]:
    """The messages that come within a moment, up to a batch, as one; where the connection ends, first what came."""
    found: list[bytes] = []
    try:
        loop.run(_take(server, address, key, found))
    except Exception:
        if found:
            yield b"".join(found)
        raise
    yield b"".join(found)


async def _take(server: ClientConnection, address: Address, key: str, found: list[bytes]) -> None:
    """Add the messages that come within a moment. Raises Lost where one says that the server will not have us."""
    import asyncio

    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(POLL_S) as patience:
            while size < BATCH_BYTES:
                found.append(_line(await server.recv(), address, key))
                size += len(found[-1])
                if len(found) == 1:
                    patience.reschedule(asyncio.get_running_loop().time() + _NAP_S)


def _line(message: str | bytes, address: Address, key: str) -> bytes:
    data = message.encode() if isinstance(message, str) else message
    if len(key) >= _KEY_LETTERS:  # no server has to say it again, and what is received is kept
        data = data.replace(key.encode(), b"*" * len(key.encode()))
    if address.format == "nmea":
        return ended(data)
    if data.startswith(b'{"error"'):
        raise Lost(f"the server says: {_error_of(data)}")
    return data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"  # no line end stands within a JSON string


def _error_of(data: bytes) -> str:
    try:
        reason: Any = json.loads(data)["error"]
    except ValueError:
        reason = data[:200].decode("ascii", "replace")
    return str(reason).partition("\n")[0]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(". ") or type(error).__name__


def _no_box(address: Address, text: str) -> AddressError:
    return AddressError(f"{address.text}: box={text} is none; give WEST,SOUTH,EAST,NORTH in degrees")
