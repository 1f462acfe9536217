"""The archives of MarineCadastre (NOAA, US Coast Guard): CSV, plain or gzip, times in UTC, coast stations.

Columns: MMSI, BaseDateTime, LAT, LON, SOG, COG, Heading, VesselName, IMO, CallSign, VesselType, Status,
Length, Width, Draft, Cargo, TransceiverClass (TranscieverClass in some years); since 2025 in small letters,
base_date_time and so on. Cargo and the class are not read. Source:
https://coast.noaa.gov/data/marinecadastre/ais/data-dictionary.pdf
"""

from __future__ import annotations

from stswatch.pipeline.readers import columns
from stswatch.pipeline.readers.base import Place, Prepared, Request
from stswatch.pipeline.readers.column_map import NEEDED, plain, recognise
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.text import head

chunks = columns.chunks
read = columns.read


def sniff(start: bytes, path: str) -> bool:
    """Whether the header is the one of these archives."""
    if b"\0" in start or start.startswith(columns.PARQUET_MAGIC):
        return False
    names = header_of(start)[0]
    return "basedatetime" in map(plain, names) and set(NEEDED) <= set(recognise(names))


def prepare(place: Place, request: Request) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks."""
    return columns.prepare_csv(place, head(place), None, "terrestrial")
