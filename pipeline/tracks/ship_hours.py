"""Ship-hours: in which hours the vessels of a place were heard, and in which they were not though they were there.

An hour of a vessel counts in the cell where its own fixes, before and after, place it, and counts as heard where one of
them lies in it. Of each vessel it is kept, too, how steadily it was heard.

Law: sums over whole UTC hours and days of what lies between consecutive fixes of tracks. So no cut of the data shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import sliding_window_view

from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.cells import GRID_ROW, grid_cell, grid_centre
from stswatch.geo.coordinates.sphere import near_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    Bools,
    Column,
    Floats,
    Ints,
    build,
    concat,
    grouped,
    micros,
    ordered,
    spread,
    starts_of,
)
from stswatch.pipeline.rules import Rules, days, hours
from stswatch.pipeline.schema import SATELLITE
from stswatch.pipeline.track_rules import ReceptionRules
from stswatch.pipeline.tracks.fixes import BESIDE, EARLIER, PASS_US, PASSES_BESIDE, SPAN_US, HeardSpans
from stswatch.pipeline.tracks.identity import Walked
from stswatch.pipeline.tracks.legs import Intervals


@dataclass(frozen=True)
class Turns:
    """The fixes that are the first of their track in an hour, (k,) each.

    row: which. first: of its track at all. hour: since 1970; before: that of the fix before, dt_us after it.
    """

    row: Ints
    first: Bools
    hour: Ints
    before: Ints
    dt_us: Ints

    @staticmethod
    def of(walked: Walked, between: Intervals) -> Turns:
        """Those of tracks; between: what lies between their fixes."""
        hour = np.asarray(walked.fixes.time_us) // HOUR
        first = ~(between.leg | between.gap)
        row = np.flatnonzero(first | (np.diff(hour, prepend=hour[:1]) != 0))
        return Turns(row, first[row], hour[row], hour[np.maximum(row - 1, 0)], between.dt_us[row])


def ship_hours(walked: Walked, turns: Turns, until_us: int, final: bool, rules: ReceptionRules) -> pa.Table:
    """The ship-hours that came to light with new fixes, schema.SHIP_HOURS.

    final: the data end at until_us. Whoever is not heard until then counts as not heard where it was last, since nobody
    can know better; so the end of the data excuses, and never accuses.
    """
    fixes = walked.fixes
    new = ~walked.carried[turns.row]
    heard = turns.row[new]
    over = np.flatnonzero(~turns.first & (turns.dt_us <= hours(rules.bracket_h)))
    nth_of, nth = spread(turns.hour[over] - turns.before[over] - 1)
    row, missed_hour = turns.row[over][nth_of], turns.before[over][nth_of] + 1 + nth
    lon, lat = _between(fixes.lon, fixes.lat, fixes.time_us, row - 1, row, missed_hour)
    parts = [(turns.hour[new], fixes.lon[heard], fixes.lat[heard], 1), (missed_hour, lon, lat, 0)]
    if final and len(fixes.mmsi):
        last = np.append(turns.row[turns.first][1:], len(fixes.mmsi)) - 1
        last = last[until_us - fixes.time_us[last] <= hours(rules.bracket_h)]
        last_hour = fixes.time_us[last] // HOUR
        row, nth = spread(np.maximum(until_us // HOUR - last_hour - 1, 0))
        parts.append((last_hour[row] + 1 + nth, fixes.lon[last[row]], fixes.lat[last[row]], 0))
    return added([_counted(*part, rules.cell_deg) for part in parts])


HABITS = schema.table(
    "How steadily a vessel was heard between own fixes near each other, by UTC day.",
    schema.column("mmsi", pa.int32(), "the number the vessel claims"),
    schema.column("day", schema.UTC, "start of the day"),
    schema.column("heard", pa.int64(), "hours in which it was heard", unit="h"),
    schema.column("missed", pa.int64(), "hours in which it was not", unit="h"),
)


def known_habits(kept: pa.Table, walked: Walked, turns: Turns, watermark_us: int, rules: Rules) -> pa.Table:
    """How steadily each vessel was heard, HABITS, with what new fixes add and without what no gap can ask for."""
    near = np.flatnonzero(~turns.first & (turns.dt_us <= hours(rules.reception.own_bracket_h)))
    day = turns.hour[near] * HOUR // days(1) * days(1)
    columns = {"mmsi": walked.fixes.mmsi[turns.row[near]], "day": day, "heard": np.ones(len(near), np.int64)}
    new = build(HABITS, columns | {"missed": turns.hour[near] - turns.before[near] - 1})
    every = concat([kept, new], HABITS)
    if every.num_rows == 0:
        return every
    summed = grouped(every, ["mmsi", "day"]).aggregate([("heard", "sum"), ("missed", "sum")])
    summed = summed.rename_columns(HABITS.names).cast(HABITS)
    oldest_us = watermark_us - days(rules.vessel.track_memory_d + OWN_DAYS + 1)
    return summed.filter(pa.array(micros(summed, "day") >= oldest_us)).combine_chunks()


OWN_DAYS = 7


def with_habits(gaps: pa.Table, habits: pa.Table) -> pa.Table:
    """Gaps, schema.GAPS, with how steadily their vessels were heard in the OWN_DAYS whole days before their day."""
    if gaps.num_rows == 0 or habits.num_rows == 0:
        return gaps
    mmsi, day = np.asarray(habits["mmsi"], np.int64), micros(habits, "day") // days(1)
    order = np.argsort(key := mmsi << 20 | day)
    who = np.asarray(gaps["mmsi"], np.int64) << 20
    today = micros(gaps, "start_time") // days(1)
    low, high = (np.searchsorted(key[order], who | until) for until in (today - OWN_DAYS, today))
    for name in ("heard", "missed"):
        total = np.concatenate([[0], np.cumsum(np.asarray(habits[name])[order])])
        at = gaps.column_names.index(f"own_{name}_h")
        gaps = gaps.set_column(at, gaps.schema.field(at), pa.array(total[high] - total[low]))
    return gaps


def _between(lon: Column, lat: Column, time_us: Column, a: Ints, b: Ints, hour: Ints) -> tuple[Floats, Floats]:
    """Where vessels are in the middle of hours (n,) between fixes a and b, evenly along the straight line."""
    part = (hour * HOUR + HOUR // 2 - time_us[a]) / np.maximum(time_us[b] - time_us[a], 1)
    return lon[a] + part * (near_lon(lon[b], lon[a]) - lon[a]), lat[a] + part * (lat[b] - lat[a])


def _counted(hour: Ints, lon: Column, lat: Column, heard: int, cell_deg: float) -> pa.Table:
    n = len(hour)
    cell = grid_cell(lon, lat, cell_deg)
    ones, none = np.ones(n, np.int64), np.zeros(n, np.int64)
    columns = {"hour": hour * HOUR, "cell": cell, "heard": ones if heard else none, "missed": none if heard else ones}
    return build("ship_hours", columns)


def added(tables: list[pa.Table]) -> pa.Table:
    """The ship-hours of several tables, schema.SHIP_HOURS, each hour and cell once."""
    return _added(tables, schema.SHIP_HOURS)


def added_counts(tables: list[pa.Table]) -> pa.Table:
    """The counts by satellite of several tables, schema.SATELLITE_COUNTS, each span and cell once."""
    return _added(tables, schema.SATELLITE_COUNTS)


def _added(tables: list[pa.Table], like: pa.Schema) -> pa.Table:
    """The rows of several tables, those with the same time and cell, the first two columns, added up."""
    rows = concat(tables, like)
    if rows.num_rows == 0:
        return rows
    summed = grouped(rows, like.names[:2]).aggregate([(name, "sum") for name in like.names[2:]])
    return summed.rename_columns(like.names).cast(like)


# ------------------------------------------------ how well a vessel itself was heard right before and right after a gap


def with_own(
    gaps: pa.Table, waiting: pa.Table, spans: HeardSpans, by_satellite: HeardSpans, until_us: int, final: bool
) -> tuple[pa.Table, pa.Table]:
    """Gaps that can be given now, with how well their vessels were heard beside them, and those that wait.

    gaps: new ones; waiting: of an earlier slice, schema.GAPS. What comes after a gap is known once the watermark has
    passed it, or the data end. by_satellite: the spans of PASS_US in which satellites heard the same tracks.
    """
    track = spans.find(np.asarray(gaps["mmsi"]), micros(gaps, "track_start"))
    start = micros(gaps, "start_time") // SPAN_US
    gaps = _put(gaps, "heard_before", pa.array(spans.count(track, start - BESIDE + 1, start)))
    first = start - BESIDE - EARLIER + 1
    young = micros(gaps, "track_start") // SPAN_US > first
    gaps = _put(gaps, "heard_earlier", pa.array(spans.count(track, first, start - BESIDE), mask=young))
    last_pass = micros(gaps, "start_time") // PASS_US
    gaps = _put(gaps, "satellite_before", pa.array(by_satellite.mask(track, last_pass, -1)))
    every = concat([waiting, gaps], schema.GAPS)
    resumed = np.asarray(every["end_time"].is_valid())
    end_us = np.asarray(every["end_time"].cast(pa.int64()).fill_null(0))
    end, pass_after = end_us // SPAN_US, end_us // PASS_US
    due = ~resumed | final | ((pass_after + PASSES_BESIDE) * PASS_US <= until_us)
    track = spans.find(np.asarray(every["mmsi"]), micros(every, "track_start"))
    over = resumed & (final | ((end + BESIDE) * SPAN_US <= until_us))
    after = pa.array(spans.count(track, end, end + BESIDE - 1), mask=~over)  # spans are not carried for long
    every = _put(every, "heard_after", pc.coalesce(every["heard_after"].combine_chunks(), after))
    every = _put(every, "satellite_after", pa.array(np.where(resumed, by_satellite.mask(track, pass_after, 1), 0)))
    given, wait = (every.filter(pa.array(rows)).combine_chunks() for rows in (due, ~due))
    return given, wait


def _put(gaps: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = schema.GAPS.get_field_index(name)
    return gaps.set_column(at, schema.GAPS.field(at), values.cast(pa.int64()))


def satellite_counts(fixes: pa.Table, rules: ReceptionRules) -> pa.Table:
    """Vessels that satellites heard, schema.SATELLITE_COUNTS; fixes: of one MMSI shard, PENDING, by MMSI and time."""
    row = np.flatnonzero(np.asarray(fixes["receiver"]) == SATELLITE)
    span = micros(fixes, "time")[row] // PASS_US
    head = starts_of(np.asarray(fixes["mmsi"])[row], span)
    span, row = span[head], row[head]
    cell = grid_cell(np.asarray(fixes["lon"])[row], np.asarray(fixes["lat"])[row], rules.pass_deg)
    order = ordered(span, cell)
    span, cell = span[order], cell[order]
    head = starts_of(span, cell)
    vessels = np.diff(np.append(head, len(span)))
    return build("satellite_counts", {"span": span[head] * PASS_US, "cell": cell[head], "vessels": vessels})


# ------------------------------------------------------------------------- ship-hours by hour and place, to be asked


class Counts:
    """Ship-hours that can be asked for by hour and place.

    Cells beyond the date line are not among the neighbours: fewer count there, which only makes a silence say less.
    """

    def __init__(self, ship_hours: pa.Table, rules: ReceptionRules, by_satellite: pa.Table | None = None) -> None:
        """ship_hours: schema.SHIP_HOURS, each hour and cell once; by_satellite: schema.SATELLITE_COUNTS."""
        self.by_satellite = schema.empty("satellite_counts") if by_satellite is None else by_satellite
        hour, cell = micros(ship_hours, "hour") // HOUR, np.asarray(ship_hours["cell"])
        self._rules = rules
        self._by_hour = _Sums(_by_hour(hour, cell), ship_hours)
        self._by_cell = _Sums(_by_cell(cell, hour), ship_hours)
        self._bounds = _bounds(hour, cell, round(rules.window_h))
        self._by_degree = _Sums(_by_cell(grid_cell(*grid_centre(cell, rules.cell_deg), 1.0), hour), ship_hours)

    def then(self, hour: Ints, lon: Floats, lat: Floats) -> tuple[Ints, Ints]:
        """Ship-hours heard and not heard, (n,) each, in hours (n,) since 1970, in the cell and two rings round it."""
        cell, rings = grid_cell(lon, lat, self._rules.cell_deg), _RINGS
        spans = ((_by_hour(hour, cell + k * GRID_ROW - rings), 2 * rings + 1) for k in range(-rings, rings + 1))
        return self._by_hour.over(spans, len(cell))

    def lately(self, hour: Ints, lon: Floats, lat: Floats) -> tuple[Ints, Ints]:
        """The same in the day up to those hours, in the cell and the eight round it."""
        cell, span_h = grid_cell(lon, lat, self._rules.cell_deg), round(self._rules.window_h)
        near = (row * GRID_ROW + column for row in (-1, 0, 1) for column in (-1, 0, 1))
        return self._by_cell.over(((_by_cell(cell + k, hour - span_h + 1), span_h) for k in near), len(cell))

    def anybody(self, hour: Ints, lon: Floats, lat: Floats) -> Bools:
        """Whether anybody was placed in the very cells in the day up to those hours, (n,)."""
        span_h = round(self._rules.window_h)
        first = _by_cell(grid_cell(lon, lat, self._rules.cell_deg), hour - span_h + 1)
        heard, missed = self._by_cell.over([(first, span_h)], len(first))
        some: Bools = heard + missed > 0
        return some

    def outermost(self, hour: Ints, lon: Floats, lat: Floats) -> Bools:
        """Whether places (n,) lie in the outermost row or column of all cells in the day up to then.

        There somebody may have cut the data off.
        """
        first, least, most = self._bounds
        at = np.clip(hour - first, 0, len(least) - 1)
        out = np.zeros(len(at), bool)
        for side, bound in ((-_EDGE_DEG, least), (_EDGE_DEG, most)):
            row, column = np.divmod(grid_cell(lon + side, lat + side, self._rules.cell_deg), GRID_ROW)
            beyond = (np.stack([row, column], axis=1) - bound[at]) * np.sign(side) >= 0
            out |= beyond.any(axis=1)
        return out

    def surrounded(self, hour: Ints, lon: Floats, lat: Floats) -> Bools:
        """Whether places (n,) are on water, and on each side of them are others in the day up to then, or land.

        On the side of an edge of the data nobody is. A side: the degrees from the next one on, two by three.
        """
        span_h = round(self._rules.window_h)
        row = np.flatnonzero(is_water(lon, lat))
        for east, north in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            x, y = lon[row], lat[row]
            cell = grid_cell(x, y, 1.0)
            near = [
                ahead * (north * GRID_ROW + east) + aside * (east * GRID_ROW + north)
                for ahead in (1, 2)
                for aside in (-1, 0, 1)
            ]
            spans = ((_by_cell(cell + k, hour[row] - span_h + 1), span_h) for k in near)
            closed = np.asarray(sum(self._by_degree.over(spans, len(row))) > 0)
            none = np.flatnonzero(~closed)
            x, y = x[none], y[none]
            closed[none] = ~(is_water(x + east / 2, y + north / 2) & is_water(x + east, y + north))
            row = row[closed]
        found = np.zeros(len(lon), bool)
        found[row] = True
        return found

    def beside(self, lon: Floats, lat: Floats, own_lon: Floats, own_lat: Floats) -> Bools:
        """Whether places (n,) are among the cells that `then` counts about other places (n,)."""
        apart = grid_cell(own_lon, own_lat, self._rules.cell_deg) - grid_cell(lon, lat, self._rules.cell_deg)
        up = np.rint(apart / GRID_ROW).astype(np.int64)
        near: Bools = (np.abs(up) <= _RINGS) & (np.abs(apart - up * GRID_ROW) <= _RINGS)
        return near


_EDGE_DEG = 0.1  # so near the last cell may a ship be heard last that leaves it
_CELL_BITS = 28  # a cell of 0.25 degrees is a number below 2 ** 27
_RINGS = 2  # of cells that weather and stations have in common in an hour
_HOUR_BITS = 24


def _by_hour(hour: Ints, cell: Ints) -> Ints:
    return (hour << _CELL_BITS) + cell


def _by_cell(cell: Ints, hour: Ints) -> Ints:
    return (cell << _HOUR_BITS) + hour


def _bounds(hour: Ints, cell: Ints, span_h: int) -> tuple[int, Ints, Ints]:
    """The first hour; the least and the greatest row and column in so many hours up to each, (hours, 2) each."""
    if not len(hour):
        return 0, np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64)
    first, many = int(hour.min()), int(hour.max() - hour.min()) + span_h
    place = np.stack(np.divmod(cell, GRID_ROW), axis=1)
    least, most = np.full((many, 2), 1 << 40), np.full((many, 2), -1)
    np.minimum.at(least, hour - first, place)
    np.maximum.at(most, hour - first, place)
    return first, _trailing(least, span_h, np.minimum), _trailing(most, span_h, np.maximum)


def _trailing(each: Ints, span: int, of: np.ufunc) -> Ints:
    """The minimum or maximum of the rows (n, k) up to each, of so many at most."""
    first = np.repeat(each[:1], span - 1, axis=0)  # which is among all that have fewer before them
    return np.asarray(of.reduce(sliding_window_view(np.concatenate([first, each]), span, axis=0), axis=-1))


class _Sums:
    """Sums of ship-hours over rising numbers."""

    def __init__(self, key: Ints, ship_hours: pa.Table) -> None:
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._heard, self._missed = (
            np.concatenate([[0], np.cumsum(np.asarray(ship_hours[name])[order])]) for name in ("heard", "missed")
        )

    def over(self, spans: Iterable[tuple[Ints, int]], n: int) -> tuple[Ints, Ints]:
        """The sums, (n,) each, over spans: from numbers (n,) on so many."""
        heard, missed, order = np.zeros(n, np.int64), np.zeros(n, np.int64), None
        for first, length in spans:
            order = np.argsort(first) if order is None else order  # in order they are found at half the cost
            asked = first[order]
            low, high = np.searchsorted(self._key, asked), np.searchsorted(self._key, asked + length)
            heard[order] += self._heard[high] - self._heard[low]
            missed[order] += self._missed[high] - self._missed[low]
        return heard, missed
