"""From what vessels say of themselves to rows of `static_reports`: what is not available is null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline import schema
from stswatch.pipeline.decode.fixes import Evidence, within

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
