"""Payloads to columns: positions, static reports and the time that base stations tell.

Numbers are those of the standard, its values for "not available" still in place. What a payload does not carry is NaN
or null: a short message says less, and is a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode import layouts, values
from stswatch.pipeline.decode.groups import Group, grouped
from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.decode.stamp_columns import moments

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
    positions: dict[str, NDArray[Any]]  # row, mmsi, lon, lat, sog_kn, cog_deg, heading_deg, status
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
    return values.number(group.packed, field, group.layout.offset(name))


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
    return values.texts(group.packed, group.layout.offset(name), field.bits)


def _times(groups: Sequence[Group]) -> dict[str, NDArray[np.int64]]:
    """Row, MMSI and time of base stations that tell a date and time which exist."""
    told = _numbers(groups, {name: name for name in ("year", "month", "day", "hour", "minute", "second")})
    whole = np.isfinite(told["second"])  # the last one: where it arrived, all did
    row, mmsi, *moment = (column[whole].astype(np.int64) for column in told.values())
    exists, time_us = moments(np.ones(len(row), np.bool_), *moment)
    return {"row": row[exists], "mmsi": mmsi[exists], "time_us": time_us[exists]}
