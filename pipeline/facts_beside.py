"""What lay beside an encounter, as facts in words: where data end, silences, outages, identity and checks of tracks.

row: an encounter as `api.encounter` gives it; v: "a" or "b", one of its vessels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from stswatch.pipeline import facts
from stswatch.pipeline.facts import Row
from stswatch.pipeline.times import duration, minute, time_span

_NOT_KNOWN = "for how long is not known yet"
_MINUTE = timedelta(minutes=1)
_KINDS = {
    "terrestrial": "Receivers on land",
    "satellite": "Satellites",
    "unknown": "Receivers of no known kind",
}


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
    lines += [f"{mmsi} {words}." for mmsi, gap in own for words in behaviour(gap)]
    silent = [f"{row[f'mmsi_{v}']:09d}" for v in ("a", "b") if row[f"gap_{v}"]]
    if silent and not gaps:
        lines.append(
            f"A silence of {' and '.join(silent)} begins or ends beside it; whether it was silenced is not known."
        )
    return lines


def mass_silences(row: Row) -> list[str]:
    """Where many fell silent or came back together about it, a sentence each."""
    return [_mass(of) for of in row.get("mass_silences", ())]


def long_absences(row: Row) -> list[str]:
    """For how many days each of the two was heard by nobody before or after, a sentence each."""
    lines = []
    for of in row.get("long_absences", ()):
        span = f"from {minute(of['start_time'])} to {minute(of['end_time'])} UTC ({of['days']:.0f} days)"
        port = of["port"] and f"; time for {facts.port_name(of['port'])} and back, {of['spare_h']:.0f} h to spare"
        lines.append(
            f"{of['mmsi']:09d} was heard by nobody {span}, then {of['distance_km']:.0f} km off{port or ''}."
            " That is no sign of anything by itself."
        )
    return lines


def _mass(of: Row) -> str:
    """One mass silence and who they were."""
    did = "fell silent" if of["side"] == "lost" else "were heard again"
    classes = [f"{of[f'class_{c}']} of class {c.upper()}" for c in "ab" if of[f"class_{c}"]]
    kinds = [f"{of[name]} {word}" for name, word in (("tankers", "tankers"), ("fishing", "fishing")) if of[name]]
    still = [f"{of['still']} of {of['speed_known']} lay still"] if of["speed_known"] else []
    who = ", ".join([*classes, *kinds, *still])
    return (
        f"{of['vessels']} vessels{f' ({who})' * bool(who)} {did} in the degree {of['region']} between"
        f" {minute(of['start_time'])} and {minute(of['end_time'])} UTC, where {of['heard_meanwhile']} others were heard"
        f" meanwhile: a mass silence, which accuses nobody."
    )


_SLOW = {
    "before": ("both came under way", "one lay or drifted, the other came", "both had lain or drifted"),
    "after": ("both went on under way", "one stayed, the other went", "both stayed"),
}
_STAYED = 0.5  # of the hours: more of them, and it lay or drifted


def came_and_went(row: Row, around_h: float) -> list[str]:
    """For how much of some hours before and after it each vessel was slow, a sentence a side; known of one at least.

    >>> row = {"mmsi_a": 1, "mmsi_b": 2, "slow_before_a_h": 3.0, "slow_before_b_h": 0.12}
    >>> came_and_went(row, 3.0)
    ['In the 3 h before it 000000001 was slow for 3.0 h, 000000002 for 0.1 h: one lay or drifted, the other came.']
    """
    lines = []
    for side, ways in _SLOW.items():
        slow_h = {row[f"mmsi_{v}"]: row.get(f"slow_{side}_{v}_h") for v in ("a", "b")}
        known = [(mmsi, hours) for mmsi, hours in slow_h.items() if hours is not None]
        if not known:
            continue
        first, *second = (f"{mmsi:09d} {{}}for {hours:.1f} h" for mmsi, hours in known)
        way = f": {ways[sum(hours >= _STAYED * around_h for _, hours in known)]}" if second else ""
        lay = ", ".join([first.format("was slow "), *(each.format("") for each in second)])
        lines.append(f"In the {around_h:g} h {side} it {lay}{way}.")
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


_HABITUAL = 3  # gaps in a week; fewer are said of nobody


def behaviour(gap: Row) -> Iterator[str]:
    """What a vessel did about a silence, a row of table gaps; nothing where it is as with any other.

    >>> list(behaviour({"heard_before": 5, "heard_earlier": 34, "class0": "A", "class1": "B"}))[0]
    'was heard in 5 of the last 24 spans of five minutes before its silence, and in 34 of the 36 before: it grew thin'
    """
    before, earlier = gap.get("heard_before"), gap.get("heard_earlier")
    if before is not None and earlier is not None and 2 * before / 24 <= earlier / 36 and 2 * earlier >= 36:
        yield (
            f"was heard in {before} of the last 24 spans of five minutes before its silence, and in {earlier} of the 36"
            " before: it grew thin"
        )
    if gap.get("class0") and gap.get("class1") and gap["class0"] != gap["class1"]:
        yield f"sent as class {gap['class0']} before its silence and as class {gap['class1']} after it"
    if gap.get("gaps_before", 0) >= _HABITUAL:
        yield f"had fallen silent {gap['gaps_before']} times in the week before"


def group(row: Row) -> list[str]:
    """That it is one of several meetings of three hulls and more; nothing where it is not."""
    return [
        f"One of {of['meetings']} meetings of {of['hulls']} hulls between {minute(of['start_time'])} and"
        f" {minute(of['end_time'])} UTC, each of which shares a vessel with another at the same time:"
        f" {of['group_id']} in meeting_groups."
        for of in row.get("groups", ())
    ]


def chains(row: Row) -> list[str]:
    """Whom each of the two met in the days before and after, others than the one it met here; a line a vessel."""
    lines = []
    for v in ("a", "b"):
        own = [of for of in row.get("chains", ()) if of["via_mmsi"] == row[f"mmsi_{v}"]]
        ways = ("from", "before", "second_id"), ("to", "after", "first_id")
        met = [_next(who, when, [of for of in own if of[key] == row["id"]]) for who, when, key in ways]
        if any(met):
            lines.append(f"{facts.name(row, v)} met {' and '.join(filter(None, met))}.")
    return [*lines, "That one met one and then another says nothing of what was handed on."] if lines else []


def _next(who: str, when: str, found: Sequence[Row]) -> str:
    """The one of some chains that is nearest in time, and how many others there are."""
    if not found:
        return ""
    of, others = found[0], len({each[f"{who}_mmsi"] for each in found}) - 1
    name = f" ({facts.vessel_name(of[f'{who}_name'])})" if of[f"{who}_name"] else ""
    words = f"{of[f'{who}_mmsi']:09d}{name} {time_span(of['between_d'] * 86_400)} {when} it"
    if when == "after" and of["to_port"]:
        words += f", which then called at {facts.port_name(of['to_port'])}"
    words += "" if of["same_track"] else ", on another track of its number: perhaps another hull"
    return words + (f" (and {others} other{'s' * (others > 1)} {when} it)" if others else "")


def around(row: Row) -> list[str]:
    """What lies round it in days: other meetings, waiting, draught, silences that were judged silenced; a line each."""
    lines = [(f"{of['mmsi']:09d}", "; ".join(_around(of))) for of in row.get("context", ())]
    return [f"Round it: {mmsi} {words}." for mmsi, words in lines if words]


def _around(of: Row) -> Iterator[str]:
    """The same of one vessel, a row of view encounter_context; nothing of what was not."""
    silences = [(of[f"off_{when}"], when) for when in ("before", "inside", "after")]
    silent = " and ".join(f"{when} it" for off, when in silences if off)
    if silent:
        yield f"was silenced {silent.replace('inside', 'within')}"
    if of["meetings_before"]:
        times = f"{of['meetings_before']} time" + "s" * (of["meetings_before"] > 1)
        yield f"had met {times} in the weeks before, {of['same_before']} of them this vessel"
    for when in ("before", "after"):
        if of[f"loitered_{when}_h"] >= 1:
            yield f"was slow or adrift for {of[f'loitered_{when}_h']:.0f} h {when} it"
    if of["draught_change_m"]:
        yield f"lay {abs(of['draught_change_m']):.1f} m {_DEEPER[of['draught_change_m'] > 0]} at the call after it"


_DEEPER = {True: "deeper", False: "higher"}
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
    "heard_where": "was heard by a station {measured:.0f} km from those whom it hears else",
    "sentence_fields": "sent communication states and seconds as no transponder among others does",
    "inland": "was shown on land, {measured:.0f} km from the shore",
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
    start, end, kind = outage["start_time"], outage["end_time"], outage["receiver"]
    span = f"from {minute(start)} to {minute(end)} UTC ({duration((end - start) / _MINUTE)})"
    if kind == "region":
        what = f"Nobody was heard in the degree {outage['name']} {span}: an outage there"
    else:
        who = {"all": "The whole feed", "station": f"Station {outage['name']}"}.get(kind) or _KINDS[kind]
        what = f"{who} heard nobody {span}: an outage"
    return what + ("." if theirs or kind in ("region", "station") else ", no silence of theirs.")


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
    of_it += f", {duration(gap['lost_min'])} of it damaged in the spool" if gap.get("lost_min") else ""
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
