"""What a picture of an encounter shows: the courses of its two vessels as they were measured.

The same functions as in the vessel and proximity steps, over the fixes round the encounter: legs, stays thinned, even
motion between. So the distance drawn is the one whose least is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.errors import StswatchError
from stswatch.geo.coordinates.plane import metres_per_degree
from stswatch.geo.coordinates.sphere import near_lon
from stswatch.pipeline.batch import HOUR, SECOND, Bools, Floats, Ints, starts_of
from stswatch.pipeline.meetings.relative_motion import Ends, Near, near
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.projection import Sheet
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.track_rules import VesselRules
from stswatch.pipeline.tracks.fixes import distinct, valid
from stswatch.pipeline.tracks.identity import TRACKS, walk
from stswatch.pipeline.tracks.legs import Intervals, Legs, Track, pieces, slow_legs, steps

REPORTED, INTERPOLATED, SILENT = "reported", "interpolated", "silent"
LEAST_BESIDE_H, MOST_BESIDE_H = 3.0, 12.0  # shown before and after: where they came from, where they went
_ANY_M = 1e9  # further apart than anything on Earth: `near` then gives the whole time that two legs share
_SAMPLES = 4000  # the distance is worked out at so many moments, beside where legs begin and end and where it is least
MOST_POINTS = 20_000  # of one line; more is not drawn finer, only slower


class CourseError(StswatchError, ValueError):
    """Fixes that do not hold the encounter; the message says which and what to do."""


@dataclass(frozen=True)
class DrawnCourse:
    """One vessel of an encounter round its time, by the fixes of the track that was measured.

    time_us, lon, lat, sog_kn: its fixes, (n,). motion: its legs in order of time. blind_us: (k, 2) where legs are far
    from any fix. silent_us: (g, 2) from the fix before a gap to the fix after it. others: tracks of other hulls
    under its MMSI, longitudes and latitudes.
    """

    mmsi: int
    time_us: Ints
    lon: Floats
    lat: Floats
    sog_kn: Floats
    motion: Ends
    blind_us: Ints
    silent_us: Ints
    others: tuple[tuple[Floats, Floats], ...] = ()

    def at(self, time_us: Ints) -> tuple[Floats, Floats]:
        """Where it was, degrees, (m,) each; NaN where no leg covers the time."""
        leg = self.leg_at(time_us)
        lon, lat = self.motion.at(np.maximum(leg, 0)).position(time_us)
        return np.where(leg >= 0, lon, np.nan), np.where(leg >= 0, lat, np.nan)

    def leg_at(self, time_us: Ints) -> Ints:
        """The leg that covers each time, (m,); -1 where none does."""
        if not len(self.motion.start_us):
            return np.full(len(time_us), -1)
        leg = np.maximum(np.searchsorted(self.motion.start_us, time_us, side="right") - 1, 0)
        covers = (self.motion.start_us[leg] <= time_us) & (time_us <= self.motion.end_us[leg])
        return np.where(covers, leg, -1)


@dataclass(frozen=True)
class Stretch:
    """A part of a course or of a distance that is known in one way: REPORTED, INTERPOLATED or SILENT; (n,) each."""

    kind: str
    time_us: Ints
    columns: tuple[Floats, ...]


def shown_us(row: Mapping[str, Any]) -> tuple[int, int]:
    """The time that a picture of an encounter shows: some hours before and after it, microseconds."""
    start_us, end_us = micros_of(row["start_time"]), micros_of(row["end_time"])
    beside_h = np.clip((end_us - start_us) / HOUR / 2, LEAST_BESIDE_H, MOST_BESIDE_H)
    return start_us - round(beside_h * HOUR), end_us + round(beside_h * HOUR)


def needed_us(row: Mapping[str, Any], rules: Rules) -> tuple[int, int]:
    """The time whose fixes are needed for what is shown: legs that reach into it begin before it and end after it."""
    start_us, end_us = shown_us(row)
    return start_us - rules.lag_us, end_us + rules.lag_us


def micros_of(moment: datetime) -> int:
    """A time with its zone as UTC epoch microseconds."""
    return round(moment.timestamp() * SECOND)


def course(fixes: pa.Table, mmsi: int, row: Mapping[str, Any], rules: Rules) -> DrawnCourse:
    """The course of one vessel of an encounter.

    fixes: rows of the lake in `needed_us`, of any MMSI; the columns that `valid` takes. row: of `encounters`.
    Raises CourseError where they do not hold a track that was at the encounter.
    """
    given = distinct(valid(fixes.filter(pc.equal(fixes["mmsi"], mmsi))))
    track = walk(TRACKS.empty_table(), given, rules.vessel).fixes
    between = steps(track, rules.vessel)
    legs = _all_legs(track, between, rules.vessel)
    cut = pieces(track, legs, rules.vessel)
    # rounded as the vessel step does, so that the least distance is the one stored, to the centimetre
    motion = Ends(cut.start_us, cut.end_us, *(np.round(c, 7) for c in (cut.lon0, cut.lat0, cut.lon1, cut.lat1)))
    who_us = track.track_us[legs.start[cut.leg]]
    name_us = _present(motion, who_us, mmsi, row)
    mine, own = who_us == name_us, track.track_us == name_us
    others = [track.track_us == name for name in np.unique(track.track_us[~own])]
    return DrawnCourse(
        mmsi,
        track.time_us[own],
        track.lon[own],
        track.lat[own],
        track.sog_kn[own],
        motion.at(np.flatnonzero(mine)),
        _blind(track.time_us[own], between.leg[own], minutes(rules.proximity.observed_within_min)),
        _silent(track.time_us[own], between.gap[own]),
        tuple((track.lon[other], track.lat[other]) for other in others),
    )


def _all_legs(track: Track, between: Intervals, rules: VesselRules) -> Legs:
    """The slow legs as the vessel step makes them, and the fast ones from fix to fix, in order."""
    slow = slow_legs(track, between, between.leg, rules)
    fast = np.flatnonzero(between.leg & ~between.slow)
    start, end = np.concatenate([slow.start, fast - 1]), np.concatenate([slow.end, fast])
    order = np.argsort(start)
    none = np.zeros(len(order), bool)
    return Legs(start[order], end[order], np.zeros(len(order), np.int64), none, none)


def _present(motion: Ends, who_us: Ints, mmsi: int, row: Mapping[str, Any]) -> int:
    """The track that was nearest to the encounter at its nearest approach."""
    when_us = micros_of(row["cpa_time"])
    at = np.flatnonzero((motion.start_us <= when_us) & (when_us <= motion.end_us))
    if not len(at):
        raise CourseError(
            f"{row['id']}: the lake holds no positions of {mmsi:09d} at the time of it; give its archives to"
            " `stswatch run` again"
        )
    lon, lat = motion.at(at).position(np.full(len(at), when_us))
    east, north = metres_per_degree(row["lat"])
    away_m = np.hypot((near_lon(lon, row["lon"]) - row["lon"]) * east, (lat - row["lat"]) * north)
    return int(who_us[at[np.argmin(away_m)]])


def _blind(time_us: Ints, leg: Bools, within_us: int) -> Ints:
    """Where legs are further from a fix than `within_us`, (k, 2): as `observed_share` has it."""
    after = np.flatnonzero(leg & (np.diff(time_us, prepend=time_us[:1]) > 2 * within_us))
    return np.stack([time_us[after - 1] + within_us, time_us[after] - within_us], axis=1)


def _silent(time_us: Ints, gap: Bools) -> Ints:
    after = np.flatnonzero(gap)
    return np.stack([time_us[after - 1], time_us[after]], axis=1)


def stretches(course: DrawnCourse, span_us: tuple[int, int]) -> list[Stretch]:
    """The course within a span, cut where it changes how it is known; columns: longitude, latitude."""
    time_us = _moments(span_us, course.motion.start_us, course.motion.end_us, course.blind_us)
    middle_us = (time_us[:-1] + time_us[1:]) // 2
    kind = _kinds(middle_us, course.leg_at(middle_us) >= 0, course.blind_us)
    found = [Stretch(kind, time_us[a:b], course.at(time_us[a:b])) for kind, a, b in _runs(kind)]
    return found + list(_across(course, span_us))


def _across(course: DrawnCourse, span_us: tuple[int, int]) -> Iterator[Stretch]:
    """Gaps that lie in the span, at least in part, from the fix before to the fix after."""
    for gap_us in course.silent_us:
        if gap_us[0] < span_us[1] and gap_us[1] > span_us[0]:
            fix = np.searchsorted(course.time_us, gap_us)
            yield Stretch(SILENT, gap_us, (course.lon[fix], course.lat[fix]))


def apart(a: DrawnCourse, b: DrawnCourse, span_us: tuple[int, int]) -> list[Stretch]:
    """The distance of two vessels within a span, metres, where both are in legs; columns: distance, exact.

    INTERPOLATED where no fix of one of them is near. Off by up to a percent where they are 100 km apart: the plane is
    one for things near each other.
    """
    edges_us = _moments(span_us, *_covered(a), *_covered(b))
    middle_us = (edges_us[:-1] + edges_us[1:]) // 2
    leg_a, leg_b = a.leg_at(middle_us), b.leg_at(middle_us)
    both = np.flatnonzero((leg_a >= 0) & (leg_b >= 0))
    if not len(both):
        return []
    found = near(a.motion.at(leg_a[both]), b.motion.at(leg_b[both]), _ANY_M)
    blind_us = np.concatenate([a.blind_us, b.blind_us])
    grid_us = np.linspace(*span_us, _SAMPLES).astype(np.int64)
    time_us = _moments(span_us, found.start_us, found.end_us, found.nearest()[0], blind_us, grid_us)
    middle_us = (time_us[:-1] + time_us[1:]) // 2
    kind = _kinds(middle_us, ~np.isnan(_distance_m(found, middle_us)), blind_us)
    return [Stretch(what, time_us[i:j], (_distance_m(found, time_us[i:j]),)) for what, i, j in _runs(kind)]


def _distance_m(found: Near, time_us: Ints) -> Floats:
    """The distance at each time, metres; NaN between the intervals of `found`, which are in order."""
    row = np.maximum(np.searchsorted(found.start_us, time_us, side="right") - 1, 0)
    share = (time_us - found.start_us[row]) / (found.end_us - found.start_us)[row]
    x, y = ((c[0][row] + (c[1] - c[0])[row] * share) / 100 for c in (found.x_cm, found.y_cm))
    return np.where((share >= 0) & (share <= 1), np.hypot(x, y), np.nan)


def _kinds(middle_us: Ints, known: Bools, blind_us: Ints) -> np.ndarray:
    """How each interval is known, by its middle; "" where not at all."""
    return np.where(known, np.where(inside(blind_us, middle_us), INTERPOLATED, REPORTED), "")


def inside(spans_us: Ints, time_us: Ints) -> Bools:
    """Whether each time lies in one of some spans, (m,) bool; spans_us: (k, 2)."""
    start, end = np.sort(spans_us[:, 0]), np.sort(spans_us[:, 1])
    return np.asarray(np.searchsorted(start, time_us, side="right") > np.searchsorted(end, time_us, side="right"))


@dataclass(frozen=True)
class Unseen:
    """A time in which the distance is not known from reports near by: `who` lacks them, "A", "B" or "AB"."""

    who: str
    start_us: int
    end_us: int


def unseen(a: DrawnCourse, b: DrawnCourse, span_us: tuple[int, int]) -> list[Unseen]:
    """Where reports lack within a span, in order: in legs far from a fix, in gaps, beyond the data."""
    edges_us = _moments(span_us, a.blind_us, b.blind_us, *_covered(a), *_covered(b))
    middle_us = (edges_us[:-1] + edges_us[1:]) // 2
    who = np.char.add(np.where(_seen(a, middle_us), "", "A"), np.where(_seen(b, middle_us), "", "B"))
    return [Unseen(letters, int(edges_us[i]), int(edges_us[j - 1])) for letters, i, j in _runs(who)]


def _seen(course: DrawnCourse, time_us: Ints) -> Bools:
    """Whether a leg covers each time and a fix is near it, (m,) bool."""
    return (course.leg_at(time_us) >= 0) & ~inside(course.blind_us, time_us)


def _covered(course: DrawnCourse) -> tuple[Ints, ...]:
    return course.motion.start_us, course.motion.end_us


def _moments(span_us: tuple[int, int], *times_us: Ints) -> Ints:
    """All these times within a span, and its ends, in order."""
    every = np.concatenate([np.array(span_us), *(t.ravel() for t in times_us)])
    return np.unique(np.clip(every, *span_us))


def _runs(kind: np.ndarray) -> Iterator[tuple[str, int, int]]:
    """(kind, first, last plus one) of points for each run of equal kinds of intervals; "" is left out."""
    edges = np.flatnonzero(kind[1:] != kind[:-1]) + 1
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(kind)], strict=True):
        if len(kind) and kind[first]:
            yield str(kind[first]), first, last + 1


@dataclass(frozen=True)
class Meeting:
    """When the encounter began and ended and was nearest, microseconds."""

    start_us: int
    end_us: int
    nearest_us: int


@dataclass(frozen=True)
class DrawnScene:
    """What is drawn: both courses, the time shown, and when they met."""

    a: DrawnCourse
    b: DrawnCourse
    span_us: tuple[int, int]
    meeting: Meeting
    sheet: Sheet

    @property
    def pair(self) -> tuple[tuple[DrawnCourse, style.Hand], ...]:
        """Both courses, each with how it is drawn."""
        return (self.a, style.A), (self.b, style.B)


def scene(row: Mapping[str, Any], fixes: pa.Table, rules: Rules) -> DrawnScene:
    """What is drawn of an encounter.

    row: as `api.encounter` gives it. fixes: rows of the lake of both MMSI in `needed_us`. Raises CourseError.
    """
    if row["lon"] is None:
        raise CourseError(f"{row['id']}: was not seen, so there is no course to draw; only lit encounters can be drawn")
    a, b = (course(fixes, row[f"mmsi_{v}"], row, rules) for v in ("a", "b"))
    meeting = Meeting(*(micros_of(row[name]) for name in ("start_time", "end_time", "cpa_time")))
    return DrawnScene(a, b, shown_us(row), meeting, Sheet(row["lon"], row["lat"]))


def thin_points(x: Floats, y: Floats, cell: float) -> Ints:
    """The first of the points (n,) in each square cell, rising; a cell has the unit of x and y.

    >>> thin_points(np.array([0.0, 0.1, 5.0, 0.2]), np.zeros(4), 1.0).tolist()
    [0, 2]
    """
    column, row = _cells(x, y, cell)
    order = np.lexsort((np.arange(len(x)), row, column))
    return np.sort(order[starts_of(column[order], row[order])])


def thin_line(x: Floats, y: Floats, cell: float) -> Ints:
    """Points (n,) of a line that suffice, rising: one for each cell it goes through, its ends among them.

    Cells are doubled until MOST_POINTS suffice: a vessel that swings for weeks goes through its cells again and again.

    >>> thin_line(np.array([0.0, 0.1, 0.2, 5.0, 0.0]), np.zeros(5), 1.0).tolist()
    [0, 3, 4]
    """
    while True:
        kept = starts_of(*_cells(x, y, cell))
        if len(kept) <= MOST_POINTS:
            return np.union1d(kept, [len(x) - 1]) if len(x) else kept
        cell *= 2


def thin_series(time: Ints | Floats, value: Floats, columns: int) -> Ints:
    """Points (n,) of a curve over time, in order, that look alike: first, least, most and last of each column of it.

    Source: Jugel et al., M4: A Visualization-Oriented Time Series Data Aggregation, PVLDB 7 (2014).

    >>> thin_series(np.arange(6), np.array([0.0, 9.0, -9.0, 1.0, 2.0, 3.0]), 1).tolist()
    [0, 1, 2, 5]
    """
    if len(time) <= 4 * columns:
        return np.arange(len(time))
    share = (time - time[0]) / max(time[-1] - time[0], 1)
    column = np.minimum((share * columns).astype(np.int64), columns - 1)
    first = starts_of(column)
    by_value = np.lexsort((value, column))
    last = np.append(first[1:], len(time)) - 1
    return np.unique(np.concatenate([first, last, by_value[first], by_value[last]]))


def _cells(x: Floats, y: Floats, cell: float) -> tuple[Ints, Ints]:
    return np.floor(x / cell).astype(np.int64), np.floor(y / cell).astype(np.int64)
