"""Owns: who connects to the health port takes the watch neither files nor time, however many and however slow.

Real sockets, from this process, to a server in this process or to a whole watch with few open files allowed.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import time
from contextlib import closing, suppress

import psutil
import pytest

from stswatch.pipeline.live import server
from stswatch.pipeline.live.server import ListenAddress, serving
from tests.pipeline.alerts.receiver import until
from tests.pipeline.live.test_health import asked, watch  # noqa: F401
from tests.pipeline.test_stream import lines, watching  # noqa: F401
from tests.pipeline.test_stream import serving as sending

pytestmark = pytest.mark.e2e


def slow(address, count):
    """Connections that begin a request and do not end it."""
    found = []
    for _ in range(count):
        with suppress(OSError):
            found.append(socket.create_connection(address, 2))
            found[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
    return found


def closed(connection):
    """Whether the other side has closed it."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    with suppress(OSError):
        return not connection.recv(65536)
    return True


@pytest.fixture
def few_files():
    """This process may open few more files than it has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more):
        resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + more, before[1]))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_slow_connections_take_few_files_and_keep_nobody_waiting(watch):  # noqa: F811
    before = psutil.Process().num_fds()
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        held = slow(address, 120)
        began_s = time.monotonic()
        assert asked(address, "/healthz")[0] in (200, 503)
        assert time.monotonic() - began_s < 3
        theirs = len(held)
        assert psutil.Process().num_fds() - before - theirs <= server.CONNECTIONS + 8
        assert theirs >= 100
        for each in held:
            each.close()
    until(lambda: psutil.Process().num_fds() <= before + 2)


def test_none_lasts_longer_than_it_may_however_it_drips(watch, monkeypatch):  # noqa: F811
    monkeypatch.setattr(server, "LONGEST_S", 0.6)
    with (
        serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address,
        closing(slow(address, 1)[0]) as dripping,
    ):
        began_s = time.monotonic()
        while not closed(dripping) and time.monotonic() - began_s < 10:
            with suppress(OSError):
                dripping.sendall(b"x")
            time.sleep(0.05)
        assert time.monotonic() - began_s < 3


def answer_to(address, request):
    """The first line of what is answered."""
    with closing(socket.create_connection(address, 5)) as connection:
        connection.settimeout(5)
        with suppress(OSError):
            connection.sendall(request)
        found = b""
        with suppress(OSError):
            while data := connection.recv(65536):
                found += data
    return found


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET //etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET /healthz/../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET http://127.0.0.1/etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET /\x1b[2J\xff HTTP/1.0\r\n\r\n", b"404"),
        (b"POST /healthz HTTP/1.0\r\nContent-Length: 9\r\n\r\n123456789", b"501"),
        (b"TRACE / HTTP/1.0\r\n\r\n", b"501"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET / /etc/passwd HTTP/1.0\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.0\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET /healthz HTTP/1.0\r\nA: " + b"b" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.0\r\n" + (b"A: " + b"b" * 1000 + b"\r\n") * 30 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 100_000, b""),
        (b"\0" * 100_000, b""),
    ],
    ids=range(16),
)
def test_odd_requests_are_refused_give_no_file_and_say_nothing(request_, code, watch, capfd):  # noqa: F811
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        found = answer_to(address, request_)
        assert asked(address, "/metrics")[0] == 200
    assert b"root:" not in found
    assert found or not code
    assert code in found.partition(b"</p>\n        <p>Message")[0]
    assert not set(b"\x1b\0\x07") & set(found)
    assert b"Python" not in found
    assert capfd.readouterr() == ("", "")


def test_where_no_connection_can_be_taken_nobody_is_kept_busy_and_it_goes_on(watch, few_files):  # noqa: F811
    with serving(ListenAddress("127.0.0.1", 0), watch.health.state) as address:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        waiting = socket.socket()
        few_files(0)
        waiting.connect(address)
        began_s = time.process_time()
        time.sleep(1)
        assert time.process_time() - began_s < 0.5
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert asked(address, "/healthz")[0] in (200, 503)
        waiting.close()


@pytest.mark.soak  # half a minute; the tests above hold its parts
def test_a_watch_with_few_files_lives_through_slow_connections(watching, tmp_path):  # noqa: F811
    """It publishes on, alerts on, and ends as always."""
    text = lines(0.5)
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))  # noqa: E731
    with sending(text) as port:
        running = watching(f"roof=tcp://127.0.0.1:{port}", "--area", "world", preexec_fn=limit)
        running.until_all_is_read(text.count(b"\n"))
        held = slow(("127.0.0.1", running.port), 400)
        try:
            assert len(held) >= 300
            shown = running.data / "stswatch.duckdb"
            until(lambda: os.path.lexists(shown), 90)
            assert psutil.Process(running.process.pid).num_fds() < 200
            until(lambda: running.asked("/healthz")[0] == 200, 60)
        finally:
            for each in held:
                each.close()
        code, _ = running.end(signal.SIGHUP)
    printed = running.errors.read_text()
    assert printed.endswith("stswatch: stopped; the same command goes on from here\n"), printed
    assert code == 0
    assert "Traceback" not in printed
