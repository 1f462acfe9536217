"""Legs: which consecutive fixes of a track are one, which are slow, and how those are thinned and cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.geo.coordinates.plane import metres_per_degree
from stswatch.geo.coordinates.sphere import M_PER_NM, along, haversine_m, near_lon
from stswatch.pipeline.batch import MS, SECOND, Bools, Column, Floats, Ints, spread, starts_of
from stswatch.pipeline.rules import hours, minutes
from stswatch.pipeline.track_rules import VesselRules

_M_PER_KM = 1000.0
_STEEPEST_DEG = 89.0  # pieces grow no shorter beyond: 140 m where others are 8 km
_KN_PER_M_US = SECOND * 3600.0 / M_PER_NM


@dataclass(frozen=True)
class Track:
    """Fixes of many tracks as columns, (n,) each, sorted by MMSI, track and time.

    distance_m: from the row before, which may belong to another track. sog_kn: NaN where not known. heading_deg: -1
    where none was told, and of a fix of an earlier slice. rounding_m: how far rounding may have moved it.
    """

    mmsi: Column
    track_us: Column
    time_us: Column
    lon: Column
    lat: Column
    distance_m: Column
    sog_kn: Column
    satellite: Column
    heading_deg: Column
    rounding_m: Column


@dataclass(frozen=True)
class Intervals:
    """What lies between each fix and the one before it, (n,) each; the first fix of a track has neither leg nor gap.

    reported: both fixes reported a speed; else speed_kn is implied.
    """

    leg: Bools
    gap: Bools
    slow: Bools
    dt_us: Ints
    speed_kn: Floats
    reported: Bools
    threshold_us: Ints


def threshold(satellite: Bools, rules: VesselRules) -> Ints:
    """The gap threshold after or between fixes received so, (n,) microseconds."""
    return np.where(satellite, hours(rules.gap_satellite_h), hours(rules.gap_terrestrial_h))


def steps(fixes: Track, rules: VesselRules) -> Intervals:
    """Tell legs from gaps, and slow legs from fast ones; every consecutive pair of a track is a leg or a gap."""
    n = len(fixes.mmsi)
    same = np.ones(n, bool)
    same[starts_of(fixes.mmsi, fixes.track_us)] = False
    before = np.maximum(np.arange(n) - 1, 0)
    dt_us = fixes.time_us - fixes.time_us[before]
    both_satellite = fixes.satellite & fixes.satellite[before]
    limit_us = threshold(both_satellite, rules)
    implied_kn = fixes.distance_m / np.maximum(dt_us, rules.implied_over_s * SECOND) * _KN_PER_M_US
    # reports are tenths kept as float32: unrounded, the mean of 3.8 and 6.2 is less than 5
    reported_kn = np.round((fixes.sog_kn + fixes.sog_kn[before]) / 2, 3)
    reported = ~np.isnan(reported_kn)
    speed_kn = np.where(reported, reported_kn, implied_kn)
    leg = same & (dt_us <= limit_us)
    return Intervals(leg, same & ~leg, leg & (speed_kn < rules.slow_kn), dt_us, speed_kn, reported, limit_us)


@dataclass(frozen=True)
class Legs:
    """Slow legs: rows `start` and `end` of the fixes they join, and their speed, (n,) each.

    reported: some of the speed was reported. fresh: no leg of the track comes before.
    """

    start: Ints
    end: Ints
    speed_dkn: Ints
    reported: Bools
    fresh: Bools


def slow_legs(fixes: Track, between: Intervals, has_leg: Bools, rules: VesselRules) -> Legs:
    """The slow legs, stays thinned to one leg per bucket.

    has_leg: (n,) whether a leg ends at each fix; false makes a leg that starts there fresh.

    The fixes of one track within a fixed UTC bucket give way to the chord from the fix before them to the last of
    them when all legs between are slow and none longer than thin_interval_min, and every fix lies within
    thin_tolerance_m of where the chord puts it at that time. What is lost: the distance of two thinned vessels may
    be off by twice the tolerance.
    """
    first, last = _thinnable(fixes, between, rules)
    inside = np.zeros(len(fixes.mmsi) + 1, np.int64)
    np.add.at(inside, first + 1, 1)
    np.add.at(inside, last + 1, -1)
    plain = np.flatnonzero(between.slow & (np.cumsum(inside)[:-1] == 0))
    start, end = np.concatenate([plain - 1, first]), np.concatenate([plain, last])
    # whole numbers, so that the mean does not depend on what else was summed
    weighted = np.concatenate([[0], np.cumsum(_whole_dkn(between) * between.dt_us)])
    taken_us = fixes.time_us[end] - fixes.time_us[start]
    speed_dkn = _tenths((weighted[end + 1] - weighted[start + 1]) / np.maximum(taken_us, 1))
    order = np.argsort(start, kind="stable")  # two sorted runs
    start, end, speed_dkn = start[order], end[order], speed_dkn[order]
    return Legs(start, end, speed_dkn, _any_reported(between, start, end), ~has_leg[start])


def _any_reported(between: Intervals, start: Ints, end: Ints) -> Bools:
    """Whether a speed was reported on some step from one fix to another, (n,)."""
    if between.reported.all():
        return np.ones(len(start), bool)
    upto = np.cumsum(between.reported)
    return np.asarray(upto[end] > upto[start])


def rounding_m(fixes: Track, legs: Legs) -> Ints:
    """How far rounding may have moved a leg: the most of all fixes on it, metres (n,)."""
    rounded_m = fixes.rounding_m
    if not len(legs.start) or (rounded_m == rounded_m[0]).all():
        return np.asarray(rounded_m[legs.start])
    leg, nth = spread(legs.end - legs.start + 1)
    return np.asarray(np.maximum.reduceat(rounded_m[legs.start[leg] + nth], starts_of(leg)))


def _whole_dkn(between: Intervals) -> Ints:
    return _tenths(np.where(between.slow, between.speed_kn * 10, 0.0))


def _tenths(speed_dkn: Floats) -> Ints:
    """Whole tenths, halves rounded down: the mean of 0.9 and 1.0 kn stays slower than 1 kn."""
    return np.ceil(speed_dkn - 0.5).astype(np.int64)


def _thinnable(fixes: Track, between: Intervals, rules: VesselRules) -> tuple[Ints, Ints]:
    """First and last fix of each chord: from the fix before a bucket to the last one in it."""
    n = len(fixes.mmsi)
    if n == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    bucket = fixes.time_us // minutes(rules.thin_bucket_min)
    first = starts_of(fixes.mmsi, fixes.track_us, bucket)
    last = np.append(first[1:], n) - 1
    first = first - between.leg[first]
    calm = between.slow & (between.dt_us <= minutes(rules.thin_interval_min))
    calm_upto = np.cumsum(calm)
    wanted = (last - first >= 2) & (calm_upto[last] - calm_upto[first] == last - first)
    first, last = first[wanted], last[wanted]
    group, nth = spread(last - first - 1)
    away_m = _off_chord_m(fixes, first[group] + 1 + nth, first, last, group)
    good = np.ones(len(first), bool)
    good[group[away_m > rules.thin_tolerance_m]] = False
    good &= _piece_count(fixes, first, last, rules) == 1
    return first[good], last[good]


def _off_chord_m(fixes: Track, row: Ints, first: Ints, last: Ints, chord: Ints) -> Floats:
    """How far each fix, (m,), lies from where its chord puts it at its time, metres.

    first, last: the fixes at the ends of each chord, (k,). chord: (m,) the chord of each fix.
    """
    lon0, lat0, start_us = fixes.lon[first], fixes.lat[first], fixes.time_us[first]
    east, north = metres_per_degree(lat0)
    wide_deg, high_deg = near_lon(fixes.lon[last], lon0) - lon0, fixes.lat[last] - lat0
    share = (fixes.time_us[row] - start_us[chord]) / (fixes.time_us[last] - start_us)[chord]
    lon0 = lon0[chord]
    x_m = (near_lon(fixes.lon[row], lon0) - lon0 - share * wide_deg[chord]) * east[chord]
    y_m = (fixes.lat[row] - lat0[chord] - share * high_deg[chord]) * north[chord]
    return np.asarray(np.sqrt(x_m * x_m + y_m * y_m))


@dataclass(frozen=True)
class Pieces:
    """Legs cut so that each piece is short: the leg of each piece, its times and ends."""

    leg: Ints
    nth: Ints
    start_us: Ints
    end_us: Ints
    lon0: Floats
    lat0: Floats
    lon1: Floats
    lat1: Floats


def pieces(fixes: Track, legs: Legs, rules: VesselRules) -> Pieces:
    """Cut long legs into equal pieces along the great circle."""
    lon0, lat0 = fixes.lon[legs.start], fixes.lat[legs.start]
    lon1, lat1 = fixes.lon[legs.end], fixes.lat[legs.end]
    count = _piece_count(fixes, legs.start, legs.end, rules)
    leg, nth = spread(count)
    t0, t1 = fixes.time_us[legs.start][leg], fixes.time_us[legs.end][leg]
    start_us = t0 + (t1 - t0) * nth // count[leg] // MS * MS
    end_us = np.where(nth + 1 == count[leg], t1, t0 + (t1 - t0) * (nth + 1) // count[leg] // MS * MS)
    start_us = np.where(nth == 0, t0, start_us)
    if (count == 1).all():
        return Pieces(leg, nth, start_us, end_us, lon0, lat0, near_lon(lon1, lon0), lat1)
    ends = [
        along(lon0[leg], lat0[leg], lon1[leg], lat1[leg], (t - t0) / np.maximum(t1 - t0, 1)) for t in (start_us, end_us)
    ]
    (x0, y0), (x1, y1) = ends
    return Pieces(leg, nth, start_us, end_us, x0, y0, near_lon(x1, x0), y1)


def _piece_count(fixes: Track, start: Ints, end: Ints, rules: VesselRules) -> Ints:
    """How many pieces make a leg straight on a local plane; from 45 degrees on the shorter, the nearer the pole.

    A way east bends off the straight line between its ends, in degrees, by length^2 tan(latitude) / (8 radius), and the
    length of a degree east changes on a way north by tan(latitude) / radius.
    """
    lon0, lat0, lon1, lat1 = fixes.lon[start], fixes.lat[start], fixes.lon[end], fixes.lat[end]
    steepest = np.tan(np.radians(np.minimum(np.maximum(np.abs(lat0), np.abs(lat1)), _STEEPEST_DEG)))
    piece_m = rules.piece_km * _M_PER_KM / np.maximum(steepest, 1.0)
    return np.maximum(np.ceil(haversine_m(lon0, lat0, lon1, lat1) / piece_m), 1).astype(np.int64)


def inner_ms(fixes: Track, legs: Legs) -> tuple[Ints, Ints]:
    """Fixes inside each leg, milliseconds after its start: offsets (n + 1,) into the flat values."""
    count = legs.end - legs.start - 1
    leg, nth = spread(count)
    after_us = fixes.time_us[legs.start[leg] + 1 + nth] - fixes.time_us[legs.start[leg]]
    return np.concatenate([[0], np.cumsum(count)]), after_us // MS
