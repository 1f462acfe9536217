"""Owns: a WebSocket's messages come as lines; the key is sent, the box too, and told to nobody else."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio import server as of_a_loop
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from stswatch.pipeline.sources.address import Lost
from stswatch.pipeline.sources.kinds import parse, receive
from tests.pipeline.sources.listen import Listening, wait
from tests.pipeline.sources.tls import certificate

SECRETS = {"AISSTREAM_API_KEY": "k3y-of-ours"}
MESSAGE = {"MessageType": "PositionReport", "MetaData": {"ShipName": "NEW\nLINE"}}


class Server:
    """A WebSocket server whose connections a test handles."""

    def __init__(self) -> None:
        self.handle: Callable[[ServerConnection], None] = lambda connection: None
        self._server = serve(lambda connection: self.handle(connection), "127.0.0.1", 0, close_timeout=0.5)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()


@contextmanager
def serving_tls(tls: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    """A server with TLS, which answers who sends something; its port, and what it was sent.

    In an event loop: a connection with TLS is not to be used from two threads, as the server above does.
    """
    asked, loop = list[str](), asyncio.new_event_loop()

    async def handle(connection: of_a_loop.ServerConnection) -> None:
        asked.append(str(await connection.recv()))
        await connection.send("{}")
        await connection.wait_closed()

    async def begin() -> of_a_loop.Server:
        return await of_a_loop.serve(handle, "127.0.0.1", 0, ssl=tls)

    running = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield next(iter(running.sockets)).getsockname()[1], asked
    running.close()
    asyncio.run_coroutine_threadsafe(running.wait_closed(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def test_it_asks_with_key_and_boxes_and_gives_a_line_each(server):
    asked = []

    def handle(connection: ServerConnection) -> None:
        asked.append(json.loads(connection.recv()))
        connection.send(json.dumps(MESSAGE))
        connection.send(json.dumps(MESSAGE, indent=1).encode())
        connection.recv()

    server.handle = handle
    with Listening(
        f"ws://127.0.0.1:{server.port}/v0/stream?box=117,30,143,46&box=170,50,-170,60", SECRETS
    ) as listening:
        listening.until(lambda source: source.came.count(b"\n") == 2)
    assert asked == [
        {
            "APIKey": "k3y-of-ours",
            "BoundingBoxes": [[[30, 117], [46, 143]], [[50, 170], [60, 180]], [[50, -180], [60, -170]]],
        }
    ]
    assert [json.loads(line) for line in listening.came.splitlines()] == [MESSAGE, MESSAGE]


def test_lines_of_nmea_need_no_key(server):
    def handle(connection: ServerConnection) -> None:
        connection.send("!AIVDM,1")
        connection.send("!AIVDM,2\r\n!AIVDM,3\r\n")
        connection.recv()

    server.handle = handle
    with Listening(f"ws://127.0.0.1:{server.port}/?format=nmea") as listening:
        listening.until(lambda source: source.came.count(b"\n") == 3)
    assert listening.came == b"!AIVDM,1\n!AIVDM,2\r\n!AIVDM,3\r\n"


def test_a_server_that_will_not_have_us(server):
    def handle(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps({"error": "Api Key Is Not Valid"}))

    server.handle = handle
    with Listening(f"ws://127.0.0.1:{server.port}/v0/stream", SECRETS) as listening:
        wait(lambda: listening.ended)
    assert listening.lost == "the server says: Api Key Is Not Valid"
    assert b"k3y" not in listening.came


def test_a_server_that_closes(server):
    """What came before the end is given first."""
    closed = threading.Event()

    def handle(connection: ServerConnection) -> None:
        connection.recv()
        for _ in range(10):
            connection.send("{}")
        connection.close()
        closed.set()

    server.handle = handle
    coming = receive(parse(f"ws://127.0.0.1:{server.port}/v0/stream"), SECRETS, threading.Event())
    assert next(coming) == b""
    assert closed.wait(20)
    came = []
    with pytest.raises(Lost, match=r"^the connection was closed \(") as collected:
        came.extend(coming)
    assert b"".join(came) == b"{}\n" * 10
    assert "k3y" not in str(collected.value)


def test_a_message_larger_than_any_is_no_reason_to_hold_it(server):
    def handle(connection: ServerConnection) -> None:
        connection.recv()
        connection.send("x" * (2 << 20))

    server.handle = handle
    with Listening(f"ws://127.0.0.1:{server.port}/v0/stream", SECRETS) as listening:
        wait(lambda: listening.ended)
    assert listening.lost is not None
    assert listening.came == b""


def test_silence_gives_signs_of_life(server):
    server.handle = lambda connection: connection.recv() and connection.recv()
    with Listening(f"ws://127.0.0.1:{server.port}/v0/stream", SECRETS) as listening:
        listening.until(lambda source: source.signs >= 3)
        assert listening.lost is None


def test_nobody_there(server):
    server.stop()
    with Listening("ws://127.0.0.1:1/v0/stream", SECRETS) as listening:
        wait(lambda: listening.ended)
    assert listening.lost is not None
    assert listening.lost.startswith("cannot be reached (")


@pytest.fixture
def certified(tmp_path):
    """The certificate of a server with TLS, and what such a server needs."""
    whole, key = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(whole, key)
    return whole, tls


def test_tls_is_checked(certified, monkeypatch):
    """The key goes to nobody whose certificate is not trusted."""
    whole, tls = certified
    with serving_tls(tls) as (port, asked):
        with Listening(f"wss://127.0.0.1:{port}/v0/stream", SECRETS) as listening:
            wait(lambda: listening.ended)
        assert listening.lost is not None
        assert "certificate verify failed" in listening.lost
        assert asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(whole))
        with Listening(f"wss://127.0.0.1:{port}/v0/stream", SECRETS) as listening:
            assert listening.until(lambda source: bool(source.came)) == b"{}\n"
        assert len(asked) == 1


def test_what_a_tls_server_sends_at_once_does_no_harm(certified, monkeypatch):
    """Tickets for later sessions come while the key is sent; read by another thread they crashed the process."""
    whole, tls = certified
    tls.num_tickets = 60
    monkeypatch.setenv("SSL_CERT_FILE", str(whole))
    with serving_tls(tls) as (port, asked):
        for _ in range(20):
            stop = threading.Event()
            coming = receive(parse(f"wss://127.0.0.1:{port}/v0/stream"), SECRETS, stop)
            assert next(filter(None, coming)) == b"{}\n"
            stop.set()
            assert list(coming) == []
        assert len(asked) == 20


def test_a_redirect_leads_nowhere(server):
    """The key goes to no server but the one that was named."""
    asked = []
    server.handle = lambda connection: asked.append(connection.recv())

    def elsewhere(connection: ServerConnection, request: Request) -> Response:
        return Response(HTTPStatus.FOUND, "Found", Headers({"Location": f"ws://127.0.0.1:{server.port}/"}), b"")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=elsewhere) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with Listening(f"ws://127.0.0.1:{other.socket.getsockname()[1]}/v0/stream", SECRETS) as listening:
            wait(lambda: listening.ended)
        other.shutdown()
    assert listening.lost == "cannot be reached (server rejected WebSocket connection: HTTP 302)"
    assert asked == []
