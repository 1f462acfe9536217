"""Armoured payloads to numbers, and their fields as Arrow columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.decode.layouts import Field
from stswatch.pipeline.decode.lines import Bytes, Ints, bytes_at

# ----------- Armoured payloads to numbers: characters of six bits packed into words, fields cut out of them by shifts
# All messages of a group are treated at once; eight characters of each make a word of 48 bits, so that no field is
# further than one word edge away. What a payload does not carry reads as anything: `carried` says where.

Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]

_PER_WORD, _WORD_BITS = 8, 48
_BLOCK = 8192  # payloads at a time, so that what is worked on stays in the cache
# the first k of the eight bytes of a word, the first one lowest, for k from 0 to 8
_FIRST = np.array([(1 << 8 * k) - 1 for k in range(9)], np.uint64)


@dataclass(frozen=True)
class Packed:
    """The first bits of n payloads, 48 in a word: words (k, n), and how many bits each payload has, (n,)."""

    words: Words
    bits: Ints

    def take(self, rows: Ints | Bools | slice) -> Packed:
        """Some of the payloads, in the order given."""
        return Packed(self.words[:, rows], self.bits[rows])

    @cached_property
    def least(self) -> int:
        """How many bits each payload has at least."""
        return int(self.bits.min(initial=2**62))

    def carried(self, offset: int, width: int) -> Bools:
        """Where all bits of a field arrived, (n,).

        >>> Packed(np.zeros((1, 2), np.uint64), np.array([38, 37])).carried(8, 30).tolist()
        [True, False]
        """
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
        value &= np.uint64((1 << width) - 1)
        return np.asarray(value)

    def signed(self, offset: int, width: int) -> Ints:
        """A field of up to 48 bits in two's complement, (n,).

        >>> Packed(np.array([[0b11111110 << 40]], np.uint64), np.array([48])).signed(0, 8).tolist()
        [-2]
        """
        left = np.uint64(64 - width)
        return (self.unsigned(offset, width) << left).view(np.int64) >> np.int64(64 - width)


def pack(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any], chars: int) -> tuple[Packed, Bools]:
    """The first `chars` characters of each payload data[start:end], and whether all of these are armour, (n,).

    data: a text; start, end, fill: (n,) as for messages.decode; chars: of the payload, the rest is left out. After a
    shorter one the words hold anything.

    >>> text = np.frombuffer(b"13HO,13HO", np.uint8)
    >>> packed, sound = pack(text, np.array([0, 5]), np.array([5, 9]), np.array([0, 2]), 5)
    >>> packed.bits.tolist(), sound.tolist()
    ([30, 22], [False, True])
    """
    count = -(-chars // _PER_WORD)
    size = end - start
    words = np.empty((count, len(start)), np.uint64)
    sound = np.ones(len(start), np.bool_)
    last = _FIRST[(chars - 1) % _PER_WORD + 1]  # what is looked at of the last word
    inside = _inside(np.arange(chars), count)
    if len(start) and int(start.max()) + count * _PER_WORD > len(data):
        data = np.concatenate([data, np.zeros(count * _PER_WORD, np.uint8)])
    for first in range(0, len(start), _BLOCK):
        block = slice(first, first + _BLOCK)
        sextets, foreign = _sextets(bytes_at(data, start[block], count * _PER_WORD))
        foreign[:, -1] &= last
        short = np.flatnonzero(size[block] < chars)  # few, in a group of one length
        foreign[short] &= np.take(inside, size[block][short], axis=0, mode="clip")
        if foreign.any():
            sound[block] = ~foreign.any(axis=1)
        words[:, block] = _packed(sextets).T
    return Packed(words, size * 6 - fill), sound


def _inside(size: Ints, count: int) -> Words:
    """All bits of the first `size` bytes of `count` words, (n, count)."""
    return np.asarray(_FIRST[np.clip(size[:, None] - np.arange(count) * _PER_WORD, 0, _PER_WORD)])


def _sextets(armour: Bytes) -> tuple[Words, Words]:
    """Armour to the six bits that it stands for, in each byte, with anything above them; and what is no armour.

    Armour is 0x30 to 0x57, and from 40 on 0x60 to 0x77.
    """
    sextets = armour - np.uint8(0x30)
    foreign = (sextets - np.uint8(40)) < 8
    foreign |= sextets >= 72
    upper = (sextets >= 40).view("<u8")  # whole words for the shift, which NumPy does not do on many bytes at once
    upper <<= np.uint64(3)
    sextets -= upper.view(np.uint8)
    return sextets.view("<u8"), foreign.view("<u8")


def _packed(word: Words) -> Words:
    """Eight bytes of six bits, the first one lowest, to 48 bits, the first one highest: pairs, fours, all."""
    for bits in (6, 12, 24):
        mask = np.uint64(sum(((1 << bits) - 1) << at for at in range(0, 64, bits // 3 * 8)))
        lower = word & mask
        lower <<= np.uint64(bits)
        word = word >> np.uint64(bits // 3 * 4)
        word &= mask
        word |= lower
    return word


def spread(word: Words) -> Bytes:
    """48 bits to their eight sextets, (n, k) to (n, 8 k): what packing undoes.

    >>> spread(np.array([[(1 << 42) + 63]], np.uint64)).tolist()
    [[1, 0, 0, 0, 0, 0, 0, 63]]
    """
    for bits in (24, 12, 6):
        mask = np.uint64(sum(((1 << bits) - 1) << at for at in range(0, 64, bits // 3 * 8)))
        word = ((word & (mask << np.uint64(bits))) << np.uint64(bits // 3 * 4 - bits)) | (word & mask)
    return word.astype(">u8").view(np.uint8)


# ---------------------------------- Fields of packed payloads as Arrow columns, with the values that pyais gives them
# A field of which not every bit arrived is null: what is left of a number would be another number. Of a text the whole
# characters that arrived are given.

Values: TypeAlias = NDArray[Any]

_CHAR, _CHARS = 6, 8  # bits of a character; characters that are cut out at once
_AT = ord("@")


def _turns() -> NDArray[np.float64]:
    """Degrees a minute for each byte; 127, -127 and -128 say something else and stay."""
    sent = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)
    degrees = np.copysign(np.rint((sent / 4.733) ** 2), sent)
    return np.where(np.abs(sent) >= 127, sent, degrees)


def _ships() -> NDArray[np.int32]:
    """The defined type for each of table 53: a reserved second digit reads as 5, all else that is reserved as 0."""
    known = np.zeros(256, np.int32)
    for first in (20, 40, 60, 70, 80, 90):
        known[first : first + 10] = first + np.array([0, 1, 2, 3, 4, 5, 5, 5, 5, 9])
    known[30:38] = np.arange(30, 38)
    known[50:60] = [50, 51, 52, 53, 54, 55, 56, 56, 58, 59]
    return known


_TURN, _SHIP = _turns(), _ships()
_DEVICE = np.array([*range(9), 0, 0, 0, 0, 0, 0, 15], np.int32)
# of codes whose last numbers are reserved: how many bits, the first that is, and as what they read
_RESERVED = {
    "ice class": (4, 11, 15),
    "warning": (4, 10, 0),
    "wind": (4, 9, 0),
    "impact": (3, 5, 0),
    "interval": (4, 12, 11),
    "aid station": (3, 7, 6),
    "aid": (7, 51, 0),
}
_STATION = np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 1, 1, 1, 1, 1, 1], np.int32)


def column(packed: Packed, field: Field, offset: int) -> pa.Array:
    """One field of a message as a column of (n,); null where it did not arrive whole.

    >>> from stswatch.pipeline.decode.payloads import pack
    >>> from stswatch.pipeline.decode.layouts import POSITION_A
    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> packed, _ = pack(text, np.array([0]), np.array([28]), np.array([0]), 28)
    >>> column(packed, POSITION_A.field("lon"), POSITION_A.offset("lon")).to_pylist()
    [0.13138]
    """
    if field.kind == "text":
        return texts(packed, offset, field.bits)
    if field.kind == "bytes":
        return raw_bytes(packed, offset, field.bits)
    value = KINDS[field.kind](packed, field, offset)
    whole = packed.least >= offset + field.bits
    return pa.array(value) if whole else pa.array(value, mask=~packed.carried(offset, field.bits))


def number(packed: Packed, field: Field, offset: int) -> NDArray[np.float64]:
    """One field that is no text as numbers (n,), degrees to the last bit; NaN where it did not arrive whole.

    >>> packed = Packed(np.array([[(3 << 46) + (1 << 16)]], np.uint64), np.array([32]))
    >>> number(packed, Field("lon", 18, "degrees", 600), 14).tolist(), number(packed, Field("second", 6), 28).tolist()
    ([0.0016666666666666668], [nan])
    """
    if field.kind == "degrees":
        value = packed.signed(offset, field.bits) / field.per
    else:
        value = KINDS[field.kind](packed, field, offset).astype(np.float64)
    if packed.least >= offset + field.bits:
        return value
    return np.where(packed.carried(offset, field.bits), value, np.nan)


def texts(packed: Packed, offset: int, bits: int) -> pa.Array:
    """A text of (n,): @ at its end cut, then blanks at both ends; null where no character arrived.

    >>> texts(Packed(np.array([[(32 << 42) + (1 << 36) + (2 << 30)]], np.uint64), np.array([48])), 0, 48).to_pylist()
    ['AB']
    """
    count = bits // _CHAR
    last = offset + count * _CHAR
    words = [_eight(packed, at, min(last - at, _CHARS * _CHAR)) for at in range(offset, last, _CHARS * _CHAR)]
    sextets = spread(np.stack(words, axis=1))[:, :count]
    arrived = np.clip((packed.bits - offset) // _CHAR, 0, count)
    letters = (sextets ^ np.uint8(0x20)) + np.uint8(0x20)  # table 47: 0 to 31 are @ to _, 32 to 63 blank to ?
    if (arrived < count).any():
        letters[np.arange(count) >= arrived[:, None]] = _AT
    return _trimmed(letters, arrived == 0)


def raw_bytes(packed: Packed, offset: int, bits: int) -> pa.Array:
    """The bits of a field that arrived as bytes, (n,), the last one filled up with zeros; null where none did.

    >>> raw_bytes(Packed(np.array([[0xABCDEF << 24]], np.uint64), np.array([20])), 8, 40).to_pylist()
    [b'\xcd\xe0']
    """
    arrived = np.clip(packed.bits - offset, 0, bits)
    ends = range(offset, offset + int(arrived.max(initial=0)), _WORD_BITS)
    words = [_eight(packed, at, min(offset + bits - at, _WORD_BITS)) << np.uint64(16) for at in ends]
    if not words:
        return pa.nulls(len(arrived), pa.binary())
    raw = np.stack(words, axis=1).astype(">u8").view(np.uint8).reshape(len(arrived), -1, 8)[:, :, :6]
    raw = raw.reshape(len(arrived), -1)
    size = -(-arrived // 8)
    some = np.flatnonzero(arrived % 8)
    raw[some, size[some] - 1] &= (0xFF00 >> (arrived[some] % 8)).astype(np.uint8)
    edges = np.concatenate([[0], np.cumsum(size)]).astype(np.int32)
    valid = pa.array(arrived > 0).buffers()[1]
    data = raw[np.arange(raw.shape[1]) < size[:, None]]
    return pa.BinaryArray.from_buffers(pa.binary(), len(arrived), [valid, pa.py_buffer(edges), pa.py_buffer(data)])


def _eight(packed: Packed, offset: int, bits: int) -> Words:
    """Up to eight characters from a bit on, at the upper end of 48 bits."""
    return packed.unsigned(offset, bits) << np.uint64(_CHARS * _CHAR - bits)


def _trimmed(letters: Bytes, missing: Bools) -> pa.Array:
    """Rows of characters (n, k) to strings."""
    n, size = letters.shape
    edges = np.arange(n + 1, dtype=np.int32) * np.int32(size)
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    untrimmed = pa.StringArray.from_buffers(n, pa.py_buffer(edges), pa.py_buffer(letters), valid)
    return pc.ascii_trim(pc.ascii_rtrim(untrimmed, "@"), " ")


def _count(packed: Packed, field: Field, offset: int) -> Values:
    value = packed.unsigned(offset, field.bits).astype(np.int32)
    return value + np.int32(field.plus) if field.plus else value


def _signed(packed: Packed, field: Field, offset: int) -> Values:
    return packed.signed(offset, field.bits).astype(np.int32)


def _flag(packed: Packed, field: Field, offset: int) -> Values:
    return np.asarray(packed.unsigned(offset, field.bits) == 1)


def _quantity(packed: Packed, field: Field, offset: int) -> Values:
    if field.plus:
        return (packed.unsigned(offset, field.bits).astype(np.int64) + field.plus) / field.per
    return packed.unsigned(offset, field.bits) / field.per


def _signed_quantity(packed: Packed, field: Field, offset: int) -> Values:
    return packed.signed(offset, field.bits) / field.per


def _degrees(packed: Packed, field: Field, offset: int) -> Values:
    """Rounded to 1e-6 degree, less than one unit of the wire, so that all decimals shown are those of pyais."""
    micro = (packed.signed(offset, field.bits) * (6_000_000 // field.per) + 3) // 6
    return np.asarray(micro / 1e6)


def _turn(packed: Packed, field: Field, offset: int) -> Values:
    return _TURN[packed.unsigned(offset, field.bits)]


def _ship(packed: Packed, field: Field, offset: int) -> Values:
    return _SHIP[packed.unsigned(offset, field.bits)]


def _device(packed: Packed, field: Field, offset: int) -> Values:
    return _DEVICE[packed.unsigned(offset, field.bits)]


def _station(packed: Packed, field: Field, offset: int) -> Values:
    return _STATION[packed.unsigned(offset, field.bits)]


def _code(packed: Packed, field: Field, offset: int) -> Values:
    bits, reserved, instead = _RESERVED[field.kind]
    assert bits == field.bits
    value = packed.unsigned(offset, bits).astype(np.int32)
    return np.where(value >= reserved, np.int32(instead), value)


KINDS: Mapping[str, Callable[[Packed, Field, int], Values]] = {
    "count": _count,
    "flag": _flag,
    "quantity": _quantity,
    "degrees": _degrees,
    "turn": _turn,
    "ship": _ship,
    "device": _device,
    "signed": _signed,
    "signed quantity": _signed_quantity,
    "station": _station,
    **dict.fromkeys(_RESERVED, _code),
}
