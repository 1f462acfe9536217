"""Bits of AIS messages 1, 3, 5, 18 and 24, whole columns at a time.

Each message is a table of fields: name, width in bits, kind (u unsigned, i two's complement, t text of 6-bit
characters). Values are numbers as they go over the air: longitude in 1/600000 deg, speed in 0.1 kn.
Source: ITU-R M.1371-5, annex 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.uint8]


class Field(NamedTuple):
    """One field of a message."""

    name: str
    bits: int
    kind: str = "u"


_HEAD = (Field("msg_type", 6), Field("repeat", 2), Field("mmsi", 30))
_MOTION = (
    Field("speed", 10),
    Field("accuracy", 1),
    Field("lon", 28, "i"),
    Field("lat", 27, "i"),
    Field("course", 12),
    Field("heading", 9),
    Field("second", 6),
)
_SIZE = (Field("to_bow", 9), Field("to_stern", 9), Field("to_port", 6), Field("to_starboard", 6))

POSITION_A = (
    *_HEAD,
    Field("status", 4),
    Field("turn", 8, "i"),
    *_MOTION,
    Field("maneuver", 2),
    Field("spare", 3),
    Field("raim", 1),
    Field("radio", 19),
)
POSITION_B = (
    *_HEAD,
    Field("reserved", 8),
    *_MOTION,
    Field("reserved_2", 2),
    Field("flags", 7),
    Field("radio", 20),
)
STATIC_A = (
    *_HEAD,
    Field("ais_version", 2),
    Field("imo", 30),
    Field("call_sign", 42, "t"),
    Field("name", 120, "t"),
    Field("ship_type", 8),
    *_SIZE,
    Field("epfd", 4),
    Field("month", 4),
    Field("day", 5),
    Field("hour", 5),
    Field("minute", 6),
    Field("draught", 8),
    Field("destination", 120, "t"),
    Field("dte", 1),
    Field("spare", 1),
)
STATIC_B_NAME = (*_HEAD, Field("part", 2), Field("name", 120, "t"))
STATIC_B_REST = (
    *_HEAD,
    Field("part", 2),
    Field("ship_type", 8),
    Field("vendor", 42),
    Field("call_sign", 42, "t"),
    *_SIZE,
    Field("spare", 6),
)


def pack(fields: Sequence[Field], values: Mapping[str, Any], n: int) -> Bits:
    """The bits (n, width) of n messages, one a byte.

    Args:
        fields: the layout.
        values: for each field numbers or texts, (n,) or one for all; a field without value is zero.
        n: how many messages.

    Raises ValueError for a value that does not fit its field.

    >>> pack((Field("msg_type", 6),), {"msg_type": [1, 5]}, 2).tolist()
    [[0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 1]]
    """
    unknown = set(values) - {f.name for f in fields}
    if unknown:
        raise ValueError(f"no field {', '.join(sorted(unknown))} in this message")
    columns = [_text if f.kind == "t" else _number for f in fields]
    return np.concatenate(
        [make(f, values.get(f.name, "" if f.kind == "t" else 0), n) for make, f in zip(columns, fields, strict=True)],
        axis=1,
    )


def _number(field: Field, value: ArrayLike, n: int) -> Bits:
    numbers = np.broadcast_to(np.asarray(value), (n,)).astype(np.int64)
    low, high = (
        (-(1 << (field.bits - 1)), (1 << (field.bits - 1)) - 1) if field.kind == "i" else (0, (1 << field.bits) - 1)
    )
    if n and (numbers.min() < low or numbers.max() > high):
        raise ValueError(
            f"{field.name} holds {numbers.min()} to {numbers.max()}; {field.bits} bits take {low} to {high}"
        )
    shifts = np.arange(field.bits - 1, -1, -1)
    return ((numbers[:, None] >> shifts) & 1).astype(np.uint8)


def _text(field: Field, value: ArrayLike, n: int) -> Bits:
    size = field.bits // 6
    texts = np.broadcast_to(np.asarray(value, dtype=np.str_), (n,))
    if n and np.char.str_len(texts).max() > size:
        raise ValueError(f"{field.name} takes {size} characters, found {max(texts, key=len)!r}")
    codes = np.char.ljust(texts, size, "@").astype(f"S{size}").view(np.uint8).reshape(n, size)
    if n and (codes.min() < 32 or codes.max() > 95):
        raise ValueError(
            f"{field.name}: only characters from blank to underscore, capital letters among them, can be sent"
        )
    six = np.where(codes >= 64, codes - 64, codes)
    return np.unpackbits(six[:, :, None], axis=2)[:, :, 2:].reshape(n, field.bits)


def armour(bits: Bits) -> tuple[NDArray[np.bytes_], int]:
    """Payloads (n,) as they stand in a sentence, six bits a character, and how many bits were filled up.

    >>> armour(np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=np.uint8))
    (array([b'1h'], dtype='|S2'), 4)
    """
    n, width = bits.shape
    fill = -width % 6
    six = np.concatenate([bits, np.zeros((n, fill), np.uint8)], axis=1).reshape(n, -1, 6)
    codes = np.packbits(six, axis=2)[:, :, 0] >> 2
    letters = (codes + np.where(codes < 40, 48, 56)).astype(np.uint8)
    return np.ascontiguousarray(letters).view(f"S{letters.shape[1]}").reshape(n), fill
