"""The health of a watch over HTTP: /healthz and /metrics, from a server that takes no more than it can bear."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal, NamedTuple, cast

from stswatch.errors import StswatchError
from stswatch.pipeline.options import StreamOptions

# ----------------------------------------------------------------------------------------------------------------
# A small HTTP server that takes no more than it can bear: whoever may connect takes the watch neither files nor
# time
# At most CONNECTIONS are open at once, fewer where the limit of open files is low; one more, and the oldest has to go:
# who asks as Prometheus does is answered within milliseconds and never the oldest. None lasts longer than LONGEST_S,
# however slowly it speaks, and none is heard for more than LONGEST_BYTES.

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


# ------------------------------------------------------------------------ The state of a watch as Prometheus reads it

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

State = Mapping[str, Any]
Sample = tuple[Mapping[str, str], float | None]  # labels, value; None: not known, and not shown


@dataclass(frozen=True)
class Metric:
    """A row of the table: what it is called, what it means, and where it stands in the state."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Callable[[State], Iterable[Sample]]


def _one(value: Callable[[State], float | None]) -> Callable[[State], Iterable[Sample]]:
    return lambda state: [({}, value(state))]


def _total(name: str) -> Callable[[State], Iterable[Sample]]:
    return _one(lambda state: state["total"][name])


def _slice(name: str) -> Callable[[State], Iterable[Sample]]:
    return _one(lambda state: state["slice"] and float(state["slice"][name]))


def _each(rows: str, label: str, name: str) -> Callable[[State], Iterable[Sample]]:
    return lambda state: [({label: row["name"]}, row[name] and float(row[name])) for row in state[rows]]


def _source(name: str) -> Callable[[State], Iterable[Sample]]:
    return _each("sources", "source", name)


def _delivery(name: str) -> Callable[[State], Iterable[Sample]]:
    return _each("alerts", "destination", name)


def _unix_s(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()


METRICS: tuple[Metric, ...] = (
    Metric("healthy", "gauge", "1 if nothing is amiss, as /healthz says", _one(lambda s: float(s["ok"]))),
    Metric("start_time_seconds", "gauge", "when this watch began, Unix time", _one(lambda s: _unix_s(s["started"]))),
    Metric("arrival_time_seconds", "gauge", "the arrival clock, Unix time", _one(lambda s: _unix_s(s["arrival"]))),
    Metric(
        "finalized_time_seconds",
        "gauge",
        "up to when everything is finalized, Unix time",
        _one(lambda s: s["slice"] and _unix_s(s["slice"]["finalized"])),
    ),
    Metric("lag_seconds", "gauge", "how far what is shown lies behind what arrives", _one(lambda s: s["lag_s"])),
    Metric("slice_seconds", "gauge", "how long the last slice took", _slice("took_s")),
    Metric("behind_bytes", "gauge", "in the spool and not read yet", _slice("behind_bytes")),
    Metric("sentences_total", "counter", "sentences read since this watch began", _total("sentences")),
    Metric(
        "rejects_total",
        "counter",
        "lines that were not used, by reason",
        lambda s: [({"reason": reason}, float(count)) for reason, count in s["rejects"].items()],
    ),
    Metric("fixes_total", "counter", "positions read", _total("fixes")),
    Metric("static_reports_total", "counter", "static reports read", _total("static_reports")),
    Metric("late_total", "counter", "rows of hours that were finalized when they came", _total("late")),
    Metric("wrong_clock_total", "counter", "rows dated more than 10 min after they came", _total("wrong")),
    Metric("ahead", "gauge", "positions ahead of the arrival clock, which wait", _slice("ahead")),
    Metric("vessels", "gauge", "vessels heard since the last finalized hour", _slice("vessels")),
    Metric("open_encounters", "gauge", "encounters that still run", _slice("open_encounters")),
    Metric("provisional_leads", "gauge", "leads that are not finalized yet", _slice("leads")),
    Metric("finalizing", "gauge", "1 while an hour is finalized", _slice("finalizing")),
    Metric("spool_bytes", "gauge", "what the spool takes on disk", _one(lambda s: s["spool_bytes"])),
    Metric("source_connected", "gauge", "1 if it is", _source("connected")),
    Metric("source_bytes_total", "counter", "bytes received", _source("bytes")),
    Metric("source_lines_total", "counter", "lines received", _source("lines")),
    Metric("source_overlong_bytes_total", "counter", "bytes dropped of lines too long", _source("overlong_bytes")),
    Metric(
        "source_lost_messages_total",
        "counter",
        "messages known to be lost, by UDP or a broker",
        _source("lost_messages"),
    ),
    Metric("source_reconnects_total", "counter", "how often it was lost and came back", _source("reconnects")),
    Metric("source_silent_seconds", "gauge", "since it was heard last", _source("silent_s")),
    Metric("source_silent_allowed_seconds", "gauge", "what its habit allows", _source("silent_allowed_s")),
    Metric("alerts_waiting", "gauge", "alerts that have not arrived", _delivery("waiting")),
    Metric("alerts_stuck_seconds", "gauge", "for how long none could be delivered", _delivery("stuck_s")),
    Metric("alerts_delivered_total", "counter", "messages that arrived", _delivery("delivered")),
)


def text(state: State) -> str:
    """The metrics of a state in the text format of Prometheus; never raises.

    Source: Prometheus, "Exposition formats", text-based format 0.0.4.
    """
    return "".join(_lines(metric, state) for metric in METRICS)


def _lines(metric: Metric, state: State) -> str:
    name = f"stswatch_{metric.name}"
    samples = [(labels, value) for labels, value in metric.samples(state) if value is not None]
    if not samples:
        return ""
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join([f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *lines, ""])


def _number(value: float) -> str:
    """The shortest that reads back as the same.

    >>> _number(3.0), _number(0.25), _number(1741564800.125)
    ('3', '0.25', '1741564800.125')
    """
    return repr(int(value)) if value == int(value) else repr(float(value))


def _labels(labels: Mapping[str, str]) -> str:
    r"""Labels in braces, with what would end them escaped.

    >>> print(_labels({"source": 'a"b\\c'}))
    {source="a\"b\\c"}
    """
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ------- The health of a watch over HTTP: /healthz for whoever must know whether all is well, /metrics for Prometheus

OFF = "none"
DEFAULT = StreamOptions.health


class ListenAddress(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class HealthError(StswatchError, ValueError):
    """An address that cannot be used; the message says which and what to do."""


def parse(text: str) -> ListenAddress | None:
    """An address such as 127.0.0.1:9257 or [::1]:9257; None for `none`. Raises HealthError.

    >>> parse("127.0.0.1:9257"), parse("[::1]:80"), parse("none")
    (ListenAddress(host='127.0.0.1', port=9257), ListenAddress(host='::1', port=80), None)
    """
    if text == OFF:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise HealthError(f"{text!r} is no address; give one such as {DEFAULT}, or {OFF}")
    return ListenAddress(host.removeprefix("[").removesuffix("]"), int(port))


@contextmanager
def serving(address: ListenAddress | None, state: Callable[[], dict[str, Any]]) -> Iterator[ListenAddress | None]:
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
        yield ListenAddress(address.host, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _open(address: ListenAddress, state: Callable[[], dict[str, Any]]) -> BoundedServer:
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
                answer = json.dumps({"ok": now["ok"], "reasons": now["reasons"]}) + "\n"
                self._answer(200 if now["ok"] else 503, "application/json", answer)
            elif path == "/metrics":
                self._answer(200, CONTENT_TYPE, text(now))
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
