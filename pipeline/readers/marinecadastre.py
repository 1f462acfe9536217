"""The archives of MarineCadastre (NOAA, US Coast Guard): CSV or GeoParquet, times in UTC, coast stations.

Columns, of which Cargo, ROT, VoyageID, ReceiverID and the class of transceiver are not read:

    2009 to 2014   SOG, COG, Heading, ROT, BaseDateTime, Status, VoyageID, MMSI, ReceiverType, ReceiverID: the table
                   Broadcast of a file geodatabase, written as CSV by ogr2ogr, with X and Y before them
    2015 to 2024   MMSI, BaseDateTime, LAT, LON, SOG, COG, Heading, VesselName, IMO, CallSign, VesselType, Status,
                   Length, Width, Draft, Cargo, TransceiverClass (TranscieverClass in some years)
    2025, and anew for 2015 and later
                   mmsi, base_date_time, longitude, latitude, sog, cog, heading, vessel_name, imo, call_sign,
                   vessel_type, status, length, width, draft, cargo, transceiver
    GeoParquet     those of 2025, with a point in well-known binary for longitude and latitude

Sources: https://www.fisheries.noaa.gov/inport/item/49026 (2009 to 2014),
https://coast.noaa.gov/data/marinecadastre/ais/data-dictionary.pdf,
https://github.com/ocm-marinecadastre/ais-vessel-traffic
"""

from __future__ import annotations

from collections.abc import Sequence

from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import columns, parquet
from stswatch.pipeline.readers.base import Place, Prepared, SourceError
from stswatch.pipeline.readers.column_map import ColumnMap
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.values import plain

LICENCE = "US public domain (CC0 1.0); NOAA asks to be cited"
_XY = {"lon": ("x",), "lat": ("y",)}  # as ogr2ogr names them

chunks = columns.chunks
read = columns.read


def sniff(start: bytes, path: str) -> bool:
    """Whether the header, or the schema of a Parquet file, is the one of these archives."""
    names = _names(start, path)
    return {"basedatetime", "mmsi"} <= set(map(plain, names))


def _names(start: bytes, path: str) -> Sequence[str]:
    if start.startswith(parquet.MAGIC):
        try:
            return list(parquet.opened(path).schema_arrow.names)
        except SourceError:  # whoever takes it says so
            return []
    return [] if b"\0" in start else header_of(start)[0]


def prepare(place: Place, request: ReadOptions) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks."""
    return columns.prepare_table(place, ColumnMap(), _XY, request.ids, request.day)
