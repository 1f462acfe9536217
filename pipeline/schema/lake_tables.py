"""Tables of the lake, and how a field says its meaning and unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# -------------------------- What a column and a table are: Arrow fields and schemas that carry their meaning and unit

UTC = pa.timestamp("us", tz="UTC")
REF = pa.struct([pa.field("offset", pa.int64(), False), pa.field("length", pa.int32(), False)])
REASON = pa.struct(
    [
        pa.field("feature", pa.string(), False),
        pa.field("value", pa.float64()),
        pa.field("points", pa.float64(), False),
        pa.field("text", pa.string(), False),
    ]
)


def column(name: str, kind: pa.DataType, meaning: str, *, unit: str = "", null: bool = False) -> pa.Field:
    """One field with its meaning and unit in the metadata; not nullable unless said."""
    return pa.field(name, kind, nullable=null, metadata={"meaning": meaning, "unit": unit})


def table(meaning: str, *columns: pa.Field) -> pa.Schema:
    """One schema with what the table holds in its metadata."""
    return pa.schema(columns, metadata={"meaning": meaning})


def meaning_of(thing: pa.Field | pa.Schema) -> str:
    """The sentence that describes a field or a table, with the unit in brackets where there is one."""
    metadata = thing.metadata or {}
    unit = metadata.get(b"unit", b"").decode()
    meaning: str = metadata.get(b"meaning", b"").decode()
    return meaning + (f" [{unit}]" if unit else "")


# ----------------------------- What lies in the lake: positions, static reports, and the lines that could not be used

# Kinds of receivers; their places here are their codes, in order of the words so that order by code is order by word.
RECEIVERS = ("satellite", "terrestrial", "unknown")
SATELLITE, TERRESTRIAL, UNKNOWN = range(len(RECEIVERS))

CLOCK = "clock"  # why a row is invalid whose day stands so alone that the receiver lost its date

# of the sentence alone: a file of the lake of whose rows none has any of them has none of these columns
RADIO_FIELDS = ("radio", "raim", "utc_second")

_EVIDENCE = (
    column("source", pa.string(), "first 16 hex digits of the SHA-256 of the source file"),
    column(
        "offset",
        pa.int64(),
        "where the first sentence begins in the decompressed file; the row number in Parquet",
    ),
    column("length", pa.int32(), "length of the first sentence without its line end; 1 in Parquet", unit="byte"),
    column("more_refs", pa.list_(REF), "the further sentences of a multi-part message", null=True),
)

FIXES = table(
    "Position reports, one row each as received. Nothing is dropped: what cannot be used says why in `invalid_reason`.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when the report was received or sent, as the source tells it"),
    column("lon", pa.float64(), "longitude, WGS 84, rounded to 1e-7", unit="deg", null=True),
    column("lat", pa.float64(), "latitude, WGS 84, rounded to 1e-7", unit="deg", null=True),
    column("sog_kn", pa.float32(), "speed over ground; null where not available", unit="kn", null=True),
    column("cog_deg", pa.float32(), "course over ground; null where not available", unit="deg", null=True),
    column("heading_deg", pa.int16(), "true heading; null where not available", unit="deg", null=True),
    column(
        "status",
        pa.int8(),
        "navigational status of ITU-R M.1371-5; null where not defined or not sent",
        null=True,
    ),
    column(
        "msg_type",
        pa.int8(),
        "AIS message type; null where the archive does not say; 27 tells places to 1/10 minute (185 m), speed to 1 kn",
        null=True,
    ),
    column("receiver", pa.string(), "kind of receiver: terrestrial, satellite or unknown"),
    column("station", pa.string(), "receiving station as the source names it", null=True),
    column(
        "radio",
        pa.int32(),
        "communication state as sent: 19 bits of types 1 to 3, of type 18 20 with its selector first; null elsewhere",
        null=True,
    ),
    column(
        "raim", pa.bool_(), "whether the receiver of positions watches their integrity; null where not sent", null=True
    ),
    column(
        "utc_second",
        pa.int8(),
        "second of the minute of the position; 61 entered by hand, 62 dead reckoning, 63 no positioning; "
        "null where not available",
        unit="s",
        null=True,
    ),
    column("invalid_reason", pa.string(), "why the fix is left out of legs; null where it is used", null=True),
    *_EVIDENCE,
)

STATIC_REPORTS = table(
    "What vessels say of themselves: types 5, 19 and 24, or an archive's static columns where they change.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when the report was received or sent, as the source tells it"),
    column("imo", pa.int32(), "IMO number as sent, without check; null where zero", null=True),
    column("name", pa.string(), "name as sent, trailing blanks and @ cut", null=True),
    column("call_sign", pa.string(), "call sign as sent", null=True),
    column("ship_type", pa.int16(), "type of ship and cargo, ITU-R M.1371-5 table 53; null where zero", null=True),
    column("length_m", pa.float32(), "length over all, bow plus stern; null where zero", unit="m", null=True),
    column("beam_m", pa.float32(), "breadth, port plus starboard; null where zero", unit="m", null=True),
    column("to_bow_m", pa.int16(), "antenna to bow", unit="m", null=True),
    column("to_stern_m", pa.int16(), "antenna to stern", unit="m", null=True),
    column("to_port_m", pa.int16(), "antenna to port side", unit="m", null=True),
    column("to_starboard_m", pa.int16(), "antenna to starboard side", unit="m", null=True),
    column("draught_m", pa.float32(), "present static draught; null where zero", unit="m", null=True),
    column("destination", pa.string(), "destination as sent", null=True),
    column("msg_type", pa.int8(), "AIS message type; null where the archive does not say", null=True),
    column("invalid_reason", pa.string(), "why the report is used for nothing; null where it is used", null=True),
    *_EVIDENCE,
)

REJECTS = table(
    "Lines that should have been a message and could not be used.",
    column("source", pa.string(), "first 16 hex digits of the SHA-256 of the source file"),
    column("offset", pa.int64(), "where the line begins in the decompressed file"),
    column("length", pa.int32(), "length of the line", unit="byte"),
    column("reason", pa.string(), "from the closed list in pipeline/schema/lake_tables.py"),
)


# --------------------------------------------------------- why a sentence or a row could not be used: the closed list

REASONS: Mapping[str, str] = {
    "malformed": "The line is no comment and not of the form !xxVDM,n,k,id,channel,payload,fill*hh; the row has other"
    " columns than the header; the line of JSON is no whole message.",
    "no_checksum": "The sentence is all there but for its checksum, so that nothing says whether it is as it was sent.",
    "checksum": "The two hex digits at the end do not belong to the sentence before them.",
    "empty": "The sentence carries no payload.",
    "payload": "The payload has characters, values or a length that no AIS message has.",
    "too_short": "The payload ends before the fields that its message type must have.",
    "unknown_type": "The message type is none of 1 to 28.",
    "fragment_missing": "The other parts of the multi-part message did not come near it, in order.",
    "fragment_ambiguous": "The part could belong to several messages: nothing tells which parts are of one.",
    "no_time": "Nothing tells when it was received, or its time is written in a way that is not understood.",
    "no_mmsi": "The row names no vessel: the MMSI is missing, not a whole number, or too large to be one.",
}


CODES: Mapping[str, int] = {reason: code for code, reason in enumerate(REASONS, start=1)}


def rejects_table(
    source: str, offset: NDArray[np.int64], length: NDArray[np.int32], code: NDArray[np.int8]
) -> pa.Table:
    """Rows of `rejects` for one source; never raises.

    source: first 16 hex digits of the SHA-256; offset, length: (n,) bytes; code: (n,) from CODES, none of
    them 0.

    >>> rejects_table("00", np.array([7]), np.array([3]), np.array([1])).to_pylist()
    [{'source': '00', 'offset': 7, 'length': 3, 'reason': 'malformed'}]
    """
    names = pa.array(list(REASONS), pa.string())  # not at import: the first pa.array() loads pandas
    reason = names.take(pa.array(code.astype(np.int64) - 1))
    columns = [
        pa.repeat(pa.scalar(source, pa.string()), len(offset)),
        pa.array(offset, pa.int64()),
        pa.array(length.astype(np.int32)),
        reason,
    ]
    return pa.Table.from_arrays(columns, schema=REJECTS)
