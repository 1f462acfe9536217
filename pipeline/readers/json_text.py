"""Records in JSON text: an object a line, or the objects of an array, however it is broken into lines.

A record is an object that stands in no other bracket (depth 0), in an array (depth 1), or in an array that an object
holds (depth 2), as the features of GeoJSON or what AIS-catcher posts by HTTP. Only lines can be cut; everything else is
read from the first byte to the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, line_spans
from stswatch.pipeline.readers.source import SourceError, SourcePlace
from stswatch.pipeline.readers.text import UTF8, UTF16, Window, pieces

LONGEST = 1 << 20  # bytes; a longer object is no message and is rejected
_SAMPLE = 500  # records
_QUOTE, _SLASH = b'"\\'
BLANKS = b" \t\r\n\xef\xbb\xbf"
_AFTER = b" \t\r\n,"  # a comma: a piece of an array


@dataclass(frozen=True)
class JsonLayout:
    """How records lie in a text."""

    depth: int = 0  # brackets round each
    lines: bool = True  # each is a line by itself


@dataclass(frozen=True)
class Records:
    """Records in a text, (n,) each; those that are not owned are only looked at.

    start, end: their spans in the text; offset, length: bytes in the unpacked file.
    """

    text: bytes
    start: Ints
    end: Ints
    offset: Ints
    length: Ints
    owned: Bools


@dataclass(frozen=True)
class _State:
    """Where a scan has come to, outside of any record."""

    depth: int = 0
    kinds: tuple[int, ...] = ()  # the brackets that are open


def layouts_of(head: bytes) -> Iterator[tuple[JsonLayout, list[dict[str, Any]]]]:
    """How the records of a text may lie that begins so, and some of them; nothing where it is no JSON of objects.

    >>> list(layouts_of(b'[{"a": 1},\\n {"a": 2}]'))
    [(JsonLayout(depth=1, lines=False), [{'a': 1}, {'a': 2}])]
    """
    text = head.lstrip(BLANKS)
    if text[:1] in (b"{", b"["):
        for depth in (1, 2, 3) if text[:1] == b"[" else (0, 2, 3, 4):
            start, end, _ = spans(head, depth, _State())
            found = _parsed(head, start, end)
            if found:
                yield JsonLayout(depth, depth == 0 and _each_a_line(head, start, end)), found


def _parsed(text: bytes, start: Ints, end: Ints) -> list[dict[str, Any]]:
    found = []
    for a, b in zip(start[:_SAMPLE].tolist(), end[:_SAMPLE].tolist(), strict=True):
        try:
            found.append(json.loads(text[a:b]))
        except (ValueError, RecursionError):
            continue
    return [each for each in found if isinstance(each, dict)]


def _each_a_line(text: bytes, start: Ints, end: Ints) -> bool:
    """Whether each of the first records lies on a line of its own, from its beginning to its end."""
    first, last = line_spans(np.frombuffer(text, np.uint8))
    count = min(len(start), _SAMPLE)
    lines = np.searchsorted(first, start[:count], "right")
    within = last[lines - 1] >= end[:count]
    return bool(within.all() and (np.diff(lines) > 0).all())


def spans(text: bytes, depth: int, state: _State) -> tuple[Ints, Ints, _State]:
    """Where the whole records of a text begin and end, and where the scan then stands; never raises.

    state: at the beginning of the text; the one that is given holds after the last whole record.
    """
    data = np.frombuffer(text, np.uint8)
    place, step = _brackets(data)
    after = state.depth + np.cumsum(step)
    begins = np.flatnonzero((step > 0) & (after == depth + 1) & (data[place] == ord("{")))
    if depth:
        begins = begins[_in_array(data, place, step, after, begins, depth, state)]
    ends = np.flatnonzero((step < 0) & (after == depth) & (data[place] == ord("}")))
    close = np.searchsorted(ends, begins)
    begins, close = begins[close < len(ends)], close[close < len(ends)]
    start, end = place[begins], place[ends[close]] + 1
    last = ends[close[-1]] + 1 if len(close) else 0
    return start, end, _moved(state, data[place[:last]])


def _moved(state: _State, brackets: Bytes) -> _State:
    """The state after some brackets, of which the closed ones do not matter."""
    step = np.where((brackets == ord("{")) | (brackets == ord("[")), 1, -1)
    after = state.depth + np.cumsum(step)
    if not len(after):
        return state
    end = int(after[-1])
    lowest = min(state.depth, int(after.min()))
    kinds = list(state.kinds[: max(lowest, 0)])
    for level in range(len(kinds) + 1, end + 1):
        opens = np.flatnonzero((step > 0) & (after == level))
        kinds.append(int(brackets[opens[-1]]) if len(opens) else 0)
    return _State(end, tuple(kinds))


def _in_array(data: Bytes, place: Ints, step: Ints, after: Ints, begins: Ints, depth: int, state: _State) -> Bools:
    """Which of the objects stand right in an array."""
    opens = np.flatnonzero((step > 0) & (after == depth))
    before = np.searchsorted(opens, begins) - 1
    outer = state.kinds[depth - 1] if len(state.kinds) >= depth else 0
    kinds = np.append(data[place[opens]], np.uint8(outer))
    return np.asarray(kinds[before] == ord("["))  # -1: the one that was open before the text


def _brackets(data: Bytes) -> tuple[Ints, Ints]:
    """Places of the brackets outside of quotes, and 1 for each that opens, -1 for each that closes."""
    folded = data & 0xDF  # "[" and "{" differ by one bit, so do "]" and "}"
    place = np.flatnonzero((folded == 0x5B) | (folded == 0x5D))
    quotes = np.flatnonzero(data == _QUOTE)
    slashes = np.flatnonzero(data == _SLASH)
    if len(slashes):
        quotes = quotes[~_escaped(quotes, slashes)]
    place = place[np.searchsorted(quotes, place) % 2 == 0]
    return place, np.where(folded[place] == 0x5B, 1, -1)


def _escaped(quotes: Ints, slashes: Ints) -> Bools:
    """Which quotes follow an odd number of backslashes."""
    new = np.diff(slashes, prepend=-2) != 1
    run = np.flatnonzero(new)[np.cumsum(new) - 1]
    length = np.arange(len(slashes)) - run + 1  # of the run that ends at each backslash
    at = np.searchsorted(slashes, quotes) - 1
    return np.asarray((at >= 0) & (slashes[at] == quotes - 1) & (length[at] % 2 == 1))


def of_lines(window: Window, around: int) -> Records:
    """The lines of a window that hold anything, as records; around: bytes beside what it owns that are looked at."""
    data = np.frombuffer(window.text, np.uint8)
    start, end = line_spans(data)
    keep = end > start
    start, end = start[keep], end[keep]
    for row in np.flatnonzero((data[start] != ord("{")) | (data[end - 1] != ord("}"))).tolist():
        line = window.text[start[row] : end[row]]
        start[row] += len(line) - len(line.lstrip(BLANKS))
        end[row] -= len(line) - len(line.rstrip(_AFTER))
        if line.startswith(b"#"):
            end[row] = start[row]
    keep = end > start
    start, end = start[keep], end[keep]
    offset = window.offsets(start)
    near = (offset >= window.start - around) & (offset < window.end + around)
    start, end, offset = start[near], end[near], offset[near]
    owned = (offset >= window.start) & (offset < window.end)
    return Records(window.text, start, end, offset, window.offsets(end) - offset, owned)


def scan(place: SourcePlace, depth: int, step: int, around: int, encoding: str = UTF8) -> Iterator[Records]:
    """The records of a whole place, some `step` bytes at a time, each owned once; around: bytes looked at beside.

    Raises SourceError where the file breaks off, or where no object ends for LONGEST bytes.
    """
    base, known, state, owned_to = 0, 0, _State(), 0  # known: how far the text is scanned
    text, start, end = b"", *np.zeros((2, 0), np.int64)
    for more in pieces(place, step, encoding):
        text += more
        found_start, found_end, state = spans(text[known:], depth, state)
        start, end = np.append(start, found_start + known), np.append(end, found_end + known)
        known = int(end[-1]) if len(end) else known
        if not more and b"{" in (rest := text[known:]) and state.depth == depth:  # it was cut off
            start, end = np.append(start, known + rest.find(b"{")), np.append(end, len(text.rstrip()))
        elif len(text) - known > LONGEST + step:
            raise SourceError(
                f"{place}: no object of the JSON ends for {LONGEST >> 20} MiB after the first"
                f" {base + known:,} bytes; mend it there, or write an object a line"
            )
        limit = max(known - around, 0) if more else len(text)
        wide = Window(text, base, 0, 0, encoding in UTF16)
        offset, length = wide.offsets(start), wide.offsets(end) - wide.offsets(start)
        owned = (offset >= owned_to) & (start < limit)
        if owned.any():
            yield Records(text, start, end, offset, length, owned)
        cut = max(limit - around, 0) if more else 0
        moved = wide.offsets(np.array([limit, cut]))
        owned_to = max(owned_to, int(moved[0]))
        kept = start >= cut
        start, end = start[kept] - cut, end[kept] - cut
        text, base, known = text[cut:], int(moved[1]), known - cut
