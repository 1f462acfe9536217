"""Lines at the end of a segment that hold the first sentences of a message of which more must come.

They are repeated at the head of the next segment, since each segment is decoded by itself.
"""

from __future__ import annotations

import re

import numpy as np

from stswatch.pipeline.decode.parts import REACH
from stswatch.pipeline.spool.arrivals import Arrivals

_PART = re.compile(
    rb"(?:\\(?P<tag>[^\\\n]*)\\)?![A-Z0-9-]{2}VD[MO],"
    rb"(?P<total>[2-9]),(?P<part>[1-9]),(?P<seq>[0-9]?),(?P<channel>[^,*\n]{0,2}),"
)
_GROUP = re.compile(rb"(?:^|,)g:\d+-\d+-([^,*]*)")
_STATION = re.compile(rb"(?:^|,)s:([^,*]*)")


def unfinished(text: bytes) -> list[tuple[int, int]]:
    r"""Where the lines begin and end that hold parts of messages not complete by the end of the text.

    >>> unfinished(b"!AIVDM,2,1,7,A,x,0*00\n!AIVDM,2,1,8,A,y,0*00\n!AIVDM,2,2,7,A,z,2*00\n")
    [(22, 44)]
    """
    begun: dict[tuple[bytes, ...], list[int]] = {}
    for found in _PART.finditer(text, max(0, len(text) - REACH)):
        key, part = _key(found), int(found["part"])
        if part == 1:
            begun[key] = [found.start()]
        elif key in begun and part == len(begun[key]) + 1:
            begun[key].append(found.start())
            if part == int(found["total"]):
                del begun[key]
    starts = {text.rfind(b"\n", 0, at) + 1 for places in begun.values() for at in places}
    return [(start, text.find(b"\n", start) + 1 or len(text)) for start in sorted(starts)]


def carried(text: bytes, arrivals: Arrivals) -> list[tuple[int, bytes]]:
    """Lines at the end of a segment that belong to messages of which more must come, with their arrivals."""
    spans = unfinished(text) if arrivals.format == "nmea" else []
    told_us = arrivals.told_before(text, np.array([start for start, _ in spans], np.int64))
    return [(told, text[start:end]) for told, (start, end) in zip(told_us.tolist(), spans, strict=True)]


def _key(found: re.Match[bytes]) -> tuple[bytes, ...]:
    """What the parts of one message have in common, as decode/sentences.py has it."""
    tag = found["tag"] or b""
    of = _GROUP.search(tag) or _STATION.search(tag)
    return found["total"], found["seq"], found["channel"], of[1] if of else b""
