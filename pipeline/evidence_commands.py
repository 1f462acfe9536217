"""The commands over evidence: whether what is stored follows from what was received, and what people decided.

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
from stswatch.pipeline.options import option
from stswatch.pipeline.terminal import OfData, Progress
from stswatch.pipeline.times import iso

if TYPE_CHECKING:
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
        follows = sum(each.follows for each in report.events)
        kinds = Counter(each.kind for each in report.events)
        what = ", ".join(f"{count:,} {kind}s" for kind, count in kinds.items()) or "no event"
        lines.append(f"{what}: {follows:,} of {len(report.events):,} follow ({report.seconds:.1f} s)")
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
