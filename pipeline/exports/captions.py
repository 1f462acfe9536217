"""What is written beside the drawing of an encounter: measured facts, broadcast names, the caution, the small print."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stswatch.geo.mmsi import country_names
from stswatch.geo.ports import ports
from stswatch.geo.zones import zones
from stswatch.pipeline.exports import silences
from stswatch.pipeline.exports.moments import duration
from stswatch.pipeline.exports.ship_types import type_in_words

CAUTION = "A lead is not a finding: most meetings and silences at sea are lawful."
Row = Mapping[str, Any]
_LONGEST_NAME = 20  # Source: ITU-R M.1371-5, table 50; archives of one's own may hold longer ones


def title(row: Row, threshold_m: float) -> str:
    """What was measured, in one line."""
    a, b = (name(row, v) for v in ("a", "b"))
    return f"{a} and {b}: within {threshold_m:.0f} m for {duration(row['duration_min'])}"


def subtitle(row: Row) -> str:
    """When and where."""
    return "   ·   ".join([span(row["start_time"], row["end_time"]), position(row["lon"], row["lat"]), *_zones(row)])


def measured(row: Row) -> str:
    """The numbers of the encounter."""
    port = row.get("port")
    return "   ·   ".join(
        [
            *([f"{row['distance_to_port_km']:.0f} km from {port_name(port)}"] if port else []),
            f"median distance {metres(row, 'median_distance_m')}",
            f"least {metres(row, 'min_distance_m')}",
            f"{100 * row['observed_share']:.0f} % of the time near a report of both",
            *filter(None, [met_before(row)]),
            f"score {row['score']:+.1f}",
        ]
    )


def metres(row: Row, name: str) -> str:
    """A distance of the two in metres, with how far it may be off.

    >>> metres({"min_distance_m": 54.1, "position_error_m": 20.0}, "min_distance_m")
    '54 ± 20 m'
    """
    error_m = row.get("position_error_m")
    return f"{row[name]:.0f}" + (f" ± {error_m:.0f} m" if error_m else " m")


def vessel(row: Row, v: str) -> list[str]:
    """What one vessel said of itself, what was measured of it, and how many others it met; four lines."""
    mmsi, speed = row[f"mmsi_{v}"], row[f"median_speed_{v}_kn"]
    known = row.get("vessels", {}).get(mmsi) or {}
    flag = country_names().get(known.get("flag") or "", "digits of no state")
    said = [] if known.get("name") else ["no name"]
    said += [
        f"IMO {known['imo']}" if known.get("imo") else "no IMO number",
        f"call sign {known['call_sign']}" if known.get("call_sign") else "no call sign",
    ]
    if known.get("length_m"):
        said.append(f"{known['length_m']:.0f}" + (f" by {known['beam_m']:.0f}" if known.get("beam_m") else "") + " m")
    if known.get("ship_type"):
        said.insert(0, type_in_words(known["ship_type"]))
    reports = f"{row[f'fixes_{v}']:,} reports while together"
    return [
        f"MMSI {mmsi:09d}, {flag}",
        ", ".join(said),
        reports + (", no speed was sent" if speed is None else f", median speed {speed:.1f} kn"),
        met_others(row, v),
    ]


def one_hull(row: Row) -> list[str]:
    """That two numbers lay where one hull would, if they did."""
    if not row.get("possibly_one_hull"):
        return []
    share = f"{metres(row, 'median_distance_m')} in the median for {duration(row['within_min'])}"
    return [f"So near each other ({share}) they are possibly one hull: two transponders, or one registered twice."]


def met_others(row: Row, v: str) -> str:
    """How many other vessels one of the two met, in the same data; empty where nobody counted.

    >>> met_others({"mmsi_a": 1, "met": {"pair": 1, 1: 3}}, "a")
    'met 3 other vessels in these data'
    """
    met = row.get("met")
    if not met:
        return ""
    count = met[row[f"mmsi_{v}"]]
    return f"met {count or 'no'} other vessel{'' if count == 1 else 's'} in these data"


def met_before(row: Row) -> str:
    """How often the two met, in the same data; empty where nobody counted.

    >>> met_before({"met": {"pair": 2}})
    'these two met 2 times in these data'
    """
    met = row.get("met")
    if not met:
        return ""
    return (
        "these two met once in these data" if met["pair"] == 1 else f"these two met {met['pair']} times in these data"
    )


def name(row: Row, v: str) -> str:
    """The name that a vessel broadcasts, else its MMSI; no longer than AIS allows."""
    known = row.get("vessels", {}).get(row[f"mmsi_{v}"]) or {}
    return str(known.get("name") or f"{row[f'mmsi_{v}']:09d}")[:_LONGEST_NAME]


def notes(row: Row, other_hulls: Mapping[str, int]) -> list[str]:
    """What a reader must know of the data; other_hulls: how many further tracks go under the MMSI of "a" and "b"."""
    found = [*one_hull(row), *silences.censored(row), *silences.beside(row)]
    for v, count in other_hulls.items():
        if count:
            tracks = f"{count} other track{'s' * (count > 1)}"
            found.append(f"{row[f'mmsi_{v}']:09d} has {tracks} in this time (grey, where on the map).")
    if row["status"] != "current":
        found.append(f"This revision is {row['status']}: see the later one.")
    return found


def small_print(row: Row) -> str:
    """What made the picture."""
    run = row["run"]
    return (
        f"{row['id']}, revision {row['revision']}  ·  stswatch {run['code_version']}  ·  run {row['run_id']}"
        f"  ·  rules {run['rules_fingerprint'][:12]}  ·  scorecard {run['model_id']}"
        "  ·  positions and names as broadcast: AIS is self-reported and forgeable  ·  coast: GSHHG, LGPL-3"
    )


def span(start: datetime, end: datetime) -> str:
    """From when to when, UTC; the date once where it is one day."""
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{_day(end)} {end:%H:%M}"
    return f"{_day(start)} {start:%H:%M} to {last} UTC"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def position(lon: float, lat: float) -> str:
    """Degrees with four decimals, latitude first, as charts have it.

    >>> position(124.68775, -38.62396)
    '38.6240°S 124.6877°E'
    """
    return f"{abs(lat):.4f}°{'N' if lat >= 0 else 'S'} {abs(lon):.4f}°{'E' if lon >= 0 else 'W'}"


def port_name(port: str) -> str:
    """The name of a port by its id."""
    table = ports()
    found = table.name[table.id == port]
    return str(found[0]).title() if len(found) else port


def _zones(row: Row) -> list[str]:
    """The first label of the most specific zone."""
    labels = {str(p["id"]): str(p["labels"][0]) for p in zones().properties}
    return [labels.get(zone, zone) for zone in row["zones"][:1]]
