"""Listening to a source in a test: until there is enough, or time is up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from stswatch.pipeline.sources.address import AFRESH, Loss, Lost, Note, Remark, Resume
from stswatch.pipeline.sources.kinds import parse, receive

WITHIN_S = 20.0


class Listening:
    """A source listened to in a thread; what came so far, and how it ended."""

    def __init__(self, text: str, secrets: Mapping[str, str] | None = None, resume: Resume = AFRESH) -> None:
        self.stop, self.came, self.signs = threading.Event(), b"", 0
        self.lost: str | None = None
        self.patient = False
        self.losses: list[Loss] = []
        self.note = b""  # the last
        self.pieces: list[bytes] = []
        self._arguments = (parse(text), secrets or {}, self.stop, resume)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive(), "a source must end when it is told to"

    def _run(self) -> None:
        try:
            for data in receive(*self._arguments):
                self.signs += 1
                if isinstance(data, Loss):
                    self.losses.append(data)
                if isinstance(data, Note):
                    self.note = data.rstrip(b"\n")
                if isinstance(data, Remark):
                    continue
                self.pieces.append(data)
                self.came += data
        except Lost as lost:
            self.lost, self.patient = str(lost), lost.patient

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def until(self, enough: Callable[[Listening], bool]) -> bytes:
        """Wait until there is enough; gives what came. Fails where it ends before."""

        def there() -> bool:
            over = self.ended
            found = enough(self)
            assert found or not over, f"it ended before: {self.lost}"
            return found

        wait(there)
        return self.came

    def standing(self) -> None:
        """Wait until the connection stands."""
        self.until(lambda listening: listening.signs > 0)


def wait(true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Wait until something is true; fails where it does not become so."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.005)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def free_port(family: int = socket.AF_INET) -> int:
    """A port for datagrams that nobody uses."""
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return int(one.getsockname()[1])
