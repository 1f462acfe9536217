"""NMEA 0183 sentences with AIS messages (`!AIVDM` and its like), plain or gzip.

See decode/sentences.py for what may stand round a sentence.

The time of a message is the one its sentences tell; else that of base stations, RMC and ZDA sentences heard in the
file, see decode/clock.py; else `--start-time`, the same for all; else it is a reject. It is never that of another
message. In a segment of a spool, whose index says when its bytes arrived, what tells no time takes its arrival.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.decode.clock import Clock
from stswatch.pipeline.decode.fixes import Evidence, Positions, fixes_table, further_parts
from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.messages import Messages, decode
from stswatch.pipeline.decode.parts import REACH, SIDE_BY_SIDE
from stswatch.pipeline.decode.rejects import CODES, rejects_table
from stswatch.pipeline.decode.sentences import MAX_LINE, Sentences, frame
from stswatch.pipeline.decode.statics import Claims, statics_table
from stswatch.pipeline.decode.whole import Whole, codes, whole_messages
from stswatch.pipeline.readers.arrival_index import format_of
from stswatch.pipeline.readers.base import Chunk, Decoded, Source
from stswatch.pipeline.readers.nmea_times import Options, prepare
from stswatch.pipeline.readers.packing import segment_arrivals, segment_header
from stswatch.pipeline.readers.text import Window, byte_chunks, windows
from stswatch.pipeline.schema import RECEIVERS

__all__ = ["AROUND", "STEP", "Options", "chunks", "prepare", "read", "sniff"]

AROUND = (
    2 * REACH + SIDE_BY_SIDE + 4 * MAX_LINE
)  # bytes on both sides of a window that can decide what becomes of its sentences
STEP = 4 << 20  # bytes of text at a time: some 80,000 bare sentences

_SENTENCE = re.compile(rb"![A-Z0-9-]{2}VD[MO],")


def sniff(head: bytes, path: str) -> bool:
    """Whether AIS sentences stand among the first bytes, or it is a segment of a spool, which may be silent."""
    return _SENTENCE.search(head) is not None or (not head.strip() and format_of(path) == "nmea")


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges; a range owns the lines that begin in it."""
    return byte_chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, STEP bytes at a time. Raises SourceError where the file breaks off."""
    clock, context = clock_of(chunk.source)
    for window in windows(chunk.source.place, chunk.start, chunk.end, STEP, AROUND, AROUND):
        yield decode_window(with_context(window, context), chunk.source.source, clock)


def clock_of(source: Source) -> tuple[Clock | Arrivals | None, bytes]:
    """What tells the time of sentences that tell none, and lines that stand before a segment. Raises SourceError."""
    if not source.options.arrivals:
        return source.options.clock, b""
    header = segment_header(source.place)
    return segment_arrivals(source.place), header.context if header else b""


def with_context(window: Window, context: bytes) -> Window:
    """The first window of a segment with the lines before it that belong to its messages, at offsets below 0."""
    if not context or window.base or window.start:
        return window
    return replace(window, text=context + window.text, base=-len(context), start=-len(context))


def decode_window(window: Window, source: str, clock: Clock | Arrivals | None) -> Decoded:
    """What the lines say that a window owns; never raises.

    source: first 16 hex digits of the SHA-256; clock: for sentences without a time.
    """
    found = frame(window.text, window.base)
    owned = (found.line >= window.start) & (found.line < window.end)
    return decode_sentences(found, owned, window, source, clock)


def decode_sentences(
    found: Sentences, owned: Bools, window: Window, source: str, clock: Clock | Arrivals | None
) -> Decoded:
    """What sentences say, of which those that are owned count; window: which malformed lines count."""
    whole = whole_messages(found, owned, clock)
    messages = decode(whole.data, whole.start, whole.end, whole.fill)
    code = codes(found, whole, messages.code)
    used = (code[whole.sentence] == 0) & owned[whole.sentence]
    return Decoded(
        _fixes(found, whole, messages, used, source),
        _statics(found, whole, messages, used, source),
        rejects(found, window, owned & (code > 0), code, source),
        sentences=int(owned.sum() + bad_lines(found, window).sum()),
        messages=int(used.sum()),
        fragments=int((owned & (code == 0) & (found.total > 1)).sum()),
        unread_times=int((owned & found.unread).sum()),
    )


def bad_lines(found: Sentences, window: Window) -> Bools:
    """Which of the malformed lines the window owns."""
    return np.asarray((found.bad_offset >= window.start) & (found.bad_offset < window.end))


def rejects(found: Sentences, window: Window, rejected: Bools, code: NDArray[np.int8], source: str) -> pa.Table:
    """Rows of `rejects`: the sentences that are, with their codes, and the malformed lines of the window."""
    bad = bad_lines(found, window)
    return rejects_table(
        source,
        np.concatenate([found.offset[rejected], found.bad_offset[bad]]),
        np.concatenate([found.length[rejected], found.bad_length[bad]]),
        np.concatenate([code[rejected], np.full(int(bad.sum()), CODES["malformed"], np.int8)]),
    )


def _fixes(found: Sentences, whole: Whole, messages: Messages, used: Bools, source: str) -> pa.Table:
    columns = _of_used(messages.positions, used)
    rows = columns.pop("row")
    sentence = whole.sentence[rows]
    positions = Positions(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    receiver = named(found.receiver[sentence], pa.array(RECEIVERS))
    station = named(found.station[sentence], found.stations)
    return fixes_table(positions, _evidence(found, whole, rows, source), receiver, station)


def _statics(found: Sentences, whole: Whole, messages: Messages, used: Bools, source: str) -> pa.Table:
    columns = _of_used(messages.statics, used)
    rows = columns.pop("row")
    claims = Claims(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    return statics_table(claims, _evidence(found, whole, rows, source))


def _of_used(columns: dict[str, Any], used: Bools) -> dict[str, Any]:
    """The rows of messages that are used, here."""
    keep = used[columns["row"]]
    if keep.all():
        return dict(columns)
    return {k: v[keep] if isinstance(v, np.ndarray) else v.filter(pa.array(keep)) for k, v in columns.items()}


def _evidence(found: Sentences, whole: Whole, rows: Ints, source: str) -> Evidence:
    of, part = whole.parts_of(rows)
    apart = found.offset[part] != found.offset[whole.sentence[rows[of]]]  # not all of one record of JSON
    of, part = of[apart], part[apart]
    more = further_parts(of, found.offset[part], found.length[part].astype(np.int32), len(rows)) if len(of) else None
    first = whole.sentence[rows]
    return Evidence(source, found.offset[first], found.length[first].astype(np.int32), more)


def named(number: NDArray[Any], names: pa.Array) -> pa.Array:
    """Names by their numbers, null for numbers below 0.

    >>> named(np.array([0, -1]), pa.array(["r003669945"])).to_pylist()
    ['r003669945', None]
    """
    lowest, highest = (int(number.min()), int(number.max())) if len(number) else (-1, -1)
    if lowest == highest:
        return pa.nulls(len(number), pa.string()) if lowest < 0 else pa.repeat(names[lowest], len(number))
    return names.take(pa.array(number, mask=number < 0))
