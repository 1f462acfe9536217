"""Fields of packed payloads as Arrow columns, with the values that pyais gives them.

A field of which not every bit arrived is null: what is left of a number would be another number. Of a text the whole
characters that arrived are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.decode.bits import Bools, Packed, Words, spread
from stswatch.pipeline.decode.layouts import Field
from stswatch.pipeline.decode.lines import Bytes

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


def column(packed: Packed, field: Field, offset: int) -> pa.Array:
    """One field of a message as a column of (n,); null where it did not arrive whole.

    >>> from stswatch.pipeline.decode.bits import pack
    >>> from stswatch.pipeline.decode.layouts import POSITION_A
    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> packed, _ = pack(text, np.array([0]), np.array([28]), np.array([0]), 28)
    >>> column(packed, POSITION_A.field("lon"), POSITION_A.offset("lon")).to_pylist()
    [0.13138]
    """
    if field.kind == "text":
        return texts(packed, offset, field.bits)
    return pa.array(KINDS[field.kind](packed, field, offset), mask=~packed.carried(offset, field.bits))


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
    return packed.unsigned(offset, field.bits).astype(np.int32)


def _flag(packed: Packed, field: Field, offset: int) -> Values:
    return np.asarray(packed.unsigned(offset, field.bits) == 1)


def _quantity(packed: Packed, field: Field, offset: int) -> Values:
    return packed.unsigned(offset, field.bits) / field.per


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


KINDS: Mapping[str, Callable[[Packed, Field, int], Values]] = {
    "count": _count,
    "flag": _flag,
    "quantity": _quantity,
    "degrees": _degrees,
    "turn": _turn,
    "ship": _ship,
    "device": _device,
}
