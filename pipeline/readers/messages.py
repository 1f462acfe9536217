"""Every message of an NMEA capture with all its fields, for `stswatch decode`: what a run does not need included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.decode.bits import Bools
from stswatch.pipeline.decode.clock import Clock
from stswatch.pipeline.decode.said import ALL_TYPES, Form, Spoken, say
from stswatch.pipeline.decode.sentences import Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.whole import Whole, codes, whole_messages
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import nmea
from stswatch.pipeline.readers.base import Chunk, Place, Source, SourceError
from stswatch.pipeline.readers.packing import members
from stswatch.pipeline.readers.registry import check_is_file, open_sources
from stswatch.pipeline.readers.text import Window, head, windows
from stswatch.pipeline.schema import RECEIVERS, UTC


def open_captures(files: Iterable[Path], start_time: datetime | None = None) -> Iterator[Source]:
    """The captures in these files, each opened when it is asked for, with or without a clock.

    Raises SourceError, one sentence with the file and the remedy, for whatever is none.
    """
    for file in files:
        check_is_file(str(file))
        inside = members(str(file))
        places = [Place(str(file))] if inside is None else [Place(str(file), member) for member in inside]
        if not any(nmea.sniff(head(place), place.path) for place in places):
            raise SourceError(
                f"{file}: holds no NMEA sentence, and `stswatch decode` reads nothing else; other archives go into"
                " `stswatch run` as they are"
            )
        yield from open_sources(file, ReadOptions(format="nmea", start_time=start_time, untimed=True)).sources


def name_of(source: Source) -> str:
    """The name of a capture without its folders, that of its zip before it."""
    return Path(source.path).name + (f"-{Path(source.member).name}" if source.member else "")


def read(source: Source, types: frozenset[int] = ALL_TYPES) -> Iterator[Spoken]:
    """The messages of these types of a capture, in the order of the file; time is null where nothing tells it.

    Raises SourceError where the file breaks off.
    """
    for chunk in nmea.chunks(source, nmea.STEP):
        yield from _read(chunk, types)


def _read(chunk: Chunk, types: frozenset[int]) -> Iterator[Spoken]:
    clock, context = nmea.clock_of(chunk.source)
    for window in windows(chunk.source.place, chunk.start, chunk.end, nmea.STEP, nmea.AROUND, nmea.AROUND):
        yield spoken(nmea.with_context(window, context), chunk.source, clock, types)


def spoken(window: Window, source: Source, clock: Clock | Arrivals | None, types: frozenset[int]) -> Spoken:
    """What the lines say that a window owns, the types that are wanted with all fields; never raises."""
    found = frame(window.text, window.base)
    owned = (found.line >= window.start) & (found.line < window.end)
    whole = whole_messages(found, owned, clock)
    said = say(whole.data, whole.start, whole.end, whole.fill, types)
    timed = replace(whole, time_us=np.zeros_like(whole.time_us))  # a message without a time is one all the same
    code = codes(found, timed, said.code)
    used = (said.code == 0) & owned[whole.sentence]
    heads, forms = _chosen(found, whole, used, said.forms, source)
    return Spoken(
        heads,
        forms,
        nmea.rejects(found, window, owned & (code > 0), code, source.source),
        sentences=int(owned.sum() + nmea.bad_lines(found, window).sum()),
        messages=int(used.sum()),
    )


def _chosen(
    found: Sentences, whole: Whole, used: Bools, forms: list[Form], source: Source
) -> tuple[dict[str, pa.Array], list[Form]]:
    """Head and forms of the messages that are used and have a form, numbered anew in the order of the file."""
    wanted = np.zeros(len(used), np.bool_)
    for rows, _ in forms:
        wanted[rows] = True
    wanted &= used
    place = np.cumsum(wanted) - 1
    first, time_us = whole.sentence[wanted], whole.time_us[wanted]
    told = {
        "time": pa.array(time_us, mask=time_us == NO_TIME).cast(UTC),
        "station": nmea.named(found.station[first], found.stations),
        "receiver": nmea.named(found.receiver[first], pa.array(RECEIVERS)),
        "source": pa.repeat(pa.scalar(source.source, pa.string()), len(first)),
        "offset": pa.array(found.offset[first], pa.int64()),
        "length": pa.array(found.length[first], pa.int32()),
    }
    return told, [(place[rows[wanted[rows]]], _kept(columns, wanted[rows])) for rows, columns in forms]


def _kept(columns: dict[str, pa.Array], kept: Bools) -> dict[str, pa.Array]:
    return columns if kept.all() else {name: column.filter(pa.array(kept)) for name, column in columns.items()}
