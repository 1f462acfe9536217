"""What is said of the silences in and beside an encounter: whose, from when to when, and what began or ended it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from stswatch.pipeline.exports.moments import duration, minute

Row = Mapping[str, Any]
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
    told = [*(_before(row) if row["start_censored"] else ()), *(_after(row) if row["end_censored"] else ())]
    why = f": {'; '.join(_together(told))}" if told else ""
    return [f"The data, not the vessels, {' and '.join(sides)} it{why}."]


def beside(row: Row) -> list[str]:
    """The outages and silences in or beside it, a sentence each: what lies in an outage is no silence of a vessel."""
    gaps = _gaps(row)
    own = [(mmsi, gap) for mmsi, gap in gaps if not _in_outage(gap)]
    told = _by_words([(mmsi, _span(gap)) for mmsi, gap in own])
    lines = [_outage(outage, theirs=bool(own)) for outage in row.get("outages", ())]
    if told:
        silences = "; ".join(f"{' and '.join(who)} {words}" for words, who in told.items())
        lines.append(f"Silent in or beside it: {silences}. Whether silenced is not known.")
    silent = [f"{row[f'mmsi_{v}']:09d}" for v in ("a", "b") if row[f"dark_{v}"]]
    if silent and not gaps:
        lines.append(
            f"A silence of {' and '.join(silent)} begins or ends beside it; whether it was silenced is not known."
        )
    return lines


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


def _together(told: Sequence[tuple[str, str]]) -> list[str]:
    """What is the same of both vessels said once."""
    return [
        f"{' and '.join(who)} {'were' if len(who) > 1 else 'was'} {words}" for words, who in _by_words(told).items()
    ]


def _by_words(told: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Of whom each thing is said."""
    found: dict[str, list[str]] = {}
    for mmsi, words in told:
        found.setdefault(words, []).append(mmsi)
    return found
