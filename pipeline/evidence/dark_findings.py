"""What of a dark meeting follows: each stored number beside what a plain reading gives, in dark_basis.py and here.

A place is held against the best there is: since the time that two can be together falls off evenly from there, no place
round it may be much better. A region is held against its edge: at each corner there is just time enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.plane import arc_km, in_space_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN
from stswatch.geo.reference.harbours import nearest_port
from stswatch.geo.reference.ports import world_ports
from stswatch.geo.reference.zones import zone_of
from stswatch.geo.sea.distance import bounds_km, in_region
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.evidence.dark_basis import (
    EARTH,
    Accident,
    DarkBasis,
    DarkSpan,
    accidents,
    dark_name,
    fits_of,
    geodesic_km,
    lost_together,
    of_silent_party,
    of_waiting_party,
    off_km,
    outage_share,
    silence_of,
    wait_of,
)
from stswatch.pipeline.evidence.findings import Finding, near, same, us
from stswatch.pipeline.evidence.lake_fixes import Bools, Floats

_PLACE_KM = 0.012  # what the fourth decimal of a place leaves
_SECOND_H = 1.001 / 3600  # times are whole seconds
_EXACT_H = 5e-4  # less than the last decimal of a stay

# ------------------------------------------------------------------------------------------------- where they can meet


@dataclass(frozen=True)
class Reach:
    """Two silences, or a wait and a silence: from when until when both can be at places, at a speed.

    t0, t1: hours (2,). begin, end: longitudes and latitudes of where they were heard, (2, 2) each.
    """

    t0: Floats
    t1: Floats
    begin: Floats
    end: Floats

    @staticmethod
    def of(a: DarkSpan, b: DarkSpan) -> Reach:
        """Those of two silences."""
        hours = np.array([[of.start_h, of.end_h] for of in (a, b)])
        begin, end = (np.array([[getattr(of, f"{axis}{k}") for of in (a, b)] for axis in ("lon", "lat")]) for k in "01")
        return Reach(hours[:, 0], hours[:, 1], begin, end)

    def span_h(self, lon: Floats, lat: Floats, kmh: float, by_sea: bool = False) -> tuple[Floats, Floats]:
        """From when until when both can be at places (m,)."""
        lon0, lat0 = np.concatenate([self.begin, self.end], axis=1)
        km = bounds_km(lon0, lat0, lon, lat) if by_sea else geodesic_km(lon0[:, None], lat0[:, None], lon, lat)
        come, go = km[:2], km[2:]
        return (self.t0[:, None] + come / kmh).max(axis=0), (self.t1[:, None] - go / kmh).min(axis=0)

    def ways(self, by_sea: bool = False) -> tuple[Floats, Floats]:
        """Hours between, and the way from, the begin of one (column) and the end of one (row), (2, 2) each."""
        straight_km = geodesic_km(*self.end[:, :, None], *self.begin[:, None])
        return self.t1[:, None] - self.t0, bounds_km(*self.end, *self.begin) if by_sea else straight_km

    def most_h(self, kmh: float, by_sea: bool = False) -> float:
        """No stay is longer."""
        hours, km = self.ways(by_sea)
        return float((hours - km / kmh).min())

    def longest_h(self, kmh: float) -> float:
        """The longest stay: on the straight way that decides, else by looking round for a better place."""
        ends = in_space_km(*np.concatenate([self.begin, self.end], axis=1))
        most = self.t1[:, None] - self.t0 - arc_km(np.linalg.norm(ends[2:, None] - ends[:2], axis=-1)) / kmh
        i, j = np.unravel_index(most.argmin(), most.shape)
        lon, lat = self.begin[:, j]
        bearing, _, way_m = EARTH.inv(lon, lat, *self.end[:, i])
        low, high, best_h, place = 0.0, 1.0, -math.inf, (lon, lat)
        for _ in range(6):
            share = np.linspace(low, high, 9)
            x, y = self._from((lon, lat), np.full(9, bearing), share * way_m)
            stay = self._rough_h(x, y, ends, kmh)
            k = int(stay.argmax())
            best_h, place = max((best_h, place), (float(stay[k]), (x[k], y[k])))
            low, high = share[max(k - 1, 0)], share[min(k + 1, 8)]
            if best_h >= most[i, j] - _EXACT_H:
                return best_h
        radius_m = 2 * way_m + 20_000
        while radius_m > 20:
            turn, far = np.meshgrid(np.arange(0, 360, 12.0), radius_m * np.array([0.25, 0.6, 1.0]))
            x, y = self._from(place, turn.ravel(), far.ravel())
            stay = self._rough_h(x, y, ends, kmh)
            k = int(stay.argmax())
            radius_m *= 1.0 if stay[k] > best_h else 0.6
            best_h, place = max((best_h, place), (float(stay[k]), (x[k], y[k])))
        return best_h

    def _rough_h(self, lon: Floats, lat: Floats, ends: Floats, kmh: float) -> Any:
        km = arc_km(np.linalg.norm(in_space_km(lon, lat) - ends[:, None], axis=-1))
        return (self.t1[:, None] - km[2:] / kmh).min(axis=0) - (self.t0[:, None] + km[:2] / kmh).max(axis=0)

    @staticmethod
    def _from(place: tuple[float, float], bearing: Floats, far_m: Floats) -> Any:
        at = np.full(len(far_m), place[0]), np.full(len(far_m), place[1])
        return EARTH.fwd(*at, bearing, far_m)[:2]

    def least_kn(self, stay_h: float, by_sea: bool = False) -> float:
        """Below this speed there is no such stay; mostly there is one at it."""
        hours, km = self.ways(by_sea)
        return float((km / np.maximum(hours - stay_h, 1e-6)).max()) / KMH_PER_KN


# ------------------------------------------------------------------------------------------------ what of a row follows


def of_dark(row: Mapping[str, Any], basis: DarkBasis) -> Iterator[Finding]:
    """What of a dark meeting follows, each number by the name of its column."""
    waits = sum(row[name] is None for name in ("gap_start_a", "gap_end_a", "judgement_a")) > 1
    b = silence_of(basis, row, "b")
    a = wait_of(basis, row) if waits else silence_of(basis, row, "a")
    if a is None or b is None:
        yield Finding("the meeting", False, "inferred", None, "there is no such silence, or nobody waited")
        return
    yield same("kind", row["kind"], "one_dark" if waits else "both_dark")
    yield same("id", row["id"], dark_name(row))
    yield from of_silent_party(row, "b", basis, b)
    yield from of_waiting_party(row, basis, a) if waits else of_silent_party(row, "a", basis, a)
    parties = (basis.waits if waits else basis.silences).at(a), basis.silences.at(b)
    chance = (0.0, 1.0)
    if basis.heard_h is None:
        why = "positions of the weeks before were removed"
        names = ("expected_by_accident", "nearer_by_accident", "shifts", "chance_by_accident", "score")
        yield from (Finding(name, None, row[name], why=why) for name in names)
    else:
        every = accidents(basis, parties[0], waits, b)
        if not waits:
            every = [one.with_other(other) for one in every for other in accidents(basis, parties[1], False, a)]
        found = [(accident, list(_of_accident(row, accident))) for accident in every]
        accident, numbers = min(found, key=lambda each: sum(one.follows is False for one in each[1]))
        yield from numbers
        chance = -math.expm1(-accident.nearer[0]), -math.expm1(-accident.nearer[1])
    yield from _of_rivals(row, basis, parties, waits, a, b)
    yield from _of_courses(row, basis, parties[0] if waits else None, b)
    silent = (b,) if waits else (a, b)
    together = [max(ends) for ends in zip(*(lost_together(basis, k) for k in silent), strict=True)]
    follows = together[0] <= row["lost_together"] <= together[1]
    yield Finding("lost_together", follows, row["lost_together"], together[0])
    outage = max(outage_share(basis, k) for k in silent)
    yield near("outage_share", row["outage_share"], outage, 6e-5)
    yield from _of_place(row)
    rules = basis.rules.dark
    asked = [each <= rules.water_chance for each in chance]  # both where metres decide
    yield from _of_wait(row, basis, parties, asked) if waits else _of_pair(row, basis, parties, asked)
    able = waits and row["over_water"] is not False and together[0] < rules.together_least
    able = able and round(outage, 9) <= rules.outage_share
    may = [able and each <= rules.lead_chance for each in chance]
    yield Finding("lead", bool(row["lead"] in may), row["lead"], may[0])


def _of_place(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Zones and port of a place that is known to its fourth decimal."""
    shift = 5e-5 * np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    lon, lat = row["lon"] + shift[:, 0], row["lat"] + shift[:, 1]
    zones, (port, km) = [list(each) for each in zone_of(lon, lat)], nearest_port(lon, lat)
    names = [str(world_ports().id[each]) for each in port]
    yield Finding("zones", list(row["zones"]) in zones, row["zones"], zones[0])
    yield Finding("port", row["port"] in names, row["port"], names[0])
    yield near("distance_to_port_km", row["distance_to_port_km"], float(km[0]), 0.005 + _PLACE_KM)


# --------------------------------------------------------------------------------------------------------- by accident


def _of_accident(row: Mapping[str, Any], of: Accident) -> Iterator[Finding]:
    """How many fit by accident, the chance that comes of it, and its log-odds."""
    yield _between("expected_by_accident", row, of.expected, 6e-5)
    yield _between("nearer_by_accident", row, of.nearer, 6e-5)
    yield same("shifts", row["shifts"], of.shifts)
    chance = tuple(-math.expm1(-nearer) for nearer in of.nearer)
    yield _between("chance_by_accident", row, chance, 6e-5)
    score = tuple(-nearer - math.log(each) for nearer, each in zip(of.nearer, chance, strict=True))
    yield _between("score", row, score, 6e-4)


def _between(what: str, row: Mapping[str, Any], ends: Sequence[float], off: float) -> Finding:
    """Whether a number lies between two, which is nearly always one; none where they are NaN."""
    stored = row[what]
    if stored is None or math.isnan(stored):
        return Finding(what, math.isnan(ends[0]), None, None if math.isnan(ends[0]) else ends[0])
    return Finding(what, bool(min(ends) - off <= stored <= max(ends) + off), stored, ends[0])


def _of_rivals(
    row: Mapping[str, Any], basis: DarkBasis, parties: tuple[DarkSpan, DarkSpan], waits: bool, a: int, b: int
) -> Iterator[Finding]:
    """How many others fit as well, and whether the one that is named is the nearest, or of the nearest."""
    most = round(basis.rules.dark.partners_most)
    if waits:
        found = [fits_of(basis, parties[0], True, b, True, 1)]
    else:
        sides = (parties[0], b, a), (parties[1], a, b)
        found = [fits_of(basis, one, False, other, not basis.silenced[own], most) for one, other, own in sides]
    low, high = (sum(each) - len(found) for each in zip(*((of.low, of.high) for of in found), strict=True))
    yield Finding("rivals", low <= row["rivals"] <= high, row["rivals"], low)
    yield Finding("nearest", all(of.nearest for of in found), "of the nearest", "others fit more nearly")


def _of_courses(row: Mapping[str, Any], basis: DarkBasis, wait: DarkSpan | None, silence: int) -> Iterator[Finding]:
    """How far who was silent steered off the way to and from who waited; none of two silences."""
    for name, k in (("course_off_before_deg", "0"), ("course_off_after_deg", "1")):
        again = basis.courses_off(wait, np.array([silence]), k) if wait else ((math.nan,), (0.0,), (False,))
        deg, off_deg, unsure = (float(each[0]) for each in again)
        yield same(name, None, None) if row[name] is None and unsure else near(name, row[name], deg, 0.051 + off_deg)


# ---------------------------------------------------------------------------------------- when and where, at what speed


def _moments(row: Mapping[str, Any], from_h: float, until_h: float, off_h: float, least_h: float) -> Iterator[Finding]:
    """Times, and how long that is."""
    for name, hour in (("start_time", from_h), ("end_time", until_h)):
        stored = us(row[name])
        follows = bool(abs(stored / HOUR - hour) <= off_h + _SECOND_H)
        yield Finding(name, follows, stored, round(hour * 3600) * 1_000_000)
    stay_h = (us(row["end_time"]) - us(row["start_time"])) / HOUR
    yield from (near(f"{n}_h", row[f"{n}_h"], h, 1e-3) for n, h in (("stay", stay_h), ("spare", stay_h - least_h)))


def _of_water(
    row: Mapping[str, Any], stay_h: float, least_h: float, asked: Sequence[bool], known: bool
) -> Iterator[Finding]:
    """What is stored of ways by sea. stay_h: no stay by sea is longer; known: all lie where these are known."""
    if not known or not any(asked):
        yield same("over_water", row["over_water"], None)
        yield near("stay_water_h", row["stay_water_h"], math.nan, 0.0)
        return
    if not all(asked) and row["stay_water_h"] is None:
        yield same("over_water", row["over_water"], None)
        return
    yield near("stay_water_h", row["stay_water_h"], stay_h, 6e-4)
    possible = [stay_h + off >= least_h for off in (-1e-4, 1e-4)]
    yield Finding("over_water", row["over_water"] in possible, row["over_water"], possible[0])


def _waiting(a: DarkSpan, b: DarkSpan, basis: DarkBasis, by_sea: bool) -> tuple[float, float, float, float]:
    """From when until when one can lie beside who waits, the least speed, and how far the times may be off."""
    kmh, stay_h = basis.kmh, basis.rules.dark.stay_h
    ends, place = ((b.lon0, b.lon1), (b.lat0, b.lat1)), (a.lon0, a.lat0)
    away_km = bounds_km(*ends, *([x] for x in place))[:, 0] if by_sea else geodesic_km(*ends, *place)
    come_km, go_km = (max(float(km) - float(a.slack_km), 0.0) for km in away_km)
    from_h, until_h = max(a.start_h, b.start_h + come_km / kmh), min(a.end_h, b.end_h - go_km / kmh)
    ways = (come_km, a.end_h - b.start_h), (go_km, b.end_h - a.start_h), (come_km + go_km, b.end_h - b.start_h)
    least = max(km / max(h - stay_h, 1e-6) for km, h in ways) / KMH_PER_KN
    return from_h, until_h, least, float(off_km(max(come_km, go_km))) / kmh


def _of_wait(
    row: Mapping[str, Any], basis: DarkBasis, parties: tuple[DarkSpan, DarkSpan], asked: Sequence[bool]
) -> Iterator[Finding]:
    """Times and speed of who could come to one that waited."""
    a, b = parties
    known = bool(in_region([a.lon0, b.lon0, b.lon1], [a.lat0, b.lat0, b.lat1]).all())
    from_h, until_h, least, off_h = _waiting(a, b, basis, False)
    stay_h = math.nan
    if known and any(asked):
        sea = _waiting(a, b, basis, True)
        stay_h = sea[1] - sea[0]
        if row["over_water"]:
            from_h, until_h, least = sea[0], sea[1], max(sea[2], least)
    yield from _moments(row, from_h, until_h, off_h, basis.rules.dark.stay_h)
    yield near("least_speed_kn", row["least_speed_kn"], least, 0.006 + 0.001 * least)
    yield from _of_water(row, stay_h, basis.rules.dark.stay_h, asked, known)
    yield same("region", row["region"], None)
    yield near("region_km2", row["region_km2"], math.nan, 0.0)


def _of_pair(
    row: Mapping[str, Any], basis: DarkBasis, parties: tuple[DarkSpan, DarkSpan], asked: Sequence[bool]
) -> Iterator[Finding]:
    """Times, place, speed and region of two that were silent."""
    reach, kmh, stay_h = Reach.of(*parties), basis.kmh, basis.rules.dark.stay_h
    ends = np.concatenate([reach.begin, reach.end], axis=1)
    known, by_sea = bool(in_region(*ends).all()), bool(row["over_water"])
    lon, lat = (np.array([row[name]]) for name in ("lon", "lat"))
    from_h, until_h = (float(each[0]) for each in reach.span_h(lon, lat, kmh, by_sea))
    place_km = 0.1 if by_sea else _PLACE_KM  # a way round a corner may be another one 10 m beside
    off_h = (float(off_km(geodesic_km(ends[0], ends[1], lon, lat)).max()) + place_km) / kmh
    times = list(_moments(row, from_h, until_h, off_h, stay_h))
    yield from times
    region = shapely.from_wkb(row["region"]) if row["region"] else shapely.Polygon()
    seen = _Sampled.of(reach, region, kmh) if by_sea or (known and any(asked)) else None
    best_h = seen.best_h - seen.slack_h if by_sea and seen else reach.longest_h(kmh)
    found = until_h - from_h >= best_h - 2e-3 - 2 * off_h and all(each.follows for each in times)
    yield Finding("lon, lat", bool(found), (row["lon"], row["lat"]), f"a place for {best_h:.3f} h")
    yield _least_speed(row, reach, basis, by_sea)
    most_h = reach.most_h(kmh, True) if known and any(asked) else math.nan
    water = list(_of_water(row, most_h, stay_h, asked, known))
    if seen and row["over_water"] is None and most_h >= stay_h and row["stay_water_h"] is not None:
        inside = bool(in_region(*shapely.get_coordinates(region).T).all())
        place = seen.best_h >= stay_h + seen.slack_h and inside
        water[-1] = Finding("over_water", not place, None, "a place by sea" if place else None)
    yield from water
    yield _of_region(row, reach, region, basis) if not by_sea or seen is None else seen.finding(stay_h)
    km2, edge_km = (abs(each) for each in EARTH.geometry_area_perimeter(region))
    yield near("region_km2", row["region_km2"], km2 / 1e6, 0.06 + 0.003 * km2 / 1e6 + edge_km / 1000 * _PLACE_KM)


def _least_speed(row: Mapping[str, Any], reach: Reach, basis: DarkBasis, by_sea: bool) -> Finding:
    """The least speed: what the ways ask for, or where that is not enough, what is found by halving."""
    stored, stay_h = float(row["least_speed_kn"]), basis.rules.dark.stay_h
    low, most = reach.least_kn(stay_h), 0.006
    at_low_h = reach.longest_h((low + 0.005) * KMH_PER_KN)
    if at_low_h < stay_h:
        most = 0.15  # so finely the step halves
    if at_low_h < stay_h - 2e-3:
        fast = 2 * max(low, basis.kmh / KMH_PER_KN)
        while fast - low > 0.005:
            middle = (low + fast) / 2
            low, fast = (low, middle) if reach.longest_h(middle * KMH_PER_KN) >= stay_h else (middle, fast)
    sea = reach.least_kn(stay_h, True) if by_sea else 0.0
    off = 0.006 + 0.001 * low
    return Finding("least_speed_kn", max(low, sea) - off <= stored <= max(low + most, sea) + off, stored, max(low, sea))


def _of_region(row: Mapping[str, Any], reach: Reach, region: Any, basis: DarkBasis) -> Finding:
    """Whether at each corner of a region there is time for just a stay, and beside each edge for none."""
    stay_h, kmh = basis.rules.dark.stay_h, basis.kmh
    corners = shapely.get_coordinates(region)[:-1]
    if len(corners) < 3:
        return Finding("region", False, None, "a region")
    middle = shapely.get_coordinates(region.centroid)[0]
    wide_km = 2 * geodesic_km(*corners.T, *middle).max()
    slack_h = 2 * (_PLACE_KM + float(off_km(wide_km + kmh * float((reach.t1 - reach.t0).max())))) / kmh + 2e-3
    long_h = np.subtract(*reach.span_h(corners[:, 0], corners[:, 1], kmh)[::-1])
    least_h = stay_h - slack_h - 2 * 0.00096 * wide_km / kmh
    edge = (corners + np.roll(corners, -1, axis=0)) / 2 - middle
    beyond = middle + edge * 1.1
    beyond_h = np.subtract(*reach.span_h(beyond[:, 0], beyond[:, 1], kmh)[::-1])
    wrong = (long_h > stay_h + slack_h) | (long_h < least_h) | (beyond_h > stay_h + slack_h)
    return Finding("region", not bool(wrong.any()), "its edge", f"{int(wrong.sum())} of {len(corners)} corners are not")


@dataclass(frozen=True)
class _Sampled:
    """Stays by sea at the corners of a region and on a grid round it. slack_h: what the step's own grid leaves open.

    best_h: the longest of those on water.
    """

    at_corners: Floats
    inside: Bools
    at_grid: Floats
    slack_h: float
    best_h: float

    @staticmethod
    def of(reach: Reach, region: Any, kmh: float) -> _Sampled | None:
        """Those round a region; None where there is none, or it lies where ways by sea are not known."""
        if not len(corners := shapely.get_coordinates(region)) or not in_region(*corners.T).all():
            return None
        west, south, east, north = region.bounds
        wide, high = max(east - west, 1e-3), max(north - south, 1e-3)
        step_deg = math.hypot(wide, high) / 30
        axes = (np.linspace(at - 0.1 * size, at + 1.1 * size, 10) for at, size in ((west, wide), (south, high)))
        x, y = (each.ravel() for each in np.meshgrid(*axes))
        wet = in_region(x, y)
        wet[wet] = is_water(x[wet], y[wet])
        x, y = x[wet], y[wet]
        some = corners[:: max(1, len(corners) // 40)]
        long_h = np.subtract(*reach.span_h(np.append(some[:, 0], x), np.append(some[:, 1], y), kmh, True)[::-1])
        inside = np.asarray(shapely.contains_xy(shapely.buffer(region, step_deg), x, y))
        slack_h, at_grid = 2 * 111.7 * step_deg / kmh + 0.01, long_h[len(some) :]
        return _Sampled(long_h[: len(some)], inside, at_grid, slack_h, float(at_grid.max(initial=-math.inf)))

    def finding(self, stay_h: float) -> Finding:
        """Whether there is time for a stay along the edge of the region, and nowhere far from it.

        Between two points of the step's grid may lie a lake: some corners at one are no fault.
        """
        short = max(int((self.at_corners < stay_h - self.slack_h).sum()) - len(self.at_corners) // 10, 0)
        beyond = int((~self.inside & (self.at_grid > stay_h + self.slack_h)).sum())
        return Finding("region", not short and not beyond, "its edge", f"{short} corners are not, {beyond} places lack")
