"""The coverage step: exact counts of what was received where and when, and spans in which nobody was."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.cells import grid_cell
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    SECOND,
    Batch,
    Column,
    Ints,
    Result,
    Tables,
    build,
    concat,
    grouped,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.rules import Rules, hours, minutes
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.track_rules import CoverageRules

# ------ outages: spans in which nobody at all was heard, though the traffic before and after makes that no accident
# Law: what was heard is told by whole UTC half hours, as fixes are taken. A silence is judged once the hour after it is
# there, by that hour, the hour before it, and the silences of the days before; so no cut of the data shows.

ALL = "all"
_SPARSE = 64  # seconds for each fix: where there are more, marking each second costs more than sorting
_LEAST_S = 1 << 18

LAST = schema.table(
    "When each kind of receiver heard anybody last.",
    schema.REPORTING.field("receiver"),
    schema.REPORTING.field("last"),
)
HALVES = schema.table(
    "How many vessels each kind of receiver heard in a half hour.",
    schema.REPORTING.field("receiver"),
    schema.column("half", schema.UTC, "start of the half hour"),
    schema.REPORTING.field("vessels"),
)
SILENCES = schema.table(
    "Spans in which a kind of receiver heard nobody.",
    schema.REPORTING.field("receiver"),
    schema.column("start", schema.UTC, "last fix before"),
    schema.column("end", schema.UTC, "first fix after"),
    schema.column("judged", pa.bool_(), "it was decided whether it is an outage"),
)
OUTAGE_STATE = {"last": LAST, "halves": HALVES, "silences": SILENCES}


def reporting(fixes: pa.Table, rules: Rules) -> pa.Table:
    """When anybody was heard, by kind of receiver and by all together, as schema.REPORTING.

    fixes: of one MMSI shard, PENDING, sorted by MMSI and time, in whole half hours.
    """
    kinds = np.asarray(fixes["receiver"])
    mmsi, time_us = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    parts = [_minutes(ALL, mmsi, time_us, rules)]
    if fixes.num_rows and (kinds == kinds[0]).all():
        kind = pa.array([RECEIVERS[kinds[0]]] * parts[0].num_rows, pa.string())
        parts.append(parts[0].set_column(0, schema.REPORTING.field("receiver"), kind))
    else:
        for k in np.unique(kinds).tolist():
            rows = kinds == k
            parts.append(_minutes(RECEIVERS[k], mmsi[rows], time_us[rows], rules))
    return concat(parts, schema.REPORTING)


def _minutes(receiver: str, mmsi: Column, time_us: Ints, rules: Rules) -> pa.Table:
    """The minutes in which fixes lie, a row each."""
    if not len(time_us):
        return schema.empty("reporting")
    second = _distinct(time_us // SECOND)
    minute = second * SECOND // MINUTE
    head = starts_of(minute)
    new = starts_of(mmsi, time_us // minutes(rules.vessel.thin_bucket_min))  # the first fix of a vessel in a half hour
    at = np.searchsorted(minute[head], time_us[new] // MINUTE)
    columns = {
        "receiver": pa.array([receiver] * len(head), pa.string()),
        "minute": minute[head] * MINUTE,
        "first": second[head] * SECOND,
        "last": second[np.append(head[1:], len(second)) - 1] * SECOND,
        "vessels": np.bincount(at, minlength=len(head)),
    }
    return build("reporting", columns)


def _distinct(second: Ints) -> Ints:
    """Whole numbers in order, each once."""
    base = int(second.min())
    span = int(second.max()) - base + 1
    if span > _SPARSE * len(second) + _LEAST_S:
        return np.unique(second)
    seen = np.zeros(span, bool)
    seen[second - base] = True
    return np.flatnonzero(seen) + base


def find(state: Tables, rows: pa.Table, until_us: int, final: bool, rules: Rules) -> tuple[Tables, pa.Table]:
    """The state to carry on, and the outages that are decided now, schema.OUTAGES.

    rows: schema.REPORTING of all shards. until_us: the end of the last whole half hour; final: nothing comes after.
    """
    half_us, own = minutes(rules.vessel.thin_bucket_min), rules.coverage
    beside = ceil(hours(own.outage_beside_h) / half_us)
    heard = _added(rows)
    silences = concat([state["silences"], _silences(state["last"], heard, own)], SILENCES)
    halves = _halves(state["halves"], heard, half_us)
    due_us = (micros(silences, "end") // half_us + 1 + beside) * half_us
    due = ~np.asarray(silences["judged"]) & (final | (due_us <= until_us))
    found = _outages(silences, np.flatnonzero(due), halves, half_us, beside, own)
    silences = silences.set_column(3, SILENCES.field("judged"), pa.array(np.asarray(silences["judged"]) | due))
    last = _latest(concat([state["last"], heard.select(LAST.names)], LAST))
    since = _open_since(last, silences)
    kept = {
        "last": last,
        "silences": _not_before(silences, "start", since, hours(own.outage_context_h)),
        "halves": _not_before(halves, "half", since, (beside + 1) * half_us),
    }
    return kept, _without_doubles(found)


def _added(rows: pa.Table) -> pa.Table:
    """One row for each kind and minute, in order."""
    if rows.num_rows == 0:
        return rows
    summed = grouped(rows, ["receiver", "minute"]).aggregate([("first", "min"), ("last", "max"), ("vessels", "sum")])
    named = summed.rename_columns(schema.REPORTING.names).cast(schema.REPORTING)
    return named.sort_by([("receiver", "ascending"), ("minute", "ascending")]).combine_chunks()


def _silences(last: pa.Table, heard: pa.Table, rules: CoverageRules) -> pa.Table:
    """The silences between minutes that were heard, those from the slice before on among them; short ones left out."""
    receiver = np.concatenate([last["receiver"].to_pylist(), heard["receiver"].to_pylist()]).astype(object)
    begin_us = np.concatenate([micros(last, "last"), micros(heard, "first")])
    end_us = np.concatenate([micros(last, "last"), micros(heard, "last")])
    order = np.lexsort((begin_us, receiver.astype(str)))
    receiver, begin_us, end_us = receiver[order], begin_us[order], end_us[order]
    long = begin_us[1:] - end_us[:-1] > minutes(rules.outage_min / rules.outage_factor)
    row = np.flatnonzero(long & (receiver[1:] == receiver[:-1]))
    columns = {"receiver": receiver[row], "start": end_us[row], "end": begin_us[row + 1]}
    return build(SILENCES, columns | {"judged": np.zeros(len(row), bool)})


def _halves(known: pa.Table, heard: pa.Table, half_us: int) -> pa.Table:
    """Vessels by kind and half hour."""
    half = pa.array(micros(heard, "minute") // half_us * half_us).cast(schema.UTC)
    new = pa.table([heard["receiver"], half, heard["vessels"]], schema=HALVES)
    summed = grouped(concat([known, new], HALVES), ["receiver", "half"]).aggregate([("vessels", "sum")])
    return summed.rename_columns(HALVES.names).cast(HALVES)


def _outages(
    silences: pa.Table, rows: Ints, halves: pa.Table, half_us: int, beside: int, rules: CoverageRules
) -> pa.Table:
    """Those of some silences that are outages."""
    start_us, end_us = micros(silences, "start"), micros(silences, "end")
    receiver = np.array(silences["receiver"].to_pylist(), object)
    rows = rows[end_us[rows] - start_us[rows] >= minutes(rules.outage_min)]
    vessels = _Vessels(halves, half_us, beside)
    before = vessels.of(receiver[rows], start_us[rows] // half_us - beside)
    after = vessels.of(receiver[rows], end_us[rows] // half_us + 1)
    both = np.concatenate([before, after], axis=1)
    # each vessel was heard at least once in each half hour: by accident nobody is with a chance of exp(-expected)
    expected = both.mean(axis=1) * (end_us[rows] - start_us[rows]) / half_us
    odd = (both.min(axis=1) >= rules.outage_vessels) & (expected >= -log(rules.outage_chance))
    usual = _Typical(receiver, start_us, end_us, rules)
    odd[odd] = [not usual.is_so(row) for row in rows[odd].tolist()]
    row = rows[odd]
    columns = {
        "receiver": pa.array(receiver[row].tolist(), pa.string()),
        "start_time": start_us[row],
        "end_time": end_us[row],
        "minutes": (end_us[row] - start_us[row]) / MINUTE,
        "vessels_before": before[odd].min(axis=1),
        "vessels_after": after[odd].min(axis=1),
    }
    return build("outages", columns)


class _Vessels:
    """How many vessels were heard in half hours, by kind of receiver."""

    def __init__(self, halves: pa.Table, half_us: int, beside: int) -> None:
        half = (micros(halves, "half") // half_us).tolist()
        keys = zip(halves["receiver"].to_pylist(), half, strict=True)
        self._told, self._beside = dict(zip(keys, halves["vessels"].to_pylist(), strict=True)), beside

    def of(self, receiver: Column, first: Ints) -> Ints:
        """In so many half hours from the first on, (n, beside); 0 where nobody was."""
        found = [
            [self._told.get((kind, half + k), 0) for k in range(self._beside)]
            for kind, half in zip(receiver.tolist(), first.tolist(), strict=True)
        ]
        return np.array(found, np.int64).reshape(len(first), self._beside)


class _Typical:
    """Whether a silence is one of several: so passes of satellites, nights, and archives of few rows are."""

    def __init__(self, receiver: Column, start_us: Ints, end_us: Ints, rules: CoverageRules) -> None:
        self._rules, self._receiver, self._start_us, self._long_us = rules, receiver, start_us, end_us - start_us
        self._of_kind = {kind: np.flatnonzero(receiver == kind) for kind in np.unique(receiver.astype(str)).tolist()}

    def is_so(self, row: int) -> bool:
        """Whether more than one silence of the days before was nearly as long."""
        rows = self._of_kind[self._receiver[row]]
        start_us = self._start_us[rows]
        since_us = self._start_us[row] - hours(self._rules.outage_context_h)
        low, high = np.searchsorted(start_us, [since_us, self._start_us[row]])
        near = rows[low:high]
        return int((self._long_us[near] * self._rules.outage_factor > self._long_us[row]).sum()) > 1


def _without_doubles(outages: pa.Table) -> pa.Table:
    """Without those of one kind of receiver where nobody at all was heard in the same span."""
    if outages.num_rows == 0:
        return outages
    spans = list(zip(micros(outages, "start_time").tolist(), micros(outages, "end_time").tolist(), strict=True))
    kinds = outages["receiver"].to_pylist()
    of_all = {span for span, kind in zip(spans, kinds, strict=True) if kind == ALL}
    keep = [kind == ALL or span not in of_all for span, kind in zip(spans, kinds, strict=True)]
    return outages.filter(pa.array(keep)).sort_by([("start_time", "ascending"), ("receiver", "ascending")])


def _latest(last: pa.Table) -> pa.Table:
    return grouped(last, "receiver").aggregate([("last", "max")]).rename_columns(LAST.names).cast(LAST)


def _open_since(last: pa.Table, silences: pa.Table) -> dict[str, int]:
    """Since when each kind of receiver may be silent: the begin of what is not judged yet, else when it heard last."""
    waiting = silences.filter(pc.invert(silences["judged"]))
    since: dict[str, int] = {}
    for rows, name in ((last, "last"), (waiting, "start")):
        for receiver, time_us in zip(rows["receiver"].to_pylist(), micros(rows, name).tolist(), strict=True):
            since[receiver] = min(time_us, since.get(receiver, time_us))
    return since


def _not_before(rows: pa.Table, name: str, since: Mapping[str, int], span_us: int) -> pa.Table:
    """The rows of each kind of receiver that lie no longer before."""
    oldest_us = np.array([since[receiver] - span_us for receiver in rows["receiver"].to_pylist()], np.int64)
    return rows.filter(pa.array(micros(rows, name) >= oldest_us)).combine_chunks()


# ---------------------------------------------------------------------------------------------------- the step

HEARD = schema.table(
    "Vessels already counted in an hour that is not over.",
    schema.column("mmsi", pa.int32(), "the number the vessel claims"),
    *(schema.RECEPTIONS.field(name) for name in ("cell", "hour")),
    schema.column("receiver", pa.int8(), "kind of receiver, its place in RECEIVERS"),
)


def receptions(fixes: pa.Table, heard: pa.Table, until_us: int, rules: CoverageRules) -> tuple[pa.Table, pa.Table]:
    """Counts of the fixes of one MMSI shard, as schema.RECEPTIONS, and who was heard in the hour that is not over.

    fixes: sorted by MMSI and time, all before until_us. heard: what the last call gave, so that a cut within an hour
    counts no vessel twice. Each MMSI lies in one shard, so the numbers of vessels of several shards add up.
    """
    runs = _runs(fixes, heard, rules)
    mmsi, cell, hour, kind, count = (np.asarray(runs[name]) for name in ("mmsi", "cell", "hour", "kind", "fixes"))
    # who was heard before counts no fixes, and so comes first of its vessel
    order = ordered(cell, hour, kind, mmsi, count)
    mmsi, cell, hour, kind, count = (a[order] for a in (mmsi, cell, hour, kind, count))
    if not len(order):
        return schema.empty("receptions"), HEARD.empty_table()
    vessel = starts_of(cell, hour, kind, mmsi)
    new_vessel = np.zeros(len(order), np.int64)
    new_vessel[vessel] = count[vessel] > 0
    group = starts_of(cell, hour, kind)
    total = np.add.reduceat(count, group)
    some = total > 0
    head = group[some]
    words = np.array(RECEIVERS, object)
    rows = {"cell": cell[head], "hour": hour[head], "receiver": words[kind[head]], "fixes": total[some]}
    rows["vessels"] = np.add.reduceat(new_vessel, group)[some]
    last = vessel[hour[vessel] + HOUR > until_us]
    kept = {"mmsi": mmsi[last], "cell": cell[last], "hour": hour[last], "receiver": kind[last]}
    return build("receptions", rows), build(HEARD, kept)


def _runs(fixes: pa.Table, heard: pa.Table, rules: CoverageRules) -> dict[str, object]:
    """Fixes of one vessel that stay in one cell within an hour as one row: that leaves little to sort."""
    old, kind = heard.num_rows, np.asarray(fixes["receiver"])
    mmsi, hour = np.asarray(fixes["mmsi"]), micros(fixes, "time") // HOUR * HOUR
    cell = grid_cell(np.asarray(fixes["lon"]), np.asarray(fixes["lat"]), rules.cell_deg)
    run = starts_of(mmsi, hour, cell, kind)
    return {
        "mmsi": np.concatenate([np.asarray(heard["mmsi"]), mmsi[run]]),
        "cell": np.concatenate([np.asarray(heard["cell"]), cell[run]]),
        "hour": np.concatenate([micros(heard, "hour"), hour[run]]),
        "kind": np.concatenate([np.asarray(heard["receiver"]), kind[run]]),
        "fixes": np.concatenate([np.zeros(old, np.int64), np.diff(np.append(run, fixes.num_rows))]),
    }


STATE = OUTAGE_STATE


def coverage(state: Tables, batch: Batch, rules: Rules) -> Result:
    """The coverage step: adds up the counts of all shards, and finds when nobody was heard."""
    half_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.watermark_us if batch.final else batch.watermark_us // half_us * half_us
    kept, found = find(state, batch.table("reporting"), until_us, batch.final, rules)
    rows = batch.table("receptions")
    if rows.num_rows:
        summed = grouped(rows, ["cell", "hour", "receiver"]).aggregate([("fixes", "sum"), ("vessels", "sum")])
        summed = summed.rename_columns(["cell", "hour", "receiver", "fixes", "vessels"]).sort_by(
            [("cell", "ascending"), ("hour", "ascending"), ("receiver", "ascending")]
        )
        rows = summed.cast(schema.COVERAGE)
    return Result(kept, {"coverage": rows.cast(schema.COVERAGE), "outages": found})
