"""Tag blocks of many sentences at once, where they are written as usual: what `stamps.of_tag_block` says of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, xor_between
from stswatch.pipeline.decode.octets import HEX, Words, bytes_at, cut, digits_first, first_of, number, words_at
from stswatch.pipeline.decode.stamp_columns import NAME_WORDS, Said, epochs_us, nothing
from stswatch.pipeline.decode.units import NO_GROUP

_COMMA, _STAR, _DASH, _ONE = b",*-1"
_C, _S, _G = (int.from_bytes(key, "little") for key in (b"c:", b"s:", b"g:"))
_FIELD_WORDS = 4  # of the longest field that is usual


def tag_blocks(data: Bytes, slash: Ints, bang: Ints, sums: Bytes) -> Said:
    r"""Time, station and group of tag blocks; slash: where each begins; bang: the byte after each.

    sums: of `tag_sums`.

    >>> tag = b"\\g:1-2-7,s:42809,c:1635731889*43\\!AIVDM,"
    >>> from stswatch.pipeline.decode.octets import padded
    >>> data, slash, bang = padded(tag), np.array([0]), np.array([33])
    >>> found = tag_blocks(data, slash, bang, tag_sums(data, slash, bang))
    >>> found.time_us.tolist(), found.group.tolist()
    ([1635731889000000], [7])
    """
    said = nothing(len(bang))
    rows = np.flatnonzero(slash + 2 < bang)
    place, star = slash[rows] + 1, bang[rows] - 4
    commas = 0
    while len(rows):  # field after field of all blocks that have another
        field = words_at(data, place, _FIELD_WORDS)
        length = first_of(field, b",*\\")
        key = field[:, 0].astype(np.uint16)
        for name, column, read in ((_C, said.time_us, _time), (_S, said.station, _name), (_G, said.group, _group)):
            chosen = np.flatnonzero(key == name)
            if len(chosen):
                column[rows[chosen]], usual = read(data, place[chosen] + 2, length[chosen] - 2)  # of several, the last
                said.usual[rows[chosen[~usual]]] = False
        place += length
        ends = data[place]
        said.usual[rows[(length == 8 * _FIELD_WORDS) | ((ends == _STAR) & (place != star))]] = False
        more = np.flatnonzero(ends == _COMMA)
        commas += len(more)
        rows, place, star = rows[more], place[more] + 1, star[more]
    summed, broken, usual = _judged(data, slash, bang, sums)
    return replace(said, usual=said.usual & usual & ~broken, marks=commas + summed)


def _time(data: Bytes, value: Ints, length: Ints) -> tuple[Ints, Bools]:
    words = words_at(data, value, 2)
    usual = (length > 0) & (digits_first(words) == length) & (length != 12) & (length != 14)  # these may be dates
    return epochs_us(number(words, length)), usual


def _name(data: Bytes, value: Ints, length: Ints) -> tuple[Words, Bools]:
    return cut(words_at(data, value, NAME_WORDS), length), length <= 8 * NAME_WORDS


def _group(data: Bytes, value: Ints, length: Ints) -> tuple[Ints, Bools]:
    """`1-2-73874`: sentence, of how many, group; a sentence that is a group by itself has none."""
    head = bytes_at(data, value, 4)
    words = words_at(data, value + 4, 2)
    usual = (head[:, [1, 3]] == _DASH).all(axis=1) & _is_digit(head[:, [0, 2]]).all(axis=1)
    usual &= (length > 4) & (digits_first(words) == length - 4)
    return np.where(head[:, 2] == _ONE, NO_GROUP, number(words, length - 4)), usual


def _is_digit(byte: Bytes) -> Bools:
    return np.asarray(byte - np.uint8(ord("0")) <= 9)


def _judged(data: Bytes, slash: Ints, bang: Ints, sums: Bytes) -> tuple[int, Bools, Bools]:
    """How many tag blocks have a checksum; those whose does not hold; those that have one of two digits, or none."""
    tail = bytes_at(data, bang - 4, 4)
    has_sum, short, empty = (np.asarray(tail[:, at] == _STAR) for at in range(3))
    told = HEX[tail[:, 1].astype(np.int64) + (tail[:, 2].astype(np.int64) << 8)]
    usual = ~(short | empty) & (~has_sum | ((told >= 0) & (bang - 5 > slash)))
    summed = usual & has_sum
    return int(np.count_nonzero(summed)), summed & (sums != told), usual


def tag_sums(data: Bytes, slash: Ints, bang: Ints) -> Bytes:
    """Exclusive or of the bytes of tag blocks before their checksums, (n,); anything where there can be none."""
    return xor_between(data, slash + 1, np.maximum(bang - 4, slash + 1))
