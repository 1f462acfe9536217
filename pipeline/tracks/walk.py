"""Tracks from slice to slice: new fixes are put behind the tracks that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from stswatch.geo.plane import hop_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS, Bools, Floats, Ints, micros, ordered
from stswatch.pipeline.rules import VesselRules
from stswatch.pipeline.schema import SATELLITE
from stswatch.pipeline.tracks.fixes import NO_HEADING
from stswatch.pipeline.tracks.identity import Fixes, attribute
from stswatch.pipeline.tracks.legs import Track

TRACKS = schema.table(
    "Tracks that can still go on, by their last fix.",
    *(schema.LEGS.field(name) for name in ("mmsi", "track")),
    schema.column("time", schema.UTC, "last fix"),
    schema.column("lon", pa.float64(), "last fix", unit="deg"),
    schema.column("lat", pa.float64(), "last fix", unit="deg"),
    schema.column("sog_kn", pa.float32(), "last fix", unit="kn", null=True),
    schema.column("satellite", pa.bool_(), "last fix came by satellite"),
    schema.column("has_leg", pa.bool_(), "a leg ends at the last fix"),
    schema.column("fixes", pa.int64(), "fixes so far"),
    schema.LEGS.field("rounding_m"),
    schema.column("silent", pa.bool_(), "the silence after the last fix has been told"),
)


@dataclass(frozen=True)
class Walked:
    """The last fixes of the tracks so far and the new fixes, sorted by MMSI, track and time, (n,) each."""

    fixes: Track
    carried: Bools
    had_leg: Bools
    silent: Bools
    fixes_before: Ints


def walk(tracks: pa.Table, ready: pa.Table, rules: VesselRules) -> Walked:
    """Put the new fixes behind the tracks they belong to."""
    old, new = tracks.num_rows, ready.num_rows

    def both(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(t[name], dtype=dtype) for t in (tracks, ready)])

    mmsi = both("mmsi", np.int64)
    time_us = np.concatenate([micros(tracks, "time"), micros(ready, "time")])
    order = ordered(mmsi, time_us // MS)
    carried = order < old
    name_us = np.concatenate([micros(tracks, "track"), np.zeros(new, np.int64)])[order]
    lon, lat, sog_kn = (both(n, np.float64)[order] for n in ("lon", "lat", "sog_kn"))
    mmsi, time_us = mmsi[order], time_us[order]
    distance_m = _hops_m(lon, lat)
    track_us = attribute(Fixes(mmsi, time_us, lon, lat, distance_m, carried, name_us), rules)
    heard = np.asarray(ready["receiver"]) == SATELLITE
    satellite = np.concatenate([np.asarray(tracks["satellite"], dtype=bool), heard])[order]

    def carry(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(tracks[name], dtype=dtype), np.zeros(new, dtype)])[order]

    had_leg, silent, count = carry("has_leg", bool), carry("silent", bool), carry("fixes", np.int64)
    # a leg has the heading at its end, so that of a last fix is not carried
    heading_deg = np.concatenate([np.full(old, NO_HEADING, np.int16), np.asarray(ready["heading_deg"])])[order]
    rounding_m = both("rounding_m", np.int32)[order]
    fixes = Track(mmsi, track_us, time_us, lon, lat, distance_m, sog_kn, satellite, heading_deg, rounding_m)
    walked = Walked(fixes, carried, had_leg, silent, count)
    return _by_track(walked) if _interleaved(mmsi, track_us) else walked


def _hops_m(lon: Floats, lat: Floats) -> Floats:
    """Distance of each fix from the one before, metres; 0 for the first."""
    return np.concatenate([np.zeros(min(len(lon), 1)), hop_m(lon, lat)])


def _by_track(walked: Walked) -> Walked:
    """The same fixes, those of each track together."""
    given = walked.fixes
    order = ordered(given.mmsi, given.track_us // MS, given.time_us // MS)
    fixes = Track(**{f.name: getattr(given, f.name)[order] for f in fields(Track)})
    fixes = replace(fixes, distance_m=_hops_m(fixes.lon, fixes.lat))
    carried, had_leg = walked.carried[order], walked.had_leg[order]
    return Walked(fixes, carried, had_leg, walked.silent[order], walked.fixes_before[order])


def _interleaved(mmsi: Ints, track_us: Ints) -> bool:
    """Whether some MMSI has several tracks whose fixes are not in order of the track."""
    same = mmsi[1:] == mmsi[:-1]
    return bool((same & (track_us[1:] != track_us[:-1])).any())
