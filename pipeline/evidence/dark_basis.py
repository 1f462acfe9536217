"""Dark meetings worked out again, by a plain reading of docs/dark_meetings.md, from all silences and waits of a folder.

Where the step takes points in space, classes of length and a plane on which great circles are straight, this takes
geodesics on the ellipsoid (pyproj) and holds one row after the other against every silence; none of the code of the
step is called. What is shared is data: the coast and the ways round it, zones, ports. Silences are those of table
gaps: what each was judged to be is taken from there.

Where a count hangs on a distance that the step knows to some metres, each number that it may be follows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from stswatch.geo.coordinates.sphere import KMH_PER_KN
from stswatch.pipeline.batch import DAY, HOUR, MINUTE, micros
from stswatch.pipeline.evidence.findings import Finding, near, same, us
from stswatch.pipeline.evidence.lake_fixes import Bools, Floats, Ints, Lake, apart_m
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import SILENCED
from stswatch.pipeline.store import case_queries
from stswatch.pipeline.times import utc

Ends = tuple[Floats, Floats]  # at least, at most
_NEAR_OFF = 2.5e-4  # of the distance that says how near a silence is: what metres make
_TIMES = ("start_time", "end_time")
# by which times a dark meeting names a silence, and what they are here
_NAMED = {"track_start": "track_us", "gap_start": "start_us", "gap_end": "end_us"}
EARTH = pyproj.Geod(ellps="WGS84")


def geodesic_km(lon0: Any, lat0: Any, lon1: Any, lat1: Any) -> Floats:
    """Geodesics, km, of places that broadcast against each other."""
    ends = np.stack(np.broadcast_arrays(lon0, lat0, lon1, lat1)).astype(np.float64)
    return np.asarray(EARTH.inv(*ends.reshape(4, -1))[2]).reshape(ends.shape[1:]) / 1000


def off_km(km: Any) -> Any:
    """How far the step's distances may be off, see geo/coordinates/plane.py."""
    return np.where(np.asarray(km) > 2_500, 0.003 * np.asarray(km), 3e-4 + 2e-8 * np.asarray(km) ** 2)


@dataclass(frozen=True)
class DarkSpan:
    """A silence or a wait: whose, from when until when, where it began and ended, how far it strays, how it steered.

    As columns (n,) those of a folder by their start, else one. Times: UTC microseconds, or hours since 1970. cog0,
    cog1: courses at both ends, degrees, NaN where none counts, as of a wait.
    """

    mmsi: Any
    track_us: Any
    start_us: Any
    end_us: Any
    lon0: Any
    lat0: Any
    lon1: Any
    lat1: Any
    slack_km: Any
    cog0: Any
    cog1: Any

    def at(self, rows: Any) -> DarkSpan:
        """Some of them, or one."""
        return DarkSpan(*(getattr(self, each.name)[rows] for each in fields(self)))

    @property
    def start_h(self) -> Any:
        """When it began."""
        return self.start_us / HOUR

    @property
    def end_h(self) -> Any:
        """When it ended."""
        return self.end_us / HOUR


def _columns(rows: pa.Table, place: tuple[str, str, str, str], slack_km: Floats, *steered: Floats) -> DarkSpan:
    mmsi = np.asarray(rows["mmsi"]).astype(np.int64)
    track_us, start_us, end_us = (micros(rows, name) for name in ("track_start", *_TIMES))
    lon0, lat0, lon1, lat1 = (np.asarray(rows[name], np.float64) for name in place)
    return DarkSpan(mmsi, track_us, start_us, end_us, lon0, lat0, lon1, lat1, slack_km, *steered)


def _steered(gaps: pa.Table, k: str, rules: Rules) -> Floats:
    kn, deg = (np.asarray(gaps[of].cast(pa.float64()).fill_null(math.nan)) for of in (f"sog{k}_kn", f"cog{k}_deg"))
    return np.where(np.round(kn, 3) >= rules.dark.course_kn, deg, np.nan)


@dataclass(frozen=True)
class DarkBasis:
    """All that dark meetings rest on: silences that ended in time, what they were judged to be, waits, outages.

    heard_h: hours since 1970 in which anybody was heard, (k,) in order; None where some of that is no longer there.
    """

    silences: DarkSpan
    judgement: Any
    satellite: Bools
    in_outage_us: Floats
    waits: DarkSpan
    outages: tuple[tuple[str, int, int], ...]
    heard_h: Ints | None
    rules: Rules

    @staticmethod
    def of(gaps: pa.Table, waits: pa.Table, outages: pa.Table, heard_h: Ints | None, rules: Rules) -> DarkBasis:
        """From rows of the tables gaps, loitering and outages."""
        gaps = gaps.filter(pc.equal(gaps["ending"], "resumed")).sort_by("start_time").combine_chunks()
        long_us = micros(gaps, "end_time") - micros(gaps, "start_time")
        gaps = gaps.filter(pa.array(long_us <= rules.dark.gap_d * DAY)).combine_chunks()
        courses, none = [_steered(gaps, k, rules) for k in "01"], np.full(waits.num_rows, np.nan)
        kinds = outages.filter(pc.is_null(outages["name"]))
        spans = zip(kinds["receiver"].to_pylist(), *(micros(kinds, n).tolist() for n in _TIMES), strict=True)
        return DarkBasis(
            _columns(gaps, ("lon0", "lat0", "lon1", "lat1"), np.zeros(gaps.num_rows), *courses),
            np.array(gaps["judgement"].to_pylist(), object),
            np.array(gaps["receiver"].to_pylist(), object) == "satellite",
            np.asarray(gaps["in_outage_min"], np.float64) * MINUTE,
            _columns(waits, ("lon", "lat", "lon", "lat"), np.asarray(waits["drift_km"], np.float64) / 2, none, none),
            tuple(spans),
            heard_h,
            rules,
        )

    @staticmethod
    def known(data: Path, rules: Rules, rows: pa.Table) -> DarkBasis:
        """That of some rows of dark_meetings of a published folder. Raises StoreError where it holds no database."""
        gaps, waits, outages = (case_queries.table(data, name) for name in ("gaps", "loitering", "outages"))
        basis = DarkBasis.of(gaps, waits, outages, None, rules)
        if not rows.num_rows:
            return basis
        longest_us = max(int((of.end_us - of.start_us).max(initial=0)) for of in (basis.silences, basis.waits))
        since_us = int(micros(rows, "start_time").min()) - longest_us - round(rules.dark.shift_most_d + 1) * DAY
        until_us = int(micros(rows, "end_time").max()) + longest_us
        return replace(basis, heard_h=case_queries.heard_hours(data, utc(since_us - HOUR), utc(until_us + HOUR)))

    def for_row(self, row: Mapping[str, Any], lake: Lake) -> DarkBasis:
        """What a row rests on: without hours heard where some of the lake is gone in which they would be counted."""
        back_us = us(row["start_time"]) - round(self.rules.dark.shift_most_d + self.rules.dark.gap_d + 1) * DAY
        return replace(self, heard_h=None) if lake.removal((back_us, us(row["end_time"]))) else self

    def parties(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The silences and the wait of a dark meeting, for findings.of_party; as stored, where nothing agrees."""
        found: list[dict[str, Any]] = []
        for v in "ab":
            of = {"v": v, "mmsi": row[f"mmsi_{v}"], "track_us": us(row[f"track_start_{v}"])}
            if row[f"gap_start_{v}"] is not None:
                times = {f"{edge}_us": us(row[f"gap_{edge}_{v}"]) for edge in ("start", "end")}
                found.append(of | {"role": "gap"} | times)
            elif (wait := wait_of(self, row)) is not None:
                it = self.waits.at(wait)
                place = {"lon": it.lon0, "lat": it.lat0, "drift_km": 2 * it.slack_km}
                found.append(of | {"role": "wait", "start_us": it.start_us, "end_us": it.end_us} | place)
        return found

    @property
    def kmh(self) -> float:
        """How fast all go."""
        return self.rules.stays.dark_speed_kn * KMH_PER_KN

    @cached_property
    def able(self) -> Bools:
        """Which silences left time for a stay at all, and for the way from their begin to their end."""
        own = self.silences
        left_h = own.end_h - own.start_h - geodesic_km(own.lon0, own.lat0, own.lon1, own.lat1) / self.kmh
        return np.asarray(left_h >= self.rules.dark.stay_h)

    @cached_property
    def silenced(self) -> Bools:
        """Which were judged silenced."""
        return np.asarray(self.judgement == SILENCED)

    def off_h(self, one: DarkSpan, row: Ints) -> Floats:
        """How much time may be left by the step's distances, and none by these, or the other way about."""
        hours = self.silences.end_h[row] - self.silences.start_h[row] + one.end_h - one.start_h
        return np.asarray(off_km(hours * self.kmh) / self.kmh + 1e-6)

    def fitting(self, one: DarkSpan, waits: bool, shifts_d: Ints, which: Bools) -> tuple[Ints, Ints, Floats, Ends]:
        """Silences, of some, so many days later that may fit a wait or a silence.

        Gives rows, numbers of shifts, the time left beyond a stay (what is about 0 is a matter of metres) and how near
        each is at least and at most, as docs/dark_meetings.md has it.
        """
        own, silences = self.rules.dark, self.silences
        begun_h, ended_h = (h - 24.0 * shifts_d for h in (one.start_h + own.stay_h, one.end_h - own.stay_h))
        low = np.searchsorted(silences.start_us, (begun_h - 24 * own.gap_d) * HOUR)
        high = np.searchsorted(silences.start_us, ended_h * HOUR, side="right")
        some = zip(low.tolist(), high.tolist(), strict=True)
        row = np.concatenate([np.zeros(0, np.int64), *(np.arange(*each) for each in some)]).astype(np.int64)
        shift = np.repeat(np.arange(len(low)), np.maximum(high - low, 0))
        keep = which[row] & (silences.end_h[row] >= begun_h[shift]) & (silences.mmsi[row] != one.mmsi)
        row, shift = row[keep], shift[keep]
        later_h = 24.0 * shifts_d[shift]
        to_h, from_h = self._spare(one, waits, row, later_h, _rough_km)
        keep = np.minimum(to_h, from_h) > -0.05
        row, shift, later_h = row[keep], shift[keep], later_h[keep]
        left_h = np.minimum(*self._spare(one, waits, row, later_h, geodesic_km))
        keep = left_h > -self.off_h(one, row)
        row, shift, later_h, left_h = row[keep], shift[keep], later_h[keep], left_h[keep]
        return row, shift, left_h, self.nearness(one, waits, row, later_h)

    def _spare(self, one: DarkSpan, waits: bool, row: Ints, later_h: Floats, km: Any) -> tuple[Floats, Floats]:
        """Time left beyond a stay from one to the other, and from the other to one; km: distances."""
        it, stay_h = self.silences.at(row), self.rules.dark.stay_h

        def way_h(*ends: Any) -> Floats:
            return np.asarray(np.maximum(km(*ends) - one.slack_km, 0.0) / self.kmh)

        to_h = it.end_h + later_h - stay_h - one.start_h - way_h(one.lon0, one.lat0, it.lon1, it.lat1)
        from_h = one.end_h - stay_h - it.start_h - later_h - way_h(one.lon1, one.lat1, it.lon0, it.lat0)
        if waits:
            both_h = way_h(one.lon0, one.lat0, it.lon0, it.lat0) + way_h(one.lon1, one.lat1, it.lon1, it.lat1)
            from_h = np.minimum(from_h, np.minimum(it.end_h - it.start_h - both_h, one.end_h - one.start_h) - stay_h)
        return to_h, from_h

    def nearness(self, one: DarkSpan, waits: bool, row: Ints, later_h: Any = 0.0) -> Ends:
        """How far silences, so much later, are from one, at least and at most: both ends, of a wait courses too."""
        own, it, total = self.rules.dark, self.silences.at(row), np.zeros(len(row))
        ends = np.array([[-1.0], [1.0]]) * _NEAR_OFF + total
        for k in "01":
            place = [getattr(of, f"{axis}{k}") for of in (one, it) for axis in ("lon", "lat")]
            at_h, of_h = (of.start_h if k == "0" else of.end_h for of in (one, it))
            total += np.log1p(np.maximum(geodesic_km(*place) - one.slack_km, 0.0) / own.near_km)
            total += np.log1p(np.abs(of_h + later_h - at_h) / own.near_h)
            if waits:
                deg, off_deg, unsure = self.courses_off(one, row, k)
                off = np.maximum(np.where(np.isnan(deg), 90.0, deg + np.stack([-off_deg, off_deg])), 0.0)
                off = np.where(unsure, np.stack([np.minimum(off[0], 90.0), np.maximum(off[1], 90.0)]), off)
                ends += np.log1p(off / own.near_deg)
        return total + ends[0], total + ends[1]

    def courses_off(self, one: DarkSpan, row: Ints, k: str) -> tuple[Floats, Floats, Bools]:
        """How far silences steer off the way to a wait, at end "0", or from it, "1": degrees, NaN where none counts.

        With how far that may be off, and where metres decide whether it counts.
        """
        lon, lat, cog = (getattr(self.silences, f"{of}{k}")[row] for of in ("lon", "lat", "cog"))
        to_deg, _, away_m = EARTH.inv(lon, lat, *(np.full(len(row), axis) for axis in (one.lon0, one.lat0)))
        km = np.asarray(away_m) / 1000
        edge_km = km - max(float(one.slack_km), self.rules.dark.course_km)
        deg = np.abs((to_deg + 180.0 * int(k) - cog + 180.0) % 360.0 - 180.0)
        # a line through the Earth and a geodesic differ so much in bearing
        return np.where(edge_km >= -off_km(km), deg, np.nan), 1e-4 + 2e-9 * km**2, np.abs(edge_km) <= off_km(km)

    def heard_days(self, one: DarkSpan, shifts_d: Ints) -> Bools:
        """Of each shift whether somebody was heard in nearly every hour of that day's span and the day before it."""
        first, last = (np.floor(h - 24.0 * shifts_d) for h in (one.start_h - 24, one.end_h))
        hours = self.heard_h if self.heard_h is not None else np.zeros(0, np.int64)
        count = np.searchsorted(hours, last, side="right") - np.searchsorted(hours, first)
        return np.asarray(count >= self.rules.dark.heard_share * (last - first + 1))


def _rough_km(lon0: Any, lat0: Any, lon1: Any, lat1: Any) -> Any:
    """No geodesic is shorter, by the sphere."""
    return apart_m(lon0, lat0, lon1, lat1) / 1000 * 0.993


def _closest(basis: DarkSpan, wanted: Mapping[str, int], also: Floats | float = 0.0) -> int | None:
    """The row that agrees with most of some values; None where there is none at all."""
    if not len(basis.mmsi):
        return None
    agree = sum((np.asarray(getattr(basis, name)) == value).astype(float) for name, value in wanted.items()) + also
    return int(np.argmax(agree))


def silence_of(basis: DarkBasis, row: Mapping[str, Any], v: str) -> int | None:
    """Which silence a dark meeting names."""
    times = {name: us(row[f"{of}_{v}"]) for of, name in _NAMED.items()}
    return _closest(basis.silences, {"mmsi": row[f"mmsi_{v}"], **times})


def wait_of(basis: DarkBasis, row: Mapping[str, Any]) -> int | None:
    """Which wait a dark meeting is about: whose, where and when."""
    waits = basis.waits
    there = (np.round(waits.lon0, 4) == row["lon"]).astype(float) + (np.round(waits.lat0, 4) == row["lat"])
    start_us, end_us = (us(row[name]) for name in _TIMES)
    shared_us = np.minimum(waits.end_us, end_us) - np.maximum(waits.start_us, start_us)
    wanted = {"mmsi": row["mmsi_a"], "track_us": us(row["track_start_a"])}
    return _closest(waits, wanted, there + (shared_us > 0) + shared_us / DAY / 1e6)


def dark_name(row: Mapping[str, Any]) -> str:
    """The id that is computed of a dark meeting."""
    parts = row["kind"], row["mmsi_a"], row["mmsi_b"], us(row["gap_start_b"]), us(row["start_time"])
    return "D" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def of_silent_party(row: Mapping[str, Any], v: str, basis: DarkBasis, silence: int) -> Iterator[Finding]:
    """Whether what is stored of a party is a silence of table gaps."""
    it = basis.silences.at(silence)
    yield same(f"mmsi_{v}", row[f"mmsi_{v}"], int(it.mmsi))
    yield from (same(f"{of}_{v}", us(row[f"{of}_{v}"]), int(getattr(it, name))) for of, name in _NAMED.items())
    yield same(f"judgement_{v}", row[f"judgement_{v}"], basis.judgement[silence])


def of_waiting_party(row: Mapping[str, Any], basis: DarkBasis, wait: int) -> Iterator[Finding]:
    """Whether what is stored of who waited is a wait of table loitering."""
    it = basis.waits.at(wait)
    yield same("mmsi_a", row["mmsi_a"], int(it.mmsi))
    yield same("track_start_a", us(row["track_start_a"]), int(it.track_us))
    yield from (same(name, row[name], None) for name in ("gap_start_a", "gap_end_a", "judgement_a"))
    place = {"lon": it.lon0, "lat": it.lat0}
    yield from (near(axis, row[axis], round(float(at), 4), 1e-4) for axis, at in place.items())


# ------------------------------------------------------------------------------------------------- how many others fit


class Fits(NamedTuple):
    """How many fit: no fewer than `low`, no more than `high`, and whether the one of a row is among the nearest."""

    low: int
    high: int
    nearest: bool


class Accident(NamedTuple):
    """How many fit by accident in the mean, and how many as nearly, from the least to the most; days that tell it.

    NaN where too few days do.
    """

    expected: Sequence[float]
    nearer: Sequence[float]
    shifts: int

    def with_other(self, other: Accident) -> Accident:
        """The greater of both; NaN where either is."""
        both = (self.expected, other.expected), (self.nearer, other.nearer)
        expected, nearer = (np.maximum(*ends).tolist() for ends in both)
        return Accident(expected, nearer, min(self.shifts, other.shifts))


def fits_of(basis: DarkBasis, one: DarkSpan, waits: bool, partner: int, silenced_only: bool, most: int) -> Fits:
    """How many silences fit a wait or a silence, and whether a partner is among the `most` nearest of them."""
    which = basis.able & (basis.silenced | (not silenced_only))
    row, _, left_h, (least, greatest) = basis.fitting(one, waits, np.zeros(1, np.int64), which)
    sure = left_h > basis.off_h(one, row)
    own = least[row == partner]
    nearest = len(own) > 0 and int((sure & (greatest < own[0])).sum()) < most
    return Fits(int(sure.sum()), len(row), nearest)


def accidents(basis: DarkBasis, one: DarkSpan, waits: bool, partner: int) -> list[Accident]:
    """How many silences of the kind of a partner fit on other days; two answers where metres decide how many to ask."""
    own = basis.rules.dark
    every_d = np.arange(own.shift_least_d, own.shift_most_d + 1).astype(np.int64)
    heard_d = every_d[basis.heard_days(one, every_d)]
    far = [float(end[0]) for end in basis.nearness(one, waits, np.array([partner]))]
    which = basis.able & (basis.silenced == basis.silenced[partner])
    row, shift, left_h, (least_far, most_far) = basis.fitting(one, waits, heard_d, which)
    off_h, first_d = basis.off_h(one, row), every_d[0] + round(own.shifts_least)
    sets = [(left_h > off_h, most_far <= far[0]), (left_h > -off_h, least_far <= far[1])]

    def within(day: Bools, days: int) -> Accident:
        if days < own.shifts_least:
            return Accident((math.nan, math.nan), (math.nan, math.nan), days)
        low, high = (((fit & day).sum() + 0.5, (fit & day & close).sum() + 0.5) for fit, close in sets)
        return Accident((low[0] / days, high[0] / days), (low[1] / days, high[1] / days), days)

    early, days = heard_d[shift] < first_d, int((heard_d < first_d).sum())
    least, most = (int((fit & close & early).sum()) for fit, close in sets)
    found = []
    if days < own.shifts_least or least < own.fits_enough:
        found.append(within(np.ones(len(row), bool), len(heard_d)))
    if days >= own.shifts_least and most >= own.fits_enough:
        found.append(within(early, days))
    return found


def lost_together(basis: DarkBasis, silence: int) -> tuple[int, int]:
    """How many others were lost near a silence and about when it began: at least, at most."""
    own, it = basis.rules.dark, basis.silences
    about = np.flatnonzero(np.abs(it.start_h - it.start_h[silence]) <= own.together_h + 1e-9)
    km = geodesic_km(it.lon0[about], it.lat0[about], it.lon0[silence], it.lat0[silence])
    near = (about[km <= own.together_km + sign * 1e-3] for sign in (-1, 1))
    low, high = (len({*it.mmsi[rows].tolist()} - {int(it.mmsi[silence])}) for rows in near)
    return low, high


def outage_share(basis: DarkBasis, silence: int) -> float:
    """How much of a silence lies in one outage of all or of its kind of receiver, or in all of them."""
    start_us, end_us = int(basis.silences.start_us[silence]), int(basis.silences.end_us[silence])
    shares = [min(float(basis.in_outage_us[silence]) / (end_us - start_us), 1.0)]
    for receiver, begun_us, over_us in basis.outages:
        if receiver == "all" or bool(basis.satellite[silence]) == (receiver == "satellite"):
            shares.append(max(min(end_us, over_us) - max(start_us, begun_us), 0) / (end_us - start_us))
    return max(shares)
