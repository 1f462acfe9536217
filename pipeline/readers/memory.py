"""Positions in memory: Arrow tables, DataFrames and GeoDataFrames as fixes and static reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.readers import ids
from stswatch.pipeline.readers.base import Decoded, Place, SourceError
from stswatch.pipeline.readers.column_map import AS_USUAL, NEEDED, OTHER_IDS, Writing, listed, recognise
from stswatch.pipeline.readers.longitudes import runs_to_360
from stswatch.pipeline.readers.tabular import Rows, decode_rows, number_of
from stswatch.pipeline.readers.values import flat

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 10_000  # rows
_EVIDENCE = ("source", "offset", "length", "more_refs")  # of a sentence, not of a vessel


def decode_memory(positions: pa.Table | pd.DataFrame, kind: str = "mmsi") -> Decoded:
    """Fixes and static reports of positions in memory, by their column names as in a file; points of a GeoDataFrame.

    Rows of the lake, as `api.decode` gives them, keep their kind of receiver, and those marked invalid are left out.
    kind: of ids, one of IDS. Raises SourceError where a needed column lacks or the ids are of another kind.
    """
    table = positions if isinstance(positions, pa.Table) else _of_frame(positions)
    if "invalid" in table.column_names:
        table = table.filter(pc.is_null(table["invalid"], nan_is_null=True))
        table = table.drop_columns([name for name in _EVIDENCE if name in table.column_names])
        kind = "numbered"
    return _by_names(table.combine_chunks(), kind)


def _by_names(table: pa.Table, kind: str) -> Decoded:
    found = recognise(table.column_names, {"mmsi": OTHER_IDS} if kind == "any" else None)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise SourceError(
            f"the table: has no column for {', '.join(missing)} among {listed(table.column_names)}; name a column so"
        )
    none = np.zeros(0, np.int64)
    columns = {ours: table.column(index) for ours, index in found.items()}
    rows = Rows(columns, np.arange(table.num_rows), np.ones(table.num_rows, np.int32), none, none)
    east_360 = runs_to_360(number_of(flat(columns["lon"]), "lon", AS_USUAL))
    writing = replace(_ids(columns["mmsi"], kind), east_360=east_360)
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
