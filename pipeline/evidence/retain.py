"""What is kept no longer than asked: positions and bytes go by age, events stay, and what goes leaves a tombstone.

    DIR/tombstones/000001.json   what was removed when, by whom and under which rule: each file with size and SHA-256
    DIR/decisions.jsonl          an entry `retained` that names the tombstone by its SHA-256
    DIR/catalogue.sqlite         each file of the lake and each segment that counts as removed, with the rule

The catalogue decides: from its transaction on nothing reads these files, and what a kill left to be done the next call
does. A case that was decided on keeps what `verify` reads of it: the files of the lake and the segments
that hold anything of its time. Events, silences and calls stay in the database; slices and states are not touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline import faults
from stswatch.pipeline.batch import DAY, HOUR
from stswatch.pipeline.evidence import upkeep
from stswatch.pipeline.evidence.vault import needed_us
from stswatch.pipeline.readers.arrival_index import beside
from stswatch.pipeline.rule_files import from_json
from stswatch.pipeline.spool.segments import closed, segment_of, sources_of, time_of
from stswatch.pipeline.store import case_log, case_queries, queries, snapshots
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.database import StoreError, open_work
from stswatch.pipeline.store.entries import SourceEntry, enter, entries, is_segment, lake_files
from stswatch.pipeline.store.files import read_json, write_json
from stswatch.pipeline.times import iso, micros, utc

TOMBSTONES, KIND = "tombstones", "retained"
_MARK = "retained-"
# what is late by up to 30 days has a watch run that time again (docs/live.md), from a state up to two days before it
_LEAST_OF_A_WATCH_D = 40


class RetainError(StswatchError, ValueError):
    """What cannot be removed as asked; the message says why, and what to do."""


@dataclass(frozen=True)
class Ages:
    """From which age on each is removed, microseconds; 0: never. lake: by event time, spool: by arrival."""

    lake: int = 0
    spool: int = 0
    snapshots: int = 0

    def rule(self, name: str) -> str:
        """The rule for one of them, in words."""
        hours = getattr(self, name) // HOUR
        return f"{name} older than {f'{hours // 24} d' if hours % 24 == 0 else f'{hours} h'}"


@dataclass(frozen=True)
class Going:
    """One file that goes: lake, spool or snapshots; when what it holds ended, UTC microseconds; its source, if any."""

    kind: str
    path: str  # within the data folder
    bytes: int
    ended_us: int
    source: str | None = None


@dataclass(frozen=True)
class RetainPlan:
    """What would go, and how much that is older stays since a case rests on it."""

    going: tuple[Going, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)
    cases: int = 0


def age_us(text: str) -> int:
    """An age such as 90d or 36h, microseconds. Raises RetainError.

    >>> age_us("90d") == 90 * 86_400_000_000
    True
    """
    number, unit = text[:-1], text[-1:]
    if unit not in ("h", "d") or not (number.isascii() and number.isdecimal() and int(number)):
        raise RetainError(f"{text!r}: give an age such as 90d or 36h")
    return int(number) * (DAY if unit == "d" else HOUR)


# ---------------------------------------------------------------------------------------------------- what would go


def plan(data: Path, ages: Ages, now: datetime) -> RetainPlan:
    """What goes by these ages. Raises RetainError, StoreError, CatalogueError, CaseLogError, OSError."""
    if ages == Ages():
        raise RetainError("say with `lake`, `spool` or `snapshots` from which age on it is removed, such as 365d")
    if ages.lake and (data / "spool").is_dir() and ages.lake < _LEAST_OF_A_WATCH_D * DAY:
        raise RetainError(
            f"{data}: a watch works what came late out again for 30 days; give `lake` {_LEAST_OF_A_WATCH_D}d or more"
        )
    log = case_log.verified(data)
    if log.finding is not None:
        raise case_log.CaseLogError(f"{data / case_log.NAME}: {log.finding}; nothing is removed beside it")
    catalogue = Catalogue.read(data)
    if catalogue is None:
        raise StoreError(f"{data}: holds no catalogue of what was read; `stswatch run` makes one")
    with closing(catalogue):
        known = entries(catalogue)
    cases = {e.case for e in log.entries if e.kind == "decision" and e.case}
    with queries.one_snapshot(data):
        needed = [*_needed(data, sorted(cases))]
        final = queries.freshness(data)["final_to"]
    now_us = micros(now)
    final_us = min(micros(final) - 2 * DAY, now_us) if final else 0
    every = {
        "lake": _lake(data, known, now_us - ages.lake) if ages.lake else (),
        "spool": _spool(data, known, now_us - ages.spool, final_us) if ages.spool else (),
        "snapshots": _snapshots(data, now_us - ages.snapshots) if ages.snapshots else (),
    }
    going, kept = list[Going](), dict[str, int]()
    for name, found in every.items():
        for each, span_us in found:
            if span_us and any(a < span_us[1] and b > span_us[0] for a, b in needed):
                kept[name] = kept.get(name, 0) + 1
            else:
                going.append(each)
    return RetainPlan(tuple(going), kept, len(cases))


Found = Iterator[tuple[Going, tuple[int, int] | None]]  # a file, and the time of which it holds something


def _needed(data: Path, cases: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The spans of which `verify` reads anything for these cases, and for what they became part of."""
    for case in cases:
        with suppress(StoreError):  # its event is gone, so that there is nothing to verify
            row = case_queries.event(data, case)
            rules = from_json(queries.run_of(data, row.get("run_id"))["rules"])
            yield needed_us(row, rules)


def _lake(data: Path, known: Mapping[str, SourceEntry], before_us: int) -> Found:
    for name, entry in known.items():
        for part in entry.parts:
            if part.slab_us is None or part.removed or part.slab_us + entry.slab_us > before_us:
                continue
            span_us = part.slab_us, part.slab_us + entry.slab_us
            size = part.pieces[-1][0] if part.pieces else _size(data / part.path)
            yield Going("lake", part.path, size, span_us[1], name), span_us


def _spool(data: Path, known: Mapping[str, SourceEntry], before_us: int, final_us: int) -> Found:
    """Segments that are in the lake and behind the final hour; never the newest of a spool."""
    entered = {(e.path.parent.name, segment_of(e.path)): name for name, e in known.items() if is_segment(e.path)}
    for spool in sources_of(data / "spool"):
        for path, after in pairwise(closed(spool.folder)):
            ended_us = time_of(segment_of(after))
            source = entered.get((spool.name, segment_of(path)))
            if source is None or ended_us > min(before_us, final_us):
                continue
            times = [t for r in known[source].receipts for t in (r.first_us, r.last_us) if t is not None]
            span_us = (min(times), max(times) + 1) if times else None
            yield Going("spool", str(path.relative_to(data)), _size(path), ended_us, source), span_us


def _snapshots(data: Path, before_us: int) -> Found:
    home, last = data.resolve(), snapshots.newest(data)
    for each, after in pairwise(snapshots.every(data)):
        if last is None or each.number >= last.number or not after.manifest.exists():
            continue
        ended_us = int(after.manifest.stat().st_mtime * 1e6)
        for path in (each.shown, each.pristine) if ended_us <= before_us else ():
            if path.exists():
                yield Going("snapshots", str(path.relative_to(home)), _size(path), ended_us), None


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


# --------------------------------------------------------------------------------------------------------- it goes


def retain(data: Path, ages: Ages, author: str, now: datetime | None = None) -> RetainPlan:
    """Remove what goes by these ages, and leave a tombstone; gives what went. now: UTC, the clock's where None.

    Raises FolderInUse where another process works in the folder, OtherVersion, and as `plan`.
    """
    from stswatch.pipeline.flow.run import alone

    author, when = upkeep.checked_name(author), now or datetime.now(UTC)
    with alone(data):
        open_work(data).close()  # whoever holds it would publish what goes
        _finish(data)
        made = plan(data, ages, when)
        if made.going:
            _note(data, made, ages, author, when)
            _finish(data)
    return made


def _note(data: Path, made: RetainPlan, ages: Ages, author: str, now: datetime) -> None:
    """Write the tombstone, and have the catalogue say of each file that it counts as removed: all of them at once."""
    folder = data / TOMBSTONES
    number = 1 + max((int(path.stem) for path in folder.glob("*.json")), default=0)
    rules = {name: ages.rule(name) for name in sorted({each.kind for each in made.going})}
    files = [vars(each) | {"sha256": _sha256(data / each.path)} for each in made.going]
    stone = {"time": iso(now), "by": author, "rules": rules, "files": files}
    path = folder / f"{number:06d}.json"
    write_json(path, stone)
    body = {
        "tombstone": str(path.relative_to(data)),
        "sha256": _sha256(path),
        "files": len(files),
        "bytes": sum(each.bytes for each in made.going),
        "note": f"removed: {', '.join(rules.values())}",
    }
    faults.reach("tombstone_written")
    day = f"{now:%Y-%m-%d}"
    gone = {each.path: f"removed by retain on {day} under {rules[each.kind]}" for each in made.going}
    by_source = {each.source: gone[each.path] for each in made.going if each.kind == "spool"}
    with closing(Catalogue.open(data)) as catalogue, catalogue.transaction():
        known = entries(catalogue)
        wanted = sorted({each.source for each in made.going if each.source})
        enter(catalogue, [_without(known[name], gone, by_source.get(name)) for name in wanted])
        catalogue.put("marks", {f"{_MARK}{number:06d}": {"body": body, "by": author, "time": iso(now), "done": False}})
    faults.reach("removal_noted")


def _without(entry: SourceEntry, gone: Mapping[str, str], segment: str | None) -> SourceEntry:
    """The entry of a source some of whose files, or whose bytes, are removed."""
    receipts = [
        replace(r, parts=[replace(part, removed=gone.get(part.path, part.removed)) for part in r.parts])
        for r in entry.receipts
    ]
    source = dict(entry.source) | ({"removed": segment} if segment else {})
    return replace(entry, source=source, receipts=receipts)


def _finish(data: Path) -> None:
    """Do what the catalogue says is to be done: the entry in the log, a snapshot without these files, and they go."""
    with closing(Catalogue.open(data)) as catalogue:
        marks = catalogue.every("marks", lambda key, content: content)
        open_ = {
            key: mark
            for key, mark in marks.items()
            if key.startswith(_MARK) and isinstance(mark, Mapping) and not mark["done"]
        }
        for key, mark in open_.items():
            with case_log.appending(data) as log:
                if not any(e.kind == KIND and e.body["sha256"] == mark["body"]["sha256"] for e in log.entries):
                    log.append(KIND, mark["by"], None, None, mark["body"], datetime.fromisoformat(mark["time"]))
            files = lake_files(entries(catalogue))
            if not upkeep.show(data, files):
                raise StoreError(f"{data}: no snapshot could be made without what is removed; give the command again")
            faults.reach("removal_published")
            _remove(data, mark["body"]["tombstone"], files)
            catalogue.put("marks", {key: dict(mark) | {"done": True}})


def _remove(data: Path, tombstone: str, files: Mapping[str, Sequence[str]]) -> None:
    """Unlink what a tombstone names. What somebody still holds goes with the next run after that."""
    for each in read_json(data / tombstone)["files"]:
        path = data / each["path"]
        if each["kind"] == "spool":
            path.unlink(missing_ok=True)
            Path(beside(str(path))).unlink(missing_ok=True)
    snapshots.clear(data, files, datetime.now(UTC) + timedelta(seconds=snapshots.GRACE_S))


def _sha256(path: Path) -> str | None:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


# ------------------------------------------------------------------------------------------------------- in words


def as_text(made: RetainPlan, gone: bool) -> str:
    """What goes or went, a line for each kind and one for the cases that keep something."""
    lines = []
    for kind in dict.fromkeys(each.kind for each in made.going):
        of = [each for each in made.going if each.kind == kind]
        first, last = (f"{utc(pick(each.ended_us for each in of)):%Y-%m-%d}" for pick in (min, max))
        size = sum(each.bytes for each in of) / 1e6
        went = "removed" if gone else "would go"
        lines.append(f"{went}: {kind}, {len(of):,} files, {size:,.1f} MB, {first} to {last}")
    kept = ", ".join(f"{count:,} of {kind}" for kind, count in made.kept.items())
    if kept:
        lines.append(f"kept for {made.cases:,} decided cases: {kept}")
    return "\n".join(lines) or "nothing is that old"


def as_json(made: RetainPlan) -> str:
    """The same for programs, file by file."""
    return json.dumps({"files": [vars(each) for each in made.going], "kept": dict(made.kept)}, indent=1)
