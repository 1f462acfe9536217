"""The file of destinations: a section each, secrets by the name of an environment variable only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stswatch.pipeline.alerts.destination import AlertsError, Deliver, Destination, Given, Pace
from stswatch.pipeline.alerts.file import open_file
from stswatch.pipeline.alerts.stdout import open_stdout
from stswatch.pipeline.alerts.webhook import open_webhook


@dataclass(frozen=True)
class Option:
    """What a section may say: of which type, what it is for."""

    type: type
    help: str
    needed: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of destination: what opens it, what its section may say, and its pace where the section names none."""

    name: str
    help: str
    open: Callable[[Given], tuple[str, Deliver]]  # (where, for people; what delivers)
    options: Mapping[str, Option]
    pace: Pace


PACE: Mapping[str, Option] = {
    "per_hour": Option(float, "messages in an hour; 0: as many as there are"),
    "burst": Option(int, "messages that may go at once before that counts (default 10)"),
}
KINDS: tuple[Kind, ...] = (
    Kind(
        "stdout",
        "Standard output, a sentence each.",
        open_stdout,
        {"format": Option(str, "text (default) or json", values=("text", "json"))},
        Pace(),
    ),
    Kind(
        "file",
        "A file, a line of JSON each; it may be rotated at any time.",
        open_file,
        {"path": Option(str, "the file; relative to the file of destinations", needed=True)},
        Pace(),
    ),
    Kind(
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
)
STDOUT = "stdout"


def load(path: Path, environment: Mapping[str, str]) -> tuple[Destination, ...]:
    """The destinations of a TOML file, in its order.

    Raises AlertsError: what was found, where, what to do; never with a secret in it.
    """
    try:
        given = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AlertsError(f"{path}: not a TOML file of destinations ({error}); see docs/live.md") from error
    except OSError as error:
        raise AlertsError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from error
    if not given:
        raise AlertsError(f'{path}: names no destination; give sections such as [screen] with kind = "stdout"')
    try:
        return tuple(_destination(name, section, environment, path.parent) for name, section in given.items())
    except AlertsError as error:
        raise AlertsError(f"{path}: {error}") from None


def default() -> tuple[Destination, ...]:
    """Where no file is given: standard output."""
    return (_destination(STDOUT, {"kind": STDOUT}, {}, Path()),)


def _destination(name: str, section: Any, environment: Mapping[str, str], beside: Path) -> Destination:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise AlertsError(f"[{name}]: a name has letters, digits, _ and - only")
    if not isinstance(section, dict):
        raise AlertsError(f"{name}: stands in no section; begin one for each destination, such as [{STDOUT}]")
    kind = _kind(name, section.get("kind"))
    options = {key: value for key, value in section.items() if key != "kind"}
    _check(name, kind, options)
    pace = Pace(float(options.get("per_hour", kind.pace.per_hour)), int(options.get("burst", kind.pace.burst)))
    where, deliver = kind.open(Given(name, options, environment, beside))
    return Destination(name, where, pace, deliver)


def _kind(name: str, asked: object) -> Kind:
    for kind in KINDS:
        if kind.name == asked:
            return kind
    found = "lacks kind" if asked is None else f"kind: there is no {asked!r}"
    raise AlertsError(f"[{name}] {found}; kinds are {', '.join(kind.name for kind in KINDS)}")


def _check(name: str, kind: Kind, options: Mapping[str, Any]) -> None:
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
