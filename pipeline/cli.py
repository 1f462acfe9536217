"""The command `stswatch`: parses, calls one function of the api, prints.

Each command is a dataclass of its options, those of `pipeline/options.py` and a few of its own: its docstring is the
help, calling it runs it.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline import api, rule_files, terminal, trouble, untrusted
from stswatch.pipeline import options as given
from stswatch.pipeline.options import DATA, OptionError, option, whole
from stswatch.pipeline.pictures.image_file import PictureError, suffix_of
from stswatch.pipeline.terminal import Progress, flag, parser_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. What the user can mend is said in one sentence on standard error."""
    with untrusted.guarded():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    command: Command | None = None
    came: list[int] = []
    try:
        command = _parsed(argv)
        if command is not None:
            with terminal.ended_by_signals(came):
                command()
        if sys.stdout is not None:  # whoever called may have closed it
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_unprinted()
    except Exception as error:
        if terminal.interrupt_behind(error):
            return _stopped(command, came)
        expected = isinstance(error, StswatchError | OSError)
        message = _sentence(error) if expected else trouble.sentence(error, getattr(command, "data", None) or DATA)
        if message is None:
            raise
        print(f"stswatch: {untrusted.escaped(_spelled(message), untrusted.SENTENCE)}", file=sys.stderr)
        _drop_unprinted()
        return 1
    except KeyboardInterrupt:
        return _stopped(command, came)
    return 0


def _drop_unprinted() -> None:
    """Where standard output takes no more, what is left goes nowhere: Python would try again at its end, and tell."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stopped(command: Command | None, came: Sequence[int]) -> int:
    """Say that a signal ended it; gives the exit code, of Ctrl-C where no other signal came."""
    goes_on = "; the same command goes on from the last finished slice" if isinstance(command, Run) else ""
    print(f"stswatch: stopped{goes_on}", file=sys.stderr)
    return 128 + (came[0] if came else signal.SIGINT)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        if error.errno in trouble.DISK and error.strerror == os.strerror(error.errno):  # of no file: what is printed
            return trouble.sentence(error, "standard output", then="") or f"standard output: {error.strerror}"
        return error.strerror or str(error)
    return str(error)


# ------------------------------------------------------------------------------------------------------- the commands


@dataclass(frozen=True, kw_only=True)
class Command:
    """What was asked for; calling it does it."""

    def __call__(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class _OfData(Command):
    data: str = option(DATA, "the data folder (default {default})", "DIR")


@dataclass(frozen=True, kw_only=True)
class _Quiet(Command):
    quiet: bool = option(help="no progress and no summary")


@dataclass(frozen=True, kw_only=True)
class Run(_Quiet, given.RunOptions, _OfData):
    """Read AIS archives, find encounters, write the database.

    Example: stswatch run archive/*.csv.gz --data DIR --area world
    """

    paths: tuple[str, ...] = option(
        help="archive files, or folders whose files are all taken", metavar="PATH", nargs="+"
    )

    def __call__(self) -> None:
        progress = Progress(sys.stderr, quiet=self.quiet)
        summary = api.run(self.paths, self.data, self, tell=progress)
        progress.end()
        if not self.quiet:
            from stswatch.pipeline import words  # with it come the ports; workers are not kept waiting for that

            print(words.summary(summary, self.area))
            print(words.leads(api.leads(self.data, 10), summary.counts, self.area, self.data))


@dataclass(frozen=True, kw_only=True)
class Decode(given.DecodeOptions, Command):
    """Decode NMEA captures: a row a message, every type, every field under the name that pyais gives it.

    Example: stswatch decode capture.nmea --to jsonl --types 1-3,5 --out messages.jsonl
    """

    paths: tuple[str, ...] = option(
        help="NMEA captures, or folders whose files are all taken", metavar="PATH", nargs="+"
    )

    def __call__(self) -> None:
        from stswatch.pipeline import words

        read = api.write_messages(self.paths, self)
        print(words.decoded(read.sentences, read.messages, read.written, read.rejects), file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class Stream(given.StreamOptions, _OfData):
    """Watch live sources: what stands so far every few seconds, alerts of leads, finalized events each hour.

    Example: stswatch stream tcp://127.0.0.1:10110 --data DIR --alerts alerts.toml
    """

    sources: tuple[str, ...] = option(
        help="tcp://HOST:PORT, udp://HOST:PORT, mqtt://HOST/TOPIC, wss://HOST/PATH, a file that is being written, or -"
        " for standard input; NAME=SOURCE gives it a name",
        metavar="SOURCE",
        nargs="+",
    )
    quiet: bool = option(help="no words but alerts and errors")

    def __call__(self) -> None:
        from stswatch.pipeline.live import reconcile
        from stswatch.pipeline.sources.kinds import parse_all

        self._tell(reconcile.begun(parse_all(self.sources), self.data, self.health))
        with terminal.stopped_by_signals() as stop:
            done = api.stream(self.sources, self.data, self, tell=self._tell, stop=stop)
        self._tell("stopped; the same command goes on from here" if done is None else reconcile.reconciled(done))

    def _tell(self, sentence: str) -> None:
        if self.quiet:
            return
        with suppress(OSError):  # whoever read it is gone: the watch goes on
            message = untrusted.escaped(_spelled(sentence), untrusted.SENTENCE)
            sys.stderr.write(f"stswatch: {message}\n")  # at once: threads tell too
            sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Reconcile(given.LeadOptions, _OfData):
    """Finalize now what a watch has in its spool, with what came late; a running watch does it, with its own options.

    Example: stswatch reconcile --data DIR --day 2026-11-25
    """

    day: date | None = option(None, "count late data of this day (UTC) alone", "DAY", given.day)

    def __call__(self) -> None:
        from stswatch.pipeline.live import reconcile

        print(reconcile.reconciled(api.reconcile(self.data, self.day, self)))


@dataclass(frozen=True, kw_only=True)
class Status(_OfData):
    """Say how a watch stands: whether it runs, how far it is, its sources and alerts, and what is amiss.

    Example: stswatch status --data DIR
    """

    def __call__(self) -> None:
        from stswatch.pipeline.live.health import status_text  # not `reconcile`, which imports the engine

        print(_spelled(status_text(api.status(self.data))))


@dataclass(frozen=True, kw_only=True)
class Leads(_OfData):
    """List the leads, highest score first.

    Example: stswatch leads --data DIR --limit 50
    """

    limit: int = option("20", "how many (default {default})", "N", whole(1))
    leads_per_day: int | None = option(None, "at most so many of a day (UTC), by the scores at closing", "N", whole(1))

    def __call__(self) -> None:
        from stswatch.pipeline import words

        with api.one_snapshot(self.data):
            rows = api.leads(self.data, self.limit, self.leads_per_day)
            print(words.leads(rows, api.counts(self.data), api.run_of(self.data)["area"], self.data))


@dataclass(frozen=True, kw_only=True)
class Dark(_OfData):
    """List meetings that silences left time for, which nobody saw: leads, then candidates, best score first.

    Example: stswatch dark --data DIR --limit 50
    """

    limit: int = option("20", "how many of each (default {default})", "N", whole(1))

    def __call__(self) -> None:
        from stswatch.pipeline import words

        print(words.dark_meetings(api.dark_meetings(self.data, self.limit), self.data))


def _picture(text: str) -> Path:
    try:
        suffix_of(text)
    except PictureError as error:
        raise OptionError(str(error)) from None
    return Path(text)


@dataclass(frozen=True, kw_only=True)
class Explain(_OfData):
    """Say what was measured of an encounter, or why a dark meeting was possible, and why it ranks so; or draw it.

    Example: stswatch explain E2a41 --data DIR --picture lead.png
    """

    id: str | None = option(None, "id (E..., D...), or its beginning (default: the first lead)", "ID", nargs="?")
    picture: Path | None = option(None, "draw it too: a .png, .svg or .pdf file", "FILE", _picture)
    quiet: bool = option(help="no words but where the picture lies")

    def __call__(self) -> None:
        from stswatch.pipeline import words

        if self.id and self.id.startswith("D"):
            if self.picture:
                raise PictureError(f"{self.id}: a dark meeting cannot be drawn; leave `picture` out")
            print(words.dark_explanation(api.dark_meeting(self.data, self.id)))
            return
        row = api.encounter(self.data, self.id)
        if not self.quiet:
            if self.id and not row["id"].startswith(self.id):
                print(f"{untrusted.escaped(self.id)} is in this folder {row['id']}:")
            print(words.explanation(row))
        if self.picture:
            api.draw_encounter(self.picture, self.data, row["id"])
            print(f"picture of {row['id']}: {untrusted.escaped(self.picture)}")


@dataclass(frozen=True, kw_only=True)
class RulesCommand(Command):
    """Print every number that decides, with its unit and its reason, or those of the last run over a folder.

    Example: stswatch rules --data DIR
    """

    data: str | None = option(None, "show the rules of the last run over this folder", "DIR")

    def __call__(self) -> None:
        from stswatch.pipeline import words

        print(words.rules(rule_files.rows(), api.run_of(self.data)["rules"] if self.data else None))


@dataclass(frozen=True, kw_only=True)
class Areas(Command):
    """List the zones and the ports of interest with where they are known from, or draw them.

    Example: stswatch areas --area mine.geojson --picture areas.png
    """

    area: str = option("dprk", "a GeoJSON file whose zones are to be among them", "FILE")
    picture: Path | None = option(None, "draw them instead: a .png, .svg or .pdf file", "FILE", Path)

    def __call__(self) -> None:
        from stswatch.pipeline import words

        if self.picture:
            api.draw_areas(self.picture, self.area)
        else:
            print(words.areas(*api.areas(self.area)))


@dataclass(frozen=True, kw_only=True)
class Simulate(given.SimulateOptions, Command):
    """Write a simulated sea: an NMEA recording as a station network delivers it, and beside it what truly happened.

    Example: stswatch simulate --scenario shuttle --scenario bunkering --seed 7 --out DIR
    """

    out: Path = option(None, "the folder to write into", "DIR", Path, needed=True)

    def __call__(self) -> None:
        print("\n".join(map(untrusted.escaped, api.simulate(self.out, self))))


@dataclass(frozen=True, kw_only=True)
class Train(_Quiet, given.TrainOptions):
    """Train a scorecard on simulated seas and write it as a file; the same seeds give the same file.

    Example: stswatch train --seeds 1-4 --out trained.json --cache seas
    """

    out: Path = option(None, "where to write the scorecard", "FILE", Path, needed=True)

    def __call__(self) -> None:
        from stswatch.pipeline import words

        progress = Progress(sys.stderr, quiet=self.quiet)
        training = api.train(self.out, self, tell=progress)
        progress.end()
        if not self.quiet:
            print(words.training(training, self.out))


@dataclass(frozen=True, kw_only=True)
class Evaluate(_Quiet, given.EvaluateOptions):
    """Evaluate a trained scorecard on seas that it was not trained on, beside the rules of others; print its card.

    Example: stswatch evaluate --seeds 101-104 --out evaluation --cache seas
    """

    out: Path = option(None, "folder for CARD.md, figures and pictures", "DIR", Path, needed=True)

    def __call__(self) -> None:
        progress = Progress(sys.stderr, quiet=self.quiet)
        card = api.evaluate(self.out, self, tell=progress)
        progress.end()
        if not self.quiet:
            print(card)


_KINDS: tuple[type[Command], ...] = (
    *(Run, Decode, Stream, Reconcile, Status, Leads, Dark, Explain, RulesCommand, Areas, Simulate, Train, Evaluate),
)
COMMANDS: Mapping[str, type[Command]] = {kind.__name__.removesuffix("Command").lower(): kind for kind in _KINDS}


def parser() -> argparse.ArgumentParser:
    """Every command with its options; the documentation is held to it."""
    return parser_of(COMMANDS)


def _parsed(argv: Sequence[str] | None) -> Command | None:
    """What was asked for; None where that is the help or the version, which is printed by then."""
    try:
        words = vars(parser().parse_args(argv))
    except SystemExit as done:
        if done.code:
            raise
        return None
    return COMMANDS[words.pop("command")](**words)


_FLAGS = {f.name: flag(f) for kind in _KINDS for f in fields(kind) if f.metadata.get("help")}
_OPTION = re.compile(rf"`({'|'.join(_FLAGS)})(?:=([^`]*))?`")


def _spelled(sentence: str) -> str:
    """A sentence of StswatchError, in which options stand as Python names them, with the words of the command.

    >>> _spelled("give `ids=any` or a smaller `memory_bytes`; `stswatch rules` says more")
    'give --ids any or a smaller --memory; `stswatch rules` says more'
    """
    return _OPTION.sub(lambda found: _FLAGS[found[1]] + (f" {found[2]}" if found[2] else ""), sentence)


if __name__ == "__main__":
    sys.exit(main())
