"""HTTP whose answer must have come within the time-out as a whole, where the library allows so long for each piece."""

from __future__ import annotations

import http.client
import io
import time
import urllib.request
from socket import socket
from typing import Any, cast


class _Until(io.RawIOBase):
    """What a socket sends until a moment."""

    def __init__(self, sock: socket, raw: io.RawIOBase, seconds: float) -> None:
        self._sock, self._raw, self._end_s = sock, raw, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        rest_s = self._end_s - time.monotonic()
        if rest_s <= 0:
            raise TimeoutError
        self._sock.settimeout(rest_s)
        return cast("int | None", self._raw.readinto(buffer))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        if seconds := sock.gettimeout():
            self.fp = io.BufferedReader(_Until(sock, self.fp.detach(), seconds))


class _Plain(http.client.HTTPConnection):
    response_class = _Response


class _Secure(http.client.HTTPSConnection):
    response_class = _Response


class Http(urllib.request.HTTPHandler):
    """Opens http:// so."""

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """See HTTPHandler."""
        return self.do_open(_Plain, req)


class Https(urllib.request.HTTPSHandler):
    """Opens https:// so, with the usual trust."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """See HTTPSHandler."""
        return self.do_open(_Secure, req)
