"""A web hook as somebody may run one: it answers what a test has written down for it, and keeps what it was sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Lock, Thread
from typing import Any

SECRET = "correct-horse-battery-staple-of-a-test"
HANG, CLOSE, TRICKLE = -1, -2, -3  # instead of a status: say nothing, hang up, answer without an end


@dataclass
class Receiver:
    """What arrived, in order; `answers` says what to answer to a body, given how many came before."""

    answers: Callable[[dict[str, Any], int], int] = lambda content, before: 200
    headers: dict[str, str] = field(default_factory=dict)  # of each answer
    url: str = ""
    got: list[tuple[int, dict[str, str], dict[str, Any]]] = field(default_factory=list)  # answer, headers, body
    lock: Lock = field(default_factory=Lock)
    over: Event = field(default_factory=Event)

    def taken(self) -> list[dict[str, Any]]:
        """The bodies that were answered with 2xx."""
        return [content for answer, _, content in list(self.got) if 200 <= answer < 300]

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that were taken, those of digests too."""
        return [a for content in self.taken() for a in content["data"].get("alerts", [content["data"]])]


@contextmanager
def receiving(tls: SSLContext | None = None, **given: Any) -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver(**given)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collected = {name.lower(): value for name, value in self.headers.items()}
            check(collected, body)
            with receiver.lock:
                content = json.loads(body)
                answer = receiver.answers(content, len(receiver.got))
                receiver.got.append((answer, collected, content))
            if answer == HANG:
                receiver.over.wait(30)
            if answer == TRICKLE:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not receiver.over.wait(0.01):
                    self.wfile.write(b"x")
            if answer < 0:
                self.connection.close()
                return
            self.send_response(answer)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            with receiver.lock:
                receiver.got.append((500, {}, {"a GET came": self.path}))
            self.send_error(500)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # who hung up first

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/in"
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        receiver.over.set()
        server.shutdown()


def check(headers: dict[str, str], body: bytes) -> None:
    """As Standard Webhooks tells a receiver to: over id, timestamp and body, and not long ago."""
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert headers["idempotency-key"] == headers["webhook-id"]


def until(true: Callable[[], bool], within_s: float = 20.0, every_s: float = 0.005) -> None:
    """Wait until something holds; fails where it does not in time."""
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, "it did not come to hold"
        time.sleep(every_s)
