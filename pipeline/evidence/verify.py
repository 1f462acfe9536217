"""`stswatch verify`: does each stored number of an event follow from the bytes that were received?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stswatch.errors import StswatchError
from stswatch.pipeline.batch import DAY, MINUTE
from stswatch.pipeline.evidence import findings, recomputed, vault
from stswatch.pipeline.evidence.dark_basis import DarkBasis
from stswatch.pipeline.evidence.dark_findings import of_dark
from stswatch.pipeline.evidence.findings import Finding, us
from stswatch.pipeline.evidence.lake_fixes import Deciding, Lake, Rows, TrackFixes, gap_edges
from stswatch.pipeline.evidence.plain_reading import Compared
from stswatch.pipeline.evidence.recomputed import Pair
from stswatch.pipeline.evidence.upkeep import damage_of
from stswatch.pipeline.evidence.vault import BEFORE_US, Basis, RemovedFixes, course_of, known_sources, window_us
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import case_queries, queries
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.trouble import Progress

PAGE = 10_000  # events whose deciding rows are read back in one pass over the sources
_ALL_OF_IT = "all of it"  # of an event that is left out


class DoesNotFollow(StswatchError, ValueError):
    """Something that is stored does not follow from what was received."""


@dataclass(frozen=True)
class EventReport:
    """What was found of one event.

    rows: what decides it, with their bytes; read: what of them was held against the bytes, by their place in `rows`.
    """

    id: str
    revision: int | None
    kind: str
    found: tuple[Finding, ...]
    rows: tuple[Deciding, ...] = ()
    read: tuple[Compared, ...] = ()

    @cached_property
    def differs(self) -> list[str]:
        """A phrase for each thing that does not follow."""
        return [phrase for each in self.read for phrase in each.differs] + findings.differing(self.found)

    @cached_property
    def unchecked(self) -> list[str]:
        """What was not checked, and why."""
        why = [f"{each.what}: {each.why}" for each in self.found if each.follows is None]
        return list(dict.fromkeys([phrase for each in self.read for phrase in each.unchecked])) + why

    @property
    def was_left_out(self) -> bool:
        """Whether nothing of it was checked."""
        return [each.what for each in self.found] == [_ALL_OF_IT]

    @property
    def follows(self) -> bool:
        """Whether nothing was found that does not follow."""
        return not self.differs


@dataclass
class Verification:
    """What was verified of a data folder. faults: what is damaged, a sentence each; absent: what was not checked."""

    data: Path
    events: list[EventReport] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def first_fault(self) -> str | None:
        """One sentence that names what does not follow; None where all does."""
        wrong = [each for each in self.events if not each.follows]
        if not self.faults and not wrong:
            return None
        more = len(self.faults) + len(wrong) - 1
        first = self.faults[0] if self.faults else f"{wrong[0].id} does not follow: {wrong[0].differs[0]}"
        return f"{first}{f' (and {more:,} more)' if more else ''}"


# ------------------------------------------------------------------------------------------------ of one data folder


def verify(
    data: Path, name: str | None, elsewhere: Sequence[Path] = (), card: bytes | None = None, every_fix: bool = False
) -> Verification:
    """One encounter or dark meeting by its id (None: the first lead); every_fix: read back all that it was measured by.

    Raises StoreError, CatalogueError.
    """
    begun = time.monotonic()
    with queries.one_snapshot(data):
        basis = Basis(data, known_sources(data), elsewhere, card)
        if name and name.startswith("D"):
            dark = case_queries.table(data, "dark_meetings", queries.dark_meeting(data, name)["id"])
            events = _dark_meetings(basis, DarkBasis.known(data, basis.rules_of(), dark), dark.to_pylist())
        else:
            if name is None:
                first = queries.leads(data, 1)
                if not first:
                    raise StoreError(f"{data}: no lead in the area that was asked for; give the id of an event")
                name = str(first[0]["id"])
            row = queries.encounter(data, name)
            page = case_queries.standing(data, None, 1, row["id"])
            if not page.num_rows:
                raise StoreError(
                    f"{data}: {row['id']} is {row['status']}: it no longer holds, and nothing follows of it"
                )
            events = _encounters(basis, page, every_fix)
    return Verification(data, events, seconds=time.monotonic() - begun)


def verify_all(
    data: Path,
    elsewhere: Sequence[Path] = (),
    card: bytes | None = None,
    tell: Progress = lambda stage, done, of: None,
    at_once: int = PAGE,
) -> Verification:
    """Every file of the folder, every event that holds, so many at once. Raises StoreError, CatalogueError."""
    begun = time.monotonic()
    report = Verification(data)
    for found in damage_of(data):
        report.checked[found.kind] = report.checked.get(found.kind, 0) + 1
        if found.fault:
            report.faults.append(found.fault)
        tell("files", sum(report.checked.values()), 0)
    if any(report.faults):  # what is damaged would be found again in each event that rests on it
        report.absent.append("the events: what they rest on is damaged")
        report.seconds = time.monotonic() - begun
        return report
    with queries.one_snapshot(data):
        basis = Basis(data, known_sources(data), elsewhere, card)
        for source in basis.vault.entries:
            holding = basis.vault.holding(source)
            report.checked["sources"] = report.checked.get("sources", 0) + 1
            if holding.fault:
                report.faults.append(holding.fault)
            elif holding.path is None:
                report.absent.append(holding.absence)
            tell("sources", report.checked["sources"], len(basis.vault.entries))
        total = queries.summary(data)["encounters"]
        for page in _pages(data, at_once):
            report.events += _encounters(basis, page)
            tell("events", len(report.events), total)
        dark = case_queries.table(data, "dark_meetings").sort_by("start_time")
        silent = DarkBasis.known(data, basis.rules_of(), dark)
        for first in range(0, dark.num_rows, at_once):
            report.events += _dark_meetings(basis, silent, dark.slice(first, at_once).to_pylist())
            tell("events", len(report.events), total + dark.num_rows)
    report.seconds = time.monotonic() - begun
    return report


def _pages(data: Path, at_once: int) -> Iterator[pa.Table]:
    after: tuple[datetime, str] | None = None
    while (page := case_queries.standing(data, after, at_once)).num_rows:
        last = page.select(["start_time", "id"]).slice(page.num_rows - 1, 1).to_pylist()[0]
        after = last["start_time"], last["id"]
        yield page


# --------------------------------------------------------------------------------------------------------- encounters


def _wrong(found: Sequence[Finding]) -> int:
    return sum(each.follows is False for each in found)


@dataclass(frozen=True)
class MeetingBasis:
    """One encounter, a row of the table, and what it rests on; pair: the meeting as it is found again, None where not.

    measured: what follows of its measures. Where a stay is thinned by a hair or not, the way that a run took is taken.
    reports: static reports of both. data_end_us: up to when it is known what was heard.
    """

    row: Mapping[str, Any]
    pair: Pair | None
    measured: tuple[Finding, ...]
    courses: tuple[TrackFixes, TrackFixes]
    reports: Rows
    rules: Rules
    data_end_us: int

    @staticmethod
    def of(
        row: Mapping[str, Any], lake: Lake, fixes: Rows, reports: Rows, rules: Rules, data_end_us: int
    ) -> MeetingBasis:
        """fixes, reports: rows of the lake that hold all that can decide it."""
        span_us, wide_us = (us(row["start_time"]), us(row["end_time"])), window_us(rules)
        about_us = span_us[0] - wide_us, span_us[1] + wide_us
        a, b = (
            course_of(lake, fixes, row[f"mmsi_{v}"], findings.begun_us(row, v), about_us, rules.vessel)
            for v in ("a", "b")
        )
        near = [recomputed.about(course, *span_us, rules) for course in (a, b)]  # what lies further off only tells gaps
        best: tuple[Pair, tuple[Finding, ...]] | None = None
        for lean in (0, 1, -1) if len(near[0]) and len(near[1]) else ():
            pair = recomputed.meeting_at(recomputed.pair_of(near[0], near[1], rules, lean), *span_us, rules)
            numbers = tuple(findings.of_meeting(row, pair, rules)) if pair else ()
            if pair and (best is None or _wrong(numbers) < _wrong(best[1])):
                best = pair, numbers
            if best and not _wrong(best[1]):
                break
        pair, numbers = best or (None, ())
        return MeetingBasis(row, pair, numbers, (a, b), reports, rules, data_end_us)

    def roles(self, every_fix: bool) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
        """The rows of fixes and of static reports that decide it, and what each decides."""
        if self.pair is None:
            return {}, {}
        fixes = findings.deciding_fixes(self.pair, self.courses, us(self.row["cpa_time"]), self.rules)
        if every_fix:
            low_us, high_us = int(self.pair.near.start_us[0]), int(self.pair.near.end_us[-1])
            for course in self.courses:
                inside = (course.time_us >= low_us) & (course.time_us <= high_us)
                for number in course.row[inside].tolist():
                    fixes.setdefault(number, ["between"])
        static: dict[int, list[str]] = {}
        for _, number, _ in self._reported():
            if number is not None:
                static.setdefault(number, ["static"])
        return fixes, static

    def _reported(self) -> Iterator[tuple[str, int | None, list[Any]]]:
        """Of each value that a vessel reports of itself: its column, the row that decides, all that it sent in time."""
        end_us = us(self.row["end_time"])
        since_us = end_us // DAY * DAY - round(self.rules.encounter.static_memory_d * DAY)
        for v in "ab":
            first, end = self.reports.of(self.row[f"mmsi_{v}"], since_us, end_us)
            for name, column in (("ship_type", f"ship_type_{v}"), ("length_m", f"length_{v}_m")):
                every = self.reports.kept[name].slice(first, end - first).to_pylist()
                known = [k for k, value in enumerate(every) if value is not None]
                deciding = [k for k in known if every[k] == self.row[column]]
                yield column, first + deciding[-1] if deciding else None, [every[k] for k in known]

    def found(self, lost: bool) -> Iterator[Finding]:
        """What follows of it, but for places and score. lost: whether something that arrived was damaged."""
        row, rules = self.row, self.rules
        if self.pair is None:
            yield Finding("the meeting", False, "measured", None, "no fixes of the lake make one")
            return
        yield from self.measured
        beside_us = round(rules.encounter.dark_beside_min * MINUTE)
        low_us, high_us = us(row["start_time"]) - beside_us, us(row["end_time"]) + beside_us
        for v, course in zip("ab", self.courses, strict=True):
            if lost:
                why = "some of what arrived was damaged, which may hide a silence"
                yield from (Finding(name, None, row[name], why=why) for name in (f"gap_{v}", *findings.stays_of(v)))
            else:
                edges = gap_edges(course, findings.begun_us(row, v), self.data_end_us, rules.vessel)
                yield from findings.of_stays(row, v, course, edges, rules)
                yield findings.same(f"gap_{v}", row[f"gap_{v}"], bool(((edges >= low_us) & (edges <= high_us)).any()))
        yield from (findings.of_reported(column, row[column], every) for column, _, every in self._reported())


def _encounters(basis: Basis, page: pa.Table, every_fix: bool = False) -> list[EventReport]:
    """Encounters, rows of the table, held against what was received; provisional ones are left out and named."""
    provisional = pa.array([status == "provisional" for status in page["status"].to_pylist()])
    why = "it is provisional: what it rests on is final when its hour is over"
    left = [_left_out(row, why) for row in page.filter(provisional).select(["id", "revision"]).to_pylist()]
    page = page.filter(pc.invert(provisional))
    gone = [basis.removal(row) for row in page.to_pylist()]
    left += [_left_out(row, reason) for row, reason in zip(page.to_pylist(), gone, strict=True) if reason]
    page = page.filter(pa.array([reason is None for reason in gone], pa.bool_()))
    if not page.num_rows:
        return left
    rows = page.to_pylist()
    fixes, reports = _rows_of(basis, rows)
    vault.read_torn(basis.lake, fixes, basis.rules_of(rows[0]["run_id"]).vessel)
    meetings = []
    for k, row in enumerate(rows):
        rules = basis.run_of(row["run_id"])[1]
        try:
            meetings.append(MeetingBasis.of(row, basis.lake, fixes, reports, rules, basis.watermark_us))
        except RemovedFixes as removed:
            rest = page.filter(pa.array([n != k for n in range(len(rows))], pa.bool_()))
            return [*_encounters(basis, rest, every_fix), _left_out(row, str(removed)), *left]
    roles = [meeting.roles(every_fix) for meeting in meetings]
    decided = [_deciding(of, [each[k] for each in roles]) for k, of in enumerate((fixes, reports))]
    read = basis.vault.held_against([row for of in decided for row in of.values()])
    places = findings.of_places(rows, basis.run_of(rows[0]["run_id"])[1])
    given = zip(meetings, roles, places, _scores(basis, page), strict=True)
    return [_report(basis, *each, decided, read) for each in given] + left


def _left_out(row: Mapping[str, Any], why: str, kind: str = "encounter") -> EventReport:
    """An event of which nothing was checked."""
    return EventReport(row["id"], row.get("revision"), kind, (Finding(_ALL_OF_IT, None, why=why),))


def _deciding(rows: Rows, roles: Sequence[Mapping[int, Sequence[str]]]) -> dict[int, Deciding]:
    """The rows that decide any of some meetings, by their number."""
    every: dict[int, list[str]] = {}
    for of in roles:
        for number, words in of.items():
            every.setdefault(number, []).extend(words)
    return rows.deciding(every)


def _report(
    basis: Basis,
    meeting: MeetingBasis,
    roles: Sequence[Mapping[int, Sequence[str]]],
    place: Sequence[Finding],
    score: Finding,
    decided: Sequence[Mapping[int, Deciding]],
    read: Mapping[int, Compared],
) -> EventReport:
    rows = [
        replace(of[k], roles=tuple(dict.fromkeys(wanted[k])))
        for of, wanted in zip(decided, roles, strict=True)
        for k in wanted
    ]
    held = [read[id(of[k])] for of, wanted in zip(decided, roles, strict=True) for k in wanted]
    found = (*meeting.found(basis.lake.lost), *place, score)
    return EventReport(meeting.row["id"], meeting.row["revision"], "encounter", found, tuple(rows), tuple(held))


def _rows_of(basis: Basis, rows: Sequence[Mapping[str, Any]]) -> tuple[Rows, Rows]:
    """The fixes and static reports that can decide something of some encounters."""
    mmsi = {row[f"mmsi_{v}"] for row in rows for v in "ab"}
    rules = [basis.run_of(each)[1] for each in {row["run_id"] for row in rows}]
    wide_us = max(map(window_us, rules))
    first_us, last_us = min(us(row["start_time"]) for row in rows), max(us(row["end_time"]) for row in rows)
    fixes = basis.lake.rows("fixes", mmsi, (first_us - wide_us - BEFORE_US, last_us + wide_us + 1))
    memory_us = round(max(each.encounter.static_memory_d for each in rules) + 1) * DAY
    return fixes, basis.lake.rows("static_reports", mmsi, (first_us - memory_us, last_us + 1))


def _scores(basis: Basis, page: pa.Table) -> list[Finding]:
    """A finding of the score for each encounter of a page."""
    beside = case_queries.beside(basis.data, page["id"].to_pylist())
    place = {key: k for k, key in enumerate(zip(beside["id"].to_pylist(), beside["revision"].to_pylist(), strict=True))}
    keys = list(zip(page["id"].to_pylist(), page["revision"].to_pylist(), strict=True))
    by_run: dict[str, list[int]] = {}
    for k, run_id in enumerate(page["run_id"].to_pylist()):
        by_run.setdefault(run_id, []).append(k)
    found: dict[int, Finding] = {}
    for run_id, numbers in by_run.items():
        card = basis.card_of(run_id)
        if card is None:
            model = basis.run_of(run_id)[0]["model_id"]
            why = f"scorecard {model} does not come with this program; name its file with `scorecard`"
            found |= {k: Finding("score", None, why=why) for k in numbers}
            continue
        round_it = beside.take(pa.array([place[keys[k]] for k in numbers], pa.int64()))
        found |= zip(numbers, findings.of_scores(page.take(pa.array(numbers)), round_it, card), strict=True)
    return [found[k] for k in range(page.num_rows)]


# ------------------------------------------------------------------------------------------------------ dark meetings


def _dark_meetings(basis: Basis, silent: DarkBasis, rows: Sequence[Mapping[str, Any]]) -> list[EventReport]:
    """Dark meetings held against the fixes at the edges of their silences and waits, and against all silences."""
    why = {row["id"]: reason for row in rows if (reason := basis.removal(row))}
    left = [_left_out(row, why[row["id"]], "dark meeting") for row in rows if row["id"] in why]
    if not (rows := [row for row in rows if row["id"] not in why]):
        return left
    parties, wide_us = [(row, of) for row in rows for of in silent.parties(row)], 2 * window_us(silent.rules)
    low_us, high_us = min(of["start_us"] for _, of in parties), max(of["end_us"] for _, of in parties)
    fixes = basis.lake.rows("fixes", {of["mmsi"] for _, of in parties}, (low_us - wide_us, high_us + wide_us))
    vault.read_torn(basis.lake, fixes, silent.rules.vessel)
    found: dict[str, list[Finding]] = {row["id"]: [] for row in rows}
    roles: dict[str, dict[int, list[str]]] = {row["id"]: {} for row in rows}
    for row, party in parties:
        try:
            of_party, edges = findings.of_party(party, basis.lake, fixes, silent.rules)
        except RemovedFixes as removed:
            rest = [each for each in rows if each["id"] != row["id"]]
            return [*_dark_meetings(basis, silent, rest), _left_out(row, str(removed), "dark meeting"), *left]
        found[row["id"]] += of_party
        roles[row["id"]] |= {number: [party["role"]] for number in edges}
    decided = _deciding(fixes, list(roles.values()))
    read = basis.vault.held_against(list(decided.values()))
    reports = []
    for row in rows:
        own = [decided[number] for number in roles[row["id"]]]
        every = (*found[row["id"]], *of_dark(row, silent.for_row(row, basis.lake)))
        held = tuple(read[id(each)] for each in own)
        reports.append(EventReport(row["id"], None, "dark meeting", every, tuple(own), held))
    return reports + left
