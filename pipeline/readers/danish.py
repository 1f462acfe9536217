"""The archives of the Danish Maritime Authority, aisdk-YYYY-MM-DD.csv: times in UTC, coast stations.

Columns: # Timestamp (the day first), Type of mobile, MMSI, Latitude, Longitude, Navigational status, ROT, SOG, COG,
Heading, IMO, Callsign, Name, Ship type, Cargo type, Width, Length, Type of position fixing device, Draught,
Destination, ETA, Data source type, A, B, C, D.

Status and ship type are words, see values.py; of a type such as Cargo the second digit is not told. What is no
ship is known by the type of mobile: its rows are counted, and give neither position nor static report. ROT, cargo type,
fixing device, ETA and A to D are not read: Length and Width are their sums, and the description says of C and D the
opposite of what ITU-R M.1371 does.

Sources: http://web.ais.dk/aisdata/!_README_information_CSV_files.txt for the columns,
https://www.dma.dk/safety-at-sea/navigational-information/download-data/conditions-for-the-use-of-data for the terms.
That the times are UTC is not stated there.
"""

from __future__ import annotations

from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import columns
from stswatch.pipeline.readers.base import Place, Prepared
from stswatch.pipeline.readers.column_map import ColumnMap, TimeFormat, Writing
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.values import plain

LICENCE = (
    "conditions for the use of Danish public data; to be stated: Contains data from the Danish Maritime Authority that"
    " is used in accordance with the conditions for the use of Danish public data"
)
MAP = ColumnMap(writing=Writing(TimeFormat(("%d/%m/%Y %H:%M:%S",))))

chunks = columns.chunks
read = columns.read


def sniff(start: bytes, path: str) -> bool:
    """Whether the header is the one of these archives."""
    if b"\0" in start:
        return False
    return {"timestamp", "typeofmobile", "mmsi", "latitude", "longitude"} <= set(map(plain, header_of(start)[0]))


def prepare(place: Place, request: ReadOptions) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks."""
    return columns.prepare_table(place, MAP, kind=request.ids, day=request.day)
