"""What really happened in the simulated sea: measured on the courses themselves, before noise and silence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.sphere import haversine_m
from stswatch.sample_ais.reports import heard
from stswatch.sample_ais.scenes import Actor, Scene

WITHIN_M = 500.0
JOIN_S = 1800  # interruptions up to so long do not end a meeting
LEAST_S = 300  # shorter meetings are not listed
STEP_S = 10
TABLE_HEADER = "mmsi,time,lon,lat,sog_kn,name\n"  # of positions as CSV


def meetings(scenes: Sequence[Scene], start_s: int, hours: int) -> list[dict[str, Any]]:
    """Every pair of hulls within 500 m for five minutes or more, whatever the scenes meant to happen.

    A pair of one scene carries its name and kind; a pair of two scenes met by chance.
    """
    cast = [(scene, actor) for scene in scenes for actor in scene.actors]
    time_s = np.arange(0, hours * 3600 + 1, STEP_S, dtype=np.float64)
    places = [actor.course.at(time_s) for _, actor in cast]
    found = []
    for i, j in combinations(range(len(cast)), 2):
        apart_m = haversine_m(*places[i], *places[j])
        for first, last in _spans(apart_m <= WITHIN_M):
            at = first + int(np.argmin(apart_m[first : last + 1]))
            scene = cast[i][0] if cast[i][0] is cast[j][0] else None
            found.append(
                {
                    "scenario": scene.name if scene else "chance",
                    "kind": scene.kind if scene else "look_alike",
                    "why": scene.why if scene else "ships that pass close by each other",
                    "hulls": [cast[i][1].ship.hull, cast[j][1].ship.hull],
                    "mmsi": sorted([cast[i][1].ship.mmsi, cast[j][1].ship.mmsi]),
                    "start": stamp(start_s + time_s[first]),
                    "end": stamp(start_s + time_s[last]),
                    "begun_before": bool(first == 0),
                    "goes_on_after": bool(last == len(time_s) - 1),
                    "duration_min": round((last - first) * STEP_S / 60, 1),
                    "lon": round(float(places[i][0][at] + places[j][0][at]) / 2, 4),
                    "lat": round(float(places[i][1][at] + places[j][1][at]) / 2, 4),
                    "min_distance_m": round(float(apart_m[at]), 1),
                    "median_distance_m": round(float(np.median(apart_m[first : last + 1])), 1),
                    "silent_min": _silent_min((cast[i][1], cast[j][1]), time_s[first : last + 1]),
                }
            )
    return sorted(found, key=lambda m: (m["start"], m["mmsi"]))


def _spans(near: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of true, joined over short interruptions, long enough to be listed."""
    at = np.flatnonzero(near)
    if len(at) == 0:
        return []
    runs = np.split(at, np.flatnonzero(np.diff(at) * STEP_S > JOIN_S) + 1)
    return [(int(r[0]), int(r[-1])) for r in runs if (r[-1] - r[0]) * STEP_S >= LEAST_S]


def _silent_min(actors: Sequence[Actor], time_s: NDArray[np.float64]) -> float:
    both = np.logical_and.reduce([heard(a, time_s) for a in actors])
    return round(float((~both).sum()) * STEP_S / 60, 1)


def silences(scenes: Sequence[Scene], start_s: int, hours: int) -> list[dict[str, Any]]:
    """Every time in which nothing of a hull was received, and why; `end` null: the recording ended first."""
    return [
        {
            "hull": actor.ship.hull,
            "mmsi": actor.ship.mmsi,
            "start": stamp(start_s + gap.start_h * 3600),
            "end": stamp(start_s + gap.end_h * 3600) if gap.end_h < hours else None,
            "cause": gap.cause,
        }
        for scene in scenes
        for actor in scene.actors
        for gap in actor.silences
    ]


def ships(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Every hull with the identity it claims."""
    return [
        {
            "hull": actor.ship.hull,
            "mmsi": actor.ship.mmsi,
            "name": actor.ship.name,
            "imo": actor.ship.imo,
            "flag": actor.ship.flag,
            "ais_class": actor.ship.kind.ais_class,
            "length_m": actor.ship.kind.length_m,
            "scenario": scene.name,
        }
        for scene in scenes
        for actor in scene.actors
    ]


def shared_mmsi(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Every MMSI that more than one hull claims."""
    hulls: dict[int, list[str]] = {}
    for scene in scenes:
        for actor in scene.actors:
            hulls.setdefault(actor.ship.mmsi, []).append(actor.ship.hull)
    return [{"mmsi": mmsi, "hulls": claim} for mmsi, claim in sorted(hulls.items()) if len(claim) > 1]


def stamp(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601.

    >>> stamp(1_741_564_800)
    '2025-03-10T00:00:00Z'
    """
    return datetime.fromtimestamp(round(time_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
