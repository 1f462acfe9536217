"""Tag blocks of many sentences at once, where they are written as usual: what `stamps.of_tag_block` says of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, xor_between
from stswatch.pipeline.decode.octets import HEX, Words, bytes_at, cut, digits_first, first_of, number, words_at
from stswatch.pipeline.decode.stamp_columns import NAME_WORDS, Said, epochs_us, nothing
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_GROUP

_COMMA, _STAR, _SLASH, _COLON, _DASH, _ONE = b",*\\:-1"
_C, _S, _G = b"csg"


def tag_blocks(data: Bytes, slash: Ints, bang: Ints) -> Said:
    r"""Time, station and group of tag blocks; slash: where each begins; bang: the byte after each.

    >>> tag = b"\\g:1-2-7,s:42809,c:1635731889*43\\!AIVDM,"
    >>> from stswatch.pipeline.decode.octets import padded
    >>> found = tag_blocks(padded(tag), np.array([0]), np.array([33]))
    >>> found.time_us.tolist(), found.group.tolist()
    ([1635731889000000], [7])
    """
    said = nothing(len(bang))
    row, letter, value = _tag_fields(data, slash, bang)
    for key, column, read in ((_C, said.time_us, _time), (_S, said.station, _name), (_G, said.group, _group)):
        chosen = np.flatnonzero(letter == key)
        column[row[chosen]], usual = read(data, value[chosen])  # of several, the last
        said.usual[row[chosen[~usual]]] = False
    broken, usual = _tag_sums(data, slash, bang)
    said.time_us[broken] = NO_TIME
    return replace(said, usual=said.usual & usual)


def _tag_fields(data: Bytes, slash: Ints, bang: Ints) -> tuple[Ints, Bytes, Ints]:
    """The fields of tag blocks, (m,) each: in which of the blocks, the letter of the field, where its value begins."""
    begins = ((data[:-2] == _COMMA) | (data[:-2] == _SLASH)) & (data[2:] == _COLON)
    place = np.flatnonzero(begins)
    row = np.minimum(np.searchsorted(bang, place), len(bang) - 1)
    inside = np.flatnonzero((place >= slash[row]) & (place < bang[row] - 1))
    place = place[inside]
    return row[inside], data[place + 1], place + 3


def _time(data: Bytes, value: Ints) -> tuple[Ints, Bools]:
    words = words_at(data, value, 2)
    length = digits_first(words)
    return epochs_us(number(words, length)), (length > 0) & _ends(data, value + length)


def _name(data: Bytes, value: Ints) -> tuple[Words, Bools]:
    words = words_at(data, value, NAME_WORDS)
    length = first_of(words, b",*\\")
    return cut(words, length), length < 8 * NAME_WORDS


def _group(data: Bytes, value: Ints) -> tuple[Ints, Bools]:
    """`1-2-73874`: sentence, of how many, group; a sentence that is a group by itself has none."""
    head = bytes_at(data, value, 4)
    words = words_at(data, value + 4, 2)
    length = digits_first(words)
    usual = (head[:, [1, 3]] == _DASH).all(axis=1) & _is_digit(head[:, [0, 2]]).all(axis=1)
    alone = head[:, 2] == _ONE
    group = np.where(alone, NO_GROUP, number(words, length))
    return group, usual & (length > 0) & _ends(data, value + 4 + length)


def _ends(data: Bytes, place: Ints) -> Bools:
    """Whether a field of a tag block ends here."""
    byte = data[place]
    return np.asarray((byte == _COMMA) | (byte == _STAR) | (byte == _SLASH))


def _is_digit(byte: Bytes) -> Bools:
    return np.asarray(byte - np.uint8(ord("0")) <= 9)


def _tag_sums(data: Bytes, slash: Ints, bang: Ints) -> tuple[Bools, Bools]:
    """Tag blocks whose checksum does not hold; those that have one of two digits, or none."""
    tail = bytes_at(data, bang - 4, 3)
    star = np.asarray(tail == _STAR) & (bang[:, None] - np.arange(4, 1, -1) > slash[:, None])
    told = HEX[tail[:, 1].astype(np.int64) + (tail[:, 2].astype(np.int64) << 8)]
    usual = ~(star[:, 1] | star[:, 2] | (star[:, 0] & (told < 0)) | (star[:, 0] & (bang - 5 <= slash)))
    summed = np.flatnonzero(usual & star[:, 0])
    broken = np.zeros(len(bang), np.bool_)
    broken[summed] = xor_between(data, slash[summed] + 1, bang[summed] - 4) != told[summed]
    return broken, usual
