"""Archives of two authorities: the Danish Maritime Authority, and NOAA with the US Coast Guard (MarineCadastre)."""

from __future__ import annotations

from collections.abc import Sequence

from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import columns, parquet
from stswatch.pipeline.readers.column_map import ColumnMap, TimeFormat, Writing
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.source import Prepared, SourceError, SourcePlace
from stswatch.pipeline.readers.values import plain

# ------------------ The archives of the Danish Maritime Authority, aisdk-YYYY-MM-DD.csv: times in UTC, coast stations
# Columns: # Timestamp (the day first), Type of mobile, MMSI, Latitude, Longitude, Navigational status, ROT, SOG, COG,
# Heading, IMO, Callsign, Name, Ship type, Cargo type, Width, Length, Type of position fixing device, Draught,
# Destination, ETA, Data source type, A, B, C, D.
#
# Status and ship type are words, see vocabulary.py; of a type such as Cargo the second digit is not told. What is no
# ship is known by the type of mobile: its rows are counted, and give neither position nor static report. ROT, cargo
# type, fixing device, ETA and A to D are not read: Length and Width are their sums, and the description says of C and
# D the opposite of what ITU-R M.1371 does.
#
# Sources: http://web.ais.dk/aisdata/!_README_information_CSV_files.txt for the columns,
# https://www.dma.dk/safety-at-sea/navigational-information/download-data/conditions-for-the-use-of-data for the terms.
# That the times are UTC is not stated there.

DANISH_LICENCE = (
    "conditions for the use of Danish public data; to be stated: Contains data from the Danish Maritime Authority that"
    " is used in accordance with the conditions for the use of Danish public data"
)
DANISH_MAP = ColumnMap(writing=Writing(TimeFormat(("%d/%m/%Y %H:%M:%S",))))

chunks_danish = columns.chunks
read_danish = columns.read


def sniff_danish(start: bytes, path: str) -> bool:
    """Whether the header is the one of these archives."""
    if b"\0" in start:
        return False
    return {"timestamp", "typeofmobile", "mmsi", "latitude", "longitude"} <= set(map(plain, header_of(start)[0]))


def prepare_danish(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks."""
    return columns.prepare_table(place, DANISH_MAP, kind=request.ids, day=request.day)


# ------------- The archives of MarineCadastre (NOAA, US Coast Guard): CSV or GeoParquet, times in UTC, coast stations
# Columns, of which Cargo, ROT, VoyageID, ReceiverID and the class of transceiver are not read:
#
#     2009 to 2014   SOG, COG, Heading, ROT, BaseDateTime, Status, VoyageID, MMSI, ReceiverType, ReceiverID: the table
#                    Broadcast of a file geodatabase, written as CSV by ogr2ogr, with X and Y before them
#     2015 to 2024   MMSI, BaseDateTime, LAT, LON, SOG, COG, Heading, VesselName, IMO, CallSign, VesselType, Status,
#                    Length, Width, Draft, Cargo, TransceiverClass (TranscieverClass in some years)
#     2025, and anew for 2015 and later
#                    mmsi, base_date_time, longitude, latitude, sog, cog, heading, vessel_name, imo, call_sign,
#                    vessel_type, status, length, width, draft, cargo, transceiver
#     GeoParquet     those of 2025, with a point in well-known binary for longitude and latitude
#
# Sources: https://www.fisheries.noaa.gov/inport/item/49026 (2009 to 2014),
# https://coast.noaa.gov/data/marinecadastre/ais/data-dictionary.pdf,
# https://github.com/ocm-marinecadastre/ais-vessel-traffic

CADASTRE_LICENCE = "US public domain (CC0 1.0); NOAA asks to be cited"
_XY = {"lon": ("x",), "lat": ("y",)}  # as ogr2ogr names them

chunks_cadastre = columns.chunks
read_cadastre = columns.read


def sniff_cadastre(start: bytes, path: str) -> bool:
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


def prepare_cadastre(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks."""
    return columns.prepare_table(place, ColumnMap(), _XY, request.ids, request.day)
