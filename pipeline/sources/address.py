"""What every live source is given and gives: an address, and a generator of the bytes that came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Literal, Self

from stswatch.errors import StswatchError

Format = Literal["nmea", "json"]
Receiver = Literal["unknown", "terrestrial", "satellite"]

POLL_S = 0.5  # at least so often a source gives something, if only b""
CONNECT_S = 10.0
BATCH_BYTES = 1 << 20  # given at once, at most
NOTE = b"# stswatch note "  # begins what a source gives for itself, when it begins again


class AddressError(StswatchError, ValueError):
    """An address that cannot be used: one sentence with the address, what was found and what to do."""


class Lost(StswatchError):
    """The connection ended or could not be made; one sentence. Whoever asked may ask again.

    patient: another try soon would do harm, so it comes after the longest wait.
    """

    def __init__(self, why: str, *, patient: bool = False) -> None:
        super().__init__(why)
        self.patient = patient


class Remark(bytes):
    """What a source gives beside what it received, by itself: a line that the spool keeps in its index."""


class Note(Remark):
    r"""How far a source has come, for itself when it begins again.

    >>> Note.of(b"12")
    b'# stswatch note 12\n'
    """

    @classmethod
    def of(cls, text: bytes) -> Self:
        """The note for a text without a line end."""
        return cls(NOTE + text + b"\n")


class Checkpoint(Note):
    """A note after which a source goes on only when the disk has it, and all that was given before."""


class Loss(Remark):
    """That messages are known to be lost, how many, and where.

    >>> Loss.of(12, "the queue is full"), Loss.of(12, "the queue is full").messages
    (b'# stswatch lost 12\\n', 12)
    """

    messages: int  # 0 where it is not known how many
    why: str  # one clause: who lost them, and what to do

    @classmethod
    def of(cls, messages: int, why: str) -> Loss:
        """The remark for so many."""
        loss = cls(b"# stswatch lost %d\n" % messages)
        loss.messages, loss.why = messages, why
        return loss


@dataclass(frozen=True)
class Resume:
    """What a source goes on with."""

    note: bytes = b""  # its last Note without the line end: how far it had come
    client_id: str = ""  # of this data folder and source, the same at every start; "" where nothing is kept


AFRESH = Resume()


@dataclass(frozen=True)
class Address:
    """One source, as the user named it."""

    name: str  # of its spool, too
    scheme: str  # name of the row in SOURCES
    text: str  # without its name, as given
    user: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    format: Format = "nmea"  # what its lines are
    receiver: Receiver = "unknown"
    licence: str = ""  # under which the data may be used; "" where it was not said
    options: tuple[tuple[str, str], ...] = ()  # of its kind, in the order in which they were given

    def every(self, option: str) -> list[str]:
        """All values of an option.

        >>> Address("a", "wss", "wss://a", options=(("box", "1,2,3,4"), ("box", "5,6,7,8"))).every("box")
        ['1,2,3,4', '5,6,7,8']
        """
        return [value for name, value in self.options if name == option]

    def one(self, option: str, default: str) -> str:
        """The last value of an option, or the default.

        >>> Address("a", "mqtt", "mqtt://a/b").one("qos", "0")
        '0'
        """
        return (self.every(option) or [default])[-1]


# (address, secrets, stop, resume) -> the bytes as they come. b"" is a sign of life, given when the connection
# stands and then at least every POLL_S. Ends when `stop` is set or nothing can ever come again; raises Lost.
# secrets: the environment.
Receive = Callable[[Address, Mapping[str, str], Event, Resume], Iterator[bytes]]


@dataclass(frozen=True)
class SourceKind:
    """One kind of source: a row of SOURCES."""

    scheme: str
    form: str  # how its address is written
    help: str  # one sentence for the documentation
    receive: Receive
    needs_port: bool = False
    default_port: int = 0
    format: Format = "nmea"  # of its lines, unless the address says otherwise
    options: Mapping[str, str] | None = None  # its own -> what they mean
    package: str = ""  # module of a client library that it needs
    extra: str = "live"  # what installs it
    several: bool = False  # HOST[:PORT] may be several, with commas between them
    secret: Callable[[Address], str] = lambda address: ""  # the variable of the environment that must be set, or ""
    check: Callable[[Address], None] = lambda address: None  # raises AddressError


def ended(data: bytes) -> bytes:
    r"""A message that is whole by itself, with a line end.

    >>> ended(b"!AIVDM,..."), ended(b"a\r\n")
    (b'!AIVDM,...\n', b'a\r\n')
    """
    return data if data.endswith(b"\n") or not data else data + b"\n"


def why(error: OSError) -> str:
    """What the system says of a failure, without its number.

    >>> why(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    """
    return error.strerror or str(error) or type(error).__name__
