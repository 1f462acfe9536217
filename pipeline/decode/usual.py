"""Lines of usual shape, all of a text at once: one sentence with what usually stands round it, or a Gatehouse line.

A line is usual where this module says of it what `unusual.py` would say; whatever else there is, goes there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.around import Around, said_around
from stswatch.pipeline.decode.line_stamps import gatehouse
from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, Lines, count_between, xor_between
from stswatch.pipeline.decode.octets import HEX, bytes_at, words_at
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.station_names import stations
from stswatch.pipeline.decode.units import MAX_PAYLOAD, Names, Units, alike, times

_HASH, _DOLLAR, _STAR, _COMMA, _BLANK, _TAB, _NOUGHT = b"#$*, \t0"


def _word(octets: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(octets, "little"))


_HEAD, _HEAD_MASK = _word(b"!\0\0VDM,"), _word(b"\xff\0\0\xff\xff\xfd\xff")  # "O" differs from "M" in one bit
_PARTS, _PARTS_MASK = _word(b",\0,"), _word(b"\xff\0\xff")
_PGHP, _PGHP_MASK = _word(b"$PGHP,"), _word(b"\xff" * 6)
_VDM, _VDM_MASK = _word(b"\0\0\0vdm,"), _word(b"\0\0\0\xff\xff\xfd\xff")
_LOWER = _word(b"\0\0\0\x20\x20\x20")
_FEW = 20
_ALL_BUT, _MARK = np.uint8(0xF9), _STAR & _COMMA  # two bits less: commas, stars, and two that no usual sentence has
_TWO = np.uint64(0xFFFF)
_CHANNEL = np.array([0, 0xFF, 0xFFFF], np.uint16)  # by the number of its characters

_TALKER = np.zeros(1 << 16, np.bool_)  # by two bytes, the first one lower
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", np.uint8).astype(np.int64)
_TALKER[(_LETTERS + (_LETTERS << 8)[:, None]).ravel()] = True


@dataclass(frozen=True)
class Usual:
    """Sentences of lines that hold one, (n,) each; usual: whether the line is of usual shape; else the rest is void."""

    usual: Bools
    units: Units


def usual(data: Bytes, lines: Lines, longest: int, names: Names) -> tuple[Usual, Units, Bools]:
    """The sentences and the Gatehouse lines of usual shape, and which lines are neither, nor can be passed over.

    data: the text, padded; longest: bytes; a longer line is neither usual nor among those that are left;
    names: numbers of stations, to which new ones are added.
    """
    first = data[lines.start]
    length = lines.end - lines.start
    left = (length > 0) & (length <= longest) & (first != _HASH)
    even = left & ~lines.odd
    told, done = _without_bang(data, lines, np.flatnonzero(even & (first == _DOLLAR) & (lines.marks == 0)))
    left[done] = False
    begins = (lines.bang >= 0) & (first != _DOLLAR) & (first != _BLANK) & (first != _TAB)
    rows = np.flatnonzero(even & begins)
    start, end, bang, slash = lines.start, lines.end, lines.bang, lines.slash
    if len(rows) < len(first):
        start, end, bang, slash = start[rows], end[rows], bang[rows], slash[rows]
    found = _sentences(data, start, end, bang, slash, names)
    left[rows[found.usual]] = False
    return found, told, left


def _without_bang(data: Bytes, lines: Lines, rows: Ints) -> tuple[Units, Ints]:
    """The Gatehouse lines among those that begin with "$", and all of these that are done with that."""
    if not len(rows):
        return times(rows, rows, rows), rows
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
    """The fields before the payload, (n,) each; seq: -1 for none; own: 1 for VDO; first: where the payload begins."""

    usual: Bools
    total: NDArray[np.int8]
    part: NDArray[np.int8]
    seq: NDArray[np.int8]
    channel: NDArray[np.uint16]
    talker: Ints
    own: NDArray[np.int8]
    first: Ints


def _head(data: Bytes, bang: Ints) -> _Head:
    """`!AIVDM,2,1,7,A,` and its like, read from the sixteen bytes at its beginning."""
    octets = bytes_at(data, bang, 16)
    one, two = octets.view("<u8").T
    talker = ((one >> np.uint64(8)) & _TWO).astype(np.int64)
    total, part, seq = ((octets[:, at] - np.uint8(_NOUGHT)).view(np.int8) for at in (7, 9, 11))
    usual = ((one & _HEAD_MASK) == _HEAD) & ((two & _PARTS_MASK) == _PARTS) & _TALKER[talker]
    usual &= (part >= 1) & (part <= total) & (total <= 9)
    has_seq = octets[:, 11] != _COMMA
    usual &= ~has_seq | ((seq >= 0) & (seq <= 9) & (octets[:, 12] == _COMMA))
    after = two >> np.where(has_seq, np.uint64(40), np.uint64(32))  # the channel and the comma after it
    letters = after.astype(np.uint16)
    one_letter = letters.astype(np.uint8) != _COMMA
    two_letters = one_letter & ((letters >> 8) != _COMMA)
    usual &= ~two_letters | ((after >> np.uint64(16)).astype(np.uint8) == _COMMA)
    width = one_letter.view(np.int8) + two_letters.view(np.int8)
    channel = letters & _CHANNEL[width]
    usual &= ((channel & 0x8080) == 0) & ((channel & 0xFF) != _STAR) & ((channel >> 8) != _STAR)
    own = ((octets[:, 5] >> 1) & 1).view(np.int8)
    first = bang + (13 + has_seq.view(np.int8) + width)
    return _Head(usual, total, part, np.where(has_seq, seq, np.int8(-1)), channel, talker, own, first)


@dataclass(frozen=True)
class _Tail:
    """`,0*5C` after the payload, (n,) each; told: the checksum; ended: whether no digit of it can follow."""

    usual: Bools
    star: Ints
    fill: NDArray[np.int8]
    told: NDArray[np.int16]
    ended: Bools


def _tail(data: Bytes, first: Ints, end: Ints) -> _Tail:
    """The fill bits and the checksum, at the end of the line or at the first star of the sentence."""
    star = end - 3
    octets = bytes_at(data, np.maximum(star - 2, 0), 8)
    usual = (star >= first + 2) & (octets[:, 2] == _STAR)
    inside = np.flatnonzero(~usual)
    if len(inside):
        stars = np.append(np.flatnonzero(data == _STAR), len(data))
        found = stars[np.searchsorted(stars, first[inside])]
        usual[inside] = (found >= first[inside] + 2) & (found + 3 <= end[inside])
        star[inside] = np.where(usual[inside], found, 8)
        octets[inside] = bytes_at(data, star[inside] - 2, 8)
    fill = (octets[:, 1] - np.uint8(_NOUGHT)).view(np.int8)
    told = HEX[((octets.view("<u8")[:, 0] >> np.uint64(24)) & _TWO).astype(np.int64)]
    usual &= (octets[:, 0] == _COMMA) & (fill >= 0) & (fill <= 5) & (told >= 0)
    return _Tail(usual, star, fill, told, (star + 3 == end) | (octets[:, 5] == _COMMA))


def _sentences(data: Bytes, start: Ints, end: Ints, bang: Ints, slash: Ints, names: Names) -> Usual:
    """The sentences of lines; start, end: of the lines; bang: of the sentences; slash: of their tag blocks, or -1."""
    head = _head(data, bang)
    tail = _tail(data, head.first, end)
    usual = head.usual & tail.usual & (tail.star - 2 - head.first <= MAX_PAYLOAD)
    star = np.where(usual, tail.star, bang + 2)
    tag_sum, summed = _sums(data, slash, bang, star)
    said = said_around(data, Around(start, slash, bang, np.where(usual, star + 3, end), end, tag_sum))
    holds = summed == tail.told
    usual &= said.usual & (holds | tail.ended) & _has_no_more_fields(data, bang, star, usual, said.marks)
    station, receiver = stations(said.station, said.by_suffix, names)
    code = np.where(holds, np.int8(0), np.int8(CODES["checksum"]))
    payload = (head.total, head.part, tail.fill, head.first, star - 2, _alike(head), head.talker)
    unread = np.zeros(len(usual), np.int8)  # what may hold a time that is not understood is not usual
    return Usual(usual, Units(start, end, start, code, said.time_us, *payload, said.group, station, receiver, unread))


def _sums(data: Bytes, slash: Ints, bang: Ints, star: Ints) -> tuple[Bytes | None, Bytes]:
    """Exclusive or of the bytes of tag blocks, where all sentences have one, and of sentences, in one pass."""
    if not len(slash) or slash.min() < 0:
        return None, xor_between(data, bang + 1, star)
    edges = np.stack([slash + 1, np.maximum(bang - 4, slash + 1), bang + 1, star], axis=1)
    sums = xor_between(data, edges[:, ::2].ravel(), edges[:, 1::2].ravel())
    return sums[::2], sums[1::2]


def _has_no_more_fields(data: Bytes, bang: Ints, star: Ints, usual: Bools, around: int) -> Bools:
    """Whether each usual sentence has six commas and no star before its own: where all have, one count says so.

    around: commas and stars of all tag blocks.
    """
    void = np.flatnonzero(~usual)
    if len(void) <= (0 if around else _FEW):
        rest = data & _ALL_BUT
        marked = np.equal(rest, _MARK, out=rest.view(np.bool_))
        edges = np.append(bang, len(data)) if len(void) else bang
        others = sum(int(np.count_nonzero(marked[edges[row] : edges[row + 1]])) for row in void.tolist())
        if np.count_nonzero(marked) - others == 7 * (len(bang) - len(void)) + around:
            return usual
    return np.asarray(count_between((data == _COMMA) | (data == _STAR), bang, star) == 6)


def _alike(head: _Head) -> Ints:
    key = np.zeros(len(head.total), np.int64)
    several = np.flatnonzero(head.total > 1)
    columns = (head.total, head.seq, head.channel, head.own)
    key[several] = alike(*(column[several].astype(np.int64) for column in columns))
    return key
