"""Courses of some hours that no crew steers: on a circle, on a line drawn to the metre, or sailed by another before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.plane import metres_per_degree
from stswatch.geo.coordinates.sphere import near_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    MS,
    SECOND,
    Bools,
    Column,
    Floats,
    Ints,
    build,
    concat,
    micros,
    ordered,
    spread,
    starts_of,
)
from stswatch.pipeline.rules import days, hours, minutes
from stswatch.pipeline.track_rules import CheckRules
from stswatch.pipeline.tracks.checks.jumps import check_rows
from stswatch.pipeline.tracks.fixes import PENDING
from stswatch.pipeline.tracks.identity import Walked
from stswatch.pipeline.tracks.legs import Intervals

# --------------------------------------------------------- On a circle, or at one speed on a straight line to the metre
# Judged is the first fix of each ten minutes, in blocks of fixed UTC hours that are over: no cut of the data shows.

CIRCLE, GENERATED = "circle", "generated_track"
SAMPLES = schema.table(
    "Places of tracks in blocks that are not over.",
    *(schema.LEGS.field(name) for name in ("mmsi", "track_start")),
    schema.column("time", schema.UTC, "time of the fix"),
    schema.column("lon", pa.float64(), "longitude", unit="deg"),
    schema.column("lat", pa.float64(), "latitude", unit="deg"),
    schema.column("sog_kn", pa.float32(), "speed reported", unit="kn", null=True),
    PENDING.field("station"),
    PENDING.field("sentence"),
)


@dataclass(frozen=True)
class Blocks:
    """Places of blocks as columns, (n,) each, and where each begins, (k,); metres from its first place."""

    mmsi: Ints
    track_us: Ints
    time_us: Ints
    lon: Floats
    lat: Floats
    east_m: Floats
    north_m: Floats
    starts: Ints

    @property
    def count(self) -> Ints:
        """Places of each block, (k,)."""
        return np.diff(np.append(self.starts, len(self.mmsi)))

    def total(self, values: Floats) -> Floats:
        """Sums by block, (k,)."""
        return np.add.reduceat(values, self.starts)


def sample(walked: Walked, ready: pa.Table, before: pa.Table, rules: CheckRules) -> pa.Table:
    """The places of blocks so far: those kept, and the first new fix of each sample_min of a track.

    ready: the new fixes, PENDING.
    """
    fixes = walked.fixes
    bucket = fixes.time_us // minutes(rules.sample_min)
    first = np.ones(len(bucket), bool)
    same = (bucket[1:] == bucket[:-1]) & (fixes.track_us[1:] == fixes.track_us[:-1])
    first[1:] = ~(same & (fixes.mmsi[1:] == fixes.mmsi[:-1]))
    row = np.flatnonzero(first & ~walked.carried)
    columns = {"mmsi": fixes.mmsi[row], "track_start": fixes.track_us[row], "time": fixes.time_us[row]}
    columns |= {"lon": fixes.lon[row], "lat": fixes.lat[row], "sog_kn": fixes.sog_kn[row].astype(np.float32)}
    columns |= {name: np.asarray(ready[name])[walked.row[row]] for name in ("station", "sentence")}
    return concat([before, build(SAMPLES, columns)], SAMPLES)


def over(samples: pa.Table, until_us: int, final: bool, rules: CheckRules) -> tuple[pa.Table, pa.Table]:
    """The places of the blocks that are over, and those of the others."""
    block = micros(samples, "time") // hours(rules.block_h)
    done = np.ones(len(block), bool) if final else (block + 1) * hours(rules.block_h) <= until_us
    return samples.filter(pa.array(done)).combine_chunks(), samples.filter(pa.array(~done)).combine_chunks()


def windows(samples: pa.Table, rules: CheckRules) -> pa.Table:
    """Checked parts of blocks that are over, of whose places the samples are. Never raises."""
    blocks = _blocks(samples, micros(samples, "time") // hours(rules.block_h), rules)
    if not len(blocks.starts):
        return schema.empty("track_checks")
    return concat([_circles(blocks, rules), _generated(blocks, rules)], schema.FLOW["track_checks"])


def _blocks(samples: pa.Table, block: Ints, rules: CheckRules) -> Blocks:
    """The blocks with enough places of a vessel that reports to move."""
    mmsi, track_us, time_us = np.asarray(samples["mmsi"]), micros(samples, "track_start"), micros(samples, "time")
    order = ordered(mmsi.astype(np.int64), track_us // 1000, time_us // 1000)
    starts = starts_of(mmsi[order], track_us[order], block[order])
    count = np.diff(np.append(starts, len(order)))
    kn = np.nan_to_num(np.asarray(samples["sog_kn"], dtype=np.float64)[order])
    moves = (count >= rules.least_samples) & _mean_at_least(kn, starts, count, rules.moving_kn)
    keep = np.repeat(moves, count)
    order, count = order[keep], count[moves]
    starts = np.cumsum(count) - count
    lon, lat = (np.asarray(samples[name])[order] for name in ("lon", "lat"))
    lon0, lat0 = (np.repeat(a[starts], count) for a in (lon, lat))
    east, north = metres_per_degree(lat[starts])
    east_m = (near_lon(lon, lon0) - lon0) * np.repeat(east, count)
    north_m = (lat - lat0) * np.repeat(north, count)
    return Blocks(mmsi[order], track_us[order], time_us[order], lon, lat, east_m, north_m, starts)


def _mean_at_least(values: Floats, starts: Ints, count: Ints, least: float) -> np.ndarray:
    if not len(starts):
        return np.zeros(0, bool)
    # tenths of a knot in whole numbers: no sum depends on what stands beside
    tenths = np.add.reduceat(np.round(values * 10).astype(np.int64), starts)
    return np.asarray(tenths >= least * 10 * count)


def _rows(name: str, blocks: Blocks, k: Ints, measured: Floats, threshold: float) -> pa.Table:
    """Rows of these blocks, (m,) of (k,)."""
    first = blocks.starts[k]
    last = first + blocks.count[k] - 1
    return check_rows(
        name,
        blocks.mmsi[first],
        blocks.track_us[first],
        (blocks.time_us[first], blocks.time_us[last]),
        lon=blocks.lon[first],
        lat=blocks.lat[first],
        measured=np.round(measured, 4),
        threshold=np.full(len(k), threshold),
        samples=blocks.count[k],
    )


def _circles(blocks: Blocks, rules: CheckRules) -> pa.Table:
    """Places that lie on one circle, on all sides of its middle.

    The circle is that of least algebraic distance: x^2 + y^2 = 2 a x + 2 b y + c is linear in a, b and c.
    Source: Kasa (1976), IEEE Transactions on Instrumentation and Measurement 25.
    """
    n, total = blocks.count, blocks.total
    each = np.repeat(np.arange(len(n)), n)
    x = blocks.east_m - (total(blocks.east_m) / n)[each]
    y = blocks.north_m - (total(blocks.north_m) / n)[each]
    xx, yy, xy, z = total(x * x), total(y * y), total(x * y), x * x + y * y
    zx, zy = total(z * x), total(z * y)
    det = np.maximum(xx * yy - xy * xy, 1e-9)
    a, b = (zx * yy - zy * xy) / det / 2, (zy * xx - zx * xy) / det / 2
    radius_m = np.sqrt(a * a + b * b + (xx + yy) / n)
    out_m = np.hypot(x - a[each], y - b[each])
    off = np.sqrt(total((out_m - radius_m[each]) ** 2) / n) / np.maximum(radius_m, 1.0)
    away = np.maximum(out_m, 1e-9)
    lopsided = np.hypot(total((x - a[each]) / away), total((y - b[each]) / away)) / n
    good = (radius_m >= rules.circle_least_m) & (radius_m <= rules.circle_most_m)
    k = np.flatnonzero(good & (off <= rules.circle_off) & (lopsided <= rules.circle_lopsided))
    return _rows(CIRCLE, blocks, k, off[k], rules.circle_off)


def _generated(blocks: Blocks, rules: CheckRules) -> pa.Table:
    """Places each of which lies, to a fraction of a metre, where those before and after it put it at its time.

    Places at even times to the second are those of an archive that was resampled: whoever made it drew the lines.
    """
    t_s = blocks.time_us / SECOND
    inner = np.ones(len(t_s), bool)
    inner[blocks.starts] = inner[blocks.starts - 1] = False  # the last of each block stands before the next one's first
    mid = np.flatnonzero(inner)
    share = (t_s[mid] - t_s[mid - 1]) / (t_s[mid + 1] - t_s[mid - 1])
    off_m = np.hypot(
        *(v[mid - 1] + share * (v[mid + 1] - v[mid - 1]) - v[mid] for v in (blocks.east_m, blocks.north_m))
    )
    each = np.repeat(np.arange(len(blocks.starts)), blocks.count)[mid]
    median_m = _medians(off_m, each, blocks.count - 2)
    even = np.abs(np.diff(blocks.time_us, prepend=0) - np.diff(blocks.time_us, append=0)) < SECOND
    uneven = np.bincount(each, ~even[mid], len(blocks.starts)) * 2 > blocks.count - 2
    k = np.flatnonzero(uneven & (median_m <= rules.smooth_m))
    return _rows(GENERATED, blocks, k, median_m[k], rules.smooth_m)


def _medians(values: Floats, group: Ints, count: Ints) -> Floats:
    """The median of each group, (k,), the lower of two."""
    order = np.lexsort((values, group))
    first = np.cumsum(count) - count
    return np.asarray(values[order][first + (count - 1) // 2])


# ----------------------------------- Courses that were sailed before, by the same number or another: from a recording
# A course is known by where it crosses the lines of a grid of degrees, and how long it took from each to the next.

COPIED = "copied_track"
_LINES = 1 << 13  # of one direction; a grid of 0.1 degrees has 3,600
_CELLS = 1 << 20  # along a line


def crossings(walked: Walked, between: Intervals, rules: CheckRules) -> pa.Table:
    """Where new legs cross a line of the grid, rows of schema.CROSSINGS; none of a leg over several lines of a kind."""
    fixes = walked.fixes
    if not len(fixes.mmsi):
        return schema.empty("crossings")
    found = [
        _of_axis(fixes.lon, fixes.lat, between.leg, rules.grid_deg, 0),
        _of_axis(fixes.lat, fixes.lon, between.leg, rules.grid_deg, 1),
    ]
    row, line, share, along_deg, axis = (np.concatenate(parts) for parts in zip(*found, strict=True))
    time_us = fixes.time_us[row - 1] + np.round(share * between.dt_us[row] / MS).astype(np.int64) * MS
    # a line of latitude is measured on itself, not beside it
    east, north = metres_per_degree(np.where(axis == 1, (line // 4 - _LINES // 2) * rules.grid_deg, 0.0))
    metres = along_deg * np.where(axis == 0, north, east)
    columns = {"mmsi": fixes.mmsi[row], "track_start": fixes.track_us[row], "time": time_us, "line": line}
    columns |= {"fix_end": fixes.time_us[row]}
    columns |= {"along_m": np.round(metres, 1), "lon": fixes.lon[row], "lat": fixes.lat[row]}
    return build("crossings", columns)


def _of_axis(across: Floats, along: Floats, leg: Bools, grid_deg: float, axis: int) -> tuple[Column, ...]:
    """Of the legs that cross one line: row of their end, line, share of the way, degrees along the line, axis."""
    cell = np.floor(across * (1 / grid_deg))
    step = np.diff(cell, prepend=cell[:1])
    row = np.flatnonzero(leg & (np.abs(step) == 1))
    up = step[row] > 0
    number = (np.where(up, cell[row], cell[row - 1])).astype(np.int64)
    share = (number * grid_deg - across[row - 1]) / (across[row] - across[row - 1])
    start = along[row - 1]
    along_deg = start + share * (near_lon(along[row], start) - start)
    line = ((number + _LINES // 2) * 2 + up) * 2 + axis
    return row, line, share, along_deg, np.full(len(row), axis)


def copies(kept: pa.Table, new: pa.Table, span_us: tuple[int, int], rules: CheckRules) -> tuple[pa.Table, pa.Table]:
    """Checked parts of the blocks that end in a span of time, and the crossings to keep. Never raises.

    kept: the crossings of the slices before, new: those of this one. span_us: from when to when no block was judged.
    """
    found = concat([kept, new], schema.FLOW["crossings"])
    time_us = micros(found, "fix_end")  # a leg across the end of a block is not known before the end of it
    length_us = hours(rules.copy_block_h)
    first, last = span_us[0] // length_us, span_us[1] // length_us
    block = time_us // length_us
    keep = time_us > (span_us[1] - days(rules.copy_memory_d)) // length_us * length_us
    rest = found.filter(pa.array(keep)).combine_chunks()
    if not ((block >= first) & (block < last)).any():
        return schema.empty("track_checks"), rest
    return _judge(found, (first, last), rules), rest


def _judge(found: pa.Table, blocks: tuple[int, int], rules: CheckRules) -> pa.Table:
    mmsi, track_us = np.asarray(found["mmsi"]).astype(np.int64), micros(found, "track_start")
    order = np.lexsort((np.asarray(found["line"]), micros(found, "time"), track_us, mmsi))
    found = found.take(pa.array(order)).combine_chunks()
    mmsi, track_us, time_us, line = mmsi[order], track_us[order], micros(found, "time"), np.asarray(found["line"])
    along_m = np.asarray(found["along_m"])
    head = np.zeros(len(mmsi), bool)
    head[starts_of(mmsi, track_us)] = True
    took_us = np.diff(time_us, prepend=time_us[:1])
    follows = ~head & (took_us <= hours(rules.copy_block_h))
    before = np.where(follows, np.roll(line, 1), 0)
    key = (line * (4 * _LINES) + before) * _CELLS + np.round(along_m / rules.copy_m).astype(np.int64) % _CELLS
    block = micros(found, "fix_end") // hours(rules.copy_block_h)
    asked = np.flatnonzero((block >= blocks[0]) & (block < blocks[1]) & follows)
    new, old = _alike(key, asked)
    shift_us = time_us[new] - time_us[old]
    least_us = np.where(mmsi[new] == mmsi[old], hours(rules.copy_shift_h), minutes(rules.copy_other_min))
    near = np.abs(along_m[new] - along_m[old]) <= rules.copy_m
    slack_us = np.maximum(rules.copy_slack_s * SECOND, rules.copy_slack * took_us[new])
    even = np.abs(took_us[new] - took_us[old]) <= slack_us
    good = follows[old] & near & even & (shift_us >= least_us) & (shift_us <= days(rules.copy_memory_d))
    new, old, shift_us = new[good], old[good], shift_us[good]
    return _runs(found, (mmsi, track_us, time_us, block), asked, (new, old, shift_us), rules)


def _alike(key: Ints, asked: Ints) -> tuple[Ints, Ints]:
    """Pairs of rows, one of those asked and any, whose keys are equal or beside each other."""
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], key[asked] - 1, "left")
    high = np.searchsorted(key[order], key[asked] + 1, "right")
    row, nth = spread(high - low)
    return asked[row], order[low[row] + nth]


def _runs(
    found: pa.Table,
    of: tuple[Ints, Ints, Ints, Ints],
    asked: Ints,
    pairs: tuple[Ints, Ints, Ints],
    rules: CheckRules,
) -> pa.Table:
    """A row for each block of a track of which most crossings repeat one course at one distance in time."""
    mmsi, track_us, time_us, block = of
    new, old, shift_us = pairs
    late = shift_us // minutes(rules.copy_even_min)
    order = np.lexsort((time_us[new], late, mmsi[old], block[new], track_us[new], mmsi[new]))
    new, old, late = new[order], old[order], late[order]
    starts = starts_of(mmsi[new], track_us[new], block[new], mmsi[old], late)
    ends = np.append(starts[1:], len(new)) - 1 if len(starts) else starts
    distinct = np.zeros(len(new), np.int64)
    distinct[starts_of(mmsi[new], track_us[new], block[new], mmsi[old], late, new)] = 1
    count = np.add.reduceat(distinct, starts) if len(starts) else starts
    all_of = _crossings_of(mmsi, track_us, block, asked, new[starts])
    k = np.flatnonzero((count >= rules.copy_least) & (count >= rules.copy_share * all_of))
    head = new[starts[k]]
    most_first = np.lexsort((late[starts[k]], mmsi[old[starts[k]]], -count[k], block[head], track_us[head], mmsi[head]))
    k, head = k[most_first], head[most_first]
    k = k[starts_of(mmsi[head], track_us[head], block[head])]
    a, b, first = new[starts[k]], new[ends[k]], old[starts[k]]
    lon, lat = (np.asarray(found[name])[a] for name in ("lon", "lat"))
    return check_rows(
        COPIED,
        mmsi[a],
        track_us[a],
        (time_us[a], time_us[b]),
        lon=lon,
        lat=lat,
        measured=np.round(count[k] / all_of[k], 3),
        threshold=np.full(len(k), rules.copy_share),
        samples=count[k],
        other_mmsi=mmsi[first].astype(np.int32),
        other_start=time_us[first],
    )


def _crossings_of(mmsi: Ints, track_us: Ints, block: Ints, asked: Ints, row: Ints) -> Ints:
    """How many crossings were asked for of the track and block of each row, (m,)."""
    head = np.zeros(len(mmsi), np.int64)
    head[starts_of(mmsi, track_us, block)] = 1
    group = np.cumsum(head) - 1
    return np.bincount(group[asked], minlength=int(group[-1]) + 1 if len(group) else 0)[group[row]]
