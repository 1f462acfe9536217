"""The coverage step: exact counts of what was received where and when, and spans in which nobody was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.cells import grid_centre
from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    MINUTE,
    Batch,
    Bools,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    grouped,
    matching,
    micros,
    ordered,
    spread,
    starts_of,
    union_us,
)
from stswatch.pipeline.rules import Rules, hours, minutes
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.track_rules import CoverageRules, ReceptionRules

# ------ outages: spans in which nobody at all was heard, though the traffic before and after makes that no accident
# Law: what was heard is told by whole UTC half hours, as fixes are taken. A silence is judged once the hour after it is
# there, by that hour, the hour before it, and the silences of the days before; so no cut of the data shows.
#
# A place is what can fail: all receivers together, a kind of them, a station, a region of one degree whoever hears it.
# Places are numbers in state: a station its own, a region one below 0, all and kinds far below.

ALL, STATION, REGION = "all", "station", "region"
REGION_DEG = 1.0  # a region is named by its corner in whole degrees; the reach of a station on the coast
_KINDS = -(1 << 40)  # the number of all receivers; those of the kinds lie below

LAST = schema.table(
    "When each place heard anybody last, or anybody was heard there.",
    schema.REPORTING_PLACES.field("place"),
    schema.REPORTING_PLACES.field("station"),
    schema.REPORTING.field("last"),
)
_NAMES = pa.schema([LAST.field("place"), LAST.field("station")])
HALVES = schema.table(
    "How many vessels were heard by or in each place in a half hour.",
    schema.REPORTING_PLACES.field("place"),
    schema.column("half", schema.UTC, "start of the half hour"),
    schema.REPORTING.field("vessels"),
)
SILENCES = schema.table(
    "Spans in which a place heard nobody.",
    schema.REPORTING_PLACES.field("place"),
    schema.column("start", schema.UTC, "last fix before"),
    schema.column("end", schema.UTC, "first fix after"),
    schema.column("judged", pa.bool_(), "it was decided whether it is an outage"),
    schema.column("outage", pa.bool_(), "it is one"),
)
STATE = {"last": LAST, "halves": HALVES, "silences": SILENCES}


def find(
    state: Tables, rows: pa.Table, places: pa.Table, until_us: int, final: bool, rules: Rules
) -> tuple[Tables, pa.Table]:
    """The state to carry on, and the outages that are decided now, schema.OUTAGES.

    rows: schema.REPORTING of all shards, places: schema.REPORTING_PLACES. until_us: the end of the last whole half
    hour; final: nothing comes after.
    """
    half_us, own = minutes(rules.vessel.thin_bucket_min), rules.coverage
    beside = ceil(hours(own.outage_beside_h) / half_us)
    heard = _Heard.of(rows, places)
    silences = concat([state["silences"], _silences(state["last"], heard, own)], SILENCES)
    halves = concat([state["halves"], heard.halves(half_us)], HALVES)
    due_us = (micros(silences, "end") // half_us + 1 + beside) * half_us
    judged = np.asarray(silences["judged"])
    due = ~judged & (final | (due_us <= until_us))
    last = _latest(state["last"], heard, places)
    found = _Judged.of(silences, np.flatnonzero(due), halves, half_us, beside, own)
    outages = found.rows(last)
    one = np.asarray(silences["outage"])
    one[found.row[found.outage]] = True
    columns = {"judged": judged | due, "outage": one}
    silences = build(SILENCES, {name: columns.get(name, silences[name]) for name in SILENCES.names})
    # a small place where hardly anybody sails has silences all the time, and no outage
    usual = ~due | (np.asarray(silences["place"]) <= _KINDS)
    usual[found.row[found.busy]] = True
    silences = silences.filter(pa.array(usual)).combine_chunks()
    recent = (np.asarray(last["place"]) <= _KINDS) | (until_us - micros(last, "last") <= hours(own.outage_context_h))
    last = last.filter(pa.array(recent)).combine_chunks()
    kept = {
        "last": last,
        "silences": _not_before(silences, "start", last, silences, hours(own.outage_context_h)),
        "halves": _not_before(halves, "half", last, silences, (beside + 1) * half_us),
    }
    return kept, outages


@dataclass(frozen=True)
class _Heard:
    """When places heard anybody, (n,) each, in order of place and time."""

    place: Ints
    first_us: Ints
    last_us: Ints
    vessels: Ints

    @staticmethod
    def of(rows: pa.Table, places: pa.Table) -> _Heard:
        """From schema.REPORTING and schema.REPORTING_PLACES, added up over all shards."""
        kind = np.asarray(pc.index_in(rows["receiver"], value_set=pa.array((ALL, *RECEIVERS)))).astype(np.int64)
        parts = [(_KINDS - kind, rows, "minute"), (np.asarray(places["place"]), places, "half")]
        place, span = (
            np.concatenate(of) for of in zip(*((at, micros(of, name)) for at, of, name in parts), strict=True)
        )
        order = ordered(place, span)
        head = starts_of(place[order], span[order])
        if not len(head):
            return _Heard(place, span, span, span)
        first_us, last_us = (np.concatenate([micros(of, name) for _, of, _ in parts]) for name in ("first", "last"))
        vessels = np.concatenate([np.asarray(of["vessels"]) for _, of, _ in parts])
        return _Heard(
            place[order][head],
            np.minimum.reduceat(first_us[order], head),
            np.maximum.reduceat(last_us[order], head),
            np.add.reduceat(vessels[order], head),
        )

    def halves(self, half_us: int) -> pa.Table:
        """How many vessels in each half hour, HALVES."""
        half = self.first_us // half_us
        head = starts_of(self.place, half)
        vessels = np.add.reduceat(self.vessels, head) if len(head) else self.vessels
        return build(HALVES, {"place": self.place[head], "half": half[head] * half_us, "vessels": vessels})


def _silences(last: pa.Table, heard: _Heard, rules: CoverageRules) -> pa.Table:
    """The silences between what was heard, those from the slice before on among them; short ones left out.

    Of stations and regions shorter ones than half an hour show where they go over the end of one: they are no outages,
    and tell whether a longer one is usual.
    """
    place = np.concatenate([np.asarray(last["place"]), heard.place])
    begin_us = np.concatenate([micros(last, "last"), heard.first_us])
    end_us = np.concatenate([micros(last, "last"), heard.last_us])
    order = np.lexsort((begin_us, place))
    place, begin_us, end_us = place[order], begin_us[order], end_us[order]
    long_us = begin_us[1:] - end_us[:-1]
    of_kind = long_us > minutes(rules.outage_min / rules.outage_factor)
    small = (long_us >= minutes(rules.outage_min)) & (long_us <= hours(rules.outage_context_h))
    row = np.flatnonzero(np.where(place[1:] <= _KINDS, of_kind, small) & (place[1:] == place[:-1]))
    none = np.zeros(len(row), bool)
    columns = {"place": place[row], "start": end_us[row], "end": begin_us[row + 1]}
    return build(SILENCES, columns | {"judged": none, "outage": none})


@dataclass(frozen=True)
class _Judged:
    """Silences that are long enough, (n,) each: their row among all, place, span, vessels beside, and what they are.

    busy: as many vessels as an outage needs were heard beside it in some half hour; outage: it is one.
    """

    row: Ints
    place: Ints
    start_us: Ints
    end_us: Ints
    before: Ints
    after: Ints
    busy: Bools
    outage: Bools

    @staticmethod
    def of(silences: pa.Table, due: Ints, halves: pa.Table, half_us: int, beside: int, rules: CoverageRules) -> _Judged:
        """Those of some silences."""
        place, start_us, end_us = np.asarray(silences["place"]), micros(silences, "start"), micros(silences, "end")
        row = due[end_us[due] - start_us[due] >= minutes(rules.outage_min)]
        at, start, end = place[row], start_us[row], end_us[row]
        before = _vessels(halves, at, start // half_us - beside, half_us, beside)
        after = _vessels(halves, at, end // half_us + 1, half_us, beside)
        both = np.concatenate([before, after], axis=1)
        # each vessel was heard at least once in each half hour: by accident nobody is with a chance of exp(-expected)
        expected = both.mean(axis=1) * (end - start) / half_us
        busy, enough = both.max(axis=1) >= rules.outage_vessels, both.min(axis=1) >= rules.outage_vessels
        odd = enough & (expected >= -log(rules.outage_chance))
        # those of small places count as usual where the place is busy; those before it are judged by now
        counts = np.asarray(silences["judged"]) | (place <= _KINDS)
        counts[row[busy]] = True
        usual = _Typical(place[counts], start_us[counts], end_us[counts], rules)
        odd[odd] = [not usual.is_so(*each) for each in zip(*(of[odd].tolist() for of in (at, start, end)), strict=True)]
        small = at > _KINDS
        odd &= ~small | (end - start >= half_us)
        of_kinds = np.asarray(silences["outage"]) & (place <= _KINDS)
        of_kinds[row[odd & ~small]] = True
        kinds = start_us[of_kinds], end_us[of_kinds]
        odd[small] &= _own_us(start[small], end[small], *kinds) >= max(half_us, minutes(rules.outage_min))
        return _Judged(row, at, start, end, before.min(axis=1), after.min(axis=1), busy, odd)

    def rows(self, last: pa.Table) -> pa.Table:
        """The outages, schema.OUTAGES; last: LAST of all places."""
        k = np.flatnonzero(self.outage)
        place = self.place[k]
        region = (place < 0) & (place > _KINDS)
        lon, lat = grid_centre(np.where(region, -1 - place, 0), REGION_DEG)
        words = np.array([ALL, *RECEIVERS], object)[np.where(place <= _KINDS, _KINDS - place, 0)]
        receiver = np.where(place > 0, STATION, np.where(region, REGION, words))
        stations = last["station"].combine_chunks().take(pa.array(matching([np.asarray(last["place"])], [place])))
        names = pc.if_else(pa.array(region), pa.array(region_names(lon, lat), pa.string()), stations)
        columns = {
            "receiver": pa.array(receiver.tolist(), pa.string()),
            "name": names,
            "lon": np.where(region, lon, np.nan),
            "lat": np.where(region, lat, np.nan),
            "start_time": self.start_us[k],
            "end_time": self.end_us[k],
            "minutes": (self.end_us[k] - self.start_us[k]) / MINUTE,
            "vessels_before": self.before[k],
            "vessels_after": self.after[k],
        }
        return _without_doubles(build("outages", columns))


def region_names(lon: Floats, lat: Floats) -> list[str]:
    """The names of the regions that hold points, degrees (n,): the corner in the south and west.

    >>> region_names(np.array([124.6, -0.2]), np.array([38.1, -33.9]))
    ['N38E124', 'S34W001']
    """
    south, west = np.floor(np.minimum(lat, 89.5)).astype(int), np.floor(wrap_lon(lon)).astype(int)
    return [
        f"{'NS'[y < 0]}{abs(y):02d}{'EW'[x < 0]}{abs(x):03d}"
        for x, y in zip(west.tolist(), south.tolist(), strict=True)
    ]


def _own_us(start_us: Ints, end_us: Ints, out_us: Ints, back_us: Ints) -> Floats:
    """How much of silences of small places, (n,), lies outside of outages of all or of a kind that ended until then."""
    row, of = np.nonzero((out_us < end_us[:, None]) & (back_us > start_us[:, None]) & (back_us <= end_us[:, None]))
    begin = np.maximum(start_us[row], out_us[of])
    return np.asarray(end_us - start_us - union_us(row, begin, back_us[of], len(start_us)))


def _vessels(halves: pa.Table, place: Ints, first: Ints, half_us: int, beside: int) -> Ints:
    """In so many half hours from the first on, (n, beside); 0 where nobody was."""
    asked = np.repeat(place, beside), (first[:, None] + np.arange(beside)).ravel()
    at = matching([np.asarray(halves["place"]), micros(halves, "half") // half_us], asked)
    return np.append(np.asarray(halves["vessels"]), 0)[at].reshape(len(place), beside)


class _Typical:
    """Whether a silence is one of several: so passes of satellites, nights, and archives of few rows are."""

    def __init__(self, place: Ints, start_us: Ints, end_us: Ints, rules: CoverageRules) -> None:
        order = np.lexsort((start_us, place))
        self._rules, self._place = rules, place[order]
        self._start_us, self._long_us = start_us[order], (end_us - start_us)[order]

    def is_so(self, place: int, start_us: int, end_us: int) -> bool:
        """Whether more than one silence of the days before was nearly as long."""
        first, last = np.searchsorted(self._place, [place, place + 1])
        since_us = start_us - hours(self._rules.outage_context_h)
        low, high = first + np.searchsorted(self._start_us[first:last], [since_us, start_us])
        return int((self._long_us[low:high] * self._rules.outage_factor > end_us - start_us).sum()) > 1


def _without_doubles(outages: pa.Table) -> pa.Table:
    """Without those of one kind of receiver where nobody at all was heard in the same span."""
    if outages.num_rows == 0:
        return outages
    spans = list(zip(micros(outages, "start_time").tolist(), micros(outages, "end_time").tolist(), strict=True))
    kinds = outages["receiver"].to_pylist()
    of_all = {span for span, kind in zip(spans, kinds, strict=True) if kind == ALL}
    keep = [kind == ALL or span not in of_all for span, kind in zip(spans, kinds, strict=True)]
    return outages.filter(pa.array(keep)).sort_by([(name, "ascending") for name in ("start_time", "receiver", "name")])


def _latest(known: pa.Table, heard: _Heard, places: pa.Table) -> pa.Table:
    """LAST with what was heard; places: schema.REPORTING_PLACES, with names."""
    tail = np.append(starts_of(heard.place)[1:], len(heard.place)) - 1 if len(heard.place) else heard.place
    place = np.concatenate([heard.place[tail], np.asarray(known["place"])])
    last_us = np.concatenate([heard.last_us[tail], micros(known, "last")])
    at = np.sort(np.unique(place, return_index=True)[1])  # what is new stands first
    place, last_us = place[at], last_us[at]
    named = concat([known.select(["place", "station"]), places.select(["place", "station"])], _NAMES)
    names = named["station"].combine_chunks()
    of = matching([np.asarray(named["place"])], [place])
    return build(LAST, {"place": place, "station": names.take(pa.array(of, mask=of < 0)), "last": last_us})


def _not_before(rows: pa.Table, name: str, last: pa.Table, silences: pa.Table, span_us: int) -> pa.Table:
    """The rows of each place that lie no longer before it may have fallen silent, which is not judged yet."""
    place = np.asarray(last["place"])
    since_us = micros(last, "last")
    waiting = silences.filter(pc.invert(silences["judged"]))
    at = matching([place], [np.asarray(waiting["place"])])
    np.minimum.at(since_us := since_us.copy(), at[at >= 0], micros(waiting, "start")[at >= 0])
    own = matching([place], [np.asarray(rows["place"])])
    since_us = np.append(since_us, 1 << 62)  # of a place that is forgotten
    return rows.filter(pa.array(micros(rows, name) >= since_us[own] - span_us)).combine_chunks()


# ------------------------------------------------------------------------------- gaps that lie in outages


def in_outages_min(gaps: pa.Table, end_us: Ints, outages: pa.Table, rules: ReceptionRules) -> Floats:
    """How much of gaps, (n,), lies in outages of all, of their kind, and of stations and regions of their ends.

    end_us: up to when they are judged. Of outages count those that end `together_after_h` after the gap at most: of
    later ones nobody may know yet.
    """
    numbers: dict[tuple[str, str | None], int] = {}
    of = [
        numbers.setdefault(each, len(numbers))
        for each in zip(outages["receiver"].to_pylist(), outages["name"].to_pylist(), strict=True)
    ]
    order = np.lexsort((micros(outages, "start_time"), np.array(of, np.int64)))
    place, out_us, back_us = (
        np.asarray(column)[order] for column in (of, *(micros(outages, n) for n in ("start_time", "end_time")))
    )
    parts = []
    for asked in _fails(gaps, {key[1] for key in numbers}):
        wanted = np.array([numbers.get(key, -1) for key in asked], np.int64)
        low, high = np.searchsorted(place, wanted), np.searchsorted(place, wanted, "right")
        row, nth = spread(np.where(wanted >= 0, high - low, 0))
        parts.append((row, low[row] + nth))
    row, k = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
    begin_us, until_us = np.maximum(micros(gaps, "start_time")[row], out_us[k]), np.minimum(end_us[row], back_us[k])
    met = (until_us > begin_us) & (back_us[k] <= end_us[row] + hours(rules.together_after_h))
    return np.asarray(union_us(row[met], begin_us[met], until_us[met], gaps.num_rows) / MINUTE)


def _fails(gaps: pa.Table, names: set[str | None]) -> Iterator[Sequence[tuple[str, str | None]]]:
    """What may fail and excuse gaps, as in table outages: receiver and name for each gap, one list after the other."""
    yield [(ALL, None)] * gaps.num_rows
    yield [(kind, None) for kind in gaps["receiver"].to_pylist()]
    if names <= {None}:
        return
    for side in "01":
        yield [(STATION, name) for name in gaps[f"station{side}"].to_pylist()]
        lon, lat = (np.asarray(pc.coalesce(gaps[f"{axis}{side}"], gaps[f"{axis}0"])) for axis in ("lon", "lat"))
        yield [(REGION, name) for name in region_names(lon, lat)]


# ---------------------------------------------------------------------------------------------------- the step


def coverage(state: Tables, batch: Batch, rules: Rules) -> Result:
    """The coverage step: adds up the counts of all shards, and finds when nobody was heard."""
    half_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.watermark_us if batch.final else batch.watermark_us // half_us * half_us
    rows, places = batch.table("reporting"), batch.table("reporting_places")
    kept, found = find(state, rows, places, until_us, batch.final, rules)
    rows = batch.table("receptions")
    if rows.num_rows:
        summed = grouped(rows, ["cell", "hour", "receiver"]).aggregate([("fixes", "sum"), ("vessels", "sum")])
        summed = summed.rename_columns(["cell", "hour", "receiver", "fixes", "vessels"]).sort_by(
            [("cell", "ascending"), ("hour", "ascending"), ("receiver", "ascending")]
        )
        rows = summed.cast(schema.COVERAGE)
    return Result(kept, {"coverage": rows.cast(schema.COVERAGE), "outages": found})
