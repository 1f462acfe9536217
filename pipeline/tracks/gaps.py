"""Silences: gaps between fixes, tracks that ended, and the edges at which legs begin or end for want of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Bools, Ints, build, starts_of
from stswatch.pipeline.rules import VesselRules, days
from stswatch.pipeline.tracks.identity import TRACKS, Walked
from stswatch.pipeline.tracks.legs import Steps, Track, threshold


def tell(
    walked: Walked, between: Steps, has_leg: Bools, until_us: int, batch: Batch, rules: VesselRules
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The tracks to carry on, the gaps that are decided, and the edges that came to light.

    A silence after a last fix is told as an edge once the frontier has passed the threshold, as a gap when a fix ends
    it, when the track has ended, or when the data ends.
    """
    fixes = walked.fixes
    last = _lasts(fixes)
    silence_us = until_us - fixes.time_us[last]
    silent = silence_us > threshold(fixes.satellite[last], rules)
    ended = silence_us > days(rules.track_memory_d)
    count = _counts(walked, last)
    resumed = np.flatnonzero(between.gap)
    told_before = walked.carried[last] & walked.silent[last]
    sides = [
        ("end", resumed[~(walked.carried[resumed - 1] & walked.silent[resumed - 1])] - 1),
        ("start", resumed),
        ("end", last[silent & ~told_before]),
        ("data_end", last[~silent] if batch.final else last[:0]),
    ]
    # one fix alone is no track that could fall silent: mostly it is an error of position
    lost = count > 1
    given = [
        ("resumed", resumed - 1, resumed),
        ("track_ended", last[ended & lost], None),
        ("open", last[silent & ~ended & lost] if batch.final else last[:0], None),
    ]
    keep = ~ended
    tracks = _track_rows(fixes, last[keep], has_leg, count[keep], silent[keep])
    return tracks, _gap_rows(fixes, given, rules), _edge_rows(fixes, sides)


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


def _gap_rows(fixes: Track, given: Sequence[tuple[str, Ints, Ints | None]], rules: VesselRules) -> pa.Table:
    parts = []
    for ending, before, after in given:
        n = len(before)
        satellite = fixes.satellite[before] & (True if after is None else fixes.satellite[after])
        limit_us = threshold(satellite, rules)
        none = pa.nulls(n, pa.float64())
        parts.append(
            build(
                "gaps",
                {
                    "mmsi": fixes.mmsi[before],
                    "track": fixes.track_us[before],
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
                },
            )
        )
    return pa.concat_tables(parts)


def _edge_rows(fixes: Track, sides: Sequence[tuple[str, Ints]]) -> pa.Table:
    row = np.concatenate([rows for _, rows in sides])
    side = np.concatenate([np.full(len(rows), name, dtype=object) for name, rows in sides])
    return build(
        "edges",
        {"mmsi": fixes.mmsi[row], "track": fixes.track_us[row], "time": fixes.time_us[row], "side": side},
    )


def _track_rows(fixes: Track, last: Ints, has_leg: Bools, count: Ints, silent: Bools) -> pa.Table:
    return build(
        TRACKS,
        {
            "mmsi": fixes.mmsi[last],
            "track": fixes.track_us[last],
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
