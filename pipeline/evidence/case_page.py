"""A case on one page: what was measured, what was decided, seen and sent; and the same with its identities masked.

Masked, the page says what was measured and where, and nothing that names a vessel: who reads it second judges what
happened before learning to whom. It is a habit against bias, no secret: the positions lead to the names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stswatch.pipeline.times import minute
from stswatch.pipeline.untrusted import SENTENCE, escaped

_WHO = "abcdefghijklmnopqrstuvwxyz"
_KEPT = ("length_m", "beam_m", "ship_type", "first_seen", "last_seen", "fixes", "draught_m")
_OF_IDENTITY = ("identity_events", "track_checks")  # rows that are about names and numbers
_NOBODY = "no name, flag by MMSI: digits of no state, no IMO number, no call sign"  # as words say of a masked vessel
_NUMBER = re.compile(r"\b0{8}(\d)\b|\b0{7}(\d\d)\b")


# ------------------------------------------------------------------------------------------------------------ masking


def masked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `api.encounter` or `api.dark_meeting` in which vessels are 1 for a, 2 for b and so on, without names.

    Left of each vessel are size, type, draught and when it was heard; rows on names and numbers are left out.
    """
    numbers = {mmsi: i for i, mmsi in enumerate([row["mmsi_a"], row["mmsi_b"]], 1)}
    made = {
        name: _masked(name, value, numbers) for name, value in row.items() if name not in ("vessels", *_OF_IDENTITY)
    }
    known = row.get("vessels") or {}
    made["vessels"] = {
        numbers[mmsi]: dict.fromkeys(known[mmsi]) | {"mmsi": numbers[mmsi]}
        | {name: known[mmsi].get(name) for name in _KEPT}
        for mmsi in known if mmsi in numbers
    }  # fmt: skip
    return made | {name: [] for name in _OF_IDENTITY if name in row}


def _masked(name: str, value: Any, numbers: dict[int, int]) -> Any:
    """A value of that name: numbers of vessels by their order, their names and tracks not at all."""
    if name.startswith("mmsi") or name.endswith("_mmsi"):
        return _number(value, numbers)
    if name.startswith("track_") and isinstance(value, str):  # MMSI@time of its first fix
        first, at, time = value.partition("@")
        return f"{_number(int(first), numbers)}@{time}" if at and first.isdecimal() else ""
    if name in ("from_name", "to_name", "name", "destination") or name.startswith("destination_"):
        return None
    if isinstance(value, dict):
        return {_number(key, numbers) if isinstance(key, int) else key: _masked(str(key), each, numbers)
                for key, each in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_masked("", each, numbers) for each in value]
    return value


def _number(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, list):
        return [_number(each, numbers) for each in value]
    return numbers.setdefault(value, len(numbers) + 1) if isinstance(value, int) else value


def masked_text(text: str) -> str:
    """What is said of a masked row, with letters for its numbers.

    >>> masked_text("000000001 and 000000002 were within 500 m")
    'vessel A and vessel B were within 500 m'
    """
    text = text.replace(_NOBODY, "identity masked")
    return _NUMBER.sub(lambda found: f"vessel {_letter(int(found[1] or found[2]))}", text)


def _letter(number: int) -> str:
    return _WHO[number - 1].upper() if 0 < number <= len(_WHO) else f"no. {number}"


# --------------------------------------------------------------------------------------------------------------- text


VIEWS = ("decisions", "docket", "case_observations", "provision_conditions", "referral_queue")


def text(of_case: Mapping[str, Sequence[Mapping[str, Any]]], hidden: bool) -> str:
    """What people did about a case, for people; of_case: the rows of VIEWS about it.

    hidden: what others concluded, and whatever tells who it is about, is left out, for a second reader.
    """
    entries, waiting, beside, conditions, queue = (of_case[view] for view in VIEWS)
    shown = () if hidden else conditions
    lines = ["", "Provisions, by their conditions (no verdict; AIS shows no cargo):"] if shown else []
    for row in shown:
        lines.append(f"  {row['provision']}: {row['condition']}: {row['state']} ({row['because']})")
    lines += seen(beside)
    if hidden:
        count = sum(row["kind"] != "reading" for row in entries)
        return "\n".join([*lines, "", f"Masked: identities are not shown, nor what others wrote ({count} in all)."])
    lines += ["", "Entries of the log:", *map(_entry, entries)] if entries else ["", "Nobody has decided on it."]
    lines += ["", "Who could act (view referral_queue):", *map(_recipient, queue)] if queue else []
    lines += ["", "Waits:", *map(_waiting, waiting)] if waiting else []
    return "\n".join(lines)


def seen(beside: Sequence[Mapping[str, Any]]) -> list[str]:
    """What others saw beside an event, in lines; none where nobody did. beside: rows of case_observations."""
    lines = ["", "Seen by others:", *map(_observation, beside)] if beside else []
    if any(row["independent_indicator"] for row in beside):
        lines.append(
            "  An independent indicator stands beside this dark meeting. Its score does not change, and it stays a"
            " candidate: a person judges."
        )
    return lines


def _observation(row: Mapping[str, Any]) -> str:
    grade = f"{row['reliability']}{row['credibility']}"
    near = "named by it" if row["named"] else f"{row['apart_km']:.1f} km and {row['apart_min']:.0f} min off"
    vessels = "" if row["vessels"] is None else f", {row['vessels']} vessels"
    return f"  entry {row['seq']}: {row['kind']} by {escaped(row['provider'])}, grade {grade}{vessels}, {near}"


def _entry(row: Mapping[str, Any]) -> str:
    what = row["status"] or row["kind"]
    words = [f"  {row['seq']}  {minute(row['time'])}  {escaped(row['author'])}: {what}"]
    if row["masked"] is not None:
        words.append("masked" if row["masked"] else "unmasked")
    if row["readers"]:
        words.append(f"readers: {row['readers']}")
    if row["recipients"]:
        words.append(f"to {', '.join(escaped(each) for each in row['recipients'])}")
    words += [f"party {escaped(row['party'])}"] if row["party"] else []
    words += [f"outcome {row['outcome']}"] if row["outcome"] else []
    words += [f"dissents in entries {', '.join(map(str, row['dissents']))}"] if row["dissents"] else []
    head = ", ".join([*words, *([f"revision {row['revision']}"] if row["revision"] else [])])
    considered = [f"      considered: {escaped(each, SENTENCE)}" for each in row["alternatives"]]
    return "\n".join([head, *considered, *([f"      {escaped(row['note'], SENTENCE)}"] if row["note"] else [])])


def _recipient(row: Mapping[str, Any]) -> str:
    whom = f" ({row['mmsi']:09d})" if row["mmsi"] else ""
    words = [f"  {escaped(row['recipient'])}, {escaped(row['name'])}: {row['competence']}{whom}"]
    if row["deadline"]:
        words.append(f"in port {minute(row['deadline'])} UTC at the earliest")
    words += [f"sent {minute(row['sent'])}"] if row["sent"] else []
    words += [f"acknowledged {minute(row['acknowledged'])}"] if row["acknowledged"] else []
    return "; ".join([*words, *([f"outcome {row['outcome']}"] if row["outcome"] else [])])


def _waiting(row: Mapping[str, Any]) -> str:
    due = f"; due {minute(row['due'])}" if row["due"] else ""
    return f"  {escaped(row['waits_for'])}: {row['what']}, since {minute(row['since'])} UTC ({row['why']}){due}"


_DOCKET = (("score", 5), ("case", 13), ("waits for", 14), ("what", 14), ("since (UTC)", 16), ("due (UTC)", 16))


def docket(rows: Sequence[Mapping[str, Any]], limit: int) -> str:
    """What waits for whom, as a table."""
    if not rows:
        return "nothing waits for anybody"
    lines = ["  ".join(f"{name:<{width}}" for name, width in (*_DOCKET, ("why", 0))).rstrip()]
    for row in rows[:limit]:
        shown = ("-" if row["score"] is None else f"{row['score']:.1f}", row["case_id"], escaped(row["waits_for"], 60),
                 row["what"], minute(row["since"]), minute(row["due"]) if row["due"] else "")  # fmt: skip
        cells = [f"{value:<{width}}" for value, (_, width) in zip(shown, _DOCKET, strict=True)]
        lines.append("  ".join([*cells, row["why"]]).rstrip())
    if len(rows) > limit:
        lines.append(f"{limit} of {len(rows):,} rows")
    return "\n".join(lines)


def fresh(row: Mapping[str, Any]) -> str:
    """How fresh an answer is; row: as `queries.freshness` gives it.

    >>> fresh({"last_data": None, "final_to": None, "sources": 0})
    'Fresh: no position yet, nothing final yet, of 0 sources.'
    """
    last = f"positions to {minute(row['last_data'])} UTC" if row["last_data"] else "no position yet"
    final = f"final to {minute(row['final_to'])} UTC" if row["final_to"] else "nothing final yet"
    return f"Fresh: {last}, {final}, of {row['sources']} source{'' if row['sources'] == 1 else 's'}."
