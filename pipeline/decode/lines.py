"""Lines of a text by their byte offsets, sums over pieces of it, and short pieces of many places at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# -------------------------------------------------- Lines of a text by their byte offsets, and sums over pieces of it

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_ZERO, _NEWLINE, _RETURN, _BANG, _DOLLAR, _SLASH = b"\0\n\r!$\\"


@dataclass(frozen=True)
class Lines:
    """The lines of a text, (n,) each.

    start, end: without line ends; marks: how many "!" and backslashes stand on it; bang: where its only "!" stands, if
    there is no backslash but those of one tag block just before it, else -1; slash: where that tag block begins, or -1;
    odd: whether it holds a carriage return or a zero, or a "$" that is not its first byte.
    """

    start: Ints
    end: Ints
    marks: Ints
    bang: Ints
    slash: Ints
    odd: Bools


def find_lines(data: Bytes, size: int) -> Lines:
    """The lines of the first `size` bytes; where the last of them is no line end, one follows.

    >>> find_lines(np.frombuffer(b"#\\n!AIVDM\\n", np.uint8), 8).bang.tolist()
    [-1, 2]
    """
    data = data[: size + bool(size and data[size - 1] != _NEWLINE)]
    marked = data <= _DOLLAR  # of all that usually stands on a line, only "!" and its end; else what makes it odd
    marked |= data == _SLASH
    place = np.flatnonzero(marked)
    kind = data[place]
    ends, bangs, slashes = (kind == mark for mark in (_NEWLINE, _BANG, _SLASH))
    tagged, known = np.count_nonzero(slashes), ends | bangs | slashes
    others = place[~known] if not known.all() else place[:0]
    if len(others):
        place, kind, ends = place[known], kind[known], ends[known]
    newline = np.flatnonzero(ends)
    stop = place[newline]
    start, end = _spans(data, stop) if len(others) else (_starts(stop), stop)
    marks = newline - _starts(newline)
    banged = (marks >= 1) & (kind[newline - 1] == _BANG)
    bang = np.where(banged & (marks == 1), place[newline - 1], -1)
    slash = np.full(len(bang), -1)
    if tagged:
        rows = np.flatnonzero(banged & (marks == 3))
        at = newline[rows]
        rows = rows[(kind[at - 3] == _SLASH) & (kind[at - 2] == _SLASH) & (place[at - 2] == place[at - 1] - 1)]
        bang[rows], slash[rows] = place[newline[rows] - 1], place[newline[rows] - 3]
    return Lines(start, end, marks, bang, slash, _odd(data, stop, others))


def _odd(data: Bytes, stop: Ints, place: Ints) -> Bools:
    """Which lines are odd, see Lines; stop: where each ends; place: of all bytes that may make them so."""
    odd = np.zeros(len(stop), np.bool_)
    if len(place):
        kind = data[place]
        inside = (kind == _RETURN) & (data[np.minimum(place + 1, len(data) - 1)] != _NEWLINE)
        later = (kind == _DOLLAR) & (place > 0) & (data[place - 1] != _NEWLINE)
        odd[np.searchsorted(stop, place[inside | later | (kind == _ZERO)])] = True
    return odd


def line_spans(data: Bytes) -> tuple[Ints, Ints]:
    r"""Where each line begins and ends, its line end (\n or \r\n) left out; the last line may have none.

    >>> [span.tolist() for span in line_spans(np.frombuffer(b"ab\r\n\nc", np.uint8))]
    [[0, 4, 5], [2, 4, 6]]
    """
    newline = np.flatnonzero(data == _NEWLINE)
    ended = not len(data) or data[-1] == _NEWLINE
    return _spans(data, newline if ended else np.append(newline, len(data)))


def _spans(data: Bytes, newline: Ints) -> tuple[Ints, Ints]:
    """The spans of lines that end here, without line ends."""
    start = _starts(newline)
    returned = (newline > start) & (data[newline - 1] == _RETURN)
    return start, newline - returned


def _starts(newline: Ints) -> Ints:
    """Where those begin that end here and follow one another."""
    start = np.zeros_like(newline)
    start[1:] = newline[:-1] + 1
    return start


def xor_between(data: Bytes, start: Ints, end: Ints) -> Bytes:
    """Exclusive or of the bytes in each [start, end), anything where that is empty; none may reach the data's end.

    start, end: (n,), in the order of the data, no span within another.

    >>> xor_between(np.frombuffer(b"AIVDM,1*", np.uint8), np.array([0]), np.array([1])).tolist()
    [65]
    """
    if not len(start):
        return np.zeros(0, np.uint8)
    return np.bitwise_xor.reduceat(data, _edges(start, end))[::2]


def count_between(marked: NDArray[np.bool_], start: Ints, end: Ints) -> Bytes:
    """How many bytes are marked in each [start, end), up to 255; spans as those of `xor_between`.

    >>> count_between(np.frombuffer(b"A,1,2*", np.uint8) == 44, np.array([0, 3]), np.array([3, 5])).tolist()
    [1, 1]
    """
    if not len(start):
        return np.zeros(0, np.uint8)
    return np.add.reduceat(marked.view(np.uint8), _edges(start, end), dtype=np.uint8)[::2]


def _edges(start: Ints, end: Ints) -> Ints:
    edges = np.empty(2 * len(start), np.int64)
    edges[::2], edges[1::2] = start, end
    return edges


# ------------ Short pieces of many places of a text at once, eight bytes in one number: digits, ends of fields, names
# The bytes of a place stand in the number as they stand in the text, the first one lowest, so that what holds for a
# byte is worked out for eight of them by a few operations on whole columns.
#
# Source: H. S. Warren, Hacker's Delight, chapter 6 (searching words); D. Lemire, "Quickly parsing eight digits"
# (2018).

Words = NDArray[np.uint64]

PAD = 64  # bytes that must follow the last place that is looked at

_ZEROS = np.uint64(0x3030303030303030)  # "00000000"
_NOUGHT, _NINE = ord("0"), 9
_POWERS = np.array([10**k for k in range(17)], np.int64)
_MASKS = np.array([(1 << 8 * k) - 1 for k in range(9)], np.uint64)
_KEPT = _MASKS[np.clip(np.arange(33)[:, None] - np.arange(0, 32, 8), 0, 8)]  # the first k of up to four words

_DIGITS = np.frombuffer(b"0123456789ABCDEF0123456789abcdef", np.uint8).astype(np.int64)
HEX = np.full(1 << 16, -1, np.int16)  # two hex digits by their two bytes, the first one lower; -1 for others
HEX[_DIGITS[:, None] + (_DIGITS << 8)] = np.arange(32)[:, None] % 16 * 16 + np.arange(32) % 16


def padded(text: bytes) -> Bytes:
    """The bytes of a text, a line end where there is none, and PAD zeros.

    >>> padded(b"ab")[:4].tolist()
    [97, 98, 10, 0]
    """
    end = b"" if text.endswith(b"\n") else b"\n"
    return np.frombuffer(b"".join((text, end, bytes(PAD))), np.uint8)


def bytes_at(data: Bytes, place: Ints, size: int) -> Bytes:
    """The `size` bytes from each place on, (n, size); none may reach beyond the data.

    >>> bytes_at(np.frombuffer(b"abcdef", np.uint8), np.array([0, 3]), 2).tolist()
    [[97, 98], [100, 101]]
    """
    # a void type has no alignment, so that each place is one copy of `size` bytes
    every = np.ndarray((len(data) - size + 1,), f"V{size}", buffer=data.data, strides=(1,))
    return every[place].view(np.uint8).reshape(len(place), size)


def words_at(data: Bytes, place: Ints, count: int) -> Words:
    """The 8 * count bytes from each place on as numbers, (n, count)."""
    return bytes_at(data, place, 8 * count).view("<u8")


def digits_first(words: Words) -> Ints:
    """How many decimal digits stand before the first other byte, (n,); words: (n, count).

    >>> digits_first(words_at(padded(b"1635731889,t"), np.array([0, 5]), 2)).tolist()
    [10, 5]
    """
    return _first_marked((words.view(np.uint8) - np.uint8(_NOUGHT)) > _NINE)


def first_of(words: Words, characters: bytes) -> Ints:
    """Where the first byte stands that is one of these, (n,); 8 * count where there is none.

    >>> first_of(words_at(padded(b"r003669945*4A"), np.array([0, 3]), 2), b",*").tolist()
    [10, 7]
    """
    byte_columns = words.view(np.uint8)
    marked = byte_columns == characters[0]
    for character in characters[1:]:
        marked |= byte_columns == character
    return _first_marked(marked)


def first_outside(words: Words, outside: bytes) -> Ints:
    """Where the first byte stands that is outside a set, (n,); 8 * count where there is none.

    outside: 256 bytes, 1 for each that is outside.

    >>> comma = bytes(octet == ord(",") for octet in range(256))
    >>> first_outside(words_at(padded(b"rAB-1,x"), np.array([0]), 1), comma).tolist()
    [5]
    """
    # some times as fast as looking each byte up in an array
    marked = np.frombuffer(words.tobytes().translate(outside), np.bool_)
    return _first_marked(marked.reshape(len(words), -1))


def _first_marked(marked: Bools) -> Ints:
    """The place of the first marked byte of each row; marked: (n, 8 * count), count 1, 2 or 4."""
    bits = np.packbits(marked, bitorder="little").view(f"<u{marked.shape[1] // 8}")  # a row as one number
    return np.asarray(np.bitwise_count(~bits & (bits - 1)), np.int64)  # its zeros below the lowest one


def number(words: Words, length: Ints) -> Ints:
    """The decimal number of the first `length` bytes, 1 to 16 digits, (n,); words: (n, 2).

    >>> number(words_at(padded(b"1635731889,t"), np.array([0, 7]), 2), np.array([10, 3])).tolist()
    [1635731889, 889]
    """
    if len(length) and length.min() == length.max():
        length = length[:1]  # as times of one capture: what follows is then worked out once
    length = np.clip(length, 1, 16)
    ahead = np.minimum(length, 8)
    behind = length - ahead
    return _eight(words[:, 0], ahead) * _POWERS[behind] + np.where(
        behind, _eight(words[:, 1], np.maximum(behind, 1)), 0
    )


def _eight(word: Words, length: Ints) -> Ints:
    """The decimal number of the first 1 to 8 bytes."""
    value = (word ^ _ZEROS) << (np.uint64(64) - (length.astype(np.uint64) << np.uint64(3)))
    value = value * np.uint64(10) + (value >> np.uint64(8))
    pairs = np.uint64(0x000000FF000000FF)
    high = (value & pairs) * np.uint64(0x000F424000000064)
    low = ((value >> np.uint64(16)) & pairs) * np.uint64(0x0000271000000001)
    return ((high + low) >> np.uint64(32)).astype(np.int64)


def cut(words: Words, length: Ints) -> Words:
    """The words with zeros from byte `length` on.

    >>> cut(words_at(padded(b"S7,c:1"), np.array([0]), 1), np.array([2])).view(np.uint8)[0, :4].tolist()
    [83, 55, 0, 0]
    """
    kept = np.take(_KEPT[:, : words.shape[1]], length, axis=0, mode="clip")
    kept &= words
    return kept
