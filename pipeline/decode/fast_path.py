"""Lines of usual shape, all of a text at once: one sentence with what usually stands round it, or a Gatehouse line."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import (
    HEX,
    Bools,
    Bytes,
    Ints,
    Lines,
    Words,
    bytes_at,
    count_between,
    cut,
    digits_first,
    first_of,
    number,
    words_at,
    xor_between,
)
from stswatch.pipeline.decode.stamp_columns import (
    NAME_WORDS,
    StampColumns,
    epochs_us,
    gatehouse,
    nothing,
    prefixes,
    stations,
    suffixes,
)
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import MAX_PAYLOAD, NO_GROUP, Names, Units, alike, times
from stswatch.pipeline.schema.lake_tables import CODES

# ----------------------------------------------------------------------------------------------------------------
# Tag blocks of many sentences at once, where they are written as usual: what `stamps.of_tag_block` says of each

_COMMA, _STAR, _DASH, _ONE = b",*-1"
_C, _S, _G = (int.from_bytes(key, "little") for key in (b"c:", b"s:", b"g:"))
_FIELD_WORDS = 4  # of the longest field that is usual


def tag_blocks(data: Bytes, slash: Ints, bang: Ints, sums: Bytes) -> StampColumns:
    r"""Time, station and group of tag blocks; slash: where each begins; bang: the byte after each.

    sums: of `tag_sums`.

    >>> tag = b"\\g:1-2-7,s:42809,c:1635731889*43\\!AIVDM,"
    >>> from stswatch.pipeline.decode.lines import padded
    >>> data, slash, bang = padded(tag), np.array([0]), np.array([33])
    >>> found = tag_blocks(data, slash, bang, tag_sums(data, slash, bang))
    >>> found.time_us.tolist(), found.group.tolist()
    ([1635731889000000], [7])
    """
    stamp = nothing(len(bang))
    rows = np.flatnonzero(slash + 2 < bang)
    place, star = slash[rows] + 1, bang[rows] - 4
    commas = 0
    while len(rows):  # field after field of all blocks that have another
        field = words_at(data, place, _FIELD_WORDS)
        length = first_of(field, b",*\\")
        key = field[:, 0].astype(np.uint16)
        for name, column, read in ((_C, stamp.time_us, _time), (_S, stamp.station, _name), (_G, stamp.group, _group)):
            chosen = np.flatnonzero(key == name)
            if len(chosen):
                column[rows[chosen]], fast = read(data, place[chosen] + 2, length[chosen] - 2)  # of several, the last
                stamp.fast[rows[chosen[~fast]]] = False
        place += length
        ends = data[place]
        stamp.fast[rows[(length == 8 * _FIELD_WORDS) | ((ends == _STAR) & (place != star))]] = False
        more = np.flatnonzero(ends == _COMMA)
        commas += len(more)
        rows, place, star = rows[more], place[more] + 1, star[more]
    summed, broken, fast = _judged(data, slash, bang, sums)
    return replace(stamp, fast=stamp.fast & fast & ~broken, marks=commas + summed)


def _time(data: Bytes, value: Ints, length: Ints) -> tuple[Ints, Bools]:
    words = words_at(data, value, 2)
    fast = (length > 0) & (digits_first(words) == length) & (length != 12) & (length != 14)  # these may be dates
    return epochs_us(number(words, length)), fast


def _name(data: Bytes, value: Ints, length: Ints) -> tuple[Words, Bools]:
    return cut(words_at(data, value, NAME_WORDS), length), length <= 8 * NAME_WORDS


def _group(data: Bytes, value: Ints, length: Ints) -> tuple[Ints, Bools]:
    """`1-2-73874`: sentence, of how many, group; a sentence that is a group by itself has none."""
    head = bytes_at(data, value, 4)
    words = words_at(data, value + 4, 2)
    fast = (head[:, [1, 3]] == _DASH).all(axis=1) & _is_digit(head[:, [0, 2]]).all(axis=1)
    fast &= (length > 4) & (digits_first(words) == length - 4)
    return np.where(head[:, 2] == _ONE, NO_GROUP, number(words, length - 4)), fast


def _is_digit(byte: Bytes) -> Bools:
    return np.asarray(byte - np.uint8(ord("0")) <= 9)


def _judged(data: Bytes, slash: Ints, bang: Ints, sums: Bytes) -> tuple[int, Bools, Bools]:
    """How many tag blocks have a checksum; those whose does not hold; those that have one of two digits, or none."""
    tail = bytes_at(data, bang - 4, 4)
    has_sum, short, empty = (np.asarray(tail[:, at] == _STAR) for at in range(3))
    written = HEX[tail[:, 1].astype(np.int64) + (tail[:, 2].astype(np.int64) << 8)]
    fast = ~(short | empty) & (~has_sum | ((written >= 0) & (bang - 5 > slash)))
    summed = fast & has_sum
    return int(np.count_nonzero(summed)), summed & (sums != written), fast


def tag_sums(data: Bytes, slash: Ints, bang: Ints) -> Bytes:
    """Exclusive or of the bytes of tag blocks before their checksums, (n,); anything where there can be none."""
    return xor_between(data, slash + 1, np.maximum(bang - 4, slash + 1))


# ----------------------------------------------------------------------------------------------------------------
# What stands round many sentences at once, as `stamps.stamp` has it of one: tag blocks, suffixes, starts of lines


@dataclass(frozen=True)
class Wrappers:
    """Where to look, (n,) each: start of the line, tag block or -1, "!", what follows the checksum, end of the line.

    tag_sum: exclusive or of the bytes of each tag block before its checksum, None where some have no tag block.
    """

    start: Ints
    slash: Ints
    bang: Ints
    rest: Ints
    end: Ints
    tag_sum: Bytes | None = None


def stamps_around(data: Bytes, at: Wrappers) -> StampColumns:
    """Time, station and group of sentences: of the tag block, else of the suffix, else of what begins the line.

    data: the text, padded.
    """
    stamp = nothing(len(at.bang))
    rows = np.flatnonzero(at.slash >= 0)
    if at.tag_sum is not None:
        stamp = tag_blocks(data, at.slash, at.bang, at.tag_sum)
    elif len(rows):
        slash, bang = at.slash[rows], at.bang[rows]
        stamp = stamp.put(rows, tag_blocks(data, slash, bang, tag_sums(data, slash, bang)))
    rows = np.flatnonzero((stamp.time_us == NO_TIME) & (at.end > at.rest))
    if len(rows):
        stamp = _with_suffixes(stamp, rows, suffixes(data, at.rest[rows], at.end[rows]))
    opened = np.where(at.slash >= 0, at.slash, at.bang)
    rows = np.flatnonzero((stamp.time_us == NO_TIME) & (opened > at.start))
    if len(rows):
        fast, time_us = prefixes(data, at.start[rows], opened[rows])
        stamp.fast[rows] &= fast
        stamp.time_us[rows] = time_us
    return stamp


def _with_suffixes(stamp: StampColumns, rows: Ints, suffix: StampColumns) -> StampColumns:
    """A suffix gives the time, and the station where the tag block names none."""
    named = stamp.station[rows]
    station = np.where(named[:, :1] != 0, named, suffix.station)
    fast = stamp.fast[rows] & suffix.fast
    return stamp.put(rows, StampColumns(fast, suffix.time_us, station, stamp.group[rows], suffix.by_suffix))


# ----------------------------------------------------------------------------------------------------------------
# Lines of usual shape, all of a text at once: one sentence with what usually stands round it, or a Gatehouse line
# A line is usual where this module says of it what `sentences.py` would say; whatever else there is, goes there.

_HASH, _DOLLAR, _STAR_BYTE, _COMMA_BYTE, _BLANK, _TAB, _NOUGHT = b"#$*, \t0"


def _word(byte_columns: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(byte_columns, "little"))


_HEAD, _HEAD_MASK = _word(b"!\0\0VDM,"), _word(b"\xff\0\0\xff\xff\xfd\xff")  # "O" differs from "M" in one bit
_PARTS, _PARTS_MASK = _word(b",\0,"), _word(b"\xff\0\xff")
_PGHP, _PGHP_MASK = _word(b"$PGHP,"), _word(b"\xff" * 6)
_VDM, _VDM_MASK = _word(b"\0\0\0vdm,"), _word(b"\0\0\0\xff\xff\xfd\xff")
_LOWER = _word(b"\0\0\0\x20\x20\x20")
_FEW = 20
_ALL_BUT, _MARK = (
    np.uint8(0xF9),
    _STAR_BYTE & _COMMA_BYTE,
)  # two bits less: commas, stars, and two that no usual sentence has
_TWO = np.uint64(0xFFFF)
_CHANNEL = np.array([0, 0xFF, 0xFFFF], np.uint16)  # by the number of its characters

_TALKER = np.zeros(1 << 16, np.bool_)  # by two bytes, the first one lower
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", np.uint8).astype(np.int64)
_TALKER[(_LETTERS + (_LETTERS << 8)[:, None]).ravel()] = True


@dataclass(frozen=True)
class FastPath:
    """Sentences of lines that hold one, (n,) each; fast: whether the line is of usual shape; else the rest is void."""

    fast: Bools
    units: Units


def fast_path(data: Bytes, lines: Lines, longest: int, names: Names) -> tuple[FastPath, Units, Bools]:
    """The sentences and the Gatehouse lines of usual shape, and which lines are neither, nor can be passed over.

    data: the text, padded; longest: bytes; a longer line is neither usual nor among those that are left;
    names: numbers of stations, to which new ones are added.
    """
    first = data[lines.start]
    length = lines.end - lines.start
    left = (length > 0) & (length <= longest) & (first != _HASH)
    even = left & ~lines.odd
    clocks, done = _without_bang(data, lines, np.flatnonzero(even & (first == _DOLLAR) & (lines.marks == 0)))
    left[done] = False
    begins = (lines.bang >= 0) & (first != _DOLLAR) & (first != _BLANK) & (first != _TAB)
    rows = np.flatnonzero(even & begins)
    start, end, bang, slash = lines.start, lines.end, lines.bang, lines.slash
    if len(rows) < len(first):
        start, end, bang, slash = start[rows], end[rows], bang[rows], slash[rows]
    found = _sentences(data, start, end, bang, slash, names)
    left[rows[found.fast]] = False
    return found, clocks, left


def _without_bang(data: Bytes, lines: Lines, rows: Ints) -> tuple[Units, Ints]:
    """The Gatehouse lines among those that begin with "$", and all of these that are done with that."""
    if not len(rows):
        return times(rows, rows, rows), rows
    word = words_at(data, lines.start[rows], 1)[:, 0]
    is_gatehouse = (word & _PGHP_MASK) == _PGHP
    is_ais = ((word | _LOWER) & _VDM_MASK) == _VDM  # some devices begin AIS sentences with "$"
    clocks = rows[is_gatehouse]
    time_us, usual_shape = gatehouse(data, lines.start[clocks], lines.end[clocks])
    clocks = clocks[usual_shape]
    units = times(lines.start[clocks], lines.end[clocks], time_us[usual_shape])
    return units, np.concatenate([clocks, rows[~is_gatehouse & ~is_ais]])


@dataclass(frozen=True)
class _Head:
    """The fields before the payload, (n,) each; seq: -1 for none; own: 1 for VDO; first: where the payload begins."""

    fast: Bools
    total: NDArray[np.int8]
    part: NDArray[np.int8]
    seq: NDArray[np.int8]
    channel: NDArray[np.uint16]
    talker: Ints
    own: NDArray[np.int8]
    first: Ints


def _head(data: Bytes, bang: Ints) -> _Head:
    """`!AIVDM,2,1,7,A,` and its like, read from the sixteen bytes at its beginning."""
    byte_columns = bytes_at(data, bang, 16)
    one, two = byte_columns.view("<u8").T
    talker = ((one >> np.uint64(8)) & _TWO).astype(np.int64)
    total, part, seq = ((byte_columns[:, at] - np.uint8(_NOUGHT)).view(np.int8) for at in (7, 9, 11))
    fast = ((one & _HEAD_MASK) == _HEAD) & ((two & _PARTS_MASK) == _PARTS) & _TALKER[talker]
    fast &= (part >= 1) & (part <= total) & (total <= 9)
    has_seq = byte_columns[:, 11] != _COMMA_BYTE
    fast &= ~has_seq | ((seq >= 0) & (seq <= 9) & (byte_columns[:, 12] == _COMMA_BYTE))
    after = two >> np.where(has_seq, np.uint64(40), np.uint64(32))  # the channel and the comma after it
    letters = after.astype(np.uint16)
    one_letter = letters.astype(np.uint8) != _COMMA_BYTE
    two_letters = one_letter & ((letters >> 8) != _COMMA_BYTE)
    fast &= ~two_letters | ((after >> np.uint64(16)).astype(np.uint8) == _COMMA_BYTE)
    width = one_letter.view(np.int8) + two_letters.view(np.int8)
    channel = letters & _CHANNEL[width]
    fast &= ((channel & 0x8080) == 0) & ((channel & 0xFF) != _STAR_BYTE) & ((channel >> 8) != _STAR_BYTE)
    own = ((byte_columns[:, 5] >> 1) & 1).view(np.int8)
    first = bang + (13 + has_seq.view(np.int8) + width)
    return _Head(fast, total, part, np.where(has_seq, seq, np.int8(-1)), channel, talker, own, first)


@dataclass(frozen=True)
class _Tail:
    """`,0*5C` after the payload, (n,) each; told: the checksum; ended: whether no digit of it can follow."""

    fast: Bools
    star: Ints
    fill: NDArray[np.int8]
    written: NDArray[np.int16]
    ended: Bools


def _tail(data: Bytes, first: Ints, end: Ints) -> _Tail:
    """The fill bits and the checksum, at the end of the line or at the first star of the sentence."""
    star = end - 3
    byte_columns = bytes_at(data, np.maximum(star - 2, 0), 8)
    fast = (star >= first + 2) & (byte_columns[:, 2] == _STAR_BYTE)
    inside = np.flatnonzero(~fast)
    if len(inside):
        stars = np.append(np.flatnonzero(data == _STAR_BYTE), len(data))
        found = stars[np.searchsorted(stars, first[inside])]
        fast[inside] = (found >= first[inside] + 2) & (found + 3 <= end[inside])
        star[inside] = np.where(fast[inside], found, 8)
        byte_columns[inside] = bytes_at(data, star[inside] - 2, 8)
    fill = (byte_columns[:, 1] - np.uint8(_NOUGHT)).view(np.int8)
    written = HEX[((byte_columns.view("<u8")[:, 0] >> np.uint64(24)) & _TWO).astype(np.int64)]
    fast &= (byte_columns[:, 0] == _COMMA_BYTE) & (fill >= 0) & (fill <= 5) & (written >= 0)
    return _Tail(fast, star, fill, written, (star + 3 == end) | (byte_columns[:, 5] == _COMMA_BYTE))


def _sentences(data: Bytes, start: Ints, end: Ints, bang: Ints, slash: Ints, names: Names) -> FastPath:
    """The sentences of lines; start, end: of the lines; bang: of the sentences; slash: of their tag blocks, or -1."""
    head = _head(data, bang)
    tail = _tail(data, head.first, end)
    fast = head.fast & tail.fast & (tail.star - 2 - head.first <= MAX_PAYLOAD)
    star = np.where(fast, tail.star, bang + 2)
    tag_sum, summed = _sums(data, slash, bang, star)
    stamp = stamps_around(data, Wrappers(start, slash, bang, np.where(fast, star + 3, end), end, tag_sum))
    holds = summed == tail.written
    fast &= stamp.fast & (holds | tail.ended) & _has_no_more_fields(data, bang, star, fast, stamp.marks)
    station, receiver = stations(stamp.station, stamp.by_suffix, names)
    code = np.where(holds, np.int8(0), np.int8(CODES["checksum"]))
    payload = (head.total, head.part, tail.fill, head.first, star - 2, _alike(head), head.talker)
    unread = np.zeros(len(fast), np.int8)  # what may hold a time that is not understood is not usual
    return FastPath(
        fast, Units(start, end, start, code, stamp.time_us, *payload, stamp.group, station, receiver, unread)
    )


def _sums(data: Bytes, slash: Ints, bang: Ints, star: Ints) -> tuple[Bytes | None, Bytes]:
    """Exclusive or of the bytes of tag blocks, where all sentences have one, and of sentences, in one pass."""
    if not len(slash) or slash.min() < 0:
        return None, xor_between(data, bang + 1, star)
    edges = np.stack([slash + 1, np.maximum(bang - 4, slash + 1), bang + 1, star], axis=1)
    sums = xor_between(data, edges[:, ::2].ravel(), edges[:, 1::2].ravel())
    return sums[::2], sums[1::2]


def _has_no_more_fields(data: Bytes, bang: Ints, star: Ints, fast: Bools, around: int) -> Bools:
    """Whether each usual sentence has six commas and no star before its own: where all have, one count says so.

    around: commas and stars of all tag blocks.
    """
    void = np.flatnonzero(~fast)
    if len(void) <= (0 if around else _FEW):
        rest = data & _ALL_BUT
        marked = np.equal(rest, _MARK, out=rest.view(np.bool_))
        edges = np.append(bang, len(data)) if len(void) else bang
        others = sum(int(np.count_nonzero(marked[edges[row] : edges[row + 1]])) for row in void.tolist())
        if np.count_nonzero(marked) - others == 7 * (len(bang) - len(void)) + around:
            return fast
    return np.asarray(count_between((data == _COMMA_BYTE) | (data == _STAR_BYTE), bang, star) == 6)


def _alike(head: _Head) -> Ints:
    key = np.zeros(len(head.total), np.int64)
    several = np.flatnonzero(head.total > 1)
    columns = (head.total, head.seq, head.channel, head.own)
    key[several] = alike(*(column[several].astype(np.int64) for column in columns))
    return key
