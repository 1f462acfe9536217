"""Payloads to columns: the one place behind which pyais stands.

A faster decoder replaces `decode` and nothing else: payloads of whole messages in, columns out, in the
numbers that the standard defines, with its values for "not available" still in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyais.bit_vector import bit_vector
from pyais.messages import MSG_CLASS

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.rejects import CODES

POSITION_TYPES = frozenset({1, 2, 3, 18, 19, 27})
STATIC_TYPES = frozenset({5, 19, 24})
BASE_STATION_TYPES = frozenset({4, 11})
# Bits without which the fields that are read are not all there; of type 5 the destination and of type 19 all
# after the heading may be missing, as transponders send them so. Source: ITU-R M.1371-5, annex 8.
MIN_BITS = {1: 137, 2: 137, 3: 137, 4: 78, 5: 302, 11: 78, 18: 133, 19: 133, 24: 160, 27: 94}
_LEAST_BITS = 38  # type, repeat indicator and MMSI
_ARMOUR = bytes(range(0x30, 0x58)) + bytes(range(0x60, 0x78))  # the 64 characters of a payload
_NAN = float("nan")


@dataclass(frozen=True)
class Messages:
    """What n payloads said: code and msg_type are (n,); the rest has one row for each message of its kind.

    code: 0, or why the payload could not be decoded, see rejects.CODES; msg_type: 0 where it could not.
    """

    code: NDArray[np.int8]
    msg_type: NDArray[np.int8]
    positions: dict[str, NDArray[Any]]  # row, mmsi, lon, lat, sog_kn, cog_deg, heading_deg, status
    statics: dict[str, Any]  # row, mmsi, imo, ship_type, to_*_m, draught_m; name, call_sign, destination: pa.Array
    bases: dict[str, NDArray[np.int64]]  # row, mmsi, time_us: base stations whose date and time exist


def decode(data: NDArray[np.uint8], start: Ints, end: Ints, fill: NDArray[Any]) -> Messages:
    """Decode whole messages, the payloads of multi-part ones joined; never raises.

    data: a text; start, end: (n,) message i is the armoured payload data[start[i]:end[i]]; fill: (n,) bits from 0 to
    5 that fill up its last character.

    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> decode(text, np.array([0]), np.array([28]), np.array([0])).positions["mmsi"].tolist()
    [227006760]
    """
    text = data.tobytes()
    payloads = [text[first:last] for first, last in zip(start.tolist(), end.tolist(), strict=True)]
    code = np.zeros(len(payloads), np.int8)
    msg_type = np.zeros(len(payloads), np.int8)
    positions: list[tuple[Any, ...]] = []
    statics: list[tuple[Any, ...]] = []
    bases: list[tuple[int, int, int]] = []
    for row, (payload, pad) in enumerate(zip(payloads, fill.tolist(), strict=True)):
        kind, message = _decode_one(payload, pad)
        if message is None:
            code[row] = kind
            continue
        msg_type[row] = kind
        if kind in POSITION_TYPES:
            positions.append(_position(row, kind, message))
        if kind in STATIC_TYPES:
            statics.append(_static(row, kind, message))
        elif kind in BASE_STATION_TYPES and (time_us := _base_time_us(message)) is not None:
            bases.append((row, message.mmsi, time_us))
    base = np.array(bases, np.int64).reshape(-1, 3)
    return Messages(
        code,
        msg_type,
        _position_columns(positions, msg_type),
        _static_columns(statics),
        {"row": base[:, 0], "mmsi": base[:, 1], "time_us": base[:, 2]},
    )


def _decode_one(payload: bytes, fill: int) -> tuple[int, Any]:
    """The type and the message, or a code of rejects.CODES and None."""
    if not payload:
        return CODES["empty"], None
    if payload.translate(None, _ARMOUR):
        return CODES["payload"], None
    vector = bit_vector(payload, fill)
    kind = vector.get(0, 6)
    if not 1 <= kind <= 28:
        return CODES["unknown_type"], None
    if len(vector) < MIN_BITS.get(kind, _LEAST_BITS):
        return CODES["too_short"], None
    try:
        return kind, MSG_CLASS[kind].from_vector(vector)
    except Exception:  # whatever a garbled payload makes of a field; no garbled payload may end a run
        return CODES["payload"], None


def _position(row: int, kind: int, m: Any) -> tuple[Any, ...]:
    if kind <= 3:
        return row, m.mmsi, m.lon, m.lat, m.speed, m.course, m.heading, int(m.status)
    if kind == 27:
        return row, m.mmsi, m.lon, m.lat, m.speed, m.course, _NAN, int(m.status)
    return row, m.mmsi, m.lon, m.lat, m.speed, m.course, m.heading, _NAN


def _position_columns(rows: list[tuple[Any, ...]], msg_type: NDArray[np.int8]) -> dict[str, NDArray[Any]]:
    table = np.array(rows, np.float64).reshape(-1, 8).T
    row = table[0].astype(np.int64)
    # pyais rounds to 1e-6 degree, coarser than the lake: the count that was sent is recovered exactly
    per_degree = np.where(msg_type[row] == 27, 600.0, 600_000.0)
    return {
        "row": row,
        "mmsi": table[1].astype(np.int32),
        "lon": np.rint(table[2] * per_degree) / per_degree,
        "lat": np.rint(table[3] * per_degree) / per_degree,
        "sog_kn": table[4],
        "cog_deg": table[5],
        "heading_deg": table[6],
        "status": table[7],
    }


_STATIC_NUMBERS = ("imo", "ship_type", "to_bow", "to_stern", "to_port", "to_starboard", "draught")
_STATIC_TEXTS = ("shipname", "callsign", "destination")
_NAMES = {"shipname": "name", "callsign": "call_sign"}
_METRES = frozenset({"to_bow", "to_stern", "to_port", "to_starboard", "draught"})


def _static(row: int, kind: int, m: Any) -> tuple[Any, ...]:
    """Row and MMSI, then numbers and texts in the order of the lists above; None where there is no such."""
    return (
        row,
        m.mmsi,
        *[getattr(m, name, None) for name in _STATIC_NUMBERS],
        *[getattr(m, name, None) for name in _STATIC_TEXTS],
    )


def _static_columns(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * (2 + len(_STATIC_NUMBERS) + len(_STATIC_TEXTS))
    named: dict[str, Any] = {"row": np.array(columns[0], np.int64), "mmsi": np.array(columns[1], np.int32)}
    for name, values in zip(_STATIC_NUMBERS, columns[2:], strict=False):
        named[f"{name}_m" if name in _METRES else name] = np.array(values, np.float64)
    for name, values in zip(_STATIC_TEXTS, columns[2 + len(_STATIC_NUMBERS) :], strict=True):
        named[_NAMES.get(name, name)] = pa.array(values, pa.string())
    return named


def _base_time_us(m: Any) -> int | None:
    try:
        when = datetime(m.year, m.month, m.day, m.hour, m.minute, m.second, tzinfo=UTC)
    except (TypeError, ValueError):
        return None
    return int(when.timestamp()) * 1_000_000
