"""One vessel, told in each format that is read: three positions and what she says of herself, some of it not available.

At 12:00 all is there, at 12:01 nothing but the position, at 12:02 not even that.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyais
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from tests.pipeline.decode.captures import tagged

EPOCH = 1_741_608_000  # 2025-03-10T12:00:00Z
MMSI = 431000001
KINEMATIC = ("lat", "lon", "sog", "cog", "heading", "status")
MOVES = ((38.25, 124.5, 0.1, 123.4, 77, 5), (38.5, 124.75, 102.3, 360.0, 511, 15), (91.0, 181.0, 102.3, 360.0, 511, 15))
SPEED, COURSE = (float(np.float32(value)) for value in MOVES[0][2:4])
FIXES: list[dict[str, Any]] = [  # as every reader is to give them
    {"mmsi": MMSI, "lon": 124.5, "lat": 38.25, "sog_kn": SPEED, "cog_deg": COURSE, "heading_deg": 77, "status": 5},
    {"mmsi": MMSI, "lon": 124.75, "lat": 38.5, "sog_kn": None, "cog_deg": None, "heading_deg": None, "status": None},
    {"mmsi": MMSI, "lon": None, "lat": None, "sog_kn": None, "cog_deg": None, "heading_deg": None, "status": None},
]
STATIC = {
    "mmsi": MMSI,
    "imo": 9074729,
    "name": "ABLE",
    "call_sign": "HABC",
    "ship_type": 80,
    "length_m": 180.0,
    "beam_m": 30.0,
    "draught_m": 9.5,
    "destination": "NAMPO",
}


def nmea() -> bytes:
    lines = []
    for minute, move in enumerate(MOVES):
        collected = dict(zip(KINEMATIC, move, strict=True))
        collected |= {"speed": collected.pop("sog"), "course": collected.pop("cog")}
        printed = _static_fields(minute == 0)
        for kind, fields in ((1, collected), (5, printed)):
            for sentence in pyais.encode_dict({"msg_type": kind, "mmsi": MMSI, **fields}, talker_id="AI"):
                lines.append(tagged(sentence.encode(), EPOCH + 60 * minute))
    return b"\n".join(lines)


def _static_fields(known: bool) -> dict[str, object]:
    printed = {"imo": 9074729, "shipname": "ABLE", "callsign": "HABC", "ship_type": 80, "draught": 9.5}
    printed |= {"destination": "NAMPO", "to_bow": 150, "to_stern": 30, "to_port": 10, "to_starboard": 20}
    return printed if known else {k: "@@@" if isinstance(v, str) else 0 for k, v in printed.items()}


def aisstream() -> bytes:
    lines = []
    for minute, (lat, lon, sog, cog, heading, status) in enumerate(MOVES):
        known = minute == 0
        head = {"UserID": MMSI, "Valid": True}
        move = {"MessageID": 1, "Latitude": lat, "Longitude": lon, "Sog": sog, "Cog": cog, "TrueHeading": heading}
        sides = dict(zip("ABCD", (150, 30, 10, 20) if known else (0, 0, 0, 0), strict=True))
        printed = {
            "MessageID": 5,
            "ImoNumber": 9074729 * known,
            "Name": "ABLE   " if known else "@@@",
            "Type": 80 * known,
        }
        printed |= {"CallSign": "HABC" if known else "", "Dimension": sides, "MaximumStaticDraught": 9.5 * known}
        printed |= {"Destination": "NAMPO@@@@" if known else "@@@", "AisVersion": 1}
        for kind, fields in (
            ("PositionReport", head | move | {"NavigationalStatus": status}),
            ("ShipStaticData", head | printed),
        ):
            meta = {"MMSI": MMSI, "MMSI_String": MMSI, "time_utc": f"2025-03-10 12:0{minute}:00.0 +0000 UTC"}
            lines.append(json.dumps({"Message": {kind: fields}, "MessageType": kind, "MetaData": meta}))
    return "\n".join(lines).encode()


def catcher(decoded: bool) -> bytes:
    """AIS-catcher's lines: the sentences with what it says of their reception, or the fields that it decoded."""
    lines = []
    for minute, move in enumerate(MOVES):
        collected = dict(zip(KINEMATIC, move, strict=True))
        collected |= {"speed": collected.pop("sog"), "course": collected.pop("cog")}
        for kind, fields in ((1, collected), (5, _static_fields(minute == 0))):
            head = {"class": "AIS", "device": "AIS-catcher", "rxtime": f"202503101200{60 * minute:02d}", "mmsi": MMSI}
            head |= {"rxtime": f"2025031012{minute:02d}00", "rxuxtime": EPOCH + 60.0 * minute, "type": kind}
            if decoded:
                theirs = {k.replace("ship_type", "shiptype"): v for k, v in fields.items()}
                lines.append(head | theirs | {"scaled": True, "timestamp": "2001-01-01T00:00:00Z", "second": 7})
            else:
                sentences = pyais.encode_dict({"msg_type": kind, "mmsi": MMSI, **fields}, talker_id="AI")
                lines.append(head | {"channel": "A", "nmea": sentences})
    return "\n".join(map(json.dumps, lines)).encode()


def records(points: bool) -> list[dict[str, object]]:
    """Plain objects, or the features of GeoJSON."""
    names = ("name", "imo", "callsign", "shiptype", "length", "width", "draught", "destination")
    rows = []
    for minute, move in enumerate(MOVES):
        row = {"mmsi": MMSI, "time": f"2025-03-10T12:{minute:02d}:00Z", **dict(zip(KINEMATIC, move, strict=True))}
        row |= dict(zip(names, UNKNOWN if minute else KNOWN, strict=True))
        if points:
            place = {"type": "Point", "coordinates": [row.pop("lon"), row.pop("lat")]}
            row = {"type": "Feature", "geometry": place, "properties": row}
        rows.append(row)
    return rows


def geojson() -> bytes:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": records(points=True)}, indent=1).encode()


Static = tuple[str, ...]  # name, IMO, call sign, type, length, beam, draught, destination as a table writes them
KNOWN: Static = ("ABLE", "IMO9074729", "HABC", "80", "180", "30", "9.5", "NAMPO")
UNKNOWN: Static = ("", "IMO0000000", "", "0", "0", "0", "0.0", "")


def table(header: str, row: Callable[[str, tuple[float, ...], Static], str], unknown: Static = UNKNOWN) -> bytes:
    """A CSV of the three rows; row: (time, lat to status, static) -> a line."""
    times = [f"2025-03-10T12:0{minute}:00" for minute in range(3)]
    lines = [row(times[at], MOVES[at], unknown if at else KNOWN) for at in range(3)]
    return "\n".join([header, *lines, ""]).encode()


def cadastre_2015() -> bytes:
    def row(time: str, move: tuple[float, ...], printed: Static) -> str:
        lat, lon, sog, cog, heading, status = move
        name, imo, call, kind, length, beam, draught, _ = printed
        start = f"{MMSI},{time},{lat},{lon},{sog},{cog},{heading},{name},{imo},{call},{kind},{status}"
        return f"{start},{length},{beam},{draught},{kind},A"

    header = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status"
    return table(header + ",Length,Width,Draft,Cargo,TransceiverClass", row)


def cadastre_2025() -> bytes:
    """Here what is not available is left out."""

    def row(time: str, move: tuple[float, ...], printed: Static) -> str:
        lat, lon, *rest = move
        sog, cog, heading, status = rest if printed is KNOWN else [""] * 4
        lat, lon = (lat, lon) if lat <= 90 else ("", "")
        name, imo, call, kind, length, beam, draught, _ = printed
        start = f"{MMSI},{time.replace('T', ' ')},{lon},{lat},{sog},{cog},{heading},{name},{imo},{call},{kind},{status}"
        return f"{start},{length},{beam},{draught},{kind},A"

    header = "mmsi,base_date_time,longitude,latitude,sog,cog,heading,vessel_name,imo,call_sign,vessel_type,status"
    return table(header + ",length,width,draft,cargo,transceiver", row, ("",) * 8)


def cadastre_2009() -> bytes:
    def row(time: str, move: tuple[float, ...], printed: Static) -> str:
        lat, lon, sog, cog, heading, status = move
        when = time.replace("-", "/").replace("T", " ")
        return f"{lon},{lat},{sog},{cog},{heading},128,{when},{status},77,{MMSI},b,003669959"

    return table("X,Y,SOG,COG,Heading,ROT,BaseDateTime,Status,VoyageID,MMSI,ReceiverType,ReceiverID", row)


def danish() -> bytes:
    def row(time: str, move: tuple[float, ...], printed: Static) -> str:
        lat, lon, *rest = move
        sog, cog, heading, _ = rest if printed is KNOWN else [""] * 4
        status = "Moored" if printed is KNOWN else "Unknown value"
        name, imo, call, kind, length, beam, draught, destination = printed
        when = f"10/03/2025 {time[11:]}"
        start = f"{when},Class A,{MMSI},{lat},{lon},{status},,{sog},{cog},{heading},{imo.removeprefix('IMO')},{call}"
        kind = {"80": "Tanker"}.get(kind, "Undefined")
        return f"{start},{name},{kind},,{beam},{length},GPS,{draught},{destination},,AIS,,,,"

    return table(
        "# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,ROT,SOG,COG,Heading,IMO,Callsign,Name,"
        "Ship type,Cargo type,Width,Length,Type of position fixing device,Draught,Destination,ETA,Data source type,"
        "A,B,C,D",
        row,
        ("", "Unknown", "", "", "", "", "", "Unknown"),
    )


MAP = """
receiver = "satellite"
licence = "bought"
delimiter = ";"
decimal = ","
[columns]
mmsi = "Ship"
time = "When"
lat = "Y"
lon = "X"
sog_kn = "Deciknots"
cog_deg = "Course"
heading_deg = "Bow"
status = "State"
name = "Name"
imo = "IMO"
call_sign = "Call"
ship_type = "Kind"
to_bow_m = "A"
to_stern_m = "B"
to_port_m = "C"
to_starboard_m = "D"
draught_m = "Depth"
destination = "To"
[factors]
sog_kn = 0.1
draught_m = 0.1
[words.status]
"Fast to the pier" = 5
[words.ship_type]
"oiler" = 80
[time]
format = "%Y%m%d %H%M%S"
zone = "Asia/Seoul"
"""


def mapped() -> bytes:
    def row(time: str, move: tuple[float, ...], printed: Static) -> str:
        lat, lon, sog, cog, heading, _ = move
        name, imo, call, kind, *_, destination = printed
        known = printed is KNOWN
        status, kind = ("Fast to the pier", "Oiler") if known else ("?", "?")
        sides = "150;30;10;20" if known else "0;0;0;0"
        when = f"20250310 21{time[14:16]}00"
        moved = f"{lat};{lon};{sog * 10:.0f};{cog};{heading}".replace(".", ",")
        start = f"{MMSI};{when};{moved};{status};{name};{imo};{call}"
        return f"{start};{kind};{sides};{95 * known};{destination}"

    return table("Ship;When;Y;X;Deciknots;Course;Bow;State;Name;IMO;Call;Kind;A;B;C;D;Depth;To", row)


def parquet(time: str, points: bool) -> bytes:
    names = ("name", "imo", "call_sign", "vessel_type", "length", "width", "draft", "destination")
    printed = [KNOWN, UNKNOWN, ("Unknown", *UNKNOWN[1:-1], "Undefined")]
    times = pa.array([(EPOCH + 60 * i) * 10**6 for i in range(3)], pa.timestamp("us"))
    columns: dict[str, object] = {"mmsi": [MMSI] * 3, time: times}
    moves = dict(zip(("latitude", "longitude", *KINEMATIC[2:]), zip(*MOVES, strict=True), strict=True))
    columns |= {name: list(values) for name, values in moves.items()}
    columns |= {name: [row[at] for row in printed] for at, name in enumerate(names)}
    metadata = None
    if points:
        lat, lon = columns.pop("latitude"), columns.pop("longitude")
        shapes = shapely.points(lon, lat)
        columns["geometry"] = [*shapely.to_wkb(shapes[:2], byte_order=1), None]
        column = {"encoding": "WKB", "geometry_types": ["Point"]}
        metadata = {
            "geo": json.dumps({"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}})
        }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), sink)
    return sink.getvalue()


def plain() -> bytes:
    text = cadastre_2015().decode().replace("BaseDateTime", "timestamp")
    ends = ["destination", "NAMPO", "", ""]
    return "\n".join(f"{line},{end}" for line, end in zip(text.splitlines(), ends, strict=True)).encode()


FORMATS: Mapping[str, tuple[str, bytes, tuple[str, ...]]] = {  # what -> reader, content, what it does not tell
    "nmea": ("nmea", nmea(), ()),
    "aisstream": ("aisstream", aisstream(), ()),
    "AIS-catcher": ("aiscatcher", catcher(decoded=False), ()),
    "AIS-catcher, decoded": ("aiscatcher", catcher(decoded=True), ()),
    "JSON lines": ("json", "\n".join(map(json.dumps, records(points=False))).encode(), ()),
    "JSON array": ("json", json.dumps(records(points=False), indent=2).encode(), ()),
    "GeoJSON": ("json", geojson(), ()),
    "MarineCadastre 2015": ("marinecadastre", cadastre_2015(), ("destination",)),
    "MarineCadastre 2025": ("marinecadastre", cadastre_2025(), ("destination",)),
    "MarineCadastre 2009": ("marinecadastre", cadastre_2009(), tuple(STATIC)),
    "MarineCadastre GeoParquet": ("marinecadastre", parquet("base_date_time", points=True), ()),
    "Danish": ("danish", danish(), ()),
    "CSV": ("columns", plain(), ()),
    "Parquet": ("columns", parquet("timestamp", points=False), ()),
    "mapped": ("columns", mapped(), ()),
}
