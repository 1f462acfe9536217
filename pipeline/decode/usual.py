"""Lines of usual shape, all of a text at once: one sentence with what usually stands round it, or a Gatehouse line.

A line is usual where this module says of it what `unusual.py` would say; whatever else there is, goes there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.pipeline.decode.around import Around, said_around
from stswatch.pipeline.decode.line_stamps import gatehouse
from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, Lines, count_between, xor_between
from stswatch.pipeline.decode.octets import HEX, Words, words_at
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.stamps import kind_of
from stswatch.pipeline.decode.units import MAX_PAYLOAD, NO_STATION, RECEIVERS, Units, alike, times

_RETURN, _HASH, _DOLLAR, _STAR, _COMMA = b"\r#$*,"
_TERRESTRIAL = RECEIVERS.index("terrestrial")


def _word(octets: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(octets, "little"))


_HEAD, _HEAD_MASK = _word(b"!\0\0VDM,"), _word(b"\xff\0\0\xff\xff\xfd\xff")  # "O" differs from "M" in one bit
_PARTS, _PARTS_MASK = _word(b",\0,"), _word(b"\xff\0\xff")
_PGHP, _PGHP_MASK = _word(b"$PGHP,"), _word(b"\xff" * 6)
_VDM, _VDM_MASK = _word(b"\0\0\0vdm,"), _word(b"\0\0\0\xff\xff\xfd\xff")
_LOWER = _word(b"\0\0\0\x20\x20\x20")

_TALKER = np.zeros(1 << 16, np.bool_)  # by two bytes, the first one lower
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", np.uint8).astype(np.int64)
_TALKER[(_LETTERS + (_LETTERS << 8)[:, None]).ravel()] = True


def usual(text: bytes, data: Bytes, lines: Lines, longest: int) -> tuple[list[Units], list[str], Bools]:
    """The units of the usual lines, the names of their stations by number, and which lines are not usual.

    data: the text, padded; longest: bytes; a longer line is neither usual nor among those that are not.
    """
    first = data[lines.start]
    left = (lines.end > lines.start) & (lines.end - lines.start <= longest) & (first != _HASH)
    even = left & ~_holds_odd_bytes(text, data, lines, first)
    told, others = _without_bang(data, lines, even & (first == _DOLLAR) & (lines.bangs == 0) & (lines.slashes == 0))
    left[others] = False
    rows = np.flatnonzero(even & _has_one_sentence(lines, first))
    found, names, taken = _sentences(data, lines, rows)
    left[rows[taken]] = False
    return [found, told], names, left


def _holds_odd_bytes(text: bytes, data: Bytes, lines: Lines, first: Bytes) -> Bools:
    """Lines with a carriage return or zero within, or a "$" that is not their first byte."""
    odd = np.zeros(len(lines.start), np.bool_)
    returned = int((data[lines.end] == _RETURN).sum()) if len(odd) else 0
    for byte, usual_ones in ((_RETURN, returned), (0, 0), (_DOLLAR, int((first == _DOLLAR).sum()))):
        if text.count(byte) == usual_ones:
            continue
        place = np.flatnonzero(data[: len(text)] == byte)
        line = np.searchsorted(lines.start, place, side="right") - 1
        at_home = lines.end[line] == place if byte == _RETURN else (lines.start[line] == place) & (byte == _DOLLAR)
        odd[line[~at_home]] = True
    return odd


def _has_one_sentence(lines: Lines, first: Bytes) -> Bools:
    """Lines with one "!" and at most one tag block, that begin neither as comments nor as sentences of other kinds."""
    begins = (first != _DOLLAR) & (first != b" "[0]) & (first != b"\t"[0])
    tagged = (lines.slashes == 2) & (lines.last_slash == lines.bang - 1)
    return np.asarray((lines.bangs == 1) & begins & ((lines.slashes == 0) | tagged))


def _without_bang(data: Bytes, lines: Lines, dollar: Bools) -> tuple[Units, Ints]:
    """The Gatehouse lines among those that begin with "$", and all of these that are done with that."""
    rows = np.flatnonzero(dollar)
    word = words_at(data, lines.start[rows], 1)[:, 0]
    is_gatehouse = (word & _PGHP_MASK) == _PGHP
    is_ais = ((word | _LOWER) & _VDM_MASK) == _VDM  # some devices begin AIS sentences with "$"
    told = rows[is_gatehouse]
    time_us, usual_shape = gatehouse(data, lines.start[told], lines.end[told])
    told = told[usual_shape]
    units = times(lines.start[told], lines.end[told], time_us[usual_shape])
    return units, np.concatenate([told, rows[~is_gatehouse & ~is_ais]])


@dataclass(frozen=True)
class _Head:
    """The fields before the payload, (n,) each; first: where the payload begins."""

    usual: Bools
    total: Ints
    part: Ints
    seq: Ints
    channel: Ints
    talker: Ints
    own: Ints
    first: Ints


def _head(data: Bytes, bang: Ints) -> _Head:
    """`!AIVDM,2,1,7,A,` and its like, read from the sixteen bytes at its beginning."""
    one, two = words_at(data, bang, 2).T
    talker = ((one >> np.uint64(8)) & np.uint64(0xFFFF)).astype(np.int64)
    total = (one >> np.uint64(56)).astype(np.int64) - ord("0")
    part = ((two >> np.uint64(8)) & np.uint64(0xFF)).astype(np.int64) - ord("0")
    usual = ((one & _HEAD_MASK) == _HEAD) & ((two & _PARTS_MASK) == _PARTS) & _TALKER[talker]
    usual &= (part >= 1) & (part <= total) & (total <= 9)
    after = (two >> np.uint64(24)).astype(np.int64)
    seq, after_seq = (after & 0xFF) - ord("0"), after >> 8
    has_seq = seq != _COMMA - ord("0")
    usual &= ~has_seq | ((seq >= 0) & (seq <= 9) & ((after_seq & 0xFF) == _COMMA))
    channel = np.where(has_seq, after_seq >> 8, after_seq)
    ends = [(channel >> shift) & 0xFF == _COMMA for shift in (0, 8, 16)]
    width = np.where(ends[0], 0, np.where(ends[1], 1, np.where(ends[2], 2, 9)))
    channel &= np.array([0, 0xFF, 0xFFFF, 0, 0, 0, 0, 0, 0, 0])[width]
    usual &= (width <= 2) & (channel & 0x8080 == 0) & (channel & 0xFF != _STAR) & (channel >> 8 != _STAR)
    own = ((one >> np.uint64(41)) & np.uint64(1)).astype(np.int64)
    return _Head(usual, total, part, np.where(has_seq, seq, -1), channel, talker, own, bang + 13 + has_seq + width)


@dataclass(frozen=True)
class _Tail:
    """`,0*5C` after the payload, (n,) each."""

    usual: Bools
    star: Ints
    fill: Ints
    told: Ints


def _tail(data: Bytes, first: Ints, end: Ints) -> _Tail:
    """The fill bits and the checksum, at the end of the line or at the first star of the sentence."""
    star = end - 3
    inside = np.flatnonzero((data[star] != _STAR) | (star < first + 2))
    if len(inside):
        stars = np.append(np.flatnonzero(data == _STAR), len(data))
        star[inside] = stars[np.searchsorted(stars, first[inside])]
    usual = (star >= first + 2) & (star + 3 <= end)
    star = np.where(usual, star, 8)
    word = words_at(data, star - 2, 1)[:, 0]
    fill = ((word >> np.uint64(8)) & np.uint64(0xFF)).astype(np.int64) - ord("0")
    told = HEX[((word >> np.uint64(24)) & np.uint64(0xFFFF)).astype(np.int64)]
    usual &= ((word & np.uint64(0xFF)) == _COMMA) & (fill >= 0) & (fill <= 5) & (told >= 0)
    return _Tail(usual, star, fill, told.astype(np.int64))


def _sentences(data: Bytes, lines: Lines, rows: Ints) -> tuple[Units, list[str], Ints]:
    """The sentences of some lines, the names of their stations, and of which of these lines they are."""
    start, end, bang, slash = (column[rows] for column in (lines.start, lines.end, lines.bang, lines.slash))
    head = _head(data, bang)
    tail = _tail(data, head.first, end)
    taken = np.flatnonzero(head.usual & tail.usual & (tail.star - 2 - head.first <= MAX_PAYLOAD))
    start, end, bang, slash = start[taken], end[taken], bang[taken], slash[taken]
    head, tail = _Head(*_some(head, taken)), _Tail(*_some(tail, taken))
    marked = (data == _COMMA) | (data == _STAR)
    said = said_around(data, Around(start, slash, bang, tail.star + 3, end))
    holds = xor_between(data, bang + 1, tail.star) == tail.told
    sure = holds | (tail.star + 3 == end) | (data[tail.star + 3] == _COMMA)  # else there may be more digits
    usual = said.usual & sure & (count_between(marked, bang, tail.star) == 6)
    station, names, receiver = _stations(said.station, said.by_suffix)
    key = np.zeros(len(taken), np.int64)
    several = np.flatnonzero(head.total > 1)
    key[several] = alike(*(column[several] for column in (head.total, head.seq, head.channel, head.own)))
    code = np.where(holds, 0, CODES["checksum"]).astype(np.int8)
    units = Units(
        start, end, start, code, said.time_us, head.total, head.part, tail.fill, head.first, tail.star - 2,
        key, head.talker, said.group, station, receiver,
    )  # fmt: skip
    return (units, names, taken) if usual.all() else (units.take(usual), names, taken[usual])


def _some(columns: _Head | _Tail, rows: Ints) -> list[Any]:
    return [getattr(columns, field.name)[rows] for field in fields(columns)]


def _stations(name: Words, by_suffix: Bools) -> tuple[Ints, list[str], Ints]:
    """Numbers for names of stations (n, words), the names by number, and the kinds of their receivers."""
    n = len(name)
    station, receiver = np.full(n, NO_STATION, np.int64), np.zeros(n, np.int64)
    rows = np.flatnonzero(name[:, 0]) if name.shape[1] else np.zeros(0, np.int64)
    if not len(rows):
        return station, [], receiver
    width = 8 * name.shape[1]
    packed = pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(np.ascontiguousarray(name[rows]))])
    coded = packed.dictionary_encode()
    decoded = [each.rstrip(b"\0").decode("ascii", "replace") for each in coded.dictionary.to_pylist()]
    names = list(dict.fromkeys(decoded))  # bytes that are no ASCII can make two of them equal
    numbers = {each: number for number, each in enumerate(names)}
    station[rows] = np.array([numbers[each] for each in decoded])[coded.indices.to_numpy()]
    receiver[rows] = np.array([RECEIVERS.index(kind_of(each)) for each in names])[station[rows]]
    receiver[by_suffix] = _TERRESTRIAL
    return station, names, receiver
