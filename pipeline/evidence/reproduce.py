"""`stswatch reproduce`: run again from what a run noted of itself, and compare what it found.

The manifest of a run is a mark of the catalogue: which sources it used, how each was asked to be read, the code of its
steps, its scorecard, its area. Rules stand in table `runs`. What a watch finalized depends on the hours at which it
did, so that its runs are not reproduced; its events are verified one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stswatch.errors import StswatchError
from stswatch.geo.reference import zones
from stswatch.models import scorecard
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.evidence.findings import shown, us
from stswatch.pipeline.evidence.vault import Holding, Vault, known_sources
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import manifest_of, noted_manifest
from stswatch.pipeline.flow.run import run as run_flow
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers.formats import numbered, open_sources
from stswatch.pipeline.readers.source import Source, request_of
from stswatch.pipeline.rule_files import from_json
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, scored_by
from stswatch.pipeline.store import case_queries, queries
from stswatch.pipeline.store.entries import SourceEntry, is_segment
from stswatch.pipeline.trouble import Progress

COMPARED = (
    *("encounters", "dark_meetings", "gaps", "port_calls", "loitering", "identity_events", "track_checks"),
    *("outages", "long_absences", "port_pair_counts"),
)
_NAMES = ("id", "revision", "status", "run_id", "superseded_by")  # of an encounter, which history gives
_SHOWN = 5


class NotReproduced(StswatchError, ValueError):
    """A run that did not come again; the message names the first difference, or what lacks."""


@dataclass
class Reproduced:
    """What came of running again: what lacks for it, a sentence each, and by table what is not equal.

    rows: of each table how many rows are equal. missing, extra: rows that the run found and this did not, and the other
    way about, by table, the first few in words. notes: what is otherwise than it was, and need not matter.
    """

    run_id: str
    lacks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    extra: dict[str, list[str]] = field(default_factory=dict)

    def first_fault(self) -> str | None:
        """One sentence that says what lacks or differs first; None where the events are equal."""
        because = f" ({'; '.join(self.notes)})" if self.notes else ""
        if self.lacks:
            return f"run {self.run_id} cannot be run again: {self.lacks[0]}{because}"
        for found, way in ((self.missing, "found"), (self.extra, "did not find")):
            for table, rows in found.items():
                return f"run {self.run_id} is not reproduced: it {way} {rows[0]} of table {table}{because}"
        return None


def reproduce(
    data: Path,
    run_id: str | None = None,
    elsewhere: Sequence[Path] = (),
    card: Path | None = None,
    tell: Progress = lambda stage, done, of: None,
) -> Reproduced:
    """Run again what a run of a folder did, the last where None, in a folder that goes away again, and compare.

    Of an earlier run the revisions are compared that it wrote: what it left as it was nobody can tell apart any more.
    Raises StoreError, CatalogueError, and what `run` raises.
    """
    with queries.one_snapshot(data):
        run, last = queries.run_of(data, run_id), queries.run_of(data)
        found = Reproduced(str(run["run_id"]))
        known = known_sources(data)
        manifest = noted_manifest(data, found.run_id)
        used = _used(known, manifest, found)
        vault = Vault(data, known, elsewhere)
        holdings = [vault.holding(source) for source in used]
        found.lacks += [_lacking(each) for each in holdings if each.path is None]
        steps, rules = _steps(str(run["model_id"]), card, found), from_json(str(run["rules"]))
        area = _area(str(run["area"]), manifest, found)
        if any(is_segment(each.entry.path) for each in holdings):
            found.lacks.append(
                "it is of a watch, whose hours were finalized as they came; `stswatch verify` holds its events"
            )
        if found.lacks or steps is None:
            return found
        _note_changes(run, manifest, rules, steps, found)
        with TemporaryDirectory(prefix="stswatch-reproduce-") as folder:
            again = Path(folder) / "data"
            again.mkdir()
            sources = _sources(holdings, Path(folder))
            engine = Engine(slice_h=holdings[0].entry.slab_us / HOUR, steps=steps)
            run_flow(again, sources, rules, area, engine, tell)
            _compare(data, again, found, whole=run["run_id"] == last["run_id"])
    return found


def _used(known: Mapping[str, SourceEntry], manifest: Mapping[str, Any] | None, found: Reproduced) -> list[str]:
    """The sources of the run; what the catalogue no longer knows of them is lacking."""
    if manifest is None:
        found.notes.append("it noted no manifest: all sources of the folder are taken")
        return list(known)
    gone = [source for source in manifest["sources"] if source not in known]
    found.lacks += [f"the file whose SHA-256 begins with {source} is no longer in the catalogue" for source in gone]
    return [source for source in manifest["sources"] if source in known]


def _lacking(holding: Holding) -> str:
    return holding.fault or f"{holding.name}: is not there; name the folder where it lies with `files`"


def _steps(model_id: str, card: Path | None, found: Reproduced) -> tuple[Step, ...] | None:
    """The steps with the scorecard of the run; None, and what lacks is noted, where it is not at hand."""
    at_hand = [scorecard.load(card)] if card else []
    at_hand += [scorecard.chosen(name) for name in scorecard.NAMES]
    for each in at_hand:
        if each.model_id == model_id:
            return STEPS if each.model_id == scorecard.load().model_id else scored_by(each)
    found.lacks.append(f"scorecard {model_id} does not come with this program; name its file with `scorecard`")
    return None


def _area(area: str, manifest: Mapping[str, Any] | None, found: Reproduced) -> str:
    """The area that was asked for, if it is as it was."""
    try:
        zones.area(area)
    except ValueError as error:
        found.lacks.append(str(error))
        return area
    if manifest is not None and manifest.get("area") != manifest_of(area, (), (), None)["area"]:
        found.notes.append(f"area {area} is no longer what it was")
    return area


def _note_changes(
    run: Mapping[str, Any], manifest: Mapping[str, Any] | None, rules: Rules, steps: Sequence[Step], found: Reproduced
) -> None:
    """Note what of the program is not as it was."""
    code = manifest_of("world", (), steps, None)["code"]
    if manifest is not None and manifest["code"] != code:
        found.notes.append(f"the code of its steps, of version {run['code_version']}, was other than it is here")
    if rules.fingerprint() != run["rules_fingerprint"]:
        found.notes.append("its rules do not all exist here any more")


def _sources(holdings: Sequence[Holding], folder: Path) -> list[Source]:
    """The sources as they were asked to be read."""
    days, opened, ids = dict[str, date](), dict[tuple[str, Any], list[Source]](), frozenset[str]()
    wanted = {str(each.entry.source["source"]) for each in holdings}
    for each in holdings:
        if day := each.entry.source.get("ingest_day"):
            days[str(each.entry.source["source"])] = date.fromisoformat(str(day))
    for each in holdings:
        asked = tuple(tuple(pair) for pair in each.entry.source.get("request") or ())
        key = str(each.path), asked
        if key not in opened:
            found = open_sources(
                str(each.path), _request(dict(asked), folder / f"columns-{len(opened)}.toml"), days=days
            )
            ids |= found.ids
            opened[key] = [source for source in found.sources if source.source in wanted]
    return [numbered(source, ids) for sources in opened.values() for source in sources]


def _request(asked: Mapping[str, str], columns: Path) -> ReadOptions:
    """What was asked of a file; the inverse of source.request_of. columns: where to write its map of columns."""
    given: dict[str, Any] = dict(asked)
    if "columns" in given:
        columns.write_text(given["columns"])
        given["columns"] = columns
    if "start_time" in given:
        given["start_time"] = datetime.fromisoformat(given["start_time"])
    request = ReadOptions(**given)
    assert dict(request_of(request)) == dict(asked)
    return replace(request, day=datetime.now().date())


# ---------------------------------------------------------------------------------------------------------- compared


def _compare(data: Path, again: Path, found: Reproduced, whole: bool) -> None:
    """Compare what two folders hold. whole: all of it, else what the run wrote of encounters."""
    for table in COMPARED if whole else COMPARED[:1]:
        stored, run_again = (case_queries.table(folder, table) for folder in (data, again))
        if table == "encounters":
            stored = _standing(stored) if whole else _written_by(stored, found.run_id)
            run_again = _standing(run_again)
        one, other = (Counter(_rows(rows, table)) for rows in (stored, run_again))
        found.rows[table] = sum((one & other).values())
        missing, extra = list((one - other).elements()), list((other - one).elements()) if whole else []
        for into, rows in ((found.missing, missing), (found.extra, extra)):
            if rows:
                more = [f"and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
                into[table] = [row[:300] for row in rows[:_SHOWN]] + more


def _standing(encounters: pa.Table) -> pa.Table:
    return encounters.filter(pc.equal(encounters["status"], "current"))


def _written_by(encounters: pa.Table, run_id: str) -> pa.Table:
    return encounters.filter(pc.equal(encounters["run_id"], run_id))


def _rows(table: pa.Table, name: str) -> Iterator[str]:
    """Each row in words, without what only the history of a folder gives."""
    left = [each for each in _NAMES if each in table.column_names] if name == "encounters" else []
    for row in table.drop_columns(left).to_pylist():
        yield ", ".join(f"{key} {_word(value)}" for key, value in row.items())


def _word(value: Any) -> str:
    return shown(us(value)) if isinstance(value, datetime) else repr(value)


# -------------------------------------------------------------------------------------------------- in words, as JSON


def as_text(found: Reproduced) -> str:
    """What came of it, for people."""
    if found.lacks:
        return f"run {found.run_id}: not run again; it lacks: {'; '.join(found.lacks)}"
    differing = sorted({*found.missing, *found.extra})
    rows = ", ".join(f"{count:,} {table}" for table, count in found.rows.items() if count)
    notes = f"; {'; '.join(found.notes)}" if found.notes else ""
    if not differing:
        return f"run {found.run_id} came again: equal are {rows or 'its tables, which are empty'}{notes}"
    return f"run {found.run_id}: equal are {rows or 'no rows'}; {', '.join(differing)} differ{notes}"


def as_json(found: Reproduced) -> dict[str, Any]:
    """What came of it, for programs."""
    return {"equal": found.first_fault() is None, **vars(found)}
