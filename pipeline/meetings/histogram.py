"""Time spent in each bin of distance or speed: whole milliseconds, so that sums do not depend on their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.plane import wrap_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS, Floats, Ints, build, micros, spread, starts_of

DISTANCE_BIN_M = 5.0
SPEED_BIN_KN = 0.1
DISTANCE, SPEED_A, SPEED_B = 0, 1, 2
BINS = schema.table(
    "Time that encounters spent in each bin.",
    schema.column("meeting", pa.int64(), "row of the encounter in the table beside"),
    schema.column("what", pa.int8(), "0 distance in 5 m, 1 speed of a, 2 speed of b in 0.1 kn"),
    schema.column("bin", pa.int32(), "number of the bin"),
    schema.column("ms", pa.int64(), "time spent", unit="ms"),
)


def bins_of(proximities: pa.Table, meeting: Ints) -> pa.Table:
    """The bins that proximities fill, given the encounter that each belongs to."""
    span_ms = (micros(proximities, "end") - micros(proximities, "start")) // MS
    row, ring, spent_ms = distance_bins(*_offsets(proximities), span_ms)
    speeds = [np.asarray(proximities[f"speed_{v}_dkn"]).astype(np.int64) for v in ("a", "b")]
    return build(
        BINS,
        {
            "meeting": np.concatenate([meeting[row], meeting, meeting]),
            "what": np.repeat([DISTANCE, SPEED_A, SPEED_B], [len(row), len(meeting), len(meeting)]),
            "bin": np.concatenate([ring, *speeds]),
            "ms": np.concatenate([spent_ms, span_ms, span_ms]),
        },
    )


def renumbered(bins: pa.Table, place: Ints) -> pa.Table:
    """The same bins for encounters that moved: place[old row] is the new row."""
    moved = pa.array(place[np.asarray(bins["meeting"])] if bins.num_rows else np.zeros(0, np.int64))
    return bins.set_column(0, BINS.field("meeting"), moved)


def summed(bins: pa.Table) -> pa.Table:
    """One row per encounter, what and bin, in that order."""
    meeting, what, bin_ = (np.asarray(bins[name]).astype(np.int64) for name in ("meeting", "what", "bin"))
    key = (meeting << 32) | (what << 24) | bin_
    order = np.argsort(key, kind="stable")
    head = starts_of(key[order])
    if not len(head):
        return BINS.empty_table()
    row = order[head]
    total_ms = np.add.reduceat(np.asarray(bins["ms"])[order], head)
    return build(BINS, {"meeting": meeting[row], "what": what[row], "bin": bin_[row], "ms": total_ms})


def medians(bins: pa.Table, what: int, meetings: int) -> Floats:
    """The median of one quantity for each encounter, weighted by time, in units of its bins; NaN where unknown.

    Distance bins hold [n, n + 1), speed bins are centred on n tenths of a knot.
    """
    at = np.flatnonzero(np.asarray(bins["what"]) == what)
    meeting, bin_, ms = (np.asarray(bins[name]).astype(np.int64)[at] for name in ("meeting", "bin", "ms"))
    if what == DISTANCE:
        return median(meeting, bin_, ms, meetings) * DISTANCE_BIN_M
    return np.maximum(median(meeting, bin_, ms, meetings) - 0.5, 0.0) * SPEED_BIN_KN


def nearest(proximities: pa.Table) -> tuple[Ints, Ints, Floats, Floats]:
    """The nearest approach in each proximity: time in microseconds, distance in centimetres, longitude, latitude."""
    x0, y0, x1, y1 = _offsets(proximities)
    share = nearest_share(x0, y0, x1, y1)
    start_us, end_us = micros(proximities, "start"), micros(proximities, "end")
    when_us = start_us + np.rint(share * (end_us - start_us) / MS).astype(np.int64) * MS
    distance_cm = np.rint(np.hypot(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) * 100).astype(np.int64)
    lon0, lat0, lon1, lat1 = (np.asarray(proximities[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
    lon, lat = wrap_lon(lon0 + (lon1 - lon0) * share), lat0 + (lat1 - lat0) * share
    return when_us, distance_cm, np.round(lon, 7), np.round(lat, 7)


def _offsets(proximities: pa.Table) -> tuple[Floats, ...]:
    """Offset of b from a at both ends, metres."""
    return tuple(np.asarray(proximities[f"d{axis}{k}_cm"]) / 100.0 for k in (0, 1) for axis in ("x", "y"))


def distance_bins(x0: Floats, y0: Floats, x1: Floats, y1: Floats, span_ms: Ints) -> tuple[Ints, Ints, Ints]:
    """How long an even motion from (x0, y0) to (x1, y1) keeps in each ring of 5 m: (row, ring, milliseconds).

    x0, y0, x1, y1: (n,) metres, the offset of b from a at both ends. span_ms: (n,) milliseconds. The milliseconds of a
    row add up to its span.
    """
    at = nearest_share(x0, y0, x1, y1)
    vx, vy = x1 - x0, y1 - y0
    closest = np.hypot(x0 + vx * at, y0 + vy * at)
    low = np.floor(closest / DISTANCE_BIN_M).astype(np.int64)
    high = np.floor(np.maximum(np.hypot(x0, y0), np.hypot(x1, y1)) / DISTANCE_BIN_M).astype(np.int64)
    row, nth = spread(high - low + 1)
    ring = low[row] + nth
    outer_ms = _within_ms(x0, y0, vx, vy, span_ms, row, (ring + 1) * DISTANCE_BIN_M)
    outer_ms = np.where(ring == high[row], span_ms[row], outer_ms)
    inner_ms = np.where(nth == 0, 0, np.roll(outer_ms, 1))
    spent = outer_ms - inner_ms
    some = spent > 0
    return row[some], ring[some], spent[some]


def nearest_share(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Floats:
    """Where on the way from start to end the offset is shortest, 0 to 1; the start where it never changes."""
    vx, vy = x1 - x0, y1 - y0
    speed2 = vx * vx + vy * vy
    return np.clip(-(x0 * vx + y0 * vy) / np.where(speed2 > 0, speed2, 1.0), 0.0, 1.0)


def _within_ms(
    x0: Floats, y0: Floats, vx: Floats, vy: Floats, span_ms: Ints, row: Ints, radius: Floats
) -> Ints:
    """How long the offset of a row is shorter than a radius, milliseconds."""
    x, y, vx, vy = x0[row], y0[row], vx[row], vy[row]
    speed2 = vx * vx + vy * vy
    room = radius * radius * speed2 - (x * vy - y * vx) ** 2
    half, toward = np.sqrt(np.maximum(room, 0.0)), x * vx + y * vy
    divisor = np.where(speed2 > 0, speed2, 1.0)
    lower, upper = np.clip((-toward - half) / divisor, 0, 1), np.clip((-toward + half) / divisor, 0, 1)
    share = np.where(
        speed2 > 0,
        np.where(room > 0, upper - lower, 0.0),
        np.where(x * x + y * y < radius * radius, 1.0, 0.0),
    )
    return np.rint(share * span_ms[row]).astype(np.int64)


def median(group: Ints, bin_: Ints, weight: Ints, groups: int) -> Floats:
    """The weighted median of each group, in bins, evenly spread within the bin; NaN for an empty group.

    group, bin_, weight: (m,) sorted by group and bin.
    """
    out = np.full(groups, np.nan)
    if not len(group):
        return out
    total = np.bincount(group, weights=weight, minlength=groups)
    before_group = np.concatenate([[0], np.cumsum(total)[:-1]])
    upto = np.cumsum(weight)
    half = before_group + total / 2
    row = np.searchsorted(upto, half, side="left")
    some = total > 0
    row = np.minimum(row, len(group) - 1)
    into = (half - (upto[row] - weight[row])) / np.maximum(weight[row], 1)
    out[some] = (bin_[row] + into)[some]
    return out
