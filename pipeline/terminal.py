"""What the command says and hears on a terminal: its parser, signals, how far it has come."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, dataclass, fields
from functools import cache
from types import FrameType
from typing import Any, NoReturn, TextIO

from stswatch.pipeline import untrusted
from stswatch.pipeline.options import DATA, OptionError, option
from stswatch.pipeline.untrusted import unguarded

# ---------------------------------------------------------------------------- A command: a dataclass of its options


@dataclass(frozen=True, kw_only=True)
class Command:
    """What was asked for; calling it does it."""

    def __call__(self) -> None:
        """Do it, and print what came of it."""


@dataclass(frozen=True, kw_only=True)
class OfData(Command):
    """A command over a data folder."""

    data: str = option(DATA, "the data folder (default {default})", "DIR")


@dataclass(frozen=True, kw_only=True)
class WithProgress(Command):
    """A command that shows how far it is."""

    quiet: bool = option(help="no progress and no summary")


def spelled(sentence: str) -> str:
    """A sentence of StswatchError, in which options stand as Python names them, with the words of the command.

    >>> spelled("give a shorter `data`; `stswatch rules` says more")
    'give a shorter --data; `stswatch rules` says more'
    """
    pattern, flags = _flags()
    return pattern.sub(lambda found: flags[found[1]] + (f" {found[2]}" if found[2] else ""), sentence)


@cache
def _flags() -> tuple[re.Pattern[str], Mapping[str, str]]:
    """What finds the options of all commands in a sentence, and how each is spelled."""
    kinds = [Command]
    for kind in kinds:
        kinds += kind.__subclasses__()
    known = {each.name: flag(each) for kind in kinds for each in fields(kind) if each.metadata.get("help")}
    return re.compile(rf"`({'|'.join(known)})(?:=([^`]*))?`"), known


# ------- The parser of the command: argparse, from dataclasses of options, with what it lacks for a program in a pipe


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the words of a command, and takes `-?name=value` for standard input."""

    def error(self, message: str) -> NoReturn:
        super().error(untrusted.escaped(message, untrusted.SENTENCE))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse passes over what cannot be written, as on a full device: here it is an error."""
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def _parse_optional(self, arg_string: str) -> Any:
        return None if arg_string.startswith("-?") else super()._parse_optional(arg_string)


class _Version(argparse.Action):
    """Print the version, looked up only then: what reads it takes longer to import than all the commands."""

    def __call__(self, parser: argparse.ArgumentParser, *asked: object) -> NoReturn:
        from importlib.metadata import version

        parser._print_message(f"{parser.prog} {version('stswatch')}\n", sys.stdout)
        parser.exit()


class _Help(argparse.HelpFormatter):
    """Leaves room beside the longest command: argparse forgets that commands are indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 13


def parser_of(commands: Mapping[str, type]) -> argparse.ArgumentParser:
    """The parser of dataclasses of options by the names of their commands.

    The docstring of each is a sentence and, after a blank line, an example. What is parsed has the names of the fields,
    and `command`.
    """
    top = _Parser(
        prog="stswatch",
        description="Ranked, explained, reproducible leads on ship-to-ship transfers, from raw AIS.",
        epilog="A lead is not a finding: most meetings and silences at sea are lawful.",
        formatter_class=_Help,
    )
    top.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        help="show program's version number and exit",
    )
    below = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name, kind in commands.items():
        summary, example = inspect.cleandoc(kind.__doc__ or "").split("\n\nExample: ")
        sub = below.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for field in fields(kind):
            if field.metadata.get("help"):
                _add(sub, field)
    return top


def _add(sub: argparse.ArgumentParser, field: Field[Any]) -> None:
    """Add one option; nargs `+`, `?` or `1` is that of an argument without a name."""
    metadata = field.metadata
    if not metadata["metavar"]:
        sub.add_argument(flag(field), dest=field.name, action="store_true", help=metadata["help"])
        return
    how: dict[str, Any] = {"help": metadata["help"], "metavar": metadata["metavar"], "type": _reading(metadata["read"])}
    if metadata["choices"]:
        how["choices"] = metadata["choices"]
    if metadata["nargs"] == "1":
        sub.add_argument(field.name, **how)
        return
    if metadata["nargs"] in ("+", "?"):
        sub.add_argument(field.name, nargs=metadata["nargs"], **how)
        return
    how |= {"dest": field.name, "required": metadata["needed"], "default": field.default}
    if metadata["nargs"]:
        how |= {"action": "append", "default": []}
    sub.add_argument(flag(field), **how)


def flag(field: Field[Any]) -> str:
    """How the command names an option."""
    return f"--{field.metadata['flag'] or field.name.replace('_', '-')}"


def _reading(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """What reads the text of an option, and says so as argparse wants it where it cannot."""

    def value(text: str) -> Any:
        try:
            return read(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: give a number") from None

    return value


# ----------------------------------------------------------------------------------------------------------------
# What Ctrl-C, SIGTERM and SIGHUP do to a command: an end as orderly as there is time for, the second one at once


_AGAIN_S = 0.05


class Ended(KeyboardInterrupt):
    """A signal that asks the program to end came; its number is the argument."""


@contextmanager
def ended_by_signals(came: list[int]) -> Iterator[None]:
    """SIGTERM, and SIGHUP as a terminal that is closed sends it, end what runs as Ctrl-C does; the second at once.

    came: their numbers are added to it, since a library may make an error of its own of what is raised here. They end
    a query of DuckDB too, which looks for none while its threads work.
    """

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        came.append(number)
        raise Ended(number)

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    with (
        _handled((signal.SIGINT,), interrupt),
        _handled((signal.SIGTERM, signal.SIGHUP), end),
        _ending_queries((end, interrupt), came),
    ):
        yield


@contextmanager
def _ending_queries(handlers: Sequence[Any], came: Sequence[int]) -> Iterator[None]:
    """Whatever signal goes to one of these handlers interrupts the queries of this process.

    DuckDB 2.0 looks for signals too, but then waits for its threads, which it does not stop, to come to the end of the
    query by themselves. came: the signals for which a handler was called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()

    def listen() -> None:
        while number := os.read(reading, 1):
            if number[0] in came or signal.getsignal(number[0]) in handlers:
                _interrupt_queries()
        os.close(reading)

    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=listen, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)


def _interrupt_queries() -> None:
    """Interrupt them, again where the main thread does not go on: a query that is about to begin forgets it."""
    database = sys.modules.get("stswatch.pipeline.store.database")  # nobody runs queries who has not loaded it
    at = _main_is_at()
    while database is not None and at is not None and at == _main_is_at():
        database.interrupt()
        time.sleep(_AGAIN_S)


def _main_is_at() -> tuple[int, int] | None:
    """Where the main thread is in its code; None where it is at none any more, since the program ends."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return None if frame is None else (id(frame), frame.f_lasti)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and SIGHUP set; a second one ends the program at once."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), end):
        yield stop


@contextmanager
def _handled(numbers: Sequence[int], end: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals go to `end` for as long as the block lasts, but one that is ignored, as nohup asks, stays so."""
    main = threading.current_thread() is threading.main_thread()  # no other may say what a signal does
    asked = [number for number in numbers if main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# As DuckDB tells of a signal that came while it called Python: to read the schema of a table, or its rows.
_INTERRUPTED = re.compile(r"(?:^|failed: )(?:KeyboardInterrupt\b|(?:[\w.]+\.)?Ended: \d+$)", re.MULTILINE)


def interrupt_behind(error: BaseException) -> BaseException | None:
    """What is behind an error of Ctrl-C: DuckDB makes one of its own of it, and so may what cleans up after that."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, KeyboardInterrupt) or type(behind).__name__ == "InterruptException":
            return behind
        if isinstance(behind, RuntimeError) and str(behind) == "Query interrupted":
            return behind
        if "duckdb" in type(behind).__module__ and _INTERRUPTED.search(str(behind)):
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


# ----------------- How far a run has come: one line that is written over on a terminal, a line now and then elsewhere

_EVERY_S = {True: 0.2, False: 10.0}  # on a terminal, elsewhere
_WORDS = {"read": ("reading", "lines"), "slices": ("watching", "reports"), "load": ("loading", "")}  # what, of what


class Progress:
    """Told of the stages of a run; prints rate and time left."""

    def __init__(self, out: TextIO, quiet: bool = False) -> None:
        self._out, self._quiet = unguarded(out), quiet
        self._line = out.isatty()
        self._stage = ""
        self._began = self._last = time.monotonic()
        self._shown = 0.0
        self._from = 0

    def __call__(self, stage: str, done: int, of: int) -> None:
        """Take note of a stage, what is done of it, and how much there is (0: not known)."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._from = stage, self._last, 0
        self._last = now
        if self._quiet or (now - self._shown < _EVERY_S[self._line] and done != of):
            return
        self._shown = now
        self._write(text(*_WORDS.get(stage, (stage, "")), done - self._from, of, now - self._began))

    def end(self) -> None:
        """Finish the line."""
        if self._line and not self._quiet and self._shown:
            self._out.write("\r\033[K")

    def _write(self, line: str) -> None:
        self._out.write(f"\r\033[K{line}" if self._line else f"{line}\n")
        self._out.flush()


def text(stage: str, of_what: str, done: int, of: int, took_s: float) -> str:
    """One line of progress.

    >>> text("watching", "positions", 500_000, 1_500_000, 2.0)
    'watching 33 %, 500,000 of 1,500,000 positions, 250,000 a second, 4 s left'
    """
    if not done:
        return stage
    rate = done / max(took_s, 1e-3)
    speed = f"{rate:,.0f} a second"
    if not of:
        return f"{stage} {done:,} {of_what}, {speed}"
    left_s = (of - done) / rate
    left = f"{left_s:.0f} s" if left_s < 120 else f"{left_s / 60:.0f} min"
    return f"{stage} {100 * done / of:.0f} %, {done:,} of {of:,} {of_what}, {speed}, {left} left"
