"""The file of destinations: a section each, secrets by the name of an environment variable only."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from stswatch.pipeline.alerts.alert import AlertsError, Deliver, Destination, Message, Pace, Section, Undelivered
from stswatch.pipeline.alerts.webhook import open_webhook
from stswatch.pipeline.sources import kafka
from stswatch.pipeline.untrusted import harmless
from stswatch.regular_files import read_regular

# --------------------------------------------------------------------- Alerts appended to a file, a line of JSON each


def open_file(given: Section) -> tuple[str, Deliver]:
    """Deliver to a file, which is opened for each message: it may be rotated at any time. Raises AlertsError."""
    path = given.beside / given.options["path"]
    if not path.parent.is_dir():
        raise AlertsError(f"[{given.name}] path: there is no folder {path.parent}; make it, or give another path")
    if path.exists() and not path.is_file():
        raise AlertsError(f"[{given.name}] path: {path} is a folder, a pipe or a device; give the path of a file")

    def deliver(message: Message) -> None:
        try:
            _append(path, message.line() + b"\n")
        except OSError as error:
            raise Undelivered(f"{path.name} cannot be written ({error.strerror})") from error

    return path.name, deliver


def _append(path: Path, line: bytes) -> None:
    """Behind the last line, which a kill may have left without an end; the disk holds it then."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = b"\n" * torn + line
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


# ----------------------------------------------------- Alerts on standard output, as a sentence each or as JSON lines


def open_stdout(given: Section) -> tuple[str, Deliver]:
    """Deliver to standard output, as text unless format is json."""
    as_json = given.options.get("format", "text") == "json"

    def deliver(message: Message) -> None:
        out: TextIO = sys.stdout
        try:
            out.write((message.line().decode() if as_json else text(message)) + "\n")  # at once: others print too
            out.flush()
        except (OSError, ValueError) as error:  # a ValueError where it was closed from within
            raise Undelivered("standard output is closed") from error

    return "standard output", deliver


def text(message: Message) -> str:
    """A line for each alert of a message.

    >>> from stswatch.pipeline.alerts.alert import Alert
    >>> data = {"change": "opened", "id": "E2a41", "revision": 1, "kind": "lit", "zones": ["korea_bay"],
    ...         "score": 3.25, "start_time": "2025-03-10T06:54:00.000Z", "end_time": "2025-03-10T07:30:00.000Z"}
    >>> print(text(Message((Alert("E2a41:1", "E2a41", "2025-03-10T07:31:00.000Z", data),))))
    lead opened: E2a41 revision 1, lit meeting in korea_bay, score 3.25, from 2025-03-10 06:54 to 2025-03-10 07:30 UTC
    """
    return "\n".join(_line(harmless(dict(alert.data))) for alert in message.alerts)


def _line(data: Any) -> str:
    zones = f" in {', '.join(data['zones'])}" if data["zones"] else ""
    who = " and ".join(_vessel(data, v) for v in ("a", "b") if f"mmsi_{v}" in data)
    kind = data["kind"].replace("_", " ")
    start, end = (data[name][:16].replace("T", " ") for name in ("start_time", "end_time"))
    return (
        f"lead {data['change']}: {data['id']} revision {data['revision']}, {kind} meeting{zones},"
        f" score {data['score']:.2f}, from {start} to {end} UTC" + (f", {who}" if who else "")
    )


def _vessel(data: Any, v: str) -> str:
    name = data.get(f"name_{v}")
    return f"{data[f'mmsi_{v}']:09d}" + (f" ({name})" if name else "")


# -------------------------- Alerts on a topic of Apache Kafka, a record each, acknowledged by all replicas in step
# The key of a record is the id of its event: a topic that is compacted keeps the last of each, and all of one event
# are in one partition, in order. What may come twice has the same header `key`, id and revision.


def open_kafka(given: Section) -> tuple[str, Deliver]:
    """Deliver to a topic, as JSON. Raises AlertsError, also where the client library is not here."""
    if importlib.util.find_spec("confluent_kafka") is None:
        raise AlertsError(f"[{given.name}]: needs the package confluent_kafka; run: pip install 'stswatch[kafka]'")
    options, timeout_s = given.options, float(given.options.get("timeout_s", 10.0))
    topic, user, password = str(options["topic"]), str(options.get("user", "")), ""
    if user:
        variable = str(options.get("secret_env", "KAFKA_PASSWORD"))
        password = given.environment.get(variable, "")
        if not password:
            raise AlertsError(f"[{given.name}] secret_env: the environment has no variable {variable}; set it")
    if not timeout_s:
        raise AlertsError(f"[{given.name}] timeout_s: is 0; give how many seconds to wait for an answer")
    mechanism = str(options.get("mechanism", kafka.MECHANISMS[0]))
    client = kafka.settings(str(options["brokers"]), bool(options.get("tls", False)), user, password, mechanism)
    client |= {
        "enable.idempotence": True,
        "linger.ms": 5,
        "topic.metadata.propagation.max.ms": 1000,
        "message.timeout.ms": round(timeout_s * 1000),
    }
    producing: list[Any] = []  # made with the first message, in the thread that delivers

    def deliver(message: Message) -> None:
        from confluent_kafka import KafkaError, KafkaException, Producer

        failed: list[KafkaError] = []
        try:
            if not producing:
                producing.append(Producer(client))
            for alert in message.alerts:
                producing[0].produce(
                    topic,
                    Message((alert,)).line(),
                    alert.event.encode(),
                    headers={"key": alert.key.encode()},
                    on_delivery=lambda error, record: failed.append(error) if error else None,
                )
            left = producing[0].flush(timeout_s + 1.0)
        except (KafkaException, BufferError) as error:
            raise Undelivered(f"cannot be used ({type(error).__name__})") from error
        if failed or left:
            raise _unwritten(topic, failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))

    return f"{options['brokers']}/{topic}", deliver


def _unwritten(topic: str, error: Any) -> Undelivered:
    from confluent_kafka import KafkaError

    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
        return Undelivered(f"the brokers have no topic {topic}; create it, or name another")
    refused = error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD)
    return Undelivered(f"cannot be written ({kafka.why(error)})", refused=refused)


# ---------------------- The file of destinations: a section each, secrets by the name of an environment variable only


@dataclass(frozen=True)
class Option:
    """What a section may say: of which type, what it is for."""

    type: type
    help: str
    needed: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class DestinationKind:
    """A kind of destination: what opens it, what its section may say, and its pace where the section names none."""

    name: str
    help: str
    open: Callable[[Section], tuple[str, Deliver]]  # (where, for people; what delivers)
    options: Mapping[str, Option]
    pace: Pace


STDOUT, FINAL_TOPIC = "stdout", "final_topic"
PACE: Mapping[str, Option] = {
    "per_hour": Option(float, "messages in an hour; 0: as many as there are"),
    "burst": Option(int, "messages that may go at once before that counts (default 10)"),
}
KINDS: tuple[DestinationKind, ...] = (
    DestinationKind(
        "stdout",
        "Standard output, a sentence each.",
        open_stdout,
        {"format": Option(str, "text (default) or json", values=("text", "json"))},
        Pace(),
    ),
    DestinationKind(
        "file",
        "A file, a line of JSON each; it may be rotated at any time.",
        open_file,
        {"path": Option(str, "the file; relative to the file of destinations", needed=True)},
        Pace(),
    ),
    DestinationKind(
        "webhook",
        "A signed POST to a web address.",
        open_webhook,
        {
            "url": Option(str, "where to; https, or http on this machine"),
            "url_env": Option(str, "instead: the environment variable that holds it, where the address is a secret"),
            "secret_env": Option(str, "the environment variable that holds the signing secret", needed=True),
            "token_env": Option(str, "the environment variable that holds a token, sent as Authorization: Bearer"),
            "timeout_s": Option(float, "how long to wait to be connected, and for the answer (default 10)"),
            "plain_http": Option(bool, "true: http to another machine is meant"),
        },
        Pace(per_hour=60),
    ),
    DestinationKind(
        "kafka",
        "A topic of Apache Kafka, a record each.",
        open_kafka,
        {
            "brokers": Option(str, "HOST:PORT, or several with commas between them", needed=True),
            "topic": Option(str, "the topic, which must be there", needed=True),
            FINAL_TOPIC: Option(str, "a topic for every encounter once it is final, lead or not (default: none)"),
            "tls": Option(bool, "true: the connection is encrypted, and the brokers' certificates checked"),
            "user": Option(str, "of SASL"),
            "secret_env": Option(str, "the environment variable that holds its password (default KAFKA_PASSWORD)"),
            "mechanism": Option(str, "of SASL (default SCRAM-SHA-512)", values=kafka.MECHANISMS),
            "timeout_s": Option(float, "how long to wait for the brokers' word (default 10)"),
        },
        Pace(),
    ),
)


def load(path: Path, environment: Mapping[str, str]) -> tuple[Destination, ...]:
    """The destinations of a TOML file, in its order.

    Raises AlertsError: what was found, where, what to do; never with a secret in it.
    """
    try:
        given = tomllib.loads(read_regular(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AlertsError(f"{path}: not a TOML file of destinations ({error}); see docs/live.md") from error
    except OSError as error:
        raise AlertsError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from error
    if not given:
        raise AlertsError(f'{path}: names no destination; give sections such as [screen] with kind = "stdout"')
    try:
        made = [_destinations(name, section, environment, path.parent) for name, section in given.items()]
    except AlertsError as error:
        raise AlertsError(f"{path}: {error}") from None
    return tuple(each for some in made for each in some)


def default() -> tuple[Destination, ...]:
    """Where no file is given: standard output."""
    return _destinations(STDOUT, {"kind": STDOUT}, {}, Path())


def _destinations(name: str, section: Any, environment: Mapping[str, str], beside: Path) -> tuple[Destination, ...]:
    """What a section makes: a destination of alerts, and one of final events where it names a topic for them."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise AlertsError(f"[{name}]: a name has letters, digits, _ and - only")
    if not isinstance(section, dict):
        raise AlertsError(f"{name}: stands in no section; begin one for each destination, such as [{STDOUT}]")
    kind = _kind(name, section.get("kind"))
    options = {key: value for key, value in section.items() if key != "kind"}
    _check(name, kind, options)
    pace = Pace(float(options.get("per_hour", kind.pace.per_hour)), int(options.get("burst", kind.pace.burst)))
    where, deliver = kind.open(Section(name, options, environment, beside))
    leads = Destination(name, where, pace, deliver)
    if FINAL_TOPIC not in options:
        return (leads,)
    where, deliver = kind.open(Section(name, {**options, "topic": options[FINAL_TOPIC]}, environment, beside))
    return leads, Destination(f"{name}.final", where, Pace(), deliver, final=True)


def _kind(name: str, asked: object) -> DestinationKind:
    for kind in KINDS:
        if kind.name == asked:
            return kind
    found = "lacks kind" if asked is None else f"kind: there is no {asked!r}"
    raise AlertsError(f"[{name}] {found}; kinds are {', '.join(kind.name for kind in KINDS)}")


def _check(name: str, kind: DestinationKind, options: Mapping[str, Any]) -> None:
    known = {**kind.options, **PACE}
    for key, value in options.items():
        if key not in known:
            raise AlertsError(f"[{name}]: a {kind.name} has no {key}; it may have {', '.join(known)}")
        _check_value(f"[{name}] {key}", value, known[key])
    lacking = [key for key, option in known.items() if option.needed and key not in options]
    if lacking:
        raise AlertsError(f"[{name}]: a {kind.name} needs {lacking[0]}, {known[lacking[0]].help}")
    if options.get("burst", 1) < 1:
        raise AlertsError(f"[{name}] burst: is below 1; give how many messages may go at once")


def _check_value(where: str, value: Any, option: Option) -> None:
    """A number may be whole; a truth is no number."""
    right = type(value) is option.type or (option.type is float and type(value) is int)
    if not right:
        words = {str: "a text in quotes", float: "a number", int: "a whole number", bool: "true or false"}
        raise AlertsError(f"{where}: {words[option.type]} is expected")
    if option.values and value not in option.values:
        raise AlertsError(f"{where}: there is no {value!r}; give {' or '.join(option.values)}")
    if option.type is float and not 0 <= value < 1e6:
        raise AlertsError(f"{where}: a number from 0 on is expected")
