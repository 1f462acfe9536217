"""Armoured payloads to numbers: characters of six bits packed into words, fields cut out of them by shifts.

All messages of a group are treated at once; eight characters of each make a word of 48 bits, so that no field is
further than one word edge away. What a payload does not carry reads as zero: `carried` says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bytes, Ints

Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]

_PER_WORD, _WORD_BITS = 8, 48
_EACH = 0x0101010101010101  # times a byte: that byte eight times
# the first k of the eight bytes of a word, for k from 0 to 8
_FIRST = np.array([(1 << 64) - (1 << (64 - 8 * k)) for k in range(9)], np.uint64)


@dataclass(frozen=True)
class Packed:
    """The first bits of n payloads, 48 in a word: words (k, n), and how many bits each payload has, (n,)."""

    words: Words
    bits: Ints

    def take(self, rows: Ints | Bools) -> Packed:
        """Some of the payloads, in the order given."""
        return Packed(self.words[:, rows], self.bits[rows])

    def carried(self, offset: int, width: int) -> Bools:
        """Where all bits of a field arrived, (n,)."""
        return np.asarray(self.bits >= offset + width)

    def unsigned(self, offset: int, width: int) -> Words:
        """A field of up to 48 bits as numbers from 0 on, (n,).

        >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
        >>> packed, _ = pack(text, np.array([0]), np.array([28]), np.array([0]), 28)
        >>> packed.unsigned(0, 6).tolist(), packed.unsigned(8, 30).tolist()
        ([1], [227006760])
        """
        at, within = divmod(offset, _WORD_BITS)
        spare = _WORD_BITS - within - width  # bits of the word after the field; below zero where it goes on in the next
        if spare >= 0:
            value = self.words[at] >> np.uint64(spare)
        else:
            value = (self.words[at] << np.uint64(-spare)) | (self.words[at + 1] >> np.uint64(_WORD_BITS + spare))
        return np.asarray(value & np.uint64((1 << width) - 1))

    def signed(self, offset: int, width: int) -> Ints:
        """A field of up to 48 bits in two's complement, (n,)."""
        left = np.uint64(64 - width)
        return (self.unsigned(offset, width) << left).view(np.int64) >> np.int64(64 - width)


def pack(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any], chars: int) -> tuple[Packed, Bools]:
    """The first `chars` characters of each payload data[start:end], and whether all of these are armour, (n,).

    data: a text; start, end, fill: (n,) as for messages.decode; chars: of the payload, the rest is left out.
    """
    count = -(-chars // _PER_WORD)
    size = end - start
    windows = _windows(data, start, count * _PER_WORD).view(">u8")
    words = np.empty((count, len(start)), np.uint64)
    sound = np.ones(len(start), np.bool_)
    shortest = int(size.min(initial=0 if not len(size) else size[0]))
    for at in range(count):
        raw = windows[:, at].astype(np.uint64)
        full = shortest >= (at + 1) * _PER_WORD
        inside = np.uint64(_EACH * 0xFF) if full else _FIRST[np.clip(size - at * _PER_WORD, 0, _PER_WORD)]
        sound &= _strange(raw) & inside == 0
        words[at] = _packed(_sextets(raw) & inside)
    return Packed(words, size * 6 - fill), sound


def _windows(data: Bytes, start: Ints, size: int) -> Bytes:
    """The `size` bytes from each start on, (n, size), with zeros after the end of the data."""
    if len(start) and int(start.max()) + size > len(data):
        data = np.concatenate([data, np.zeros(size, np.uint8)])
    if len(data) < size:
        return np.zeros((len(start), size), np.uint8)
    return sliding_window_view(data, size)[start]


def _strange(word: Words) -> Words:
    """The highest bit of each byte that is none of the 64 characters of armour, 0x30 to 0x57 and 0x60 to 0x77."""
    low = word & np.uint64(_EACH * 0x7F)  # so that no sum runs over into the next byte
    wrong = word | ~(low + np.uint64(_EACH * (0x80 - 0x30))) | (low + np.uint64(_EACH * (0x80 - 0x78)))
    between = (low + np.uint64(_EACH * (0x80 - 0x58))) & ~(low + np.uint64(_EACH * (0x80 - 0x60)))
    return np.asarray((wrong | between) & np.uint64(_EACH * 0x80))


def _sextets(word: Words) -> Words:
    """Armour to the six bits it stands for, in each byte; any value where a byte is no armour."""
    low = word & np.uint64(_EACH * 0x7F)
    upper = (low >> np.uint64(6)) & (low >> np.uint64(5)) & np.uint64(_EACH)  # 0x60 and above
    return (low + np.uint64(_EACH * 0x10) - (upper << np.uint64(3))) & np.uint64(_EACH * 0x3F)


def _packed(word: Words) -> Words:
    """Eight bytes of six bits each to 48 bits: pairs, pairs of pairs, halves."""
    for bits in (6, 12, 24):
        mask = np.uint64(sum(((1 << bits) - 1) << at for at in range(0, 64, bits // 3 * 8)))
        word = ((word >> np.uint64(bits // 3 * 4 - bits)) & (mask << np.uint64(bits))) | (word & mask)
    return word


def spread(word: Words) -> Bytes:
    """48 bits to their eight sextets, (n,) to (n, 8): what packing undoes."""
    for bits in (24, 12, 6):
        mask = np.uint64(sum(((1 << bits) - 1) << at for at in range(0, 64, bits // 3 * 8)))
        word = ((word & (mask << np.uint64(bits))) << np.uint64(bits // 3 * 4 - bits)) | (word & mask)
    return word.astype(">u8").view(np.uint8).reshape(-1, _PER_WORD)
