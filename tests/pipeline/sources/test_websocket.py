"""Owns: a WebSocket's messages come as lines; the key is sent, the box too, and told to nobody else."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.server import ServerConnection, serve

from stswatch.pipeline.sources.address import Lost
from stswatch.pipeline.sources.kinds import parse, receive
from tests.pipeline.sources.listen import Listening, wait
from tests.pipeline.sources.tls import certificate

SECRETS = {"AISSTREAM_API_KEY": "k3y-of-ours"}
MESSAGE = {"MessageType": "PositionReport", "MetaData": {"ShipName": "NEW\nLINE"}}


class Server:
    """A WebSocket server whose connections a test handles."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.handle: Callable[[ServerConnection], None] = lambda connection: None
        self._server = serve(lambda connection: self.handle(connection), "127.0.0.1", 0, ssl=tls)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()


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
    with pytest.raises(Lost, match=r"^the connection was closed \(") as told:
        came.extend(coming)
    assert b"".join(came) == b"{}\n" * 10
    assert "k3y" not in str(told.value)


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


def test_tls_is_checked(tmp_path, monkeypatch):
    """The key goes to nobody whose certificate is not trusted."""
    whole, key = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(whole, key)
    running, asked = Server(tls), []

    def handle(connection: ServerConnection) -> None:
        asked.append(connection.recv())
        connection.send("{}")
        connection.recv()

    running.handle = handle
    with Listening(f"wss://127.0.0.1:{running.port}/v0/stream", SECRETS) as listening:
        wait(lambda: listening.ended)
    assert listening.lost is not None
    assert "certificate verify failed" in listening.lost
    assert asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(whole))
    with Listening(f"wss://127.0.0.1:{running.port}/v0/stream", SECRETS) as listening:
        assert listening.until(lambda source: bool(source.came)) == b"{}\n"
    assert len(asked) == 1
    running.stop()
