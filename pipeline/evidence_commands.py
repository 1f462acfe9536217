"""The commands over evidence and cases: does what is stored follow, and what people decided, read, saw and answered.

Each is a dataclass of its options: its docstring is the help, calling it runs it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stswatch.pipeline import api, untrusted
from stswatch.pipeline.options import OptionError, option, whole
from stswatch.pipeline.terminal import OfData, Progress, WithProgress
from stswatch.pipeline.times import iso

if TYPE_CHECKING:
    from stswatch.pipeline.evidence.upkeep import Recorded
    from stswatch.pipeline.evidence.verify import EventReport, Verification

_SHOWN = 20  # lines of a kind

# ------------------------------------------------------------------------- does what is stored follow, and come again


@dataclass(frozen=True, kw_only=True)
class Verify(OfData):
    """Say of each number of an event whether it follows from the bytes that were received; or hold the whole folder.

    Example: stswatch verify Eabfb8 --data DIR --files /mnt/archive
    """

    id: str | None = option(None, "id (E..., D...), or its beginning (default: the first lead)", "ID", nargs="?")
    all: bool = option(help="every file of the data folder and every event that holds")
    files: tuple[Path, ...] = option(help="a folder where the input files now lie", metavar="DIR", read=Path, nargs="*")
    scorecard: Path | None = option(
        None, "the scorecard of the run, where it does not come with stswatch", "FILE", Path
    )
    every_fix: bool = option(help="read every fix between back, not those alone that decide")
    json: bool = option(help="print it as JSON")
    quiet: bool = option(help="no words but what does not follow")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import verify

        progress = Progress(sys.stderr, quiet=self.quiet or not self.all)
        report = api.verify(
            self.data,
            self.id,
            every=self.all,
            files=self.files,
            scorecard=self.scorecard,
            every_fix=self.every_fix,
            tell=progress,
        )
        progress.end()
        if self.json:
            print(json.dumps(as_json(report), indent=1, ensure_ascii=True))
        elif not self.quiet:
            print(untrusted.lines(as_text(report)))
        if fault := report.first_fault():
            raise verify.DoesNotFollow(fault)


@dataclass(frozen=True, kw_only=True)
class Reproduce(OfData):
    """Run again from what a run noted of itself, in a folder that goes away, and say whether its events are equal.

    Example: stswatch reproduce --data DIR --files /mnt/archive
    """

    run: str | None = option(None, "id of the run (default: the last)", "RUN", nargs="?")
    files: tuple[Path, ...] = option(help="a folder where the input files now lie", metavar="DIR", read=Path, nargs="*")
    scorecard: Path | None = option(
        None, "the scorecard of the run, where it does not come with stswatch", "FILE", Path
    )
    json: bool = option(help="print it as JSON")
    quiet: bool = option(help="no progress")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import reproduce

        progress = Progress(sys.stderr, quiet=self.quiet)
        found = api.reproduce(self.data, self.run, files=self.files, scorecard=self.scorecard, tell=progress)
        progress.end()
        if self.json:
            print(json.dumps(reproduce.as_json(found), indent=1, ensure_ascii=True))
        else:
            print(untrusted.lines(reproduce.as_text(found)))
        if fault := found.first_fault():
            raise reproduce.NotReproduced(fault)


# ------------------------------------------------------------------------------- what was verified, in words, as JSON


def as_text(report: Verification) -> str:
    """What was found, for people: of one event each number, of all how many follow."""
    lines: list[str] = []
    if len(report.events) == 1 and not report.checked:
        lines += _event_text(report.events[0])
    else:
        checked = ", ".join(f"{count:,} {kind}" for kind, count in report.checked.items())
        lines.append(f"held against their checksums: {checked}")
        left_out = sum(each.was_left_out for each in report.events)
        follows = sum(each.follows for each in report.events) - left_out
        rest = f", {left_out:,} were not checked" if left_out else ""
        kinds = Counter(each.kind for each in report.events)
        what = ", ".join(f"{count:,} {kind}s" for kind, count in kinds.items()) or "no event"
        lines.append(f"{what}: {follows:,} of {len(report.events):,} follow{rest} ({report.seconds:.1f} s)")
        lines += [f"does not follow: {each.id}: {each.differs[0]}" for each in report.events if not each.follows][
            :_SHOWN
        ]
        left = Counter(phrase for each in report.events for phrase in each.unchecked)
        lines += [f"not checked, of {count:,}: {phrase}" for phrase, count in left.most_common(_SHOWN)]
    lines += [f"damaged: {fault}" for fault in report.faults[:_SHOWN]]
    lines += [f"not checked: {each}" for each in report.absent[:_SHOWN]]
    return "\n".join(lines)


def _event_text(event: EventReport) -> list[str]:
    from stswatch.pipeline.evidence.findings import shown

    named = f"{event.kind} {event.id}" + (f", revision {event.revision}" if event.revision else "")
    if event.was_left_out:
        return [f"{named}: nothing was checked, {event.found[0].why}"]
    lines = [f"{named}: {'all that was checked follows' if event.follows else 'does not follow'}", ""]
    for row, held in zip(event.rows, event.read, strict=True):
        ref = row.refs[0]
        mark = "differs" if held.differs else "not checked" if held.unchecked else "as read"
        parts = f" and {len(row.refs) - 1} more" if len(row.refs) > 1 else ""
        when = iso(row.row["time"])
        where = f"{ref.source}:{ref.offset:,}+{ref.length}{parts}"
        lines.append(f"{mark:12} {row.row['mmsi']:09d} {when}  {', '.join(row.roles)}: {where}")
    lines.append("")
    for each in event.found:
        if each.follows is not None:
            mark = "follows" if each.follows else "DIFFERS"
            lines.append(f"{mark:12} {each.what}: stored {shown(each.stored)}, worked out {shown(each.again)}")
    return lines + [f"{'not checked':12} {phrase}" for phrase in event.unchecked]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, numbers as Python has them."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}


def as_json(report: Verification) -> dict[str, Any]:
    """What was found, for programs."""
    return {
        "follows": report.first_fault() is None,
        "data": str(report.data),
        "checked": report.checked,
        "damaged": report.faults,
        "not_checked": report.absent,
        "events": [
            {
                "id": each.id,
                "revision": each.revision,
                "kind": each.kind,
                "follows": each.follows,
                "differs": each.differs,
                "not_checked": each.unchecked,
                "numbers": [_plain(vars(number)) for number in each.found],
                "raw_refs": [
                    {"roles": row.roles, "table": row.table, "refs": [ref._asdict() for ref in row.refs]}
                    | {"mmsi": row.row["mmsi"], "time": iso(row.row["time"])}
                    for row in each.rows
                ],
            }
            for each in report.events
        ],
    }


# ------------------------------------------------------------------------------------ decisions, docket, observations


@dataclass(frozen=True, kw_only=True)
class OfCases(OfData):
    """A command over cases, live or of an exercise."""

    exercise: str | None = option(None, "an exercise, whose entries never mix with live ones", "NAME")


@dataclass(frozen=True, kw_only=True)
class Decide(OfCases):
    """Write into the log what is decided about an event; nothing of it has a part in any score.

    Example: stswatch decide E2a41 --status assessed --by "A. Lee" --note WHY --alternative TEXT --data DIR
    """

    id: str = option(None, "id of the event (E..., D...), or its beginning", "ID", nargs="1")
    status: str = option(
        None,
        "watch, assessed (needs --alternative), referred (needs --to and a second reader), cleared, dismissed or "
        "withdrawn",
        "STATUS",
        needed=True,
    )
    by: str = option(None, "who decides", "NAME", needed=True)
    note: str = option(None, "why", "TEXT", needed=True)
    alternatives: tuple[str, ...] = option(
        None,
        "a lawful explanation that was considered, and why it was set aside; may be given again",
        "TEXT",
        flag="alternative",
        nargs="*",
    )
    to: tuple[str, ...] = option(
        None, "whom it is referred to, as view recipients names them; may be given again", "RECIPIENT", nargs="*"
    )

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import decisions

        done = decisions.decide(
            Path(self.data), self.id, self.status, self.by, self.note, self.alternatives, self.to, self.exercise
        )
        print(_recorded(done, self.status))


@dataclass(frozen=True, kw_only=True)
class Record(OfCases):
    """Write into the log what else belongs to a case: a dissent, an inquiry and its reply, what became of a referral.

    Example: stswatch record E2a41 --kind acknowledged --party PA --by "A. Lee" --note TEXT --data DIR
    """

    id: str = option(None, "id of the event (E..., D...), or its beginning", "ID", nargs="1")
    kind: str = option(None, "dissent, inquiry, reply, acknowledged, outcome or correction", "KIND", needed=True)
    by: str = option(None, "who writes it", "NAME", needed=True)
    note: str = option(None, "what there is to say", "TEXT", needed=True)
    party: str | None = option(
        None, "who was asked, answered, acknowledged, reported or was informed of a correction", "PARTY"
    )
    outcome: str | None = option(None, 'confirmed, cleared, inconclusive or "no action"', "OUTCOME")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import decisions

        done = decisions.record(
            Path(self.data), self.id, self.kind, self.by, self.note, self.party, self.outcome, self.exercise
        )
        print(_recorded(done, self.kind))


@dataclass(frozen=True, kw_only=True)
class Case(OfCases):
    """Show a case whole: what was measured, decided, seen and sent; with --by that it was read is written into the log.

    Example: stswatch case E2a41 --masked --by "B. Park" --data DIR
    """

    id: str = option(None, "id of the event (E..., D...), or its beginning", "ID", nargs="1")
    masked: bool = option(help="without flag, names, numbers and what others concluded: for a second reader")
    by: str | None = option(None, "who reads it", "NAME")

    def __call__(self) -> None:
        from stswatch.pipeline import words
        from stswatch.pipeline.evidence import case_page, decisions, upkeep
        from stswatch.pipeline.store import case_queries

        data = Path(self.data)
        with api.one_snapshot(data):
            dark = self.id.startswith("D")
            row = api.dark_meeting(data, self.id) if dark else api.encounter(data, self.id)
            of_case = {view: case_queries.of_cases(data, view, row["id"], self.exercise) for view in case_page.VIEWS}
        done = decisions.record_reading(data, row["id"], self.by, self.masked, self.exercise) if self.by else None
        shown = case_page.masked(row) if self.masked else row
        page = words.dark_explanation(shown) if dark else words.explanation(shown)
        if self.exercise:
            print(f"EXERCISE {untrusted.escaped(self.exercise)}\n")
        print(case_page.masked_text(page) if self.masked else page)
        print(case_page.text(of_case, self.masked))
        if not self.masked and (others := upkeep.members_text(data, row["id"])):
            print(f"\nLogs of other members, which decide nothing here:\n{others}")
        if done:
            print("\n" + _recorded(done, "masked reading" if self.masked else "reading"))


@dataclass(frozen=True, kw_only=True)
class Docket(OfCases):
    """List what waits for whom, since when and why.

    Example: stswatch docket --data DIR
    """

    limit: int = option("30", "how many rows (default {default})", "N", whole(1))

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import case_page
        from stswatch.pipeline.store import case_log, case_queries, queries

        data = Path(self.data)
        with api.one_snapshot(data):
            print(case_page.docket(case_queries.of_cases(data, "docket", exercise=self.exercise), self.limit))
            print(f"\n{case_page.fresh(queries.freshness(data))}")
        log = case_log.verified(data)
        if log.finding:
            print(f"the log of decisions does not fit: {log.finding}; what stands above is from before that")


@dataclass(frozen=True, kw_only=True)
class Observe(OfCases):
    """Add an observation of others to the log: a sighting, photograph, eo or sar detection, registry extract or reply.

    Example: stswatch observe add sighting.toml --by "A. Lee" --data DIR
    """

    words: tuple[str, ...] = option(
        help="the word add, then TOML or JSON files; docs/cases.md says what stands in one", metavar="WORD", nargs="+"
    )
    by: str = option(None, "who enters it", "NAME", needed=True)

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import observations

        add, *files = self.words
        if add != "add" or not files:
            raise OptionError("give the word add, then files: stswatch observe add FILE... --by NAME")
        for file in files:
            print(_recorded(observations.observe(Path(self.data), Path(file), self.by, self.exercise), "observation"))


@dataclass(frozen=True, kw_only=True)
class Log(OfData):
    """Verify the log of decisions, entry by entry, and print its head to be noted down elsewhere.

    Example: stswatch log verify --data DIR
    """

    action: str = option(None, "verify", "ACTION", nargs="1", choices=("verify",))
    head: str | None = option(None, "a head noted earlier, as N:SHA256", "HEAD")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import upkeep

        print(upkeep.verify(Path(self.data), self.head))
        if others := upkeep.members_text(Path(self.data)):
            print(others)


@dataclass(frozen=True, kw_only=True)
class Rebuild(WithProgress, OfData):
    """Throw the database away and make it anew of the lake, the slices and the log of decisions.

    Example: stswatch rebuild --data DIR
    """

    area: str | None = option(None, "leads to show (default: as in the last run)", "AREA")
    rules: Path | None = option(None, "TOML with other deciding numbers, where the run had some", "FILE", Path)
    scorecard: str | None = option(None, "what gives the scores, where the run had another", "FILE")
    without_removed: bool = option(help="of what retain left alone: events whose positions are gone go too")

    def __call__(self) -> None:
        from stswatch.models.scorecard import chosen
        from stswatch.pipeline import rule_files
        from stswatch.pipeline.evidence import upkeep
        from stswatch.pipeline.rules import Rules
        from stswatch.pipeline.steps import STEPS, scored_by

        steps = scored_by(chosen(self.scorecard)) if self.scorecard else STEPS
        progress = Progress(sys.stderr, quiet=self.quiet)
        by = rule_files.load(self.rules) if self.rules else Rules()
        upkeep.rebuild(Path(self.data), by, self.area, steps, progress, self.without_removed)
        progress.end()
        if not self.quiet:
            print(f"database: {untrusted.escaped(Path(self.data) / 'stswatch.duckdb')}")


def _recorded(done: Recorded, what: str) -> str:
    """What was written, and whether the database shows it yet."""
    from stswatch.pipeline.store.case_tables import STILL_TO_TELL

    entry = done.entry
    stands = "" if done.new else ", which stood there already"
    line = f"entry {entry.seq}: {what} by {untrusted.escaped(entry.author)}{stands}; head {entry.seq}:{entry.sha256}"
    if entry.kind == "decision" and entry.body.get("readers"):
        line += f"\nreaders: {entry.body['readers']}"
    due = entry.body.get("recipients") if entry.body.get("status") in STILL_TO_TELL else None
    if due:
        line += f"\nto be told: {', '.join(map(untrusted.escaped, due))}"
    return line if done.published else f"{line}\nthe database shows it with the next snapshot"
