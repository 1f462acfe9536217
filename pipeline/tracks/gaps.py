"""Gaps between fixes, tracks that ended, edges at which legs begin or end for want of data, and ways within gaps.

Law: a track falls silent when the watermark has passed its last fix by the threshold, as a later fix would tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.sphere import M_PER_NM, haversine_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    SECOND,
    Batch,
    Bools,
    Column,
    Floats,
    Ints,
    build,
    matching,
    micros,
    spread,
    starts_of,
)
from stswatch.pipeline.rules import days
from stswatch.pipeline.track_rules import ReceptionRules, VesselRules
from stswatch.pipeline.tracks.fixes import CLASSES
from stswatch.pipeline.tracks.identity import TRACKS, Walked
from stswatch.pipeline.tracks.legs import Intervals, Track, threshold

# ------------------------------------ spans in which a fix of any vessel may have been received that nobody can read


@dataclass(frozen=True)
class Losses:
    """Such spans in order, (n,) each, none touching the next."""

    start_us: Ints
    end_us: Ints

    @staticmethod
    def of(spans: pa.Table) -> Losses:
        """From schema.LOST_SPANS in any order; they may overlap."""
        start_us, end_us = micros(spans, "start"), micros(spans, "end")
        order = np.argsort(start_us, kind="stable")
        start_us, upto_us = start_us[order], np.maximum.accumulate(end_us[order])
        head = np.flatnonzero(np.append(True, start_us[1:] > upto_us[:-1])[: len(order)])
        return Losses(start_us[head], upto_us[np.append(head[1:], len(order))[: len(head)] - 1])

    def within(self, start_us: Ints, end_us: Ints) -> Ints:
        """How much of spans of time, (m,), is lost, microseconds."""
        return self._before(end_us) - self._before(start_us)

    def longest_outside(self, start_us: Ints, end_us: Ints) -> Ints:
        """The longest part of spans of time, (m,), in which nothing is lost, microseconds."""
        first = np.searchsorted(self.end_us, start_us, side="right")
        count = np.maximum(np.searchsorted(self.start_us, end_us, side="left") - first, 0)
        row, nth = spread(count + 1)
        before = np.append(self.end_us, 0)[first[row] + nth - 1]
        after = np.append(self.start_us, 0)[first[row] + nth]
        begin_us = np.where(nth == 0, start_us[row], before)
        until_us = np.where(nth == count[row], end_us[row], after)
        longest: Ints = np.maximum.reduceat(until_us - begin_us, starts_of(row)) if len(row) else count
        return longest

    def _before(self, time_us: Ints) -> Ints:
        """How much is lost in all time before, microseconds."""
        upto_us = np.append(0, np.cumsum(self.end_us - self.start_us))
        k = np.searchsorted(self.start_us, time_us)
        over_us = np.maximum(np.append(0, self.end_us)[k] - time_us, 0)
        return np.asarray(upto_us[k] - np.where(k > 0, over_us, 0))


# --------------------------------------------- who sent fixes, on which course, and which station heard: of a few fixes


@dataclass(frozen=True)
class Senders:
    """On which course fixes were sent, from which class of set, who heard them; those of a step, by their rows.

    tracks: those carried, TRACKS; ready: the new fixes, PENDING; stations: their names, STATIONS.
    """

    walked: Walked
    tracks: pa.Table
    ready: pa.Table
    stations: pa.Table

    def station(self, rows: Ints) -> pa.Array:
        """Names of stations, (n,), null where none is known."""
        at, old = self._places(rows), self.tracks.num_rows
        numbers = np.asarray(self.stations["station"])
        new = at >= old
        asked = np.asarray(self.ready["station"])[at[new] - old]
        place = np.full(len(rows), -1)
        place[new] = matching([numbers], [asked]) if len(numbers) else -1
        place[new] += np.where(place[new] >= 0, old, 0)
        place[~new] = at[~new]
        names = pa.chunked_array([*self.tracks["station"].chunks, *self.stations["name"].chunks], pa.string())
        return names.take(pa.array(place, mask=place < 0)).combine_chunks()

    def ais_class(self, rows: Ints) -> Column:
        """Classes of sets, (n,), by their places in fixes.CLASSES."""
        at = self._places(rows)
        every = np.concatenate([np.asarray(self.tracks["ais_class"]), np.asarray(self.ready["ais_class"])])
        return every[at]

    def class_name(self, rows: Ints) -> pa.Array:
        """The same in words, null where none is known."""
        return pa.array(np.array(CLASSES, object)[self.ais_class(rows)].tolist(), pa.string())

    def cog_deg(self, rows: Ints) -> pa.Array:
        """Courses over ground, (n,), null where none is known."""
        every = pa.chunked_array([*self.tracks["cog_deg"].chunks, *self.ready["cog_deg"].chunks], pa.float32())
        return every.take(pa.array(self._places(rows))).combine_chunks()

    def _places(self, rows: Ints) -> Ints:
        return np.asarray(self.walked.row[rows] + self.tracks.num_rows)


# ----------------- gaps between fixes, tracks that ended, and the edges at which legs begin or end for want of data


def tell(
    senders: Senders, between: Intervals, has_leg: Bools, lost: Losses, until_us: int, batch: Batch, rules: VesselRules
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The tracks to carry on, the gaps that are decided, and the edges that came to light.

    A silence after a last fix is told as an edge once the watermark has passed the threshold, as a gap when a fix ends
    it, when the track has ended, or when the data ends. What was lost within may have been a fix of the vessel: an edge
    is the data's where anything was lost up to the threshold off, a gap is told where the silence is one without that.
    """
    walked, fixes = senders.walked, senders.walked.fixes
    last = _lasts(fixes)
    silence_us = until_us - fixes.time_us[last]
    limit_us = threshold(fixes.satellite[last], rules)
    silent, ended = silence_us > limit_us, silence_us > days(rules.track_memory_d)
    count = _counts(walked, last)
    resumed = np.flatnonzero(between.gap)
    known_silent = walked.carried & walked.silent
    back, gone = resumed[~known_silent[resumed - 1]], last[silent & ~known_silent[last]]
    ends = np.concatenate([back - 1, gone])
    # no further than a later slice could tell
    known_us = np.concatenate([fixes.time_us[back], np.full(len(gone), until_us)])
    reach_us = fixes.time_us[ends] + threshold(fixes.satellite[ends], rules)
    by_loss = lost.within(fixes.time_us[ends], np.minimum(known_us, reach_us)) > 0
    since_us = fixes.time_us[resumed] - threshold(fixes.satellite[resumed], rules)
    sides = [
        ("end", ends[~by_loss]),
        ("start", resumed[lost.within(since_us, fixes.time_us[resumed]) == 0]),
        ("data_end", np.concatenate([ends[by_loss], last[~silent] if batch.final else last[:0]])),
    ]
    # one fix alone is no track that could fall silent: mostly it is an error of position
    several = count > 1
    over, still = last[ended & several], last[silent & ~ended & several] if batch.final else last[:0]
    given = [
        ("resumed", resumed - 1, resumed, fixes.time_us[resumed]),
        ("track_ended", over, None, fixes.time_us[over] + days(rules.track_memory_d)),
        ("open", still, None, np.full(len(still), until_us)),
    ]
    tracks = _track_rows(senders, last[~ended], has_leg, count[~ended], silent[~ended])
    return tracks, _gap_rows(senders, given, lost, rules), _edge_rows(fixes, sides)


def _lasts(fixes: Track) -> Ints:
    """The row of the last fix of each track."""
    first = starts_of(fixes.mmsi, fixes.track_us)
    return np.append(first[1:], len(fixes.mmsi)) - 1 if len(first) else first


def _counts(walked: Walked, last: Ints) -> Ints:
    """Fixes of each track so far."""
    if not len(last):
        return np.zeros(0, np.int64)
    first = np.append(0, last[:-1] + 1)
    new = np.add.reduceat((~walked.carried).astype(np.int64), first)
    return new + np.add.reduceat(walked.fixes_before, first)


def _gap_rows(
    senders: Senders, given: Sequence[tuple[str, Ints, Ints | None, Ints]], lost: Losses, rules: VesselRules
) -> pa.Table:
    """Gaps by how they end, with the rows before and after them and up to when they are told."""
    fixes, parts = senders.walked.fixes, []
    for ending, before, after, end_us in given:
        keep = _is_gap(fixes, before, end_us, lost, rules)
        before, after, end_us = before[keep], None if after is None else after[keep], end_us[keep]
        n = len(before)
        satellite = fixes.satellite[before] & (True if after is None else fixes.satellite[after])
        limit_us = threshold(satellite, rules)
        none, nobody = pa.nulls(n, pa.float64()), pa.nulls(n, pa.string())
        parts.append(
            build(
                "gaps",
                {
                    "mmsi": fixes.mmsi[before],
                    "track_start": fixes.track_us[before],
                    "start_time": fixes.time_us[before],
                    "end_time": pa.nulls(n, schema.UTC) if after is None else fixes.time_us[after],
                    "duration_h": none if after is None else (fixes.time_us[after] - fixes.time_us[before]) / HOUR,
                    "lon0": fixes.lon[before],
                    "lat0": fixes.lat[before],
                    "lon1": none if after is None else fixes.lon[after],
                    "lat1": none if after is None else fixes.lat[after],
                    "receiver": np.where(satellite, "satellite", "terrestrial").astype(object),
                    "threshold_h": limit_us / HOUR,
                    "ending": pa.array([ending] * n, pa.string()),
                    "own_heard_h": np.zeros(n, np.int64),
                    "own_missed_h": np.zeros(n, np.int64),
                    "lost_min": lost.within(fixes.time_us[before], end_us) / MINUTE,
                    "sog0_kn": _known(fixes.sog_kn[before]),
                    "sog1_kn": none if after is None else _known(fixes.sog_kn[after]),
                    "cog0_deg": senders.cog_deg(before).cast(pa.float64()),
                    "cog1_deg": none if after is None else senders.cog_deg(after).cast(pa.float64()),
                    "heard_before": np.zeros(n, np.int64),
                    "heard_after": pa.nulls(n, pa.int64()),
                    "heard_earlier": pa.nulls(n, pa.int64()),
                    "station0": senders.station(before),
                    "station1": nobody if after is None else senders.station(after),
                    "class0": senders.class_name(before),
                    "class1": nobody if after is None else senders.class_name(after),
                    "satellite_before": np.zeros(n, np.int64),
                    "satellite_after": np.zeros(n, np.int64),
                },
            )
        )
    return pa.concat_tables(parts)


def _is_gap(fixes: Track, before: Ints, end_us: Ints, lost: Losses, rules: VesselRules) -> Bools:
    """Which silences are gaps though the vessel may have been heard whenever something was lost, by satellite too."""
    start_us = fixes.time_us[before]
    limit_us = threshold(np.array([False, True]), rules).max()
    found: Bools = (lost.within(start_us, end_us) == 0) | (lost.longest_outside(start_us, end_us) > limit_us)
    return found


def _known(speed_kn: Floats) -> pa.Array:
    return pa.array(speed_kn, pa.float64(), mask=np.isnan(speed_kn))


def _edge_rows(fixes: Track, sides: Sequence[tuple[str, Ints]]) -> pa.Table:
    row = np.concatenate([rows for _, rows in sides])
    side = np.concatenate([np.full(len(rows), name, dtype=object) for name, rows in sides])
    return build(
        "edges",
        {"mmsi": fixes.mmsi[row], "track_start": fixes.track_us[row], "time": fixes.time_us[row], "side": side},
    )


def _track_rows(senders: Senders, last: Ints, has_leg: Bools, count: Ints, silent: Bools) -> pa.Table:
    fixes = senders.walked.fixes
    return build(
        TRACKS,
        {
            "mmsi": fixes.mmsi[last],
            "track_start": fixes.track_us[last],
            "time": fixes.time_us[last],
            "lon": fixes.lon[last],
            "lat": fixes.lat[last],
            "sog_kn": fixes.sog_kn[last].astype(np.float32),
            "cog_deg": senders.cog_deg(last),
            "satellite": fixes.satellite[last],
            "has_leg": has_leg[last],
            "fixes": count,
            "rounding_m": fixes.rounding_m[last],
            "silent": silent,
            "station": senders.station(last),
            "ais_class": senders.ais_class(last),
        },
    )


# ------------------------------------------------------------------------------ the ways that a vessel may have gone


@dataclass(frozen=True)
class PossibleWay:
    """Ways that vessels may have gone, (n,) each: from the first place by way of another to a last one, on a plane.

    Metres east and north of the first place; via_us: when it is at the other place, from start_us on to end_us.
    """

    start_us: Ints
    end_us: Ints
    via_us: Floats
    via_m: tuple[Floats, Floats]
    last_m: tuple[Floats, Floats]

    def at(self, gap: Ints, time_us: Ints) -> tuple[Floats, Floats]:
        """Where those of some gaps are at a time, metres east and north of the first place, (m,) each."""
        since, total = (time_us - self.start_us[gap]).astype(float), (self.end_us - self.start_us)[gap].astype(float)
        via = self.via_us[gap]
        one = np.clip(since / np.maximum(via, 1), 0, 1)
        two = np.clip((since - via) / np.maximum(total - via, 1), 0, 1)
        east, north = (v[gap] * one + (q[gap] - v[gap]) * two for v, q in zip(self.via_m, self.last_m, strict=True))
        return east, north


TURNS = 8  # directions in which a detour is tried


def ways(
    start_us: Ints, end_us: Ints, last_m: tuple[Floats, Floats], resumed: Bools, rules: ReceptionRules
) -> list[PossibleWay]:
    """The ways to be tried, the direct one first: also later, also sooner, and as far aside as time allows.

    last_m: where the vessels are heard again, metres from where they were heard last; of those that are not resumed,
    as if it had stayed, and detours lead away without return.
    """
    span = (end_us - start_us).astype(float)
    apart = np.hypot(*last_m)
    pace = np.maximum(rules.detour_kn * M_PER_NM / HOUR, apart / np.maximum(span, 1))  # metres a microsecond
    reach = pace * span
    going = apart / np.maximum(pace, 1e-30)
    still = np.zeros(len(span)), np.zeros(len(span))
    found = [
        PossibleWay(start_us, end_us, span, last_m, last_m),
        PossibleWay(start_us, end_us, span - going, still, last_m),
        PossibleWay(start_us, end_us, going, last_m, last_m),
    ]
    axis = np.arctan2(last_m[1], last_m[0])
    for turn in np.arange(TURNS) * 2 * np.pi / TURNS:
        # the ellipse of all places from which there is time to come back; without return a circle
        half = np.where(resumed, reach / 2, reach)
        focus = np.where(resumed, apart / 2, 0.0)
        squeezed = np.sqrt(np.maximum(half**2 - focus**2, 0))
        eccentric = focus / np.maximum(half, 1)
        far = squeezed / np.sqrt(np.maximum(1 - (eccentric * np.cos(turn - axis)) ** 2, 1e-12))
        middle = tuple(np.where(resumed, side / 2, 0.0) for side in last_m)
        via = middle[0] + far * np.cos(turn), middle[1] + far * np.sin(turn)
        last = tuple(np.where(resumed, side, v) for side, v in zip(last_m, via, strict=True))
        there = np.minimum(np.hypot(*via) / np.maximum(pace, 1e-30), span)
        found.append(PossibleWay(start_us, end_us, there, via, (last[0], last[1])))
    return found


# ------------------------------------------------------------------------- gaps that the same vessel had before

OWN_GAPS_D = 7


def own_gaps_before(gaps: pa.Table, beside: pa.Table) -> dict[str, Ints | pa.Array]:
    """What gaps of the same number ended in the OWN_GAPS_D days before each; beside: all that are known."""
    ended = beside.filter(beside["end_time"].is_valid())
    key = _who_and_when(np.asarray(ended["mmsi"], np.int64), micros(ended, "end_time"))
    order = np.argsort(key, kind="stable")
    who, start_us = np.asarray(gaps["mmsi"], np.int64), micros(gaps, "start_time")
    low, high = (
        np.searchsorted(key[order], _who_and_when(who, us), "right") for us in (start_us - days(OWN_GAPS_D), start_us)
    )
    some = high > low
    last = ended.take(pa.array(order[high[some] - 1]))
    here = (np.asarray(gaps[name])[some] for name in ("lon0", "lat0"))
    since_h, away_km = np.zeros(len(some)), np.zeros(len(some))
    since_h[some] = (start_us[some] - micros(last, "end_time")) / HOUR
    away_km[some] = np.round(haversine_m(*here, *(np.asarray(last[name]) for name in ("lon1", "lat1"))) / 1000, 3)
    given = {"since_gap_h": since_h, "since_gap_km": away_km}
    return {"gaps_before": high - low} | {name: pa.array(of, mask=~some) for name, of in given.items()}


def _who_and_when(mmsi: Ints, time_us: Ints) -> Ints:
    """One number (n,) that rises with the vessel and then with the time, whole seconds."""
    return (mmsi << 33) + time_us // SECOND
