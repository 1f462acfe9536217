"""JSON as live sources send it, a line each: messages of aisstream.io and of AIS-catcher, in any mixture.

Each line stands for itself, so that it does not show in which piece it came: the parts of a message must stand in one
record, as AIS-catcher has them. Fields are those of AIS-catcher, whatever else comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from stswatch.pipeline.readers import aisstream
from stswatch.pipeline.readers.base import Chunk, Decoded
from stswatch.pipeline.readers.json_fields import TEXT, Field, Fields, fields_of
from stswatch.pipeline.readers.json_records import Options, decode_records, together
from stswatch.pipeline.readers.json_text import Layout, Records
from stswatch.pipeline.readers.text import Window, windows

_BROKEN = "malformed"  # as aisstream.py calls what is none of its messages
_NUMBERS = (
    *("rxuxtime", "toa", "mmsi", "type", "lon", "lat", "speed", "course", "heading", "status", "imo", "shiptype"),
    *("to_bow", "to_stern", "to_port", "to_starboard", "draught"),
)
_TEXTS = ("rxtime", "shipname", "callsign", "destination", "station_id")
_RECORD = {
    "class": "AIS",
    "nmea": ["!AIVDM,"],
    "scaled": True,
    **dict.fromkeys(_NUMBERS, 1.0),
    **dict.fromkeys(_TEXTS, "x"),
}
_OPTIONS = Options(Layout(), Fields((*fields_of([_RECORD]).found, ("class", Field(("class",), TEXT)))))


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, some 15,000 messages at a time. Raises SourceError where the file breaks off."""
    source = chunk.source
    for window in windows(source.place, chunk.start, chunk.end, aisstream.STEP, 1, aisstream.LONGEST_LINE):
        yield decode_window(window, source.source, source.receiver)


def decode_lines(text: bytes, source: str, receiver: str, base: int = 0) -> Decoded:
    """What lines of JSON say; never raises.

    text: whole lines; source: name of the source in the evidence; base: offset of the text in it, bytes.
    """
    return decode_window(Window(text, base, base, base + len(text) + 1), source, receiver)


def decode_window(window: Window, source: str, receiver: str) -> Decoded:
    """What the lines say that a window owns; never raises."""
    found = aisstream.decode_window(window, source, receiver)
    broken = pc.equal(found.rejects["reason"], _BROKEN)
    if not pc.any(broken).as_py():
        return found
    left = found.rejects.filter(broken)
    offset, length = np.asarray(left["offset"]), np.asarray(left["length"]).astype(np.int64)
    start = offset - window.base
    records = Records(window.text, start, start + length, offset, length, np.ones(len(start), np.bool_))
    kept = replace(
        found,
        rejects=found.rejects.filter(pc.invert(broken)).combine_chunks(),
        sentences=found.sentences - len(start),
    )
    return together([kept, decode_records(records, _OPTIONS, source, receiver, feed=True)])
