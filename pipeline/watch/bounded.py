"""A small HTTP server that takes no more than it can bear: whoever may connect takes the watch neither files nor time.

At most CONNECTIONS are open at once, fewer where the limit of open files is low; one more, and the oldest has to go:
who asks as Prometheus does is answered within milliseconds and never the oldest. None lasts longer than LONGEST_S,
however slowly it speaks, and none is heard for more than LONGEST_BYTES.
"""

from __future__ import annotations

import resource
import socket
import threading
import time
from contextlib import suppress
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONNECTIONS = 32
LONGEST_S = 5.0
LONGEST_BYTES = 16_384  # of a request with all its headers; that of Prometheus has some 300
_OF_FILES = 16  # a connection for so many files that may be open
_GONE_S = 0.5  # within which one that has to go is gone
_NAP_S = 0.2  # where no connection can be taken


class BoundedServer(ThreadingHTTPServer):
    """Raises OSError where the address cannot be had."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = CONNECTIONS if files == resource.RLIM_INFINITY else max(2, min(CONNECTIONS, files // _OF_FILES))
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._begun_s: dict[socket.socket, float] = {}  # open connections, the oldest first
        super().__init__(address, handler)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._begun_s)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; where there is no file for it, after a while, so that nobody is kept busy by asking."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_NAP_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have a thread answer, once there is room for it."""
        if not self._free.acquire(blocking=False):
            self._end(oldest=1)
            if not self._free.acquire(timeout=_GONE_S):
                self.shutdown_request(request)
                return
        with self._lock:
            self._begun_s[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had
            self._forget(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def service_actions(self) -> None:
        """Twice a second: end what has lasted too long."""
        before_s = time.monotonic() - LONGEST_S
        with self._lock:
            late = sum(begun_s < before_s for begun_s in self._begun_s.values())
        self._end(oldest=late)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is its own affair."""

    def _end(self, oldest: int) -> None:
        """Shut the oldest; their threads notice, close them, and are gone."""
        with self._lock:
            shut = list(self._begun_s)[:oldest]
        for request in shut:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def _forget(self, request: socket.socket) -> None:
        with self._lock:
            known = self._begun_s.pop(request, None)
        if known is not None:
            self._free.release()


class Short:
    """What a connection says, to LONGEST_BYTES; `readline` then raises LineTooLong, which is answered with 431."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, LONGEST_BYTES

    def readline(self, size: int = -1) -> bytes:
        """The next line."""
        line: bytes = self._file.readline(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong("request")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
