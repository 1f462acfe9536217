"""What of the sources in the catalogue can be used: what is dated plausibly, and what to say where nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from stswatch.pipeline.batch import DAY, MS
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema.lake_tables import REASONS
from stswatch.pipeline.store.entries import SourceEntry, is_segment
from stswatch.pipeline.store.lake import Part, Receipt, Span
from stswatch.pipeline.tracks.stray_days import added, impossible, stray_days

_INVALID = "missing, not in degrees with a decimal point, 0, 0, or of an MMSI that is no vessel's"
_STRAY = "dated after the day on which they were read, or before 1995: check their times and the clock of this machine"

# ----------------------------------------------------------------------------------------------------------------
# What of the sources of a run is dated plausibly; other rows stay in the lake, marked `clock`, and out of all else
# Judged is what the catalogue holds, all of it together, each time a run or a watch plans its slices. So a source that
# comes later changes what was judged before as if all had come at once. What a watch has spooled was judged row by row
# when it was taken in, by its arrival (workers.py).


@dataclass(frozen=True)
class Plausible:
    """The entries of the catalogue without what is dated implausibly; source -> the spans that were left out of it."""

    entries: dict[str, SourceEntry]
    left_out: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


def plausible(entries: Mapping[str, SourceEntry], rules: Rules) -> Plausible:
    """What of these entries is dated plausibly, judged together; never raises."""
    archives = {name: entry for name, entry in entries.items() if not is_segment(entry.path)}
    days = {name: added(found for r in entry.receipts for found in r.days.values()) for name, entry in archives.items()}
    never = {name: {day for day in found if impossible(day, entries[name].read_on)} for name, found in days.items()}
    likely = ({d: day for d, day in found.items() if d not in never[name]} for name, found in days.items())
    strays = stray_days(added(likely), rules)
    result, left_out = dict(entries), {}
    for name, found in days.items():
        if out := never[name] | (strays & found.keys()):
            left_out[name] = tuple(_spans(out))
            result[name] = _without(entries[name], out, left_out[name])
    return Plausible(result, left_out)


def _spans(days: Iterable[int]) -> Iterator[Span]:
    """Days as spans, those that follow each other as one.

    >>> [(a // DAY, b // DAY) for a, b in _spans({3, 1, 2, 7})]
    [(1, 4), (7, 8)]
    """
    listed = sorted(days)
    cuts = [k for k, (before, day) in enumerate(pairwise(listed), 1) if day > before + 1]
    for first, end in pairwise([0, *cuts, len(listed)]):
        yield listed[first] * DAY, (listed[end - 1] + 1) * DAY


def _without(entry: SourceEntry, days: set[int], spans: tuple[Span, ...]) -> SourceEntry:
    receipts = [_rest(receipt, days, spans, entry.slab_us) for receipt in entry.receipts]
    stray = sum(day.rows for r in entry.receipts for d, day in r.days.get("fixes", {}).items() if d in days)
    source = dict(entry.source) | {"stray_fixes": stray, "invalid_fixes": entry.source["invalid_fixes"] + stray}
    return replace(entry, source=source, receipts=receipts)


def _rest(receipt: Receipt, days: set[int], spans: tuple[Span, ...], slab_us: int) -> Receipt:
    """What a receipt says of the other days."""
    rest = {table: {d: day for d, day in found.items() if d not in days} for table, found in receipt.days.items()}
    times = [t // MS * MS for day in rest.get("fixes", {}).values() for t in (day.first_us, day.last_us)]
    parts = [part for given in receipt.parts if (part := _part(given, spans, slab_us)) is not None]
    first_us, last_us = (min(times), max(times)) if times else (None, None)
    return replace(receipt, parts=parts, first_us=first_us, last_us=last_us, days=rest)


def _part(part: Part, spans: tuple[Span, ...], slab_us: int) -> Part | None:
    """A file of the lake with the spans of its slab that are left out; None where that is all of it."""
    if part.slab_us is None:
        return part
    start_us, end_us = part.slab_us, part.slab_us + slab_us
    inside = tuple((a, b) for a, b in spans if a < end_us and b > start_us)
    if any(a <= start_us and b >= end_us for a, b in inside):
        return None
    return replace(part, left_out=inside) if inside else part


# --------------------------------------------------------------------------- what to say where there is no usable one


def nothing_usable(entries: Sequence[SourceEntry], receipts: Sequence[Receipt]) -> str:
    """What the sources hold instead of a usable position, and what to do."""
    if (
        entries
        and all(is_segment(entry.path) for entry in entries)
        and not any(r.counts["sentences"] for r in receipts)
    ):
        spools = ", ".join(sorted({entry.path.parent.name for entry in entries}))
        return f"{spools}: nothing was received; see that what sends runs, and that its output leads here"
    reasons = Counter[str]()
    for receipt in receipts:
        reasons.update(receipt.rejects)
    found = [f"{n:,} lines rejected: {REASONS[reason].rstrip('.')}" for reason, n in reasons.most_common(1)]
    stray = sum(entry.source.get("stray_fixes", 0) for entry in entries)
    if stray:
        found.append(f"{stray:,} positions {_STRAY}")
    if invalid := sum(r.counts["fixes"] for r in receipts) - stray:
        found.append(f"{invalid:,} positions invalid: {_INVALID}")
    why = f" ({'; '.join(found)})" if found else ""
    if all(is_segment(entry.path) for entry in entries):
        remedy = "see what the sources send, and whether they send anything"
    elif "no_time" in reasons:
        remedy = "say with `columns` how its times are written"
    else:
        remedy = "give an archive with positions"
    return f"{named(entries)}: no usable position{why}; {remedy}"


def named(entries: Sequence[SourceEntry]) -> str:
    """The files of some sources, at most three by name."""
    names = [str(entry.source["path"]) for entry in entries]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
