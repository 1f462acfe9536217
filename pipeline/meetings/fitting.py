"""Which silences fit a wait or a silence, how near they are to it, and how many do by accident.

For that the silences of other days, shifted by whole days, are held against the same wait or silence: they met nobody
there, so what fits of them fits by accident, and so does what fits as nearly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.plane import apart_km, arc_km, in_space_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN, MEAN_RADIUS_M
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Bools, Floats, Ints, micros
from stswatch.pipeline.rules import DarkRules, Rules
from stswatch.pipeline.times import iso

GAPS = schema.table(
    "Gaps that ended, for as long as another can be held against them.",
    *(schema.JUDGED_GAPS.field(name) for name in ("mmsi", "track_start", "start_time")),
    schema.column("end_time", schema.UTC, "first fix after"),
    *(schema.column(name, pa.float64(), "as in table gaps", unit="deg") for name in ("lon0", "lat0", "lon1", "lat1")),
    *(schema.JUDGED_GAPS.field(name) for name in ("receiver", "judgement", "in_outage_min")),
    *(schema.JUDGED_GAPS.field(name) for name in ("sog0_kn", "sog1_kn", "cog0_deg", "cog1_deg")),
    schema.column("decided", pa.bool_(), "its partners are known"),
)
WAITS = schema.table(
    "Vessels that loitered, and of which not every silence that can overlap is judged.",
    *(
        schema.LOITERING.field(name)
        for name in ("mmsi", "track_start", "start_time", "end_time", "lon", "lat", "drift_km")
    ),
)


@dataclass(frozen=True)
class DarkSpans:
    """Waits or silences as columns (n,): hours since 1970, places in space (3, n) km; of a wait both are the same.

    slack_km: how far a wait is from its place. waits: whether it is one. course: unit vectors in space (2, 2, 3, n) of
    where each steers at its begin and at its end, ahead and to starboard, NaN where that is not known or it is slow.
    """

    mmsi: Ints
    start_h: Floats
    end_h: Floats
    start: Floats
    end: Floats
    slack_km: Floats
    waits: Bools
    course: Floats

    @staticmethod
    def of_gaps(gaps: pa.Table, rules: Rules) -> DarkSpans:
        """Those of GAPS."""
        start_h, end_h = (micros(gaps, name) / HOUR for name in ("start_time", "end_time"))
        start, end = (in_space_km(np.asarray(gaps[f"lon{k}"]), np.asarray(gaps[f"lat{k}"])).T for k in (0, 1))
        mmsi = np.asarray(gaps["mmsi"]).astype(np.int64)
        course = np.stack([_course(gaps, f"{k}", rules.dark) for k in (0, 1)])
        return DarkSpans(mmsi, start_h, end_h, start, end, np.zeros(len(mmsi)), np.zeros(len(mmsi), bool), course)

    @staticmethod
    def of_waits(waits: pa.Table) -> DarkSpans:
        """Those of WAITS."""
        start_h, end_h = (micros(waits, name) / HOUR for name in ("start_time", "end_time"))
        place = in_space_km(np.asarray(waits["lon"]), np.asarray(waits["lat"])).T
        mmsi = np.asarray(waits["mmsi"]).astype(np.int64)
        slack_km = np.asarray(waits["drift_km"]) / 2
        return DarkSpans(mmsi, start_h, end_h, place, place, slack_km, np.ones(len(mmsi), bool), no_course(len(mmsi)))

    def taken(self, rows: Ints | slice) -> DarkSpans:
        """Some of them."""
        flat = (self.mmsi[rows], self.start_h[rows], self.end_h[rows])
        places, course = (self.start[:, rows], self.end[:, rows]), self.course[..., rows]
        return DarkSpans(*flat, *places, self.slack_km[rows], self.waits[rows], course)

    def later(self, hours: Floats) -> DarkSpans:
        """The same, so much later each, (n,)."""
        return replace(self, start_h=self.start_h + hours, end_h=self.end_h + hours)

    def __len__(self) -> int:
        return len(self.mmsi)


def no_course(count: int) -> Floats:
    """The `course` of so many DarkSpans of which none is known."""
    return np.full((2, 2, 3, count), np.nan)


def _course(rows: pa.Table, k: str, own: DarkRules) -> Floats:
    """Where vessels steer, as in DarkSpans, (2, 3, n), by columns such as sog_kn; k: the end of GAPS, "" of fixes."""
    lon, lat, kn, deg = (
        np.asarray(rows[name].cast(pa.float64()).fill_null(np.nan))
        for name in (f"lon{k}", f"lat{k}", f"sog{k}_kn", f"cog{k}_deg")
    )
    turn, rise = np.radians(lon), np.radians(lat)
    east = np.stack([-np.sin(turn), np.cos(turn), np.zeros(len(turn))])
    north = np.stack([-np.sin(rise) * np.cos(turn), -np.sin(rise) * np.sin(turn), np.cos(rise)])
    # reports are tenths kept as float32
    to = np.radians(np.where(np.round(kn, 3) >= own.course_kn, deg, np.nan))
    return np.stack([np.sin(to) * east + np.cos(to) * north, np.cos(to) * east - np.sin(to) * north])


def distance(one: DarkSpans, other: DarkSpans, rules: Rules) -> Floats:
    """How far silences are from the waits or silences that they fit, (n,): 0 where both begin and end alike.

    The sum of log(1 + x) over how far their begins and their ends are apart in place, in units of `dark.near_km`, and
    in time, of `dark.near_h`: who goes to meet somebody is lost near the place, soon before, and found near it soon
    after. Of waits also how far the courses at both ends are off the way there and from there, of `dark.near_deg`;
    where that is not known, as if they were abeam of it, the middle of what accident gives.
    """
    own = rules.dark
    begins_km, ends_km = (between_km(*ends) for ends in ((one.start, other.start), (one.end, other.end)))
    begin = _ends_apart(begins_km - one.slack_km, one.start_h - other.start_h, own)
    far = begin + _ends_apart(ends_km - one.slack_km, one.end_h - other.end_h, own)
    if not one.waits.any():
        return far
    before, after = (_course_apart(deg, own) for deg in courses_off(one, other, rules))
    return np.asarray(far + np.where(one.waits, before + after, 0.0))


_ABEAM_DEG = 90.0


def _course_apart(off_deg: Floats, own: DarkRules) -> Floats:
    """How far courses that are so much off the way set two apart, as in `distance`, (n,); NaN: not known."""
    return np.asarray(np.log1p(np.where(np.isnan(off_deg), _ABEAM_DEG, off_deg) / own.near_deg))


def courses_off(one: DarkSpans, other: DarkSpans, rules: Rules) -> tuple[Floats, Floats]:
    """How far who was silent steered off the way to a wait at its begin, and off the way from it at its end, degrees.

    (n,) each, 0 to 180; NaN where the course is not known, the vessel slow, or so near that the way says nothing.
    """
    to, back = one.start - other.start, other.end - one.end
    return _off_deg(to, other.course[0], one.slack_km, rules.dark), _off_deg(
        back, other.course[1], one.slack_km, rules.dark
    )


def _off_deg(way: Floats, course: Floats, slack_km: Any, own: DarkRules) -> Floats:
    """The angle between ways in space, (3, n) km, as they lie on the ground, and courses, (2, 3, n)."""
    ahead, abeam = (way * course[0]).sum(axis=0), (way * course[1]).sum(axis=0)
    far = arc_km(np.sqrt((way * way).sum(axis=0))) >= np.maximum(slack_km, own.course_km)
    return np.where(far, np.degrees(np.arctan2(np.abs(abeam), ahead)), np.nan)


def _ends_apart(km: Floats, hours: Floats, own: DarkRules) -> Floats:
    """How far ends of two spans are from each other in place and time, as in `distance`, (n,)."""
    return np.asarray(np.log1p(np.maximum(km, 0.0) / own.near_km) + np.log1p(np.abs(hours) / own.near_h))


_BLOCK, _MEMBERS = 16, 2_000  # spans and silences at a time: what is worked on stays in the cache
_RADIUS_KM = MEAN_RADIUS_M / 1000


class Pool:
    """Silences to hold others against, by length and start."""

    def __init__(self, spans: DarkSpans, which: Bools, rules: Rules) -> None:
        own_h = spans.end_h - spans.start_h
        way_h = apart_km(spans.start.T, spans.end.T) / (rules.stays.dark_speed_kn * KMH_PER_KN)
        able = np.flatnonzero(which & (own_h - way_h >= rules.dark.stay_h))
        kind = np.ceil(np.log2(np.maximum(own_h[able], 1.0))).astype(np.int64)
        order = np.lexsort((spans.start_h[able], kind))
        self.row, self.spans = able[order], spans.taken(able[order])
        kinds, first = np.unique(kind[order], return_index=True)
        last = np.append(first[1:], len(able))[: len(first)]
        self.classes = list(zip((2.0**kinds).tolist(), first.tolist(), last.tolist(), strict=True))
        self.stay_h, self.kmh = rules.dark.stay_h, rules.stays.dark_speed_kn * KMH_PER_KN

    def fitting(self, of: DarkSpans, shifts_h: Floats) -> Iterator[tuple[Ints, Ints, Ints]]:
        """What fits spans, the pool's later by some shifts: (row of the span, row of the silence, number of the shift).

        A silence fits where `most_h` of both is long enough; a wait, where there is time to come to it and to go on.
        None fits a span of its own vessel. Spans are taken some at a time, best in the order of time.
        """
        for at in range(0, len(of), _BLOCK):
            some = of.taken(slice(at, at + _BLOCK))
            members, shifts = self._overlapping(some, shifts_h)
            for part in range(0, len(members), _MEMBERS):
                member, shift = members[part : part + _MEMBERS], shifts[part : part + _MEMBERS]
                one, other = self._fits(some, self.spans.taken(member), shifts_h[shift])
                yield at + one, self.row[member[other]], shift[other]

    def _overlapping(self, some: DarkSpans, shifts_h: Floats) -> tuple[Ints, Ints]:
        """Silences of the pool that may overlap one of the spans for long enough, and the shift by which each does."""
        low_h, high_h = some.start_h.min() + self.stay_h, some.end_h.max() - self.stay_h
        members, shifts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for longest_h, first, last in self.classes:
            starts = self.spans.start_h[first:last]
            begin = np.searchsorted(starts, low_h - longest_h - shifts_h)
            end = np.searchsorted(starts, high_h - shifts_h, side="right")
            for k in np.flatnonzero(end > begin).tolist():
                members.append(np.arange(first + begin[k], first + end[k]))
                shifts.append(np.full(end[k] - begin[k], k))
        return np.concatenate(members), np.concatenate(shifts)

    def _fits(self, one: DarkSpans, other: DarkSpans, later_h: Floats) -> tuple[Ints, Ints]:
        """Rows of spans and of silences, so much later, that fit each other."""
        fits = (one.mmsi[:, None] != other.mmsi) & (one.end_h - one.start_h >= self.stay_h)[:, None]
        pace, slack = self.kmh / _RADIUS_KM, one.slack_km / _RADIUS_KM
        # from where one was heard last to where the other is heard again, and from the other to one
        to_other = (other.end_h + later_h - self.stay_h) * pace - (one.start_h * pace - slack)[:, None]
        from_other = ((one.end_h - self.stay_h) * pace + slack)[:, None] - (other.start_h + later_h) * pace
        for angle, near, far in ((to_other, one.start, other.end), (from_other, one.end, other.start)):
            square = angle * angle
            # the square of the chord of an angle, to a millionth of it up to 3,000 km
            fits &= _chord2(near, far) <= square * (1 - square / 12 * (1 - square / 30))
            fits &= angle >= slack[:, None]  # whose place is wide has no more time for that
        i, j = np.nonzero(fits)
        waits = one.waits[i]  # of two silences the detour of each by itself is in `most_h`
        ways_km = (
            between_km(*ends) for ends in ((one.start[:, i], other.start[:, j]), (one.end[:, i], other.end[:, j]))
        )
        come_km, go_km = (np.maximum(km - one.slack_km[i], 0.0) for km in ways_km)
        keep = ~waits | (come_km + go_km <= (other.end_h - other.start_h - self.stay_h)[j] * self.kmh)
        return i[keep], j[keep]


def _chord2(one: Floats, other: Floats) -> Floats:
    """Squares of the chords between places (3, n) and (3, m) in space, (n, m), in radii of the Earth."""
    x, y = one / _RADIUS_KM, other / _RADIUS_KM
    left = np.concatenate([-2 * x, (x * x).sum(axis=0)[None], np.ones((1, x.shape[1]))])
    right = np.concatenate([y, np.ones((1, y.shape[1])), (y * y).sum(axis=0)[None]])
    return np.asarray(left.T @ right)


def between_km(one: Floats, other: Floats) -> Floats:
    """Geodesics (n,) between places (3, n) in space, km."""
    return apart_km(one.T, other.T)


_SHOWN = 20  # of those who wait


def approaching(waits: pa.Table, gone: pa.Table, now_us: int, rules: Rules) -> list[dict[str, Any]]:
    """Who waits, and who of those silent can be there for the first time within `dark.approaching_h` of now.

    waits: schema.LOITERING; gone: mmsi, time, lon, lat, sog_kn and cog_deg of the last fix of each that is silent. On
    straight ways, at `stays.dark_speed_kn`, before or after now. Of each wait the nearest, as `distance` has it of both
    begins, with the number of others; nearest rows first, _SHOWN at most. Times are ISO 8601. Costs waits times gone.
    """
    own, kmh, one = rules.dark, rules.stays.dark_speed_kn * KMH_PER_KN, DarkSpans.of_waits(waits)
    mmsi, lost_h = np.asarray(gone["mmsi"]).astype(np.int64), micros(gone, "time") / HOUR
    places, course = in_space_km(np.asarray(gone["lon"]), np.asarray(gone["lat"])), _course(gone, "", own)
    found: list[tuple[float, dict[str, Any]]] = []
    for k in range(len(one)):
        km = apart_km(places, one.start[:, k])
        come_km = np.maximum(km - one.slack_km[k], 0.0)
        earliest_h = lost_h + come_km / kmh
        fits = np.flatnonzero((np.abs(earliest_h - now_us / HOUR) <= own.approaching_h) & (mmsi != one.mmsi[k]))
        if not len(fits):
            continue
        off_deg = _off_deg(one.start[:, k, None] - places[fits].T, course[..., fits], one.slack_km[k], own)
        far = _ends_apart(come_km[fits], one.start_h[k] - lost_h[fits], own) + _course_apart(off_deg, own)
        nearest = np.lexsort((mmsi[fits], far))[0]
        of = int(fits[nearest])
        row = {
            "waiting": int(one.mmsi[k]),
            "since": iso(int(micros(waits, "start_time")[k])),
            "lon": round(waits["lon"][k].as_py(), 4),
            "lat": round(waits["lat"][k].as_py(), 4),
            "silent": int(mmsi[of]),
            "lost": iso(int(micros(gone, "time")[of])),
            "lost_km": round(float(km[of]), 1),
            "earliest": iso(round(float(earliest_h[of]) * 3600) * SECOND),
            "others": len(fits) - 1,
        }
        found.append((float(far[nearest]), row))
    return [row for _, row in sorted(found, key=lambda each: (each[0], each[1]["waiting"]))[:_SHOWN]]


@dataclass(frozen=True)
class Surroundings:
    """The silences that are known, as columns and as rows of GAPS; the hours in which anybody was heard; outages."""

    spans: DarkSpans
    gaps: pa.Table
    heard_h: Floats
    outages: pa.Table
    rules: Rules

    @property
    def silenced(self) -> Bools:
        """Which were judged silenced, (n,)."""
        return np.asarray(pc.equal(self.gaps["judgement"], schema.SILENCED))

    def pool(self, silenced: bool) -> Pool:
        """Those judged silenced, or the others: the strata."""
        return Pool(self.spans, self.silenced == silenced, self.rules)

    def by_accident(self, of: DarkSpans, far: Floats, pool: Pool) -> tuple[Floats, Floats, Ints]:
        """How many of a pool fit each span by accident, in the mean, (n,); how many no further than `far`; the shifts.

        far: `distance` of what is asked about, (n,). Means are NaN where too few shifts tell. Shifts are those of whole
        days for which somebody was heard in nearly every hour of the span and a day before: the first few, and the
        others too where not many fit as nearly in these.
        """
        own = self.rules.dark
        every_h = 24.0 * np.arange(own.shift_least_d, own.shift_most_d + 1)
        fits, nearer, shifts = (np.zeros(len(of), np.int64) for _ in range(3))
        going = np.arange(len(of))
        few = round(own.shifts_least)
        for shifts_h in (every_h[:few], every_h[few:]):
            some = of.taken(going)
            known = np.stack([self._all_heard(some, shift_h) for shift_h in shifts_h.tolist()], axis=1)
            shifts[going] += known.sum(axis=1)
            for row, silence, shift in pool.fitting(some, shifts_h):
                keep = known[row, shift]
                row, silence, shift = row[keep], silence[keep], shift[keep]
                there = self.spans.taken(silence).later(shifts_h[shift])
                near = distance(some.taken(row), there, self.rules) <= far[going[row]]
                fits += np.bincount(going[row], minlength=len(of))
                nearer += np.bincount(going[row[near]], minlength=len(of))
            going = np.flatnonzero((shifts < own.shifts_least) | (nearer < own.fits_enough))
        enough = shifts >= own.shifts_least
        mean, near_mean = (np.where(enough, (n + 0.5) / np.maximum(shifts, 1), np.nan) for n in (fits, nearer))
        return mean, near_mean, shifts

    def _all_heard(self, of: DarkSpans, shift_h: float) -> Bools:
        """Whether nearly all hours of spans, so much earlier, and of the day before were heard."""
        first, last = np.floor(of.start_h - 24 - shift_h), np.floor(of.end_h - shift_h)
        count = np.searchsorted(self.heard_h, last, side="right") - np.searchsorted(self.heard_h, first)
        return np.asarray(count >= self.rules.dark.heard_share * (last - first + 1))

    def lost_together(self, rows: Ints) -> Ints:
        """How many other vessels were lost near and soon before or after each of some silences, (m,)."""
        own, order = self.rules.dark, np.argsort(self.spans.start_h, kind="stable")
        starts = self.spans.start_h[order]
        at_h = self.spans.start_h[rows]
        low = np.searchsorted(starts, at_h - own.together_h)
        high = np.searchsorted(starts, at_h + own.together_h, side="right")
        out = np.zeros(len(rows), np.int64)
        for k in range(len(rows)):
            near = order[low[k] : high[k]]
            km = between_km(self.spans.start[:, near], self.spans.start[:, rows[k], None])
            others = self.spans.mmsi[near[km <= own.together_km]]
            out[k] = len(np.setdiff1d(others, self.spans.mmsi[rows[k]]))
        return out

    def outage_share(self, rows: Ints) -> Floats:
        """How much of each of some silences, (m,), lies in one outage of all or of its kind, or in all outages."""
        start, end = micros(self.gaps, "start_time")[rows], micros(self.gaps, "end_time")[rows]
        from_space = schema.RECEIVERS[schema.SATELLITE]
        satellite = np.asarray(pc.equal(self.gaps["receiver"], from_space))[rows]
        known_us = np.asarray(self.gaps["in_outage_min"])[rows] * MINUTE  # of stations and regions too
        out: Floats = np.minimum(known_us / np.maximum(end - start, 1), 1.0)
        of_kinds = self.outages.filter(pc.is_null(self.outages["name"]))
        spans = (micros(of_kinds, name).tolist() for name in ("start_time", "end_time"))
        for receiver, begun, over in zip(of_kinds["receiver"].to_pylist(), *spans, strict=True):
            shared = np.clip(np.minimum(end, over) - np.maximum(start, begun), 0, None) / np.maximum(end - start, 1)
            its_own = (receiver == "all") | (satellite == (receiver == from_space))
            out = np.maximum(out, np.where(its_own, shared, 0.0))
        return out
