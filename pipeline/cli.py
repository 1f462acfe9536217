"""The command `stswatch`: parses, calls one function of the api, prints."""

from __future__ import annotations

import argparse
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from stswatch.errors import StswatchError
from stswatch.pipeline import api, cli_live, rules, trouble, untrusted
from stswatch.pipeline.cli_live import DATA, add_data, between
from stswatch.pipeline.pictures.file import PictureError, suffix_of
from stswatch.pipeline.progress import Progress

_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. What the user can mend is said in one sentence on standard error."""
    with untrusted.guarded():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    given = argparse.Namespace(run=None)
    try:
        given = _parsed(argv)
        if given.run is not None:
            with cli_live.ended_by_signals():
                given.run(given)
        if sys.stdout is not None:  # whoever called may have closed it
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_unprinted()
    except Exception as error:
        if stopped := _interrupt_behind(error):
            return _stopped(given, stopped)
        expected = isinstance(error, StswatchError | OSError)
        said = _sentence(error) if expected else trouble.sentence(error, getattr(given, "data", None) or DATA)
        if said is None:
            raise
        print(f"stswatch: {untrusted.escaped(cli_live.spelled(said), untrusted.SENTENCE)}", file=sys.stderr)
        _drop_unprinted()
        return 1
    except KeyboardInterrupt as stopped:
        return _stopped(given, stopped)
    return 0


def _drop_unprinted() -> None:
    """Where standard output takes no more, what is left goes nowhere: Python would try again at its end, and tell."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; nothing to run where that is the help or the version, which is printed by then."""
    try:
        return parser().parse_args(argv)
    except SystemExit as done:
        if done.code:
            raise
        return argparse.Namespace(run=None)


def _stopped(given: argparse.Namespace, stopped: BaseException) -> int:
    goes_on = "; the same command goes on from the last finished slice" if given.run is _run else ""
    print(f"stswatch: stopped{goes_on}", file=sys.stderr)
    return 128 + (stopped.args[0] if isinstance(stopped, cli_live.Ended) else signal.SIGINT)


def _interrupt_behind(error: BaseException) -> BaseException | None:
    """What is behind an error of Ctrl-C: DuckDB makes one of its own of it, and so may what cleans up after that."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, KeyboardInterrupt) or type(behind).__name__ == "InterruptException":
            return behind
        if isinstance(behind, RuntimeError) and str(behind) == "Query interrupted":
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


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


class _Help(argparse.HelpFormatter):
    """Leaves room beside the longest command: argparse forgets that commands are indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = max(len(name) for name, *_ in COMMANDS) + 4


def parser() -> argparse.ArgumentParser:
    """Every command with its options; the documentation is held to it."""
    top = _Parser(
        prog="stswatch",
        description="Ranked, explained, reproducible leads on ship-to-ship transfers, from raw AIS.",
        epilog="A lead is not a finding: most meetings and silences at sea are lawful.",
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"stswatch {version('stswatch')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, add, run in COMMANDS:
        summary, example = inspect.cleandoc(add.__doc__ or "").split("\n\nExample: ")
        sub = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(sub)
        sub.set_defaults(run=run)
    return top


def _add_run(p: argparse.ArgumentParser) -> None:
    """Read AIS archives, find encounters, write the database.

    Example: stswatch run archive/*.csv.gz --data DIR --area world
    """
    p.add_argument("paths", nargs="+", metavar="PATH", help="archive files, or folders whose files are all taken")
    add_data(p)
    p.add_argument("--area", default="dprk", help="leads to show: dprk, world or a GeoJSON file; it never cuts tracks")
    p.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="nmea, aisstream, aiscatcher, json, marinecadastre, danish or columns; default: by looking",
    )
    p.add_argument(
        "--columns", type=Path, metavar="FILE", help="TOML that maps the columns of a CSV or Parquet archive"
    )
    p.add_argument(
        "--start-time",
        type=_moment,
        metavar="T",
        help="time of a short capture without a clock: that of all its lines",
    )
    p.add_argument(
        "--receiver", metavar="KIND", help="terrestrial, satellite or unknown: of what does not tell it itself"
    )
    p.add_argument(
        "--ids",
        choices=("mmsi", "any"),
        default="mmsi",
        metavar="KIND",
        help="any: what stands for a vessel is no MMSI; each id is a vessel, flag and kind of station are not judged",
    )
    p.add_argument("--licence", metavar="TEXT", help="terms of these files, kept with them in the table sources")
    p.add_argument("--rules", type=Path, metavar="FILE", help="TOML with other deciding numbers; see `stswatch rules`")
    p.add_argument("--scorecard", metavar="FILE", help="what gives the scores: trained (the default), rules, or a file")
    p.add_argument("--workers", type=_count, default=1, metavar="N", help="processes side by side (default 1)")
    p.add_argument("--memory", type=_bytes, default="2G", metavar="SIZE", help="memory budget of a slice (default 2G)")
    hours = between(0.01, 24, "hours")
    p.add_argument("--slice-hours", type=hours, default=24.0, metavar="H", help="length of a slice (default 24)")
    p.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _run(given: argparse.Namespace) -> None:
    progress = Progress(sys.stderr, quiet=given.quiet)
    summary = api.run(
        given.paths,
        given.data,
        area=given.area,
        format=given.format,
        columns=given.columns,
        start_time=given.start_time,
        receiver=given.receiver,
        licence=given.licence,
        ids=given.ids,
        rules=rules.load(given.rules) if given.rules else None,
        scorecard=given.scorecard,
        workers=given.workers,
        memory_bytes=given.memory,
        slice_h=given.slice_hours,
        tell=progress,
    )
    progress.end()
    if not given.quiet:
        from stswatch.pipeline import words  # with it come the ports; workers are not kept waiting for that

        print(words.summary(summary, given.area))
        print(words.leads(api.leads(given.data, 10), summary.counts, given.area, given.data))


def _add_decode(p: argparse.ArgumentParser) -> None:
    """Decode NMEA captures: a row a message, every type, every field under the name that pyais gives it.

    Example: stswatch decode capture.nmea --to jsonl --types 1-3,5 --out messages.jsonl
    """
    p.add_argument("paths", nargs="+", metavar="PATH", help="NMEA captures, or folders whose files are all taken")
    p.add_argument(
        "--to",
        choices=("parquet", "csv", "spreadsheet.csv", "jsonl"),
        required=True,
        metavar="FORM",
        help="parquet, csv or jsonl; a line of JSON has the fields of its message, a table a column for each field;"
        " spreadsheet.csv for csv of which no program makes formulas",
    )
    p.add_argument(
        "--out",
        default="-",
        metavar="PATH",
        help="a file, or a folder for a file for each capture; default: standard output",
    )
    p.add_argument("--types", type=_types, metavar="N,M-K", help="message types to give, such as 1-3,5 (default: all)")
    p.add_argument("--rejects", metavar="FILE", help="write the lines that are no message there, each with the reason")
    p.add_argument("--start-time", type=_moment, metavar="T", help="time of all lines of a capture without a clock")


def _decode(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    read = api.write_messages(
        given.paths, given.to, given.out, types=given.types, start_time=given.start_time, rejects=given.rejects
    )
    print(words.decoded(read.sentences, read.messages, read.written, read.rejects), file=sys.stderr)


def _add_leads(p: argparse.ArgumentParser) -> None:
    """List the leads, highest score first.

    Example: stswatch leads --data DIR --limit 50
    """
    add_data(p)
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (default 20)")


def _leads(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    rows = api.leads(given.data, given.limit)
    print(words.leads(rows, api.counts(given.data), api.run_of(given.data)["area"], given.data))


def _add_explain(p: argparse.ArgumentParser) -> None:
    """Say what was measured of one encounter, where it was, and why it ranks as it does; or draw it.

    Example: stswatch explain E2a41 --data DIR --picture lead.png
    """
    p.add_argument("id", nargs="?", metavar="ID", help="id of an encounter, or its beginning (default: the first lead)")
    add_data(p)
    p.add_argument("--picture", type=_picture, metavar="FILE", help="draw it too: a .png, .svg or .pdf file")
    p.add_argument("--quiet", action="store_true", help="no words but where the picture lies")


def _explain(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    row = api.encounter(given.data, given.id)
    if not given.quiet:
        if given.id and not row["id"].startswith(given.id):
            print(f"{untrusted.escaped(given.id)} is in this folder {row['id']}:")
        print(words.explanation(row))
    if given.picture:
        api.draw_encounter(given.picture, given.data, row["id"])
        print(f"picture of {row['id']}: {untrusted.escaped(given.picture)}")


def _add_rules(p: argparse.ArgumentParser) -> None:
    """Print every number that decides, with its unit and its reason, or those of the last run over a folder.

    Example: stswatch rules --data DIR
    """
    p.add_argument("--data", metavar="DIR", help="show the rules of the last run over this folder")


def _rules(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    print(words.rules(rules.rows(), api.run_of(given.data)["rules"] if given.data else None))


def _add_areas(p: argparse.ArgumentParser) -> None:
    """List the zones and the ports of interest with where they are known from, or draw them.

    Example: stswatch areas --area mine.geojson --picture areas.png
    """
    p.add_argument("--area", default="dprk", metavar="FILE", help="a GeoJSON file whose zones are to be among them")
    p.add_argument("--picture", type=Path, metavar="FILE", help="draw them instead: a .png, .svg or .pdf file")


def _areas(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    if given.picture:
        api.draw_areas(given.picture, given.area)
    else:
        print(words.areas(*api.areas(given.area)))


def _add_train(p: argparse.ArgumentParser) -> None:
    """Train a scorecard on simulated seas and write it as a file; the same seeds give the same file.

    Example: stswatch train --seeds 1-4 --out trained.json --keep seas
    """
    p.add_argument("--seeds", type=_seeds, metavar="N-M", help="seeds of the standard sea (default 1-4)")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the scorecard")
    _add_seas(p)


def _train(given: argparse.Namespace) -> None:
    from stswatch.pipeline import words

    progress = Progress(sys.stderr, quiet=given.quiet)
    told = api.train(given.out, given.seeds, keep=given.keep, workers=given.workers, tell=progress)
    progress.end()
    if not given.quiet:
        print(words.training(told, given.out))


def _add_evaluate(p: argparse.ArgumentParser) -> None:
    """Evaluate a trained scorecard on seas that it was not trained on, beside the rules of others; print its card.

    Example: stswatch evaluate --seeds 101-104 --out evaluation --keep seas
    """
    p.add_argument("--scorecard", type=Path, metavar="FILE", help="a file of `stswatch train` (default: the project's)")
    p.add_argument("--seeds", type=_seeds, metavar="N-M", help="seeds of the standard sea (default 101-104)")
    p.add_argument("--shifted", type=_seeds, metavar="N-M", help="seeds of the shifted sea (default 201-202)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for CARD.md, figures and pictures")
    p.add_argument(
        "--archive",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a real archive to count leads in; may be given again",
    )
    p.add_argument("--pair", type=_pair, metavar="A,B", help="two MMSI of which it is known that they met there")
    _add_seas(p)


def _evaluate(given: argparse.Namespace) -> None:
    progress = Progress(sys.stderr, quiet=given.quiet)
    card = api.evaluate(
        given.out,
        given.scorecard,
        given.seeds,
        given.shifted,
        archives=given.archive,
        pair=given.pair,
        keep=given.keep,
        workers=given.workers,
        tell=progress,
    )
    progress.end()
    if not given.quiet:
        print(card)


def _add_seas(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--keep", type=Path, metavar="DIR", help="folder to keep watched seas in, so that none is made twice"
    )
    p.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="seas side by side, some 6 GB each (default 1)"
    )
    p.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _add_simulate(p: argparse.ArgumentParser) -> None:
    """Write a simulated sea: an NMEA recording as a station network delivers it, and beside it what truly happened.

    Example: stswatch simulate --scenario shuttle --scenario bunkering --seed 7 --out DIR
    """
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write into")
    p.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="only scenes of this name or family (may be given again); default: all of docs/simulator.md",
    )
    p.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed gives the same files (default 1)")
    p.add_argument("--days", type=float, default=2.0, metavar="D", help="how long it lasts (default 2)")
    p.add_argument("--transfers", type=_whole, default=20, metavar="N", help="scenes of transfers (default 20)")
    p.add_argument("--look-alikes", type=_whole, default=40, metavar="N", help="scenes of look-alikes (default 40)")
    p.add_argument("--background", type=_whole, default=120, metavar="N", help="ships in no scene (default 120)")
    p.add_argument("--start-time", type=_moment, metavar="T", help="when it begins (default 2025-03-10T00:00:00Z)")


def _simulate(given: argparse.Namespace) -> None:
    files = api.simulate(
        given.out,
        seed=given.seed,
        scenarios=given.scenario,
        days=given.days,
        transfers=given.transfers,
        look_alikes=given.look_alikes,
        background=given.background,
        start_time=given.start_time,
    )
    print("\n".join(map(untrusted.escaped, files)))


Add = Callable[[argparse.ArgumentParser], None]
COMMANDS: tuple[tuple[str, Add, Callable[[argparse.Namespace], None]], ...] = (
    ("run", _add_run, _run),
    ("decode", _add_decode, _decode),
    ("stream", cli_live.add_stream, cli_live.stream),
    ("reconcile", cli_live.add_reconcile, cli_live.reconcile),
    ("status", cli_live.add_status, cli_live.status),
    ("leads", _add_leads, _leads),
    ("explain", _add_explain, _explain),
    ("rules", _add_rules, _rules),
    ("areas", _add_areas, _areas),
    ("simulate", _add_simulate, _simulate),
    ("train", _add_train, _train),
    ("evaluate", _add_evaluate, _evaluate),
)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give one such as 2024-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} names no zone; end it with Z for UTC")
    return moment


def _picture(text: str) -> Path:
    try:
        suffix_of(text)
    except PictureError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)


def _seeds(text: str) -> tuple[int, ...]:
    """Seeds as 1-8, 3 or 1,4,9-12."""
    seeds = _numbers(text)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r}: give seeds such as 1-8 or 1,4,9")
    return seeds


def _types(text: str) -> tuple[int, ...]:
    types = _numbers(text)
    if not types or not 1 <= types[0] <= types[-1] <= 28:
        raise argparse.ArgumentTypeError(f"{text!r}: give message types from 1 to 28 such as 1-3,5")
    return types


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers and spans of them, rising; none where it is something else."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            return ()
        numbers |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def _pair(text: str) -> tuple[int, int]:
    first, _, second = text.partition(",")
    if not first.isdecimal() or not second.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: give two MMSI with a comma between them")
    return int(first), int(second)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 0 on")
    return int(text)


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in _SIZES else (text, "")
    if not number.isdecimal() or int(number) * _SIZES.get(unit, 1) < 512 << 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no size from 512M on; give one such as 1G or 4G")
    return int(number) * _SIZES.get(unit, 1)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        if error.errno in trouble.DISK and error.strerror == os.strerror(error.errno):  # of no file: what is printed
            return trouble.sentence(error, "standard output", then="") or f"standard output: {error.strerror}"
        return error.strerror or str(error)
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
