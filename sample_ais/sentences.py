"""Position and static reports as sentences with tag blocks: columns in, lines out, for all recordings here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.sample_ais import encode, nmea
from stswatch.sample_ais.motion import Floats

Ints = NDArray[np.int64]
NO_HEADING, NO_LON, NO_LAT = 511, 181.0, 91.0  # what stands for "not available", ITU-R M.1371-5
NO_TURN = -128
B_FLAGS = 0b1011100  # carrier sense, with display and DSC, whole band, message 22


def positions(
    mmsi: ArrayLike,
    time_s: Ints,
    lon: Floats,
    lat: Floats,
    speed_kn: Floats,
    course_deg: Floats,
    heading_deg: Floats,
    stations: Sequence[str],
    status: Ints | None = None,
    turning: NDArray[np.bool_] | None = None,
) -> list[bytes]:
    """A line for each position report (n,), in their order: class A (types 1 and 3) with a status, else class B (18).

    time_s: whole seconds since 1970. NaN in lon, lat or heading_deg is sent as not available. Raises ValueError for
    what does not fit a field.
    """
    n = len(time_s)
    common: dict[str, Any] = {
        "mmsi": mmsi,
        "speed": np.round(speed_kn * 10).astype(np.int64),
        "lon": np.round(np.where(np.isnan(lon), NO_LON, lon) * 600_000).astype(np.int64),
        "lat": np.round(np.where(np.isnan(lat), NO_LAT, lat) * 600_000).astype(np.int64),
        "course": np.round(course_deg * 10).astype(np.int64),
        "heading": np.where(np.isnan(heading_deg), NO_HEADING, heading_deg).astype(np.int64),
        "second": time_s % 60,
    }
    if status is None:
        bits = encode.pack(encode.POSITION_B, common | {"msg_type": 18, "flags": B_FLAGS}, n)
    else:
        kind = np.where(turning if turning is not None else np.zeros(n, bool), 3, 1)
        bits = encode.pack(encode.POSITION_A, common | {"msg_type": kind, "status": status, "turn": NO_TURN}, n)
    payloads, fill = encode.armour(bits)
    return nmea.lines(payloads, fill, time_s, stations, 0)


def statics_a(
    who: Mapping[str, Any], voyage: Mapping[str, Any], time_s: Ints, stations: Sequence[str], first_group: int
) -> list[bytes]:
    """The two lines of each static report (n,) of class A, type 5.

    who: mmsi, imo, name, call_sign, ship_type, to_bow, to_stern, to_port, to_starboard; voyage: draught in 0.1 m,
    destination. Values (n,) or one for all.
    """
    fixed = {"msg_type": 5, "epfd": 1, "hour": 24, "minute": 60}
    payloads, fill = encode.armour(encode.pack(encode.STATIC_A, {**who, **voyage, **fixed}, len(time_s)))
    return nmea.lines(payloads, fill, time_s, stations, first_group)


def statics_b(
    who: Mapping[str, Any], time_s: Ints, stations: Sequence[str], first_group: int, part: int
) -> list[bytes]:
    """The line of each static report (n,) of class B, type 24: part 0 has the name, part 1 the rest of `who`."""
    fields: Sequence[encode.Field] = (encode.STATIC_B_NAME, encode.STATIC_B_REST)[part]
    told = {field.name for field in fields}
    values = {name: value for name, value in who.items() if name in told} | {"msg_type": 24, "part": part}
    payloads, fill = encode.armour(encode.pack(fields, values, len(time_s)))
    return nmea.lines(payloads, fill, time_s, stations, first_group)
