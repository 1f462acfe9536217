"""Simulated seas run through the steps: each encounter with what it really was, and how much was watched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stswatch.models.features import duration_h
from stswatch.models.ranking import BESIDE
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, MS, Bools, Floats, Ints, grouped, micros, spread
from stswatch.pipeline.flow.slices import hash_of, modules_of
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.steps import STEPS, at_once
from stswatch.pipeline.store.encounter_context import beside_schema, context_of
from stswatch.pipeline.tracks.fixes import CLASSES, ais_classes, valid
from stswatch.pipeline.trouble import Progress
from stswatch.sample_ais.second import recording
from stswatch.sample_ais.second.sea import SecondPlan, second_seeds
from stswatch.sample_ais.second.sea import simulate as simulate_second
from stswatch.sample_ais.simulation import Plan, VoyagePlan, simulate

# ------------------------- What each encounter really was: the true meeting of the same pair that it overlaps longest
# An encounter that overlaps no true meeting is traffic of the family `none`: two hulls under one number, a forged
# course, hulls that passed. Of several encounters that one true meeting gave the longest stands for it; the others
# are repeats, which say nothing new and are counted apart. A transfer that gave no encounter is a row too, with
# nothing measured.

TRANSFER, LOOK_ALIKE, TRAFFIC, NONE = "transfer", "look_alike", "traffic", "none"
_SIDES = ("start", "end")
TRUTH = (
    schema.column("truth", pa.string(), "what it was: transfer, look_alike or traffic"),
    schema.column("family", pa.string(), "family of the scenario; none where no true meeting lies beneath"),
    schema.column("scenario", pa.string(), "the scenario; none where no true meeting lies beneath"),
    schema.column("detected", pa.bool_(), "an encounter; else a transfer that gave none"),
    schema.column("repeat", pa.bool_(), "a longer encounter stands for the same true meeting"),
    schema.column("start_off_min", pa.float64(), "start less the true start", unit="min", null=True),
    schema.column("end_off_min", pa.float64(), "end less the true end", unit="min", null=True),
)
_NO_MODEL = ("score", "reasons", "run_id", "region")  # what was made of the encounter, not measured
_ALWAYS = ("mmsi_a", "mmsi_b", "start_time", "end_time")  # known of a transfer that gave no encounter too
MEASURED = pa.schema(
    [f if f.name in _ALWAYS else f.with_nullable(True) for f in schema.ENCOUNTERS if f.name not in _NO_MODEL]
)
LABELLED = pa.schema([*MEASURED, *TRUTH])


def label(encounters: pa.Table, meetings: pa.Table) -> pa.Table:
    """Encounters with what they were, then the transfers that gave none, as LABELLED.

    encounters: schema.ENCOUNTERS. meetings: the truth, with mmsi_a, mmsi_b (smaller first), start, end, kind, family,
    scenario. Rows keep their order. Never raises for such tables.
    """
    met = overlapping(encounters, meetings)
    found = encounters.select(MEASURED.names).cast(MEASURED)
    known = met >= 0
    at = pa.array(np.where(known, met, 0), mask=~known)
    off_min = {f"{side}_off_min": pa.array(_off_min(encounters, meetings, side, met), mask=~known) for side in _SIDES}
    labels = {
        "truth": meetings["kind"].take(at).fill_null(TRAFFIC),
        "family": meetings["family"].take(at).fill_null(NONE),
        "scenario": meetings["scenario"].take(at).fill_null(NONE),
        "detected": np.ones(len(met), bool),
        "repeat": _repeats(encounters, met),
    } | off_min
    for field in TRUTH:
        found = found.append_column(field, _flat(labels[field.name], field.type))
    return pa.concat_tables([found, _missed(meetings, met)]).combine_chunks()


def overlapping(encounters: pa.Table, meetings: pa.Table) -> Ints:
    """For each encounter the row among meetings (pair, start, end) that it overlaps longest, -1 where none, (n,)."""
    key, pair = _pairs(meetings), _pairs(encounters)
    order = np.argsort(key, kind="stable")
    first, last = (np.searchsorted(key[order], pair, side=side) for side in ("left", "right"))
    row, nth = spread(last - first)
    of = order[first[row] + nth]
    start = np.maximum(micros(encounters, "start_time")[row], micros(meetings, "start")[of])
    shared = np.minimum(micros(encounters, "end_time")[row], micros(meetings, "end")[of]) - start
    best = np.lexsort((of, -shared, row))
    best = best[np.diff(row[best], prepend=-1) > 0]  # the first of each encounter
    best = best[shared[best] > 0]
    met = np.full(encounters.num_rows, -1)
    met[row[best]] = of[best]
    return met


def _pairs(table: pa.Table) -> Ints:
    """The two numbers of each row as one."""
    a, b = (np.asarray(table[name]).astype(np.int64) for name in ("mmsi_a", "mmsi_b"))
    return np.asarray((a << 32) | b)


def _off_min(encounters: pa.Table, meetings: pa.Table, side: str, met: Ints) -> Floats:
    """How much later each encounter starts or ends than its true meeting, minutes; anything where there is none."""
    true_us = np.append(micros(meetings, side), 0)
    return np.asarray((micros(encounters, f"{side}_time") - true_us[met]) / MINUTE)


def _repeats(encounters: pa.Table, met: Ints) -> Bools:
    """Which encounters a longer one of the same true meeting stands for; of equals the first stays."""
    order = np.lexsort((np.arange(len(met)), -duration_h(encounters), met))
    repeat = np.zeros(len(met), bool)
    repeat[order] = (np.diff(met[order], prepend=-2) == 0) & (met[order] >= 0)
    return repeat


def _missed(meetings: pa.Table, met: Ints) -> pa.Table:
    """The transfers that gave no encounter, with their pair and times and nothing else."""
    transfers = np.asarray(meetings["kind"].to_numpy(zero_copy_only=False) == TRANSFER)
    rows = meetings.take(pa.array(np.setdiff1d(np.flatnonzero(transfers), met)))
    n = rows.num_rows
    columns_of = {"truth": rows["kind"], "family": rows["family"], "scenario": rows["scenario"]}
    columns_of |= {
        "mmsi_a": rows["mmsi_a"],
        "mmsi_b": rows["mmsi_b"],
        "start_time": rows["start"],
        "end_time": rows["end"],
    }
    columns_of |= {"detected": np.zeros(n, bool), "repeat": np.zeros(n, bool)}
    columns = [_flat(columns_of[f.name], f.type) if f.name in columns_of else pa.nulls(n, f.type) for f in LABELLED]
    return pa.table(columns, schema=LABELLED)


def _flat(column: object, kind: pa.DataType) -> pa.Array:
    """A column as one Arrow array of a type."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.cast(kind) if isinstance(column, pa.Array) else pa.array(column, kind)


# ----------- A simulated sea as the steps see it: its encounters with what they really were, and how much was watched

# within 50 m for 10 min, or within 200 m for 30 min; source in models/ranking.py
STARBOARD = ((50.0, 10.0), (200.0, 30.0))
_HEARD = "what heard it while they met: terrestrial, satellite or both; null where that is not known"
_CLASS = "A or B, by the messages that it sent"
SENDERS = [  # no input of any score: figures are parted by it
    schema.column(f"{name}_{v}", pa.string(), meaning, null=True)
    for v in "ab"
    for name, meaning in (("heard", _HEARD), ("class", _CLASS))
]
CONTEXT = pa.schema([*beside_schema(), *SENDERS])
ROWS = pa.schema([*LABELLED, *CONTEXT])
ROWS = ROWS.append(schema.column(BESIDE, pa.bool_(), "so near for so long that the rule of Starboard holds"))
ROWS = ROWS.append(schema.column("seed", pa.int64(), "seed of the simulated sea"))
_WATCHED = b"watched"


class Happened(Protocol):
    """What is asked of a simulated sea, see stswatch.sample_ais.simulation."""

    @property
    def fixes(self) -> pa.Table: ...  # noqa: D102

    @property
    def static_reports(self) -> pa.Table: ...  # noqa: D102

    @property
    def meetings(self) -> pa.Table: ...  # noqa: D102

    @property
    def vessel_days(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Watched:
    """Labelled encounters of one sea or several, ROWS, and over all of them the days and the vessel-days watched."""

    rows: pa.Table
    days: float
    vessel_days: float

    @property
    def vessels(self) -> float:
        """How many vessels there were at a time, on average."""
        return self.vessel_days / self.days

    def between(self, from_d: int, until_d: int) -> Watched:
        """What began within some days of a sea, counted from its begin, and the share of days and vessel-days."""
        since_us = micros(self.rows, "start_time") - Plan.start_s * 1_000_000
        keep = (since_us >= days(from_d)) & (since_us < days(until_d))
        part = (until_d - from_d) / _WEEKS.days
        return replace(self.where(keep), days=self.days * part, vessel_days=self.vessel_days * part)

    def where(self, keep: pa.Array | np.ndarray) -> Watched:
        """The same sea with some of its rows."""
        return replace(self, rows=self.rows.filter(pa.array(keep)).combine_chunks())


def write_second(folder: Path, seed: int, **plan: Any) -> list[Path]:
    """Write a sea of the second simulator, fields of SecondPlan; gives the files. Raises SecondPlanError, OSError."""
    return recording.write(folder, simulate_second(SecondPlan(**plan), seed))


def watch(sea: Happened, days: float, seed: int, rules: Rules | None = None) -> Watched:
    """The encounters that the steps find in a sea, labelled. The same sea gives the same rows."""
    found = near_enough(sea.fixes, sea.static_reports, rules or Rules())
    rows = label(found.select(schema.ENCOUNTERS.names), sea.meetings)
    missed = rows.num_rows - found.num_rows
    for field in CONTEXT:
        rows = rows.append_column(field, pa.chunked_array([*found[field.name].chunks, pa.nulls(missed, field.type)]))
    beside = pa.concat_arrays([found[BESIDE].combine_chunks(), pa.array([False] * missed, pa.bool_())])
    rows = rows.append_column(ROWS.field(BESIDE), beside)
    rows = rows.append_column(ROWS.field("seed"), pa.array(np.full(rows.num_rows, seed)))
    return Watched(rows.cast(ROWS), days, float(sea.vessel_days))


def near_enough(fixes: pa.Table, static_reports: pa.Table, rules: Rules) -> pa.Table:
    """Encounters (schema.ENCOUNTERS) with what lies round them (CONTEXT), and whether the rule of Starboard holds in
    them, for it alone.

    fixes, static_reports: of the lake, see schema.LAKE.
    """
    tables = at_once(fixes, static_reports, rules)
    found = tables.get("encounters", schema.empty("encounters"))
    met = pc.unique(pa.concat_arrays([found[f"mmsi_{v}"].combine_chunks() for v in "ab"]))
    theirs = fixes.filter(pc.is_in(fixes["mmsi"], value_set=met))
    beside = np.zeros(found.num_rows, bool)
    for distance_m, duration_min in STARBOARD:
        tight = replace(
            rules,
            proximity=replace(rules.proximity, distance_m=distance_m),
            encounter=replace(rules.encounter, min_duration_min=duration_min),
        )
        stretches = at_once(theirs, static_reports, tight).get("encounters", schema.empty("encounters"))
        stretches = stretches.rename_columns({"start_time": "start", "end_time": "end"})
        beside |= overlapping(found, stretches) >= 0
    found = found.append_column(BESIDE, pa.array(beside))
    around = context_of(tables, rules.context)
    columns = [*found.columns, *around.columns, *senders(found, theirs)]
    return pa.table(columns, schema=pa.schema([*found.schema, *CONTEXT]))


def senders(events: pa.Table, fixes: pa.Table) -> Iterator[pa.Array]:
    """How both vessels of events were heard while they met, and their class: columns SENDERS, row by row.

    events: mmsi_a, mmsi_b, start_time, end_time; fixes: of the lake, some of each of these vessels.
    """
    heard = fixes.filter(pc.is_null(fixes["invalid_reason"]))
    numbers, of = np.unique(np.asarray(heard["mmsi"]), return_inverse=True)
    moment = (of << 42) + micros(heard, "time") // MS  # of each number in turn
    class_b = np.bincount(of, ais_classes(heard) == CLASSES.index("B"), len(numbers)) > 0
    known = [schema.RECEIVERS[kind] for kind in (schema.TERRESTRIAL, schema.SATELLITE)]
    kinds = [np.sort(moment[np.asarray(pc.equal(heard["receiver"], kind))]) for kind in known]
    for v in "ab":
        who = np.searchsorted(numbers, np.asarray(events[f"mmsi_{v}"]))
        first, last = ((who << 42) + micros(events, f"{side}_time") // MS for side in _SIDES)
        shore, space = (np.searchsorted(k, last, side="right") > np.searchsorted(k, first) for k in kinds)
        how = np.select([shore & space, shore, space], ["both", *known], "")
        yield pa.array(how, pa.string(), mask=how == "")
        yield pa.array(np.where(class_b[who], "B", "A"), pa.string())


def together(seas: Sequence[Watched]) -> Watched:
    """Several seas as one. Raises ValueError where none is given."""
    if not seas:
        raise ValueError("no sea was watched; give at least one seed")
    rows = pa.concat_tables([sea.rows for sea in seas]).combine_chunks()
    return Watched(rows, sum(sea.days for sea in seas), sum(sea.vessel_days for sea in seas))


def save(watched: Watched, path: Path) -> None:
    """Write a watched sea as one Parquet file, by a rename, so that none is half there. Raises OSError."""
    metadata = {_WATCHED: json.dumps({"days": watched.days, "vessel_days": watched.vessel_days}).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    try:
        pq.write_table(watched.rows.replace_schema_metadata({**(watched.rows.schema.metadata or {}), **metadata}), half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def saved(path: Path) -> Watched:
    """The sea that `save` wrote. Raises OSError, KeyError for a file of another kind."""
    rows = pq.read_table(path)
    return Watched(rows.cast(ROWS), **json.loads(rows.schema.metadata[_WATCHED]))


# ------------------------------------------------------------- A real archive, of which more may be known


@dataclass(frozen=True)
class Archive:
    """Decoded positions with a name; `pair` are two MMSI of which it is known that they met, smaller first."""

    name: str
    fixes: pa.Table
    static_reports: pa.Table
    pair: tuple[int, int] | None = None


def vessel_days(fixes: pa.Table) -> float:
    """On how many days each MMSI was heard with a valid position, summed."""
    heard = valid(fixes)
    day = pa.table({"mmsi": heard["mmsi"], "day": micros(heard, "time") // (24 * HOUR)})
    return float(grouped(day, ["mmsi", "day"]).aggregate([]).num_rows)


# -------- The seas that the judgement is trained and tried on, fixed before training, and watching many seeds of them


STANDARD, SHIFTED, SECOND = "standard", "shifted", "second"
_WEEKS = VoyagePlan(days=45.0, background=60, transfers=90, look_alikes=270, trade=40, moored=20)
SEAS: dict[str, tuple[Plan | SecondPlan, str]] = {
    STANDARD: (
        _WEEKS,
        "45 days in which ships go from port to port: 90 scenes of transfers and 270 of look-alikes, 60 of 100 in"
        " reported areas, 40 ships of the DPRK trade and as many of its lawful twin, 60 ships and 20 moored craft in no"
        " scene",
    ),
    SHIFTED: (
        replace(
            _WEEKS,
            background=90,
            in_zones=0.3,
            duration_factor=0.7,
            distance_factor=1.5,
            noise=2.0,
            range_factor=0.75,
            density=1.5,
            outages_per_day=0.8,
        ),
        "as standard, but half as many in reported areas, meetings 0.7 times as long at 1.5 times the distance, twice"
        " the noise, shore stations that reach 0.75 times as far, half as many ships again, twice the outages",
    ),
    SECOND: (
        SecondPlan(days=7.0, background=300, transfers=60, look_alikes=240),
        "of a second simulator that shares nothing with the first: 7 days, 300 ships in no scene, 60 scenes of"
        " transfers and 240 of look-alikes, half of those at sea in reported areas",
    ),
}
TRAINING_SEEDS, HELD_OUT_SEEDS, SHIFTED_SEEDS = (1, 2, 3, 4), (101, 102, 103, 104), (201, 202)
_MADE_BY = ("stswatch.pipeline.store.encounter_context", *modules_of(STEPS))
_SIMULATED_BY = ("stswatch.sample_ais.simulation", "stswatch.sample_ais.truth", "stswatch.sample_ais.second.recording")
SECOND_SEEDS = second_seeds()  # frozen beside the generator


def watched(
    name: str,
    seeds: Sequence[int],
    keep: Path | None = None,
    workers: int = 1,
    tell: Progress = lambda stage, done, of: None,
) -> Watched:
    """Several seeds of one of SEAS, watched as one, the same whatever the number of workers.

    keep: a folder where each watched sea is kept and taken from again, by its plan, seed, rules and the code that made
    it. Raises KeyError for another name, ValueError without seeds, OSError where the folder cannot be used.
    """
    one = partial(_one, name, keep=keep)
    tell(f"{name} seas", 0, len(seeds))
    if workers <= 1:
        seas = []
        for done, seed in enumerate(seeds, 1):
            seas.append(one(seed))
            tell(f"{name} seas", done, len(seeds))
        return together(seas)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        seas = []
        for done, sea in enumerate(pool.map(one, seeds), 1):
            seas.append(sea)
            tell(f"{name} seas", done, len(seeds))
    return together(seas)


def _one(name: str, seed: int, keep: Path | None) -> Watched:
    plan, _ = SEAS[name]
    path = None if keep is None else keep / f"{name}-{seed}-{_address(plan)}.parquet"
    if path is not None and path.exists():
        return saved(path)
    happened = simulate_second(plan, seed) if isinstance(plan, SecondPlan) else simulate(plan, seed)
    sea = watch(happened, plan.days, seed)
    if path is not None:
        save(sea, path)
    return sea


def _address(plan: Plan | SecondPlan) -> str:
    """A name for all that a watched sea depends on but its seed."""
    identity = f"{plan!r} {Rules().events_fingerprint()} {hash_of((*_SIMULATED_BY, *_MADE_BY))}"
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
