"""The health of a watch over HTTP: /healthz for whoever must know whether all is well, /metrics for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any, NamedTuple, cast

from stswatch.errors import StswatchError
from stswatch.pipeline.options import StreamOptions
from stswatch.pipeline.watch import metrics
from stswatch.pipeline.watch.bounded import LONGEST_S, BoundedServer, Short

OFF = "none"
DEFAULT = StreamOptions.health


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class HealthError(StswatchError, ValueError):
    """An address that cannot be used; the message says which and what to do."""


def parse(text: str) -> Address | None:
    """An address such as 127.0.0.1:9257 or [::1]:9257; None for `none`. Raises HealthError.

    >>> parse("127.0.0.1:9257"), parse("[::1]:80"), parse("none")
    (Address(host='127.0.0.1', port=9257), Address(host='::1', port=80), None)
    """
    if text == OFF:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise HealthError(f"{text!r} is no address; give one such as {DEFAULT}, or {OFF}")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


@contextmanager
def serving(address: Address | None, state: Callable[[], dict[str, Any]]) -> Iterator[Address | None]:
    """Answer for as long as the block lasts; gives the address, with the port that was found for port 0.

    Raises HealthError where the address cannot be had.
    """
    if address is None:
        yield None
        return
    server = _open(address, state)
    thread = Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield Address(address.host, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _open(address: Address, state: Callable[[], dict[str, Any]]) -> BoundedServer:
    try:
        return BoundedServer(address, _handler(state))
    except OSError as error:
        raise HealthError(
            f"`health={address.host}:{address.port}`: cannot be listened on ({error.strerror});"
            f" give another address, or {OFF}"
        ) from error


def _handler(state: Callable[[], dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = LONGEST_S
        server_version, sys_version = "stswatch", ""

        def setup(self) -> None:
            super().setup()
            self.rfile = cast(Any, Short(self.rfile))

        def do_GET(self) -> None:
            path, now = self.path.partition("?")[0], state()
            if path == "/healthz":
                told = json.dumps({"ok": now["ok"], "reasons": now["reasons"]}) + "\n"
                self._answer(200 if now["ok"] else 503, "application/json", told)
            elif path == "/metrics":
                self._answer(200, metrics.CONTENT_TYPE, metrics.text(now))
            else:
                self._answer(404, "text/plain; charset=utf-8", "there are /healthz and /metrics\n")

        def _answer(self, code: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is nothing to be told of."""

    return Handler
