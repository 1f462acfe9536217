"""The vessel step: from fixes and static reports of an MMSI shard to legs, gaps, counts and what is known of vessels.

Law: fixes are taken in whole UTC buckets, those of an unfinished bucket wait; a track falls silent when the watermark
has passed its last fix by the threshold, exactly as a later fix would tell. So no cut of the data shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.reference.mmsi import flag_of
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    Batch,
    Bools,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    spread,
    starts_of,
)
from stswatch.pipeline.reported import CLAIMS, claims, once_a_day
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.track_rules import VesselRules
from stswatch.pipeline.tracks.checks.course_checks import SAMPLES
from stswatch.pipeline.tracks.checks.table import examine
from stswatch.pipeline.tracks.coverage import HEARD, receptions, reporting
from stswatch.pipeline.tracks.fixes import PENDING, distinct, split, used, valid
from stswatch.pipeline.tracks.identity import TRACKS, Walked, walk
from stswatch.pipeline.tracks.legs import (
    Intervals,
    Legs,
    Track,
    inner_ms,
    pieces,
    rounding_m,
    slow_legs,
    steps,
    threshold,
)
from stswatch.pipeline.tracks.ship_hours import (
    HABITS,
    SPANS,
    HeardSpans,
    Turns,
    known_habits,
    ship_hours,
    with_habits,
    with_own,
)
from stswatch.pipeline.tracks.stays import of_legs

STATIC_FIELDS = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination")


def known(fixes: pa.Table, reports: pa.Table) -> pa.Table:
    """One row per MMSI heard, as schema.VESSELS; rows of several slices merge by least, greatest, sum and latest.

    fixes: valid and distinct, sorted by MMSI and time. reports: static reports in any order.
    """
    heard = np.asarray(fixes["mmsi"])
    head = starts_of(heard)
    tail = np.append(head[1:], len(heard)) - 1 if len(head) else head
    mmsi = np.union1d(heard[head], np.unique(np.asarray(reports["mmsi"])))
    at = np.searchsorted(mmsi, heard[head])
    time_us = micros(fixes, "time")
    count = np.zeros(len(mmsi), np.int64)
    count[at] = tail - head + 1
    columns: dict[str, object] = {
        "mmsi": mmsi,
        "flag": pa.array(flag_of(mmsi), pa.string()),
        "first_seen": _placed(time_us[head], at, len(mmsi)),
        "last_seen": _placed(time_us[tail], at, len(mmsi)),
        "fixes": count,
    }
    for name in STATIC_FIELDS:
        columns[name], columns[f"{name}_time"] = _latest(reports, name, mmsi)
    return build("vessels", columns)


def _placed(time_us: np.ndarray, at: np.ndarray, n: int) -> pa.Array:
    """Times at some of n rows, null elsewhere."""
    full, missing = np.zeros(n, np.int64), np.ones(n, bool)
    full[at], missing[at] = time_us, False
    return pa.array(full, pa.int64(), mask=missing).cast(schema.UTC)


def _latest(reports: pa.Table, name: str, mmsi: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """The last value told of each MMSI and when; of several at one time the greatest."""
    reported = reports.select(["mmsi", "time", name]).filter(pc.is_valid(reports[name]))
    reported = reported.sort_by([("mmsi", "ascending"), ("time", "ascending"), (name, "ascending")]).combine_chunks()
    who = np.asarray(reported["mmsi"])
    head = starts_of(who)
    tail = np.append(head[1:], len(who)) - 1 if len(head) else head
    row = np.full(len(mmsi), -1)
    row[np.searchsorted(mmsi, who[tail])] = tail
    index = pa.array(row, mask=row < 0)
    return reported[name].combine_chunks().take(index), reported["time"].combine_chunks().take(index)


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


# ----------------- gaps between fixes, tracks that ended, and the edges at which legs begin or end for want of data


def tell(
    walked: Walked, between: Intervals, has_leg: Bools, lost: Losses, until_us: int, batch: Batch, rules: VesselRules
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The tracks to carry on, the gaps that are decided, and the edges that came to light.

    A silence after a last fix is told as an edge once the watermark has passed the threshold, as a gap when a fix ends
    it, when the track has ended, or when the data ends. What was lost within may have been a fix of the vessel: an edge
    is the data's where anything was lost up to the threshold off, a gap is told where the silence is one without that.
    """
    fixes = walked.fixes
    last = _lasts(fixes)
    silence_us = until_us - fixes.time_us[last]
    limit_us = threshold(fixes.satellite[last], rules)
    silent, ended = silence_us > limit_us, silence_us > days(rules.track_memory_d)
    count = _counts(walked, last)
    resumed = np.flatnonzero(between.gap)
    told = walked.carried & walked.silent
    back, gone = resumed[~told[resumed - 1]], last[silent & ~told[last]]
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
    tracks = _track_rows(fixes, last[~ended], has_leg, count[~ended], silent[~ended])
    return tracks, _gap_rows(fixes, given, lost, rules), _edge_rows(fixes, sides)


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
    fixes: Track, given: Sequence[tuple[str, Ints, Ints | None, Ints]], lost: Losses, rules: VesselRules
) -> pa.Table:
    """Gaps by how they end, with the rows before and after them and up to when they are told."""
    parts = []
    for ending, before, after, end_us in given:
        keep = _is_gap(fixes, before, end_us, lost, rules)
        before, after, end_us = before[keep], None if after is None else after[keep], end_us[keep]
        n = len(before)
        satellite = fixes.satellite[before] & (True if after is None else fixes.satellite[after])
        limit_us = threshold(satellite, rules)
        none = pa.nulls(n, pa.float64())
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
                    "heard_before": np.zeros(n, np.int64),
                    "heard_after": pa.nulls(n, pa.int64()),
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


def _track_rows(fixes: Track, last: Ints, has_leg: Bools, count: Ints, silent: Bools) -> pa.Table:
    return build(
        TRACKS,
        {
            "mmsi": fixes.mmsi[last],
            "track_start": fixes.track_us[last],
            "time": fixes.time_us[last],
            "lon": fixes.lon[last],
            "lat": fixes.lat[last],
            "sog_kn": fixes.sog_kn[last].astype(np.float32),
            "satellite": fixes.satellite[last],
            "has_leg": has_leg[last],
            "fixes": count,
            "rounding_m": fixes.rounding_m[last],
            "silent": silent,
        },
    )


# --------------------------------------------------------------------------------------------------------- the step

READS = {
    "fixes": (
        *("mmsi", "time", "lon", "lat", "sog_kn", "heading_deg", "msg_type", "receiver", "invalid_reason"),
        *("station", "radio", "utc_second"),
        "rounded_deg",  # the grid of their source, see geo/coordinates/cells.py
    ),
    "static_reports": (
        *("mmsi", "time", "imo", "name", "call_sign", "ship_type"),
        *("length_m", "beam_m", "draught_m", "destination", "invalid_reason"),
    ),
}
STATE = {
    "pending": PENDING,
    "tracks": TRACKS,
    "heard": HEARD,
    "said": schema.STATIC_DATA,
    "entered": schema.VOYAGE_DATA,
    "habits": HABITS,
    "claims": CLAIMS,
    "samples": SAMPLES,
    "damaged": schema.LOST_SPANS,
    "spans": SPANS,
    "resumed": schema.GAPS,
}


def vessel(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    fixes = concat([state["pending"], valid(batch.table("fixes"))], PENDING)
    bucket_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.watermark_us if batch.final else batch.watermark_us // bucket_us * bucket_us
    ready, pending = split(fixes, until_us, batch.final)
    ready = distinct(ready)
    walked = walk(state["tracks"], ready, rules.vessel)
    now = walked.fixes
    between = steps(now, rules.vessel)
    has_leg = between.leg | (walked.carried & walked.had_leg)
    legs = slow_legs(now, between, has_leg, rules.vessel)
    lost = concat([state["damaged"], batch.table("lost_spans")], schema.LOST_SPANS)
    tracks, gap_rows, edge_rows = tell(walked, between, has_leg, Losses.of(lost), until_us, batch, rules.vessel)
    turns = Turns.of(walked, between)
    habits = known_habits(state["habits"], walked, turns, batch.watermark_us, rules)
    spans = HeardSpans.of(walked, state["spans"])
    gaps, resumed = with_own(with_habits(gap_rows, habits), state["resumed"], spans, until_us, batch.final)
    counts, heard = receptions(ready, state["heard"], until_us, rules.coverage)
    reports = used(batch.table("static_reports"))
    static_data, latest = once_a_day(reports, state["said"], schema.STATIC_DATA, batch.watermark_us)
    voyages, entered = once_a_day(reports, state["entered"], schema.VOYAGE_DATA, batch.watermark_us)
    leg_rows = _leg_rows(now, legs, rules.vessel)
    claimed = claims(reports, state["claims"], batch.watermark_us, rules.identity)
    samples, examined = examine(walked, ready, between, state["samples"], until_us, batch.final, rules)
    examined["identity_changes"] = concat([examined["identity_changes"], claimed.changes], schema.IDENTITY_EVENTS)
    rows = {
        **examined,
        "legs": leg_rows,
        "stays": of_legs(leg_rows, rules.stays),
        "voyage_data": voyages,
        "gaps": gaps,
        "edges": edge_rows,
        "static_data": static_data,
        "receptions": counts,
        "reporting": reporting(ready, rules),
        "ship_hours": ship_hours(walked, turns, until_us, batch.final, rules.reception),
        "vessels": known(ready, reports),
        "identity_values": claimed.values,
    }
    kept = {"pending": pending, "tracks": tracks, "heard": heard, "said": latest, "entered": entered}
    kept |= {"habits": habits, "claims": claimed.latest, "samples": samples, "spans": spans.carried()}
    lost = lost.filter(pa.array(micros(lost, "end") >= until_us - days(rules.vessel.track_memory_d)))
    return Result(kept | {"damaged": lost.combine_chunks(), "resumed": resumed}, rows)


def _leg_rows(fixes: Track, legs: Legs, rules: VesselRules) -> pa.Table:
    """The slow legs as rows of schema.LEGS."""
    cut = pieces(fixes, legs, rules)
    start, end = legs.start[cut.leg], legs.end[cut.leg]
    offsets, inner = inner_ms(fixes, legs)
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(inner, pa.int32()))
    return build(
        "legs",
        {
            "mmsi": fixes.mmsi[start],
            "track_start": fixes.track_us[start],
            "start": cut.start_us,
            "end": cut.end_us,
            "lon0": _tidy(cut.lon0),
            "lat0": _tidy(cut.lat0),
            "lon1": _tidy(cut.lon1),
            "lat1": _tidy(cut.lat1),
            "speed_dkn": legs.speed_dkn[cut.leg],
            "speed_told": legs.reported[cut.leg],
            "fix_start": fixes.time_us[start],
            "fix_end": fixes.time_us[end],
            "fresh": legs.fresh[cut.leg] & (cut.nth == 0),
            "heading_deg": fixes.heading_deg[end],
            "rounding_m": rounding_m(fixes, legs)[cut.leg],
            "inner": lists if len(cut.leg) == len(legs.start) else lists.take(pa.array(cut.leg)),
        },
    )


def _tidy(degrees: Floats) -> Floats:
    return np.round(degrees, 7)
