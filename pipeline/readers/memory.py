"""Positions in memory: Arrow tables, DataFrames and GeoDataFrames as fixes and static reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.readers import ids
from stswatch.pipeline.readers.base import Decoded, Place, SourceError
from stswatch.pipeline.readers.column_map import (
    AS_USUAL,
    OTHER_IDS,
    Writing,
    betrayed,
    lacking,
    listed,
    recognise,
    time_columns,
)
from stswatch.pipeline.readers.longitudes import runs_to_360
from stswatch.pipeline.readers.tabular import Rows, decode_rows, number_of
from stswatch.pipeline.readers.time_columns import choose
from stswatch.pipeline.readers.time_look import Column
from stswatch.pipeline.readers.values import flat

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 10_000  # rows
_EVIDENCE = ("source", "offset", "length", "more_refs")  # of a sentence, not of a vessel


def decode_memory(positions: pa.Table | pd.DataFrame, kind: str = "mmsi", day: date | None = None) -> Decoded:
    """Fixes and static reports of positions in memory, by their column names as in a file; points of a GeoDataFrame.

    Rows of the lake, as `api.decode` gives them, keep their kind of receiver, and those marked invalid are left out.
    kind: of ids, one of IDS. day: of today: no time after it decides how the times are read. Raises SourceError where
    a needed column lacks, the ids are of another kind, or the form of the time is not clear.
    """
    table = positions if isinstance(positions, pa.Table) else _of_frame(positions)
    if "invalid" in table.column_names:
        table = table.filter(pc.is_null(table["invalid"], nan_is_null=True))
        table = table.drop_columns([name for name in _EVIDENCE if name in table.column_names])
        kind = "numbered"
    return _by_names(table.combine_chunks(), kind, day)


def _by_names(table: pa.Table, kind: str, day: date | None) -> Decoded:
    found = recognise(table.column_names, {"mmsi": OTHER_IDS} if kind == "any" else None)
    missing = lacking(found)
    if missing:
        raise SourceError(
            f"the table: has no column for {', '.join(missing)} among {listed(table.column_names)}; name a column so"
        )
    none = np.zeros(0, np.int64)
    columns = {ours: table.column(index) for ours, index in found.items() if ours not in ("time", "date")}
    times, dates = (
        [Column(table.column_names[i], table.column(i), i) for i in indices]
        for indices in time_columns(table.column_names, None)
    )
    chosen = choose("the table", times, dates, columns["mmsi"], AS_USUAL.time, day)
    columns["time"] = chosen.time.values
    if chosen.date is not None:
        columns["date"] = chosen.date.values
    units = tuple(betrayed(table.column_names, found).items())
    rows = Rows(columns, np.arange(table.num_rows), np.ones(table.num_rows, np.int32), none, none)
    east_360 = runs_to_360(number_of(flat(columns["lon"]), "lon", replace(AS_USUAL, factors=units)))
    writing = replace(_ids(columns["mmsi"], kind), east_360=east_360, time=chosen.how, factors=units)
    return decode_rows(rows, "memory", "unknown", writing)


def _ids(column: pa.ChunkedArray, kind: str) -> Writing:
    """How the ids are written. Raises SourceError where they are no MMSI, though these are asked for."""
    if kind == "numbered":
        return Writing(numbered=True)
    if kind == "any":
        return Writing(ids=ids.numbering_of(pc.unique(ids.texts(column).drop_null()).to_pylist()))
    ids.check(Place("the table"), "mmsi", column.slice(0, _LOOKED_AT))
    return AS_USUAL


def _of_frame(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table; the points of a GeoDataFrame as lon and lat, where it has no such columns."""
    if hasattr(frame, "geom_type"):
        lacks = {"lon", "lat"} - set(recognise([str(name) for name in frame.columns]))
        points = _points(frame) if lacks else {}
        shapes = [name for name, kind in frame.dtypes.items() if str(kind) == "geometry"]
        frame = frame.drop(columns=shapes).assign(**points)
    return pa.Table.from_pandas(frame, preserve_index=False)


def _points(frame: Any) -> dict[str, Any]:
    """Longitude and latitude of the points, NaN where there is none. Raises SourceError where they are no points."""
    others = set(frame.geom_type.dropna()) - {"Point"}
    if others:
        raise SourceError(f"the table: its geometry holds a {sorted(others)[0]}; give points, or columns lon and lat")
    degrees = frame.geometry.to_crs(4326) if frame.crs is not None else frame.geometry
    return {"lon": degrees.x.to_numpy(), "lat": degrees.y.to_numpy()}
