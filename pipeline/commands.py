"""The commands over archives, watches, leads and seas, each a dataclass of its options.

Its docstring is the help, calling it runs it: it calls one function of the api and prints.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from stswatch.pipeline import api, rule_files, terminal, untrusted
from stswatch.pipeline import options as given
from stswatch.pipeline.options import OptionError, option, whole
from stswatch.pipeline.pictures.image_file import PictureError, suffix_of
from stswatch.pipeline.terminal import Command, OfData, Progress, WithProgress, spelled


@dataclass(frozen=True, kw_only=True)
class Run(WithProgress, given.RunOptions, OfData):
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
class Stream(given.StreamOptions, OfData):
    """Watch live sources: what stands so far every few seconds, alerts of leads, finalized events each hour.

    With --engine flink a topic of Kafka is watched on a cluster, which gives finalized events alone (docs/cluster.md).

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

        self._tell(
            reconcile.begun(parse_all(self.sources), self.data, "none" if self.engine == "flink" else self.health)
        )
        with terminal.stopped_by_signals() as stop:
            done = api.stream(self.sources, self.data, self, tell=self._tell, stop=stop)
        self._tell("stopped; the same command goes on from here" if done is None else reconcile.reconciled(done))

    def _tell(self, sentence: str) -> None:
        if self.quiet:
            return
        with suppress(OSError):  # whoever read it is gone: the watch goes on
            message = untrusted.escaped(spelled(sentence), untrusted.SENTENCE)
            sys.stderr.write(f"stswatch: {message}\n")  # at once: threads tell too
            sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Reconcile(given.LeadOptions, OfData):
    """Finalize now what a watch has in its spool, with what came late; a running watch does it, with its own options.

    Example: stswatch reconcile --data DIR --day 2026-11-25
    """

    day: date | None = option(None, "count late data of this day (UTC) alone", "DAY", given.day)

    def __call__(self) -> None:
        from stswatch.pipeline.live import reconcile

        print(reconcile.reconciled(api.reconcile(self.data, self.day, self)))


@dataclass(frozen=True, kw_only=True)
class Status(OfData):
    """Say how a watch stands: whether it runs, how far it is, its sources and alerts, and what is amiss.

    Example: stswatch status --data DIR --drift
    """

    drift: bool = option(help="how far the meetings of the last weeks are from those of the training, too")

    def __call__(self) -> None:
        from stswatch.pipeline.live.health import WatchError, status_text  # not `reconcile`, which imports the engine

        weeks = api.drift(self.data) if self.drift else []
        try:
            print(spelled(status_text(api.status(self.data))))
        except WatchError:
            if not self.drift:
                raise
        print("".join(f"{_drifted(week)}\n" for week in weeks), end="")


def _drifted(week: Mapping[str, Any]) -> str:
    """How far the meetings of a week are from those that the scorecard was trained on."""
    from stswatch.models.scorecard import ALIKE, OTHER

    of = f"meetings of the week of {week['week']:%Y-%m-%d}: {week['meetings']:,}"
    if week["drift"] is None:
        return f"{of}; not enough data, or a scorecard without training, to hold their scores against"
    score, parts = week["drift"]["score"], sorted(week["drift"].items(), key=lambda part: -part[1])
    how = "much like" if score < ALIKE else "somewhat unlike" if score < OTHER else "unlike"
    most = ", ".join(f"{name} {index:.2f}" for name, index in parts[:3] if name != "score" and index >= ALIKE)
    return f"{of}; scores {how} those of training (stability {score:.2f}" + (f"; most: {most})" if most else ")")


@dataclass(frozen=True, kw_only=True)
class Leads(OfData):
    """List the leads, highest score first, of equals the one that began first.

    Example: stswatch leads --data DIR --limit 50
    """

    limit: int = option("20", "how many (default {default})", "N", whole(1))
    leads_per_day: int | None = option(None, "at most so many of a day (UTC), by the scores at closing", "N", whole(1))

    def __call__(self) -> None:
        from stswatch.pipeline import words
        from stswatch.pipeline.evidence import case_page
        from stswatch.pipeline.store import queries

        with api.one_snapshot(self.data):
            rows = api.leads(self.data, self.limit, self.leads_per_day)
            print(words.leads(rows, api.counts(self.data), api.run_of(self.data)["area"], self.data))
            print(case_page.fresh(queries.freshness(Path(self.data))))


@dataclass(frozen=True, kw_only=True)
class Dark(OfData):
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
class Explain(OfData):
    """Say what was measured of an encounter, or why a dark meeting was possible, and why it ranks so; or draw it.

    Example: stswatch explain E2a41 --data DIR --picture lead.png
    """

    id: str | None = option(None, "id (E..., D...), or its beginning (default: the first lead)", "ID", nargs="?")
    picture: Path | None = option(None, "draw it too: a .png, .svg or .pdf file", "FILE", _picture)
    quiet: bool = option(help="no words but where the picture lies")

    def __call__(self) -> None:
        from stswatch.pipeline import words

        if self.id and self.id.startswith("D"):
            from stswatch.pipeline.evidence import case_page
            from stswatch.pipeline.store import case_queries

            with api.one_snapshot(self.data):
                dark = api.dark_meeting(self.data, self.id)
                seen = case_queries.of_cases(Path(self.data), "case_observations", dark["id"])
            if not self.quiet:
                print("\n".join([words.dark_explanation(dark), *case_page.seen(seen)]))
            if self.picture:
                api.draw_dark_meeting(self.picture, self.data, dark["id"])
                print(f"picture of {dark['id']}: {untrusted.escaped(self.picture)}")
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
class Retain(OfData):
    """Remove positions, received bytes and old snapshots by age; decided cases keep theirs, a tombstone says what went.

    Example: stswatch retain --lake 365d --spool 30d --by "A. Lee" --dry-run --data DIR
    """

    lake: str | None = option(None, "positions and static reports of longer ago, such as 365d", "AGE")
    spool: str | None = option(None, "segments that arrived longer ago and are in the lake", "AGE")
    snapshots: str | None = option(None, "databases that were superseded longer ago and that nobody holds", "AGE")
    by: str = option(None, "who removes it", "NAME", needed=True)
    dry_run: bool = option(help="list what would go, remove nothing")
    json: bool = option(help="print it as JSON, file by file")

    def __call__(self) -> None:
        from datetime import UTC, datetime

        from stswatch.pipeline.evidence import retain

        given = (self.lake, self.spool, self.snapshots)
        ages = retain.Ages(*(retain.age_us(age) if age else 0 for age in given))
        data = Path(self.data)
        made = retain.plan(data, ages, datetime.now(UTC)) if self.dry_run else retain.retain(data, ages, self.by)
        print(retain.as_json(made) if self.json else retain.as_text(made, gone=not self.dry_run))


@dataclass(frozen=True, kw_only=True)
class Train(WithProgress, given.TrainOptions):
    """Train a scorecard on simulated seas and write it as a file; the same seeds give the same file.

    Example: stswatch train --seeds 1-4 --out trained.json --cache seas
    """

    out: Path = option(None, "where to write the scorecard", "FILE", Path, needed=True)
    from_decisions: Path | None = option(
        None, "learn too from what became of the cases of a data folder, and compare", "DIR", Path
    )
    approved_by: str | None = option(None, "who read the comparison and wants the card written", "NAME")

    def __call__(self) -> None:
        from stswatch.pipeline import words

        if self.from_decisions is not None:
            self._learn(self.from_decisions)
            return
        if self.approved_by is not None:
            raise OptionError("`approved_by` goes with `from_decisions`")

        progress = Progress(sys.stderr, quiet=self.quiet)
        training = api.train(self.out, self, tell=progress)
        progress.end()
        if not self.quiet:
            print(words.training(training, self.out))

    def _learn(self, data: Path) -> None:
        from stswatch.pipeline.evidence import learning

        progress = Progress(sys.stderr, quiet=self.quiet)
        found = learning.learn(
            data, self.out, self.approved_by, self.seeds, self.cache and Path(self.cache), self.workers, progress
        )
        progress.end()
        if not self.quiet:
            print(untrusted.lines(learning.as_text(found, self.out, self.approved_by)))


@dataclass(frozen=True, kw_only=True)
class Evaluate(WithProgress, given.EvaluateOptions):
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
