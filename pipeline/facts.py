"""An encounter as facts in words, each once: `explain`, the picture and the pages say them with the same ones.

row: an encounter as `api.encounter` gives it; v: "a" or "b", one of its vessels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stswatch.geo.coordinates.sun import light_of
from stswatch.geo.reference.mmsi import FIRST_NUMBERED, country_names
from stswatch.geo.reference.ports import ANCHORAGE, HARBOUR, ports, world_ports
from stswatch.pipeline.times import duration, minute

CAUTION = "A lead is not a finding: most meetings and silences at sea are lawful."
Row = Mapping[str, Any]
_LONGEST_NAME = 20  # Source: ITU-R M.1371-5, table 50; archives of one's own may hold longer ones
# Source: ITU-R M.1371-5, table 53
_CLASSES: Mapping[int, str] = {
    1: "reserved type",
    2: "wing in ground craft",
    4: "high speed craft",
    6: "passenger ship",
    7: "cargo ship",
    8: "tanker",
    9: "other type of ship",
}
_CARGO: Mapping[int, str] = {
    1: ", dangerous goods or pollutants of category X",
    2: ", dangerous goods or pollutants of category Y",
    3: ", dangerous goods or pollutants of category Z",
    4: ", dangerous goods or pollutants of category OS",
}
_SINGLE: Mapping[int, str] = {
    30: "fishing vessel",
    31: "towing",
    32: "towing, the tow longer than 200 m or wider than 25 m",
    33: "dredging or underwater operations",
    34: "diving operations",
    35: "military operations",
    36: "sailing vessel",
    37: "pleasure craft",
    50: "pilot vessel",
    51: "search and rescue vessel",
    52: "tug",
    53: "port tender",
    54: "anti-pollution vessel",
    55: "law enforcement vessel",
    56: "local use",
    57: "local use",
    58: "medical transport",
    59: "ship not party to an armed conflict",
}


def metres(row: Row, name: str) -> str:
    """A distance of the two in metres, with how far it may be off.

    >>> metres({"cpa_distance_m": 54.1, "position_error_m": 20.0}, "cpa_distance_m")
    '54 ± 20 m'
    """
    error_m = row.get("position_error_m")
    return f"{row[name]:.0f}" + (f" ± {error_m:.0f} m" if error_m else " m")


def median_distance(row: Row) -> str:
    """Within which distance the two were for half of the time."""
    return metres(row, "median_distance_m")


def measured_within(row: Row) -> str:
    """For how many of the minutes of a meeting the distance was measured to be within the threshold."""
    return f"{row['within_min']:.0f} of them measured within"


def speed(row: Row, v: str) -> str:
    """The median of the speeds that one vessel sent; none is made up where none was."""
    median_kn = row[f"median_speed_{v}_kn"]
    return "no speed was sent" if median_kn is None else f"median speed {median_kn:.1f} kn"


def identity(row: Row, v: str) -> list[str]:
    """Who one vessel said it was, but for its name: IMO number, call sign, size, type; nothing said is said too."""
    known = _known(row, v)
    length_m, beam_m = known.get("length_m"), known.get("beam_m")
    return [
        f"IMO {known['imo']}" if known.get("imo") else "no IMO number",
        f"call sign {known['call_sign']}" if known.get("call_sign") else "no call sign",
        *([f"{length_m:.0f}" + (f" by {beam_m:.0f}" if beam_m else "") + " m"] if length_m else []),
        *([type_in_words(known["ship_type"])] if known.get("ship_type") else []),
    ]


def flag(row: Row, v: str) -> str:
    """The State whose digits an MMSI begins with; it says nothing where the id is no MMSI."""
    of_none = "digits of no state" if row[f"mmsi_{v}"] < FIRST_NUMBERED else "not known, its id is no MMSI"
    return country_names().get(_known(row, v).get("flag") or "", of_none)


def is_named(row: Row, v: str) -> bool:
    """Whether one vessel said a name."""
    return bool(_known(row, v).get("name"))


def _known(row: Row, v: str) -> Row:
    """What is known of one vessel by its own word; nothing where it said nothing."""
    return row.get("vessels", {}).get(row[f"mmsi_{v}"]) or {}


def zone_names(row: Row) -> list[str]:
    """All zones that it lies in, those of the run's area first."""
    return [*row["area_zones"], *row["zones"]]


def port_part(row: Row) -> str:
    """In which harbour or anchorage, where it is one; "near" a port of which none is drawn says the distance."""
    if row["in_port_part"] not in (HARBOUR, ANCHORAGE):
        return ""
    return f"in {port_name(row['in_port'])} {row['in_port_part']}"


def shore(row: Row) -> str:
    """How far the shore is, with the coast's own error."""
    distance_km, error_km = row["distance_to_shore_km"], row.get("distance_to_shore_error_km")
    if distance_km is None:
        return ""
    if distance_km == 0:
        return "where the coast as known to this program has land: a river, a dock, a new quay"
    off = f" ± {error_km:.1f}" if error_km else ""
    return f"{distance_km:.1f}{off} km from the nearest shore"


def light(row: Row) -> str:
    """The height of the sun at the nearest approach, and what light that is."""
    up_deg = row["sun_elevation_deg"]
    if up_deg is None:
        return ""
    side = "over" if up_deg >= 0 else "under"
    kind = str(light_of(up_deg)).replace("_", " ")
    return f"the sun stood {abs(up_deg):.1f} degrees {side} the horizon at the nearest approach: {kind}"


def one_hull(row: Row) -> list[str]:
    """That two numbers lay where one hull would, if they did."""
    if not row.get("possibly_one_hull"):
        return []
    share = f"{median_distance(row)} in the median for {duration(row['within_min'])}"
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


_PARTS = {"berth": "at a berth of", "anchorage": "at anchor off", "near": "at or near"}


def port_calls(row: Row, v: str) -> list[str]:
    """Where one vessel called next to a meeting, and where a silence would have left it time to, a sentence each."""
    return [_call(call) for call in row.get("calls", ()) if call["mmsi"] == row[f"mmsi_{v}"]]


def _call(call: Row) -> str:
    port, begin, end = port_name(call["port"]), minute(call["arrival"]), minute(call["departure"])
    if call["shown"] == "dark_possible":
        gap = f"silence from {minute(call['gap_start'])} to {minute(call['gap_end'])} UTC"
        judged = "was judged silenced" if call["may_score"] else "is no indication by itself"
        return f"could have called at {port}, with {call['spare_h']:.0f} h to spare, in a {gap}, which {judged}"
    entered = [
        f"{name} {before} m before and {after} m after"
        for name, before, after in [("draught", call["draught_m_before"], call["draught_m_after"])]
        if before is not None and after is not None and before != after
    ]
    destination = [f"then bound for {call['destination_after']}"] if call["destination_after"] else []
    silent = [f"{call['silent_h']:.0f} h of it not heard"] if call["silent_h"] else []
    begin += " or before" if call["start_censored"] else ""
    end += " UTC or after" if call["end_censored"] else " UTC"
    words = "; ".join([f"{_PARTS[call['part']]} {port} from {begin} to {end}", *silent, *entered, *destination])
    return f"lay {words}"


def name(row: Row, v: str) -> str:
    """The name that a vessel broadcasts, else its MMSI; no longer than AIS allows."""
    return vessel_name(str(_known(row, v).get("name") or f"{row[f'mmsi_{v}']:09d}"))


def vessel_name(broadcast: str) -> str:
    """A name that a vessel broadcasts, no longer than AIS allows."""
    return broadcast[:_LONGEST_NAME]


def position(lon: float, lat: float) -> str:
    """Degrees with four decimals, latitude first, as charts have it.

    >>> position(124.68775, -38.62396)
    '38.6240°S 124.6877°E'
    """
    return f"{abs(lat):.4f}°{'N' if lat >= 0 else 'S'} {abs(lon):.4f}°{'E' if lon >= 0 else 'W'}"


def port_name(port: str) -> str:
    """The name of a port by its id."""
    found = ports().name[ports().id == port]
    if not len(found):
        found = world_ports().name[world_ports().id == port]  # read where it is needed only
    return str(found[0]).title() if len(found) else port


def type_in_words(code: int | None) -> str:
    """A type of ship and cargo in words, with its code; never raises.

    >>> type_in_words(80), type_in_words(38), type_in_words(None)
    ('tanker (80)', 'reserved type (38)', 'no ship type')
    >>> type_in_words(71)
    'cargo ship, dangerous goods or pollutants of category X (71)'
    """
    if not code:
        return "no ship type"
    kind, cargo = divmod(code, 10)
    words = _SINGLE.get(code) or (_CLASSES[kind] + _CARGO.get(cargo, "") if kind in _CLASSES else "reserved type")
    return f"{words} ({code})"


# ---------------------------------------------------------------------------------------------- of dark meetings


def ways(row: Mapping[str, Any]) -> str:
    """By which ways it was worked out who could be where."""
    return "by ways at sea" if row["over_water"] else "on straight ways over land too"


def not_by_sea(row: Mapping[str, Any], stay_h: float) -> list[str]:
    """A sentence where what straight ways left time for was not possible by sea."""
    words = f"But by sea, round the land, there was no time for {stay_h:g} h together at any place: so it is no lead."
    return [words] if row["over_water"] is False else []


def steered(row: Mapping[str, Any]) -> list[str]:
    """A sentence on the course of who was silent, where the other waited."""
    first, again = f"When {row['mmsi_b']:09d} was heard last", "when it was heard again"
    sides = ("before", first, "to the place"), ("after", again, "from there")
    words = [_steered(row[f"course_off_{side}_deg"], when, way) for side, when, way in sides]
    return [] if row["gap_start_a"] else [f"{'; '.join(words)}."]


def _steered(off_deg: float | None, when: str, way: str) -> str:
    if off_deg is None:
        return f"{when}, its course was not known, or it was too slow or too near for that to say anything"
    return f"{when}, it steered {off_deg:.0f} degrees off the way {way}"


def region(row: Mapping[str, Any]) -> str:
    """How large the region is, where there is one, and whether land is left out of it."""
    if row["region_km2"] is None:
        return ""
    land = "" if row["over_water"] else ", in which land is not left out"
    return f"; or elsewhere in a region of {row['region_km2']:,.0f} km2{land}"
