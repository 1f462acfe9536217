"""Payloads to columns: sorted by layout, packed, positions, static reports and the time that base stations tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode import layouts, payloads
from stswatch.pipeline.decode.layouts import AUXILIARY_B, LAYOUTS, NAME_B, STATIC_B, Layout
from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.decode.payloads import Bools, Packed, pack
from stswatch.pipeline.decode.stamp_columns import moments
from stswatch.pipeline.schema.lake_tables import CODES

# -------------- Payloads sorted by the layout that their type has, each group packed; what cannot be decoded says why

HEAD_BITS = 38  # type, repeat indicator and MMSI: without these nothing was said by anybody
LAST_TYPE = 28
_BITS = 6
_SLOT = 28  # characters: 168 bits, what fits into one slot. Source: ITU-R M.1371-5, annex 2
_CLEAR = 255
_SEXTET = np.full(256, _CLEAR, np.uint8)  # what each character stands for; _CLEAR where it is no armour
_SEXTET[0x30:0x58], _SEXTET[0x60:0x78] = np.arange(40), np.arange(40, 64)
_FOREIGN = _SEXTET == _CLEAR


class _Kind(NamedTuple):
    """Types that are read alike, and how many characters they take."""

    types: tuple[int, ...]
    chars: int


@dataclass(frozen=True)
class Group:
    """Messages of one layout: the rows of their payloads, rising, and their bits."""

    layout: Layout
    rows: Ints
    packed: Packed


@dataclass(frozen=True)
class Groups:
    """n payloads: code (n,) is 0 or of rejects.CODES, msg_type (n,) is 0 where it is not; groups of what has a layout.

    Messages of other types have a code of 0 and are in no group.
    """

    code: NDArray[np.int8]
    msg_type: NDArray[np.int8]
    groups: list[Group]


def grouped(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any]) -> Groups:
    """Sort and pack payloads; arguments as for messages.decode; never raises.

    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> found = grouped(text, np.array([0, 0]), np.array([28, 0]), np.array([0, 0]))
    >>> found.msg_type.tolist(), (found.code > 0).tolist(), [group.layout.name for group in found.groups]
    ([1, 0], [False, True], ['position of class A'])
    """
    size = end - start
    first = _first(data, start, size)
    order, edges = _by_kind(first)
    sound = np.ones(len(start), np.bool_)
    parts, unread = [], [order[edges[-1] :]]
    for kinds in (_SHORT, _LONG):
        rows = order[edges[kinds.start] : edges[kinds.stop]]
        chars = max(_KINDS[kind].chars for kind in kinds)
        packed, sound[rows] = pack(data, start[rows], end[rows], fill[rows], chars)
        unread.append(rows[size[rows] > chars])
        for kind in kinds:
            here = slice(*(edges[kind : kind + 2] - edges[kinds.start]))
            parts.append((_KINDS[kind].types, rows[here], packed.take(here)))
    rest = np.concatenate(unread)
    rest = rest[size[rest] > 0]
    sound[rest] &= _all_armour(data, start[rest], end[rest])
    code = _codes(size, size * _BITS - fill, first, sound)
    groups = [group for part in parts for group in _groups(*part, code)]
    return Groups(code, np.where(code == 0, first, 0).astype(np.int8), groups)


def _by_kind(first: Bytes) -> tuple[Ints, Ints]:
    """The payloads sorted by the kind of their type, and where each of _KINDS begins; what is of none comes last."""
    kind = _KIND[first]
    order = np.argsort(kind, kind="stable")
    return order, np.searchsorted(kind[order], np.arange(len(_KINDS) + 1))


def _first(data: Bytes, start: Ints, size: Ints) -> Bytes:
    """What the first character of each payload stands for, _CLEAR where there is none or it is no armour."""
    if not len(data):
        return np.full(len(start), _CLEAR, np.uint8)
    first = _SEXTET[data[np.minimum(start, len(data) - 1)]]
    first[size <= 0] = _CLEAR
    return first


def _all_armour(data: Bytes, start: Ints, end: Ints) -> Bools:
    """Whether payloads, none of them empty, have no other characters than armour."""
    if not len(start):
        return np.zeros(0, np.bool_)
    size = end - start
    begin = np.cumsum(size) - size
    at = np.repeat(start - begin, size) + np.arange(int(size.sum()))
    return np.asarray(~np.logical_or.reduceat(_FOREIGN[data[at]], begin))


def _codes(size: Ints, bits: Ints, first: Bytes, sound: Bools) -> NDArray[np.int8]:
    code = np.where(bits < HEAD_BITS, CODES["too_short"], 0)
    code[(first < 1) | (first > LAST_TYPE)] = CODES["unknown_type"]
    code[~sound | (first == _CLEAR)] = CODES["payload"]
    code[size == 0] = CODES["empty"]
    return code.astype(np.int8)


def _groups(types: tuple[int, ...], rows: Ints, packed: Packed, code: NDArray[np.int8]) -> list[Group]:
    """The groups of a set of types, without the rows that have a code; a part that there is not gets one."""
    if types == STATIC_B.types:
        return _parts(rows, packed, code)
    kept = code[rows] == 0
    layout = next(layout for layout in LAYOUTS if layout.types == types)
    whole = Group(layout, rows, packed) if kept.all() else Group(layout, rows[kept], packed.take(kept))
    return [whole] if len(whole.rows) else []


def _parts(rows: Ints, packed: Packed, code: NDArray[np.int8]) -> list[Group]:
    """The parts of type 24, of which there are two."""
    numbered = STATIC_B.offset("partno")
    arrived = np.clip(packed.bits - numbered, 0, 2).astype(np.uint64)  # a broken number chooses too, and is null
    part = packed.unsigned(numbered, 2) >> (np.uint64(2) - arrived)
    kept = code[rows] == 0
    code[rows[kept & (part > 1)]] = CODES["payload"]
    # a craft that belongs to a ship has an MMSI of the form 98xxxxxxx. Source: ITU-R M.585
    craft = packed.unsigned(STATIC_B.offset("mmsi"), 30) // 10_000_000 == 98
    chosen = ((NAME_B, part == 0), (STATIC_B, (part == 1) & ~craft), (AUXILIARY_B, (part == 1) & craft))
    found = [(layout, np.flatnonzero(kept & of)) for layout, of in chosen]
    return [Group(layout, rows[at], packed.take(at)) for layout, at in found if len(at)]


def _kinds() -> list[_Kind]:
    """The sets of types that share a layout, or its parts, those with short messages first."""
    kinds: dict[tuple[int, ...], int] = {}
    for layout in LAYOUTS:
        kinds[layout.types] = max(kinds.get(layout.types, 0), -(-layout.bits // _BITS))
    return sorted((_Kind(types, chars) for types, chars in kinds.items()), key=lambda kind: kind.chars > _SLOT)


_KINDS = _kinds()
_SHORT = range(sum(kind.chars <= _SLOT for kind in _KINDS))  # packed together, and so are the long ones
_LONG = range(_SHORT.stop, len(_KINDS))
_KIND = np.full(256, len(_KINDS), np.uint8)  # the place in _KINDS of each type
for _place, _of in enumerate(_KINDS):
    _KIND[list(_of.types)] = _place


# -------------------------------- Payloads to columns: positions, static reports and the time that base stations tell
# Numbers are those of the standard, its values for "not available" still in place. What a payload does not carry is
# NaN or null: a short message says less, and is a message.

POSITIONS = (layouts.POSITION_A, layouts.POSITION_B, layouts.EXTENDED_B, layouts.LONG_RANGE)
STATICS = (layouts.STATIC_A, layouts.EXTENDED_B, layouts.NAME_B, layouts.STATIC_B, layouts.AUXILIARY_B)
# column -> field of the layouts
_POSITION = {
    "lon": "lon",
    "lat": "lat",
    "sog_kn": "speed",
    "cog_deg": "course",
    "heading_deg": "heading",
    "status": "status",
    "radio": "radio",
    "raim": "raim",
    "utc_second": "second",
}
_STATIC = {
    "imo": "imo",
    "ship_type": "ship_type",
    "to_bow_m": "to_bow",
    "to_stern_m": "to_stern",
    "to_port_m": "to_port",
    "to_starboard_m": "to_starboard",
    "draught_m": "draught",
}
_TEXTS = {"name": "shipname", "call_sign": "callsign", "destination": "destination"}


@dataclass(frozen=True)
class Messages:
    """What n payloads said: code and msg_type are (n,); the rest has one row for each message of its kind.

    code: 0, or why the payload could not be decoded, see rejects.CODES; msg_type: 0 where it could not.
    """

    code: NDArray[np.int8]
    msg_type: NDArray[np.int8]
    positions: dict[str, NDArray[Any]]  # row, mmsi, and a column for each of _POSITION
    statics: dict[str, Any]  # row, mmsi, imo, ship_type, to_*_m, draught_m; name, call_sign, destination: pa.Array
    bases: dict[str, NDArray[np.int64]]  # row, mmsi, time_us: base stations whose date and time exist


def decode(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any]) -> Messages:
    """Decode whole messages, the payloads of multi-part ones joined; never raises.

    data: a text; start, end: (n,) message i is the armoured payload data[start[i]:end[i]]; fill: (n,) bits from 0 to
    5 that fill up its last character.

    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> decode(text, np.array([0]), np.array([28]), np.array([0])).positions["mmsi"].tolist()
    [227006760]
    """
    found = grouped(data, start, end, fill)
    positions = [group for group in found.groups if group.layout in POSITIONS]
    statics = [group for group in found.groups if group.layout in STATICS]
    bases = [group for group in found.groups if group.layout is layouts.BASE_STATION]
    return Messages(
        found.code,
        found.msg_type,
        _numbers(positions, _POSITION),
        _numbers(statics, _STATIC) | _words(statics, _TEXTS),
        _times(bases),
    )


def _order(groups: Sequence[Group]) -> tuple[Ints, Ints]:
    """The rows of several groups, rising, and where each stands when the groups lie one after the other."""
    rows = np.concatenate([group.rows for group in groups]) if groups else np.zeros(0, np.int64)
    order = np.argsort(rows, kind="stable")
    return rows[order], order


def _numbers(groups: Sequence[Group], names: Mapping[str, str]) -> dict[str, Any]:
    """Row, MMSI and the columns of these names, NaN where a layout has no such field."""
    rows, order = _order(groups)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    places = np.split(place, np.cumsum([len(group.rows) for group in groups], dtype=np.int64))
    columns: dict[str, Any] = {"row": rows}
    for column, field in {"mmsi": "mmsi", **names}.items():
        columns[column] = np.empty(len(rows))
        for group, at in zip(groups, places, strict=False):  # after the last group there is an empty place
            columns[column][at] = _number(group, field)
    columns["mmsi"] = columns["mmsi"].astype(np.int32)
    return columns


def _number(group: Group, name: str) -> NDArray[np.float64]:
    field = group.layout.field(name)
    if field is None:
        return np.full(len(group.rows), np.nan)
    return payloads.number(group.packed, field, group.layout.offset(name))


def _words(groups: Sequence[Group], names: Mapping[str, str]) -> dict[str, pa.Array]:
    """The texts of these names, null where a layout has no such field."""
    _, order = _order(groups)
    return {
        column: pa.concat_arrays([pa.nulls(0, pa.string()), *(_text(group, field) for group in groups)]).take(
            pa.array(order)
        )
        for column, field in names.items()
    }


def _text(group: Group, name: str) -> pa.Array:
    field = group.layout.field(name)
    if field is None:
        return pa.nulls(len(group.rows), pa.string())
    return payloads.texts(group.packed, group.layout.offset(name), field.bits)


def _times(groups: Sequence[Group]) -> dict[str, NDArray[np.int64]]:
    """Row, MMSI and time of base stations that tell a date and time which exist."""
    numbers = _numbers(groups, {name: name for name in ("year", "month", "day", "hour", "minute", "second")})
    whole = np.isfinite(numbers["second"])  # the last one: where it arrived, all did
    row, mmsi, *moment = (column[whole].astype(np.int64) for column in numbers.values())
    exists, time_us = moments(np.ones(len(row), np.bool_), *moment)
    return {"row": row[exists], "mmsi": mmsi[exists], "time_us": time_us[exists]}
