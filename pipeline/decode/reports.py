"""Messages to rows of `fixes` and `static_reports`: what is not available is null, what cannot be used says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.reference.mmsi import FIRST_NUMBERED, is_vessel
from stswatch.pipeline import schema

# ------------------- Position reports to rows of `fixes`: what is not available is null, what cannot be used says why

Numbers: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

# Source: DOMAIN.md, AIS facts; 102.3 is "not available"
RADIO_STATES = 2.0**20  # selector and 19 bits
NO_SECOND = 60.0  # Source: ITU-R M.1371-5, table 48; 61 to 63 say how the position came about
NOISE_KN = ((51.15, 51.25), (62.95, 63.05), (102.25, np.inf))


def bad_mmsi(mmsi: Numbers, lon: Floats, lat: Floats) -> Bools:
    """The MMSI is not between 1 and 999999999."""
    return np.asarray((mmsi <= 0) | ((mmsi > 999_999_999) & (mmsi < FIRST_NUMBERED)))


def not_a_vessel(mmsi: Numbers, lon: Floats, lat: Floats) -> Bools:
    """The MMSI has the form of a shore station, a buoy, an aircraft, a handheld, a beacon or a group."""
    return np.asarray(~is_vessel(mmsi) & (mmsi < FIRST_NUMBERED))


def no_position(mmsi: Numbers, lon: Floats, lat: Floats) -> Bools:
    """Longitude or latitude is missing or said to be not available."""
    return np.asarray(~(np.isfinite(lon) & np.isfinite(lat)) | (np.abs(lon) == 181.0) | (np.abs(lat) == 91.0))


def out_of_range(mmsi: Numbers, lon: Floats, lat: Floats) -> Bools:
    """Longitude or latitude is not on the Earth."""
    return np.asarray(~((np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)))


def null_island(mmsi: Numbers, lon: Floats, lat: Floats) -> Bools:
    """The position is exactly 0, 0: a receiver without a position."""
    return np.asarray((lon == 0.0) & (lat == 0.0))


Check: TypeAlias = Callable[[Numbers, Floats, Floats], Bools]  # mmsi, lon, lat, (n,) each, degrees -> where it holds
CHECKS: tuple[Check, ...] = (bad_mmsi, not_a_vessel, no_position, out_of_range, null_island)  # the first one is told


@dataclass(frozen=True)
class Evidence:
    """Where rows come from: arrays of (n,), and `further_parts` where messages take several sentences."""

    source: str
    offset: NDArray[np.int64]
    length: NDArray[np.int32]
    more: pa.Array | None = None

    def take(self, rows: NDArray[np.int64]) -> Evidence:
        """The evidence of some rows, in the order given."""
        more = None if self.more is None else self.more.take(pa.array(rows))
        return Evidence(self.source, self.offset[rows], self.length[rows], more)

    def columns(self) -> list[pa.Array]:
        """The four evidence columns of the lake."""
        n = len(self.offset)
        return [
            same(self.source, n),
            pa.array(self.offset, pa.int64()),
            pa.array(self.length, pa.int32()),
            pa.nulls(n, pa.list_(schema.REF)) if self.more is None else self.more,
        ]


def same(text: str, n: int) -> pa.Array:
    """The same text n times.

    >>> same("unknown", 2).to_pylist()
    ['unknown', 'unknown']
    """
    letters = text.encode()
    edges = np.arange(n + 1, dtype=np.int32) * np.int32(len(letters))
    return pa.StringArray.from_buffers(n, pa.py_buffer(edges), pa.py_buffer(letters * n))


def further_parts(row: NDArray[np.int64], offset: NDArray[np.int64], length: NDArray[np.int32], n: int) -> pa.Array:
    """The sentences after the first of each of n rows, as lists of (offset, length); null where there are none.

    row: (m,) to which row each of these sentences belongs, not falling; offset, length: (m,) bytes.

    >>> further_parts(np.array([1, 1]), np.array([80, 160]), np.array([40, 30], np.int32), 2).to_pylist()[1]
    [{'offset': 80, 'length': 40}, {'offset': 160, 'length': 30}]
    """
    edge = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int32)
    refs = pa.StructArray.from_arrays(
        [pa.array(offset, pa.int64()), pa.array(length, pa.int32())], fields=list(schema.REF)
    )
    return pa.ListArray.from_arrays(
        pa.array(edge), refs, type=pa.list_(schema.REF), mask=pa.array(edge[1:] == edge[:-1])
    )


@dataclass(frozen=True)
class Positions:
    """Position reports as numbers, (n,) each; NaN where missing, "not available" still as it was sent."""

    mmsi: NDArray[np.int32]
    time_us: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    sog_kn: NDArray[np.float64] | None = None
    cog_deg: NDArray[np.float64] | None = None
    heading_deg: NDArray[np.float64] | None = None
    status: NDArray[np.float64] | None = None
    msg_type: NDArray[np.int8] | None = None
    radio: NDArray[np.float64] | None = None
    raim: NDArray[np.float64] | None = None  # 1 where it is in use
    utc_second: NDArray[np.float64] | None = None


def fixes_table(
    rows: Positions, evidence: Evidence, receiver: str | pa.Array, station: pa.Array | None = None
) -> pa.Table:
    """Rows of `fixes`, one for each position report, in the order given; never raises.

    receiver: terrestrial, satellite or unknown, for all rows or (n,) strings; station: (n,) strings or None.
    """
    n = len(rows.mmsi)
    with np.errstate(over="ignore"):
        lon, lat = np.round(rows.lon, 7), np.round(rows.lat, 7)
    missing = no_position(rows.mmsi, lon, lat)
    if isinstance(receiver, str):
        receiver = same(receiver, n)
    columns = [
        pa.array(rows.mmsi, pa.int32()),
        pa.array(rows.time_us, pa.int64()).cast(schema.UTC),
        pa.array(lon, mask=missing),
        pa.array(lat, mask=missing),
        speed(rows.sog_kn, n),
        within(rows.cog_deg, n, 0.0, 360.0, pa.float32()),
        within(rows.heading_deg, n, 0.0, 360.0, pa.int16()),
        within(rows.status, n, 0.0, 15.0, pa.int8()),
        pa.nulls(n, pa.int8()) if rows.msg_type is None else pa.array(rows.msg_type, pa.int8()),
        receiver,
        pa.nulls(n, pa.string()) if station is None else station,
        within(rows.radio, n, 0.0, RADIO_STATES, pa.int32()),
        _flag(rows.raim, n),
        _second(rows.utc_second, n),
        _invalid(rows.mmsi, lon, lat, missing),
        *evidence.columns(),
    ]
    return pa.Table.from_arrays(columns, schema=schema.FIXES)


def speed(sog_kn: NDArray[np.float64] | None, n: int) -> pa.Array:
    """Speeds as float32, null where missing, negative, "not available" or among those that are noise.

    >>> speed(np.array([0.0, 51.2, 102.2, 102.3, np.nan]), 5).to_pylist()[:2]
    [0.0, None]
    """
    if sog_kn is None:
        return pa.nulls(n, pa.float32())
    bad = ~(sog_kn >= 0)
    if n and not sog_kn.max(initial=0.0, where=~bad) < NOISE_KN[0][0]:
        for low, high in NOISE_KN:
            bad |= (sog_kn >= low) & (sog_kn <= high)
    return pa.array(np.where(bad, 0.0, sog_kn).astype(np.float32), mask=bad)


def within(value: NDArray[np.float64] | None, n: int, low: float, high: float, kind: pa.DataType) -> pa.Array:
    """Numbers as `kind`, null where missing or not in [low, high).

    >>> within(np.array([0.0, 359.0, 511.0, np.nan]), 4, 0.0, 360.0, pa.int16()).to_pylist()
    [0, 359, None, None]
    """
    if value is None:
        return pa.nulls(n, kind)
    bad = ~((value >= low) & (value < high))
    with np.errstate(invalid="ignore", over="ignore"):  # what is masked may be too large for the type
        number = value.astype(kind.to_pandas_dtype())  # whole numbers are cut
    return pa.array(number, mask=bad)


def _flag(value: NDArray[np.float64] | None, n: int) -> pa.Array:
    """Where a number is 1, null where it is neither that nor 0."""
    if value is None:
        return pa.nulls(n, pa.bool_())
    return pa.array(value == 1, mask=(value != 0) & (value != 1))


def _second(value: NDArray[np.float64] | None, n: int) -> pa.Array:
    if value is None:
        return pa.nulls(n, pa.int8())
    return within(np.where(value == NO_SECOND, np.nan, value), n, 0.0, 64.0, pa.int8())


def _invalid(mmsi: Numbers, lon: Floats, lat: Floats, missing: Bools) -> pa.Array:
    """The name of the first of CHECKS that holds, null where none does; missing: what `no_position` says."""
    code = np.full(len(mmsi), len(CHECKS), np.int8)
    for number, check in reversed(list(enumerate(CHECKS))):
        holds = missing if check is no_position else check(mmsi, lon, lat)
        if holds.any():
            code[holds] = number
    if (code == len(CHECKS)).all():
        return pa.nulls(len(code), pa.string())
    return pa.array([*(check.__name__ for check in CHECKS), None], pa.string()).take(pa.array(code))


# --------------------- From what vessels say of themselves to rows of `static_reports`: what is not available is null

LARGEST_IMO = 9_999_999  # seven digits
LARGEST_M = 1023.0  # bow and stern have 9 bits each: 511 + 511


@dataclass(frozen=True)
class Claims:
    """Static reports as columns, (n,) each; NaN or null where missing, None where there is no such column."""

    mmsi: NDArray[np.int32]
    time_us: NDArray[np.int64]
    imo: NDArray[np.float64] | None = None
    name: pa.Array | None = None
    call_sign: pa.Array | None = None
    ship_type: NDArray[np.float64] | None = None
    length_m: NDArray[np.float64] | None = None  # taken from the antenna's distances where these are given
    beam_m: NDArray[np.float64] | None = None
    to_bow_m: NDArray[np.float64] | None = None
    to_stern_m: NDArray[np.float64] | None = None
    to_port_m: NDArray[np.float64] | None = None
    to_starboard_m: NDArray[np.float64] | None = None
    draught_m: NDArray[np.float64] | None = None
    destination: pa.Array | None = None
    msg_type: NDArray[np.int8] | None = None


def statics_table(rows: Claims, evidence: Evidence) -> pa.Table:
    """Rows of `static_reports`, one for each report, in the order given; never raises."""
    n = len(rows.mmsi)
    length_m = rows.length_m if rows.to_bow_m is None else _sum(rows.to_bow_m, rows.to_stern_m)
    beam_m = rows.beam_m if rows.to_port_m is None else _sum(rows.to_port_m, rows.to_starboard_m)
    columns = [
        pa.array(rows.mmsi, pa.int32()),
        pa.array(rows.time_us, pa.int64()).cast(schema.UTC),
        within(rows.imo, n, 1.0, LARGEST_IMO + 1.0, pa.int32()),
        text(rows.name, n),
        text(rows.call_sign, n),
        within(rows.ship_type, n, 1.0, 256.0, pa.int16()),
        _positive(length_m, n),
        _positive(beam_m, n),
        *(_side(near, far, n) for near, far in _sides(rows)),
        _positive(rows.draught_m, n),
        text(rows.destination, n),
        pa.nulls(n, pa.int8()) if rows.msg_type is None else pa.array(rows.msg_type, pa.int8()),
        pa.nulls(n, pa.string()),
        *evidence.columns(),
    ]
    return pa.Table.from_arrays(columns, schema=schema.STATIC_REPORTS)


def text(value: pa.Array | None, n: int) -> pa.Array:
    """Strings without trailing @ and blanks round them; null where nothing is left.

    >>> text(pa.array(["COURAGEOUS@@@", " @@", None]), 3).to_pylist()
    ['COURAGEOUS', None, None]
    """
    if value is None:
        return pa.nulls(n, pa.string())
    cut = pc.utf8_trim_whitespace(pc.utf8_rtrim(value, "@ "))
    return pc.if_else(pc.equal(cut, ""), pa.scalar(None, pa.string()), cut)


def _positive(value: NDArray[np.float64] | None, n: int) -> pa.Array:
    if value is None:
        return pa.nulls(n, pa.float32())
    return pa.array(value.astype(np.float32), mask=~((value > 0) & (value < LARGEST_M)))


def _sum(near: NDArray[np.float64], far: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return near if far is None else near + far


def _sides(rows: Claims) -> list[tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]]:
    along, across = (rows.to_bow_m, rows.to_stern_m), (rows.to_port_m, rows.to_starboard_m)
    return [along, along[::-1], across, across[::-1]]


def _side(value: NDArray[np.float64] | None, other: NDArray[np.float64] | None, n: int) -> pa.Array:
    """A distance of 0 is one only where the opposite one is not 0 too: both 0 mean that none was set."""
    if value is None or other is None:
        return within(value, n, 1.0, LARGEST_M, pa.int16())
    return within(np.where(value + other > 0, value, np.nan), n, 0.0, LARGEST_M, pa.int16())
