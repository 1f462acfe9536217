"""An encounter as facts in words, each once: `explain`, the picture and the pages say them with the same ones.

row: an encounter as `api.encounter` gives it; v: "a" or "b", one of its vessels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from stswatch.geo.coordinates.sun import light_of
from stswatch.geo.reference.mmsi import FIRST_NUMBERED, country_names
from stswatch.geo.reference.ports import ANCHORAGE, HARBOUR, ports
from stswatch.pipeline.times import duration, minute

CAUTION = "A lead is not a finding: most meetings and silences at sea are lawful."
Row = Mapping[str, Any]
_LONGEST_NAME = 20  # Source: ITU-R M.1371-5, table 50; archives of one's own may hold longer ones
_NOT_KNOWN = "for how long is not known yet"
_MINUTE = timedelta(minutes=1)
_KINDS = {
    "terrestrial": "Receivers on land",
    "satellite": "Satellites",
    "unknown": "Receivers of no known kind",
}
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
    return str(_known(row, v).get("name") or f"{row[f'mmsi_{v}']:09d}")[:_LONGEST_NAME]


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


def censored(row: Row) -> list[str]:
    """Which ends the data gave it, whose silence that was and how long; nothing where its vessels began and ended it.

    row: an encounter as `api.encounter` gives it.
    """
    sides = [word for word, side in (("began", "start"), ("ended", "end")) if row[f"{side}_censored"]]
    if not sides:
        return []
    phrases = [*(_before(row) if row["start_censored"] else ()), *(_after(row) if row["end_censored"] else ())]
    why = f": {'; '.join(_together(phrases))}" if phrases else ""
    return [f"The data, not the vessels, {' and '.join(sides)} it{why}."]


def beside(row: Row) -> list[str]:
    """The outages and silences in or beside it, a sentence each: what lies in an outage is no silence of a vessel."""
    gaps = _gaps(row)
    own = [(mmsi, gap) for mmsi, gap in gaps if not _in_outage(gap)]
    phrases = _by_words([(mmsi, f"{_span(gap)}, {judgement(gap)}") for mmsi, gap in own])
    lines = [_outage(outage, theirs=bool(own)) for outage in row.get("outages", ())]
    if phrases:
        silences = "; ".join(f"{' and '.join(who)} {words}" for words, who in phrases.items())
        lines.append(f"Silent in or beside it: {silences}.")
    silent = [f"{row[f'mmsi_{v}']:09d}" for v in ("a", "b") if row[f"gap_{v}"]]
    if silent and not gaps:
        lines.append(
            f"A silence of {' and '.join(silent)} begins or ends beside it; whether it was silenced is not known."
        )
    return lines


def judgement(gap: Row) -> str:
    """What a silence was judged to be, and by what; a row of table gaps.

    >>> judgement({"judgement": "unknown"})
    'not known whether silenced'
    >>> gap = {"judgement": "silenced", "others_heard_h": 232, "others_missed_h": 0, "silence_chance": 4.1e-7}
    >>> judgement(gap)
    'silenced: others then and there were heard in 232 of 232 ship-hours; a chance of 1 in 2,400,000 else'
    """
    if gap["judgement"] in ("unknown", "left_data"):
        edge = ": it was at the edge of what is received" if gap["judgement"] == "left_data" else ""
        return f"not known whether silenced{edge}"
    heard: int = gap["others_heard_h"]
    others = f"others then and there were heard in {heard:,} of {heard + gap['others_missed_h']:,} ship-hours"
    if gap["judgement"] == "not_received":
        return f"not received: {others}"
    rare = float(f"{1 / max(gap['silence_chance'], 1e-12):.1e}")
    return f"silenced: {others}; a chance of 1 in {rare:,.0f} else"


_EVENTS: Mapping[str, str] = {
    "identity_change": "changed its {field} from {old_value} to {new_value}",
    "shared_identity": "is two tracks alive at once, {distance_km:.0f} km apart",
    "position_jump": "jumped {distance_km:.0f} km, faster than any ship",
    "handshake": "changed places with {other_mmsi:09d}",
    "imo_conflict": "has the IMO number {old_value}, and so has {other_mmsi:09d}",
    "imo_invalid": "sent the IMO number {new_value}, whose check digit is wrong",
    "imo_look_alike": "has the IMO number {old_value}, one digit off {new_value} of {other_mmsi:09d}; chance gives "
    "{chance_hits:.1f} such pairs in these data",
}
_CHECKS: Mapping[str, str] = {
    "impossible_speed": "was shown {measured:.0f} km off, where no ship can go in that time",
    "displacement": "was shown at one place with {vessels} vessels at once: interference with satellite navigation",
    "circle": "was shown on a circle",
    "generated_track": "was shown on a line so even that it may have been drawn",
    "copied_track": "repeated a course that {other_mmsi:09d} had sailed before, its speeds too",
}
_MOST = 6  # sentences of a kind; the tables hold all


def identities(row: Row) -> list[str]:
    """What does not fit one hull under one number, of the two and within a week, a sentence each."""
    return _shown(row.get("identity_events", ()), "kind", _EVENTS, "first_time", "identity_events")


def checks(row: Row) -> list[str]:
    """Parts of the two tracks, within a week, whose positions may be false, a sentence each."""
    return _shown(row.get("track_checks", ()), "check_name", _CHECKS, "start_time", "track_checks")


def _shown(found: Sequence[Row], name: str, words: Mapping[str, str], when: str, table: str) -> list[str]:
    lines = []
    for each in found[:_MOST]:
        why = ""
        if each.get("candidate"):
            why = " (chance or an error of entry explains it as well)"
        elif each.get("interference") and each[name] != "displacement":
            why = " (interference explains it)"
        lines.append(f"{each['mmsi']:09d} {words[each[name]].format(**each)}: {minute(each[when])} UTC{why}.")
    if len(found) > _MOST:
        lines.append(f"{len(found) - _MOST} more: table {table}.")
    return [f"Shown, not scored: {line}" for line in lines]


def _in_outage(gap: Row) -> bool:
    """Whether what of a gap lies outside of outages would be none."""
    if gap["end_time"] is None:
        return False
    rest = gap["end_time"] - gap["start_time"] - timedelta(minutes=gap["outage_min"])
    return bool(gap["outage_min"] and rest <= timedelta(hours=gap["threshold_h"]))


def _outage(outage: Row, theirs: bool) -> str:
    """When nobody was heard, and by which receivers."""
    start, end = outage["start_time"], outage["end_time"]
    who = "The whole feed" if outage["receiver"] == "all" else _KINDS[outage["receiver"]]
    span = f"from {minute(start)} to {minute(end)} UTC ({duration((end - start) / _MINUTE)})"
    return f"{who} heard nobody {span}: an outage" + ("." if theirs else ", no silence of theirs.")


def _before(row: Row) -> Iterator[tuple[str, str]]:
    """Whose data begin where it does, and what came before."""
    start, data_start = row["start_time"], row["run"].get("data_start")
    begin_there = data_start is not None and abs(start - data_start) < _MINUTE
    for v in ("a", "b"):
        mmsi = f"{row[f'mmsi_{v}']:09d}"
        gap = next((gap for who, gap in _gaps(row) if who == mmsi and gap["end_time"] == start), None)
        first = (row["vessels"].get(row[f"mmsi_{v}"]) or {}).get("first_seen")
        if gap:
            yield mmsi, f"last received {duration((start - gap['start_time']) / _MINUTE)} before"
        elif first is not None and abs(first - start) < timedelta(milliseconds=1):
            yield mmsi, "not received before" + (": the data begin there" if begin_there else " in these data")
        elif _track_begins(row[f"track_{v}"], start):
            yield mmsi, "not received on this track before"


def _after(row: Row) -> Iterator[tuple[str, str]]:
    """Whose data end where it does, and what came after."""
    end, data_end = row["end_time"], row["run"].get("data_end")
    for v in ("a", "b"):
        mmsi = f"{row[f'mmsi_{v}']:09d}"
        gap = next((gap for who, gap in _gaps(row) if who == mmsi and gap["start_time"] == end), None)
        last = (row["vessels"].get(row[f"mmsi_{v}"]) or {}).get("last_seen")
        if gap and gap["end_time"]:
            yield mmsi, f"next received {duration((gap['end_time'] - end) / _MINUTE)} later"
        elif gap and gap["ending"] == "track_ended":
            yield mmsi, "not received on this track again"
        elif gap or (last is not None and abs(last - end) < timedelta(milliseconds=1)):
            yield mmsi, _until(end, data_end)


def _until(end: datetime, data_end: datetime | None) -> str:
    """That nothing more of a vessel was received until the data end."""
    if data_end is None or data_end < end:
        return f"not received since, {_NOT_KNOWN}"
    if data_end - end < _MINUTE:
        return "received until the data end"
    return f"not received in the {duration((data_end - end) / _MINUTE)} until the data end"


def _track_begins(track: str, start: datetime) -> bool:
    """Whether the first fix that names a track stands at a moment."""
    named = track.partition("@")[2]
    return bool(named) and abs(datetime.fromisoformat(named) - start) < timedelta(milliseconds=1)


def _gaps(row: Row) -> list[tuple[str, Row]]:
    return [(f"{gap['mmsi']:09d}", gap) for gap in row.get("gaps_beside", ())]


def _span(gap: Row) -> str:
    """From when to when, and how long."""
    start, end = gap["start_time"], gap["end_time"]
    of_it = f", {duration(gap['outage_min'])} of it in an outage" if gap["outage_min"] else ""
    if end is None:
        return f"from {minute(start)} UTC on{of_it}"
    return f"from {minute(start)} to {minute(end)} UTC ({duration((end - start) / _MINUTE)}{of_it})"


def _together(phrases: Sequence[tuple[str, str]]) -> list[str]:
    """What is the same of both vessels said once."""
    return [
        f"{' and '.join(who)} {'were' if len(who) > 1 else 'was'} {words}" for words, who in _by_words(phrases).items()
    ]


def _by_words(phrases: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Of whom each thing is said."""
    found: dict[str, list[str]] = {}
    for mmsi, words in phrases:
        found.setdefault(words, []).append(mmsi)
    return found


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
