"""The kinds of live sources, and what an address says: `[NAME=]SCHEME://...[?receiver=...&licence=...&format=...]`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from threading import Event
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from stswatch.pipeline.sources import file, kafka, mqtt, sockets
from stswatch.pipeline.sources.address import AFRESH, Address, AddressError, Format, Receiver, Resume, SourceKind

_KAFKA = SourceKind(
    "kafka",
    "kafka://[USER@]BROKER[:PORT][,BROKER[:PORT]]/TOPIC",
    "A topic of Apache Kafka, each message one or more lines.",
    kafka.receive,
    default_port=kafka.PORT,
    options=kafka.OPTIONS,
    package="confluent_kafka",
    extra="kafka",
    several=True,
    secret=kafka.secret,
    check=kafka.check,
)
SOURCES: tuple[SourceKind, ...] = (
    SourceKind(
        "tcp", "tcp://HOST:PORT", "A server that sends lines to whoever connects.", sockets.receive_tcp, needs_port=True
    ),
    SourceKind(
        "udp",
        "udp://HOST:PORT",
        "Datagrams; HOST is the address to listen on, 0.0.0.0 for all, or a multicast group.",
        sockets.receive,
        needs_port=True,
        options=sockets.OPTIONS,
        check=sockets.check,
    ),
    SourceKind(
        "mqtt",
        "mqtt://[USER@]HOST[:PORT]/TOPIC",
        "A topic of a broker, each message one or more lines.",
        mqtt.receive,
        default_port=1883,
        options=mqtt.OPTIONS,
        package="paho.mqtt",
        secret=mqtt.secret,
        check=mqtt.check,
    ),
    SourceKind(
        "mqtts",
        "mqtts://[USER@]HOST[:PORT]/TOPIC",
        "The same with TLS.",
        mqtt.receive,
        default_port=8883,
        options=mqtt.OPTIONS,
        package="paho.mqtt",
        secret=mqtt.secret,
        check=mqtt.check,
    ),
    _KAFKA,
    replace(_KAFKA, scheme="kafkas", form=_KAFKA.form.replace("kafka:", "kafkas:"), help="The same with TLS."),
    SourceKind(
        "wss",
        "wss://HOST[:PORT]/PATH?box=WEST,SOUTH,EAST,NORTH",
        "JSON as aisstream.io sends it, over a WebSocket with TLS.",
        sockets.receive_websocket,
        default_port=443,
        format="json",
        options=sockets.WEBSOCKET_OPTIONS,
        package="websockets",
        secret=sockets.secret,
        check=sockets.check_websocket,
    ),
    SourceKind(
        "ws",
        "ws://HOST[:PORT]/PATH",
        "The same without TLS, for a relay of one's own.",
        sockets.receive_websocket,
        default_port=80,
        format="json",
        options=sockets.WEBSOCKET_OPTIONS,
        package="websockets",
        secret=sockets.secret,
        check=sockets.check_websocket,
    ),
    SourceKind("stdin", "-", "Standard input, to its end.", file.receive_stdin),
    SourceKind(
        "file",
        "PATH or file:///PATH",
        "A file that another program writes, also where it is renamed and begun anew.",
        file.receive,
        options=file.OPTIONS,
        check=file.check,
    ),
)
COMMON = {  # options of every kind
    "receiver": "terrestrial or satellite, where all of it is; unknown by default",
    "licence": "under which its data may be used, in words",
    "format": "nmea or json (as aisstream.io or AIS-catcher sends it), where it is not the usual of its kind",
}

_LICENCE_LETTERS = 500  # it stands in the first line of every segment
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})=(?P<rest>.+)", re.DOTALL)
_WITH_PASSWORD = re.compile(r"(?:[A-Za-z]+:)?/{0,2}[^/@\s]*:[^/@]*@[^/@]+:\d+")  # me:word@host:1, tcp:/me:word@host:1
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def kind_of(scheme: str) -> SourceKind:
    """The row of a scheme. Raises AddressError for one that is not known.

    >>> kind_of("udp").form
    'udp://HOST:PORT'
    """
    for kind in SOURCES:
        if kind.scheme == scheme:
            return kind
    raise AddressError(f"{scheme}://: is no kind of source; use {', '.join(kind.form for kind in SOURCES)}")


def parse(text: str) -> Address:
    """What an address says. Raises AddressError, one sentence that quotes nothing that may be a password.

    >>> parse("busan=tcp://127.0.0.1:10110?receiver=terrestrial").name, parse("tcp://[::1]:10110").name
    ('busan', 'tcp-1-10110')
    """
    named = _NAMED.fullmatch(text)
    rest = named["rest"] if named else text
    scheme = _scheme(rest)
    kind = kind_of(scheme)
    where, _, query = rest.partition("?")
    given = _place(kind, where)
    options = parse_qsl(query, keep_blank_values=True)
    _known(kind, options, where)
    last = dict(options)
    if len(last.get("licence", "")) > _LICENCE_LETTERS:
        raise AddressError(f"{where}: the licence is longer than {_LICENCE_LETTERS} letters; name it in short")
    address = Address(
        name=named["name"] if named else _name(kind, given),
        scheme=scheme,
        text=rest,
        format=_one_of(last.get("format", kind.format), get_args(Format), "format", where),
        receiver=_one_of(last.get("receiver", "unknown"), get_args(Receiver), "receiver", where),
        licence=last.get("licence", ""),
        options=tuple((name, value) for name, value in options if name not in COMMON),
        **given,
    )
    kind.check(address)
    if (variable := kind.secret(address)) and not _VARIABLE.fullmatch(variable):
        raise AddressError(f"{where}: secret is the name of a variable of the environment, and what it says is none")
    return address


def parse_all(texts: Sequence[str]) -> list[Address]:
    """What several addresses say. Raises AddressError, also where two would have one name."""
    found: dict[str, Address] = {}
    for address in map(parse, texts):
        if address.name in found:
            other = found[address.name].text
            raise AddressError(f"{address.text}: is called {address.name}, as {other} is; name it: NAME={address.text}")
        found[address.name] = address
    return list(found.values())


def ready(address: Address, secrets: Mapping[str, str]) -> None:
    """Raise AddressError where what a source needs is not here: a client library, a key or a password."""
    kind = kind_of(address.scheme)
    if kind.package and importlib.util.find_spec(kind.package.partition(".")[0]) is None:
        raise AddressError(
            f"{address.text}: needs the package {kind.package}; run: pip install 'stswatch[{kind.extra}]'"
        )
    if (name := kind.secret(address)) and not secrets.get(name):
        raise AddressError(f"{address.text}: needs a key or password; set it in the environment as {name}")


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume = AFRESH) -> Iterator[bytes]:
    """The bytes of a source as they come; see base.Receive. Raises Lost."""
    return kind_of(address.scheme).receive(address, secrets, stop, resume)


def _scheme(rest: str) -> str:
    if rest == "-" or rest.startswith("-?"):
        return "stdin"
    found = _SCHEME.match(rest)
    return found[1].lower() if found else "file"


def _place(kind: SourceKind, where: str) -> dict[str, Any]:
    """User, host, port and path. Raises AddressError."""
    if kind.scheme == "stdin":
        return {}
    if kind.scheme == "file":
        if _WITH_PASSWORD.match(where):
            raise AddressError(f"a password in an address, and no kind of source; write it as {SOURCES[0].form}")
        return {"path": unquote(where.removeprefix("file://")) if where.startswith("file://") else where}
    first = re.sub(r"(?<=//)([^/,]*),[^/]*", r"\1", where) if kind.several else where
    try:
        parts = urlsplit(first.replace("#", "%23"))  # a wildcard of MQTT
        port = parts.port
    except ValueError as error:  # which quotes what it is given
        wrong = "its host or port cannot be read"
        raise AddressError(f"{_public(where)}: {wrong}; write it as {kind.form}") from error
    if parts.password is not None:
        raise AddressError(
            f"{kind.scheme}://{parts.hostname}: a password in an address is seen by all users of this machine;"
            f" set it in the environment as {kind.secret(Address('', kind.scheme, '', user='u')) or 'a variable'}"
        )
    if not parts.hostname or (kind.needs_port and not port):
        raise AddressError(f"{where}: names no {'port' if parts.hostname else 'host'}; write it as {kind.form}")
    path = unquote(parts.path.removeprefix("/"))
    return {"user": parts.username or "", "host": parts.hostname, "port": port or kind.default_port, "path": path}


def _public(where: str) -> str:
    """An address that cannot be read as far as it holds no password.

    >>> _public("mqtts://me:word@h:99999/t"), _public("ws://h:99999/a")
    ('mqtts://...', 'ws://h:99999/a')
    """
    return where.partition("//")[0] + "//..." if "@" in where else where


def _known(kind: SourceKind, options: Sequence[tuple[str, str]], text: str) -> None:
    known = [*(kind.options or {}), *COMMON]
    for name, _ in options:
        if name not in known:
            raise AddressError(f"{text}: {name} is no option of this kind of source; use {', '.join(known)}")


def _one_of(value: str, allowed: Sequence[str], option: str, text: str) -> Any:
    if value not in allowed:
        raise AddressError(f"{text}: {option}={value} is not known; use one of {', '.join(allowed)}")
    return value


def _name(kind: SourceKind, given: Mapping[str, Any]) -> str:
    """A name from the place: words of letters, digits and dots."""
    place = (
        PurePosixPath(given["path"]).stem
        if kind.scheme == "file"
        else f"{given['host']}-{given['port']}"
        if given
        else ""
    )
    words = re.findall(r"[A-Za-z0-9][A-Za-z0-9.]*", f"{kind.scheme}-{place}")
    return "-".join(words)[:64]
