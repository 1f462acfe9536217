"""Every message of an NMEA capture with all its fields, and the files that `stswatch decode` writes of them."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from stswatch.errors import StswatchError
from stswatch.pipeline.decode.assembled import CaptureClock, Whole, codes, whole_messages
from stswatch.pipeline.decode.decoded_fields import (
    ALL_TYPES,
    HEAD,
    FieldRows,
    Form,
    columns_of,
    json_lines,
    plain,
    say,
    table,
)
from stswatch.pipeline.decode.payloads import Bools
from stswatch.pipeline.decode.sentences import Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME, Arrivals
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import nmea
from stswatch.pipeline.readers.formats import check_is_file, open_sources
from stswatch.pipeline.readers.packing import members
from stswatch.pipeline.readers.source import Chunk, Source, SourceError, SourcePlace
from stswatch.pipeline.readers.text import Window, head, windows
from stswatch.pipeline.schema import RECEIVERS, REJECTS, UTC

# ----------------------------------------------------------------------------------------------------------------
# Messages into a file or a pipe as Parquet, CSV or JSON lines, batch after batch; a file comes to lie whole or not
# In CSV and JSON times are ISO 8601, and bytes are base64, as pyais writes them.


class RecordsError(StswatchError, ValueError):
    """An output that cannot be: one sentence that says why and what to do."""


class Sink(Protocol):
    """Takes batches of messages."""

    def write(self, head: Mapping[str, pa.Array], forms: list[Form]) -> None:
        """Write n messages, see said.table."""

    def close(self, whole: bool = True) -> None:
        """Write what ends the file; where it will not be whole, it is only let go."""


# Of numbers that differ from message to message a dictionary would be made for nothing.
_RISING, _SPLIT = "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"
_ENCODING = {"time": _RISING, "offset": _RISING, "lon": _SPLIT, "lat": _SPLIT}
_SOUGHT = frozenset({"time", "source", "offset", "msg_type", "mmsi", "lon", "lat"})  # by which a query passes over rows
_ALWAYS = frozenset({*HEAD, *REJECTS.names})


class _Parquet:
    """A file with the columns that some message fills, and those of where and when.

    Which these are is known at the end: what was written before the first message that fills another column is written
    once more. Until then all lies in files without a name beside the one that is to be.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._filled = {name for name in schema.names if name in _ALWAYS}
        self._parts: list[tuple[IO[bytes], pq.ParquetWriter]] = []

    def write(self, head: Mapping[str, pa.Array], forms: list[Form]) -> None:
        rows = table(head, forms, self._schema)
        filled = {name for name in rows.column_names if rows[name].null_count < len(rows)}
        if not (self._parts and filled <= self._filled):
            self._filled |= filled
            self._begin()
        writer = self._parts[-1][1]
        writer.write_table(rows.select(writer.schema.names))

    def _begin(self) -> None:
        out = Path(self._file.name)
        part = tempfile.TemporaryFile(dir=out.parent if out.is_file() else None)  # noqa: SIM115 closed with the others
        self._parts.append((part, _parquet_writer(part, self._columns())))

    def _columns(self) -> pa.Schema:
        return pa.schema([field for field in self._schema if field.name in self._filled])

    def close(self, whole: bool = True) -> None:
        if whole and not self._parts:
            self._begin()
        with ExitStack() as opened:
            files = [opened.enter_context(part) for part, _ in self._parts]
            for _, writer in self._parts:
                writer.close()
            if whole and len(files) > 1:
                _join(files, self._file, self._columns())
            elif whole:
                files[0].seek(0)
                shutil.copyfileobj(files[0], self._file)


def _parquet_writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    encoding = {name: how for name, how in _ENCODING.items() if name in schema.names}
    return pq.ParquetWriter(
        file,
        schema,
        compression="snappy",  # reads everywhere; zstd takes a fifth less room and a fifth more time
        use_dictionary=[name for name in schema.names if name not in encoding],
        column_encoding=encoding,
        write_statistics=[name for name in schema.names if name in _SOUGHT],
    )


def _join(parts: Iterable[IO[bytes]], file: IO[bytes], schema: pa.Schema) -> None:
    """Write what stands in several Parquet files into one, a group of rows at a time, null where a file lacks it."""
    with _parquet_writer(file, schema) as writer:
        for part in parts:
            rows = pq.ParquetFile(part)
            for at in range(rows.num_row_groups):
                group = rows.read_row_group(at)
                known = dict(zip(group.column_names, group.columns, strict=True))
                columns = [known.get(field.name, pa.nulls(len(group), field.type)) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))


class _Csv:
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pcsv.CSVWriter(file, pa.schema([(f.name, _text_type(f.type)) for f in schema]))

    def write(self, head: Mapping[str, pa.Array], forms: list[Form]) -> None:
        rows = table(head, forms, self._schema)
        written = {name: plain(rows[name].combine_chunks()) for name in rows.column_names}
        self._writer.write_table(pa.table({name: self._text(column) for name, column in written.items()}))

    def _text(self, column: pa.Array) -> pa.Array:
        return column

    def close(self, whole: bool = True) -> None:
        self._writer.close()


class _Spreadsheet(_Csv):
    """Texts that a spreadsheet would take for a formula begin with an apostrophe. Numbers are no texts.

    Source: OWASP, "CSV Injection".
    """

    def _text(self, column: pa.Array) -> pa.Array:
        if not pa.types.is_string(column.type):
            return column
        return pc.replace_substring_regex(column, r"\A([=+\-@\t\r])", r"'\1")


class _JsonLines:
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file, self._schema = file, schema

    def write(self, head: Mapping[str, pa.Array], forms: list[Form]) -> None:
        self._file.write(json_lines(head, forms))

    def close(self, whole: bool = True) -> None:
        pass


FORMATS: Mapping[str, Callable[[IO[bytes], pa.Schema], Sink]] = {
    "parquet": _Parquet,
    "csv": _Csv,
    "spreadsheet.csv": _Spreadsheet,
    "jsonl": _JsonLines,
}


@dataclass
class Count:
    """What was read, and how many messages were written; rejects: lines that are no message, by reason."""

    sentences: int = 0
    messages: int = 0
    written: int = 0
    rejects: Counter[str] = field(default_factory=Counter)


def write(
    captures: Iterable[tuple[str, Iterable[FieldRows]]],
    to: str,
    out: str | Path,
    types: Collection[int] | None,
    rejects: str | Path | None = None,
) -> Count:
    """Write captures, each a name and what is read of it.

    to: one of FORMATS; out: a file, `-` for standard output, or a folder that gets NAME.FORMAT for each; types: whose
    columns a table gets, see columns_of; rejects: a file for the lines that are no message. Raises RecordsError,
    OSError, and what reading raises.
    """
    count, schema = Count(), columns_of(types)
    with ExitStack() as opened:
        bad = opened.enter_context(sink(to, rejects, REJECTS)) if rejects else None
        whole = None if _is_folder(out) else opened.enter_context(sink(to, out, schema))
        for name, parts in _of_different_names(captures) if whole is None else captures:
            with nullcontext(whole) if whole else sink(to, Path(out) / f"{name}.{to}", schema) as rows:
                for part in parts:
                    _write_part(part, rows, bad, count)
    return count


def _write_part(part: FieldRows, rows: Sink, bad: Sink | None, count: Count) -> None:
    rows.write(part.head, part.forms)
    count.sentences += part.sentences
    count.messages += part.messages
    count.written += sum(len(rows) for rows, _ in part.forms)
    count.rejects.update(part.rejects["reason"].to_pylist())
    if bad:
        columns = {name: part.rejects[name].combine_chunks() for name in part.rejects.column_names}
        bad.write(columns, [(np.arange(part.rejects.num_rows), {})])


def _is_folder(out: str | Path) -> bool:
    return str(out).endswith(os.sep) or Path(out).is_dir()


def _of_different_names(
    captures: Iterable[tuple[str, Iterable[FieldRows]]],
) -> Iterator[tuple[str, Iterable[FieldRows]]]:
    seen = set()
    for name, parts in captures:
        if name in seen:
            raise RecordsError(f"{name}: two captures have this name; write them into one file or into two folders")
        seen.add(name)
        yield name, parts


@contextmanager
def sink(to: str, out: str | Path, schema: pa.Schema) -> Iterator[Sink]:
    """A sink for messages of a schema; `-` is standard output. Raises RecordsError, OSError.

    What was begun is taken away where the writing does not end well.
    """
    if str(out) == "-":
        if to == "parquet":
            raise RecordsError("Parquet cannot be written to standard output; name a file with `out`")
        yield from _filled(to, _standard_output(), schema)
        sys.stdout.flush()
        return
    path = Path(out)
    if path.exists() and not path.is_file():  # a device or a pipe, which no file may take the place of
        with path.open("wb") as file:
            yield from _filled(to, file, schema)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}-{os.getpid()}")  # a name may be as long as any
    try:
        with beside.open("wb") as file:
            yield from _filled(to, file, schema)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _standard_output() -> IO[bytes]:
    """Where bytes go to standard output; a notebook's takes text alone."""
    found: IO[bytes] | None = getattr(sys.stdout, "buffer", None)
    return found or cast(IO[bytes], _Letters())


class _Letters(io.RawIOBase):
    """Takes the bytes of UTF-8 and writes them as text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        sys.stdout.write(self._decoder.decode(bytes(data)))
        return len(data)


def _filled(to: str, file: IO[bytes], schema: pa.Schema) -> Iterator[Sink]:
    made = FORMATS[to](file, schema)
    try:
        yield made
    except BaseException:
        with suppress(Exception):  # what is half written is taken away
            made.close(whole=False)
        raise
    made.close()


def _text_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(kind) or pa.types.is_binary(kind) else kind


# ----------------------------------------------------------------------------------------------------------------
# Every message of an NMEA capture with all its fields, for `stswatch decode`: what a run does not need included


def open_captures(files: Iterable[Path], start_time: datetime | None = None) -> Iterator[Source]:
    """The captures in these files, each opened when it is asked for, with or without a clock.

    Raises SourceError, one sentence with the file and the remedy, for whatever is none.
    """
    for file in files:
        check_is_file(str(file))
        inside = members(str(file))
        places = [SourcePlace(str(file))] if inside is None else [SourcePlace(str(file), member) for member in inside]
        if not any(nmea.sniff(head(place), place.path) for place in places):
            raise SourceError(
                f"{file}: holds no NMEA sentence, and `stswatch decode` reads nothing else; other archives go into"
                " `stswatch run` as they are"
            )
        yield from open_sources(file, ReadOptions(format="nmea", start_time=start_time, untimed=True)).sources


def name_of(source: Source) -> str:
    """The name of a capture without its folders, that of its zip before it."""
    return Path(source.path).name + (f"-{Path(source.member).name}" if source.member else "")


def read(source: Source, types: frozenset[int] = ALL_TYPES) -> Iterator[FieldRows]:
    """The messages of these types of a capture, in the order of the file; time is null where nothing tells it.

    Raises SourceError where the file breaks off.
    """
    for chunk in nmea.chunks(source, nmea.STEP):
        yield from _read(chunk, types)


def _read(chunk: Chunk, types: frozenset[int]) -> Iterator[FieldRows]:
    clock, context = nmea.clock_of(chunk.source)
    for window in windows(chunk.source.place, chunk.start, chunk.end, nmea.STEP, nmea.AROUND, nmea.AROUND):
        yield decode_fields(nmea.with_context(window, context), chunk.source, clock, types)


def decode_fields(
    window: Window, source: Source, clock: CaptureClock | Arrivals | None, types: frozenset[int]
) -> FieldRows:
    """What the lines say that a window owns, the types that are wanted with all fields; never raises."""
    found = frame(window.text, window.base)
    owned = (found.line >= window.start) & (found.line < window.end)
    whole = whole_messages(found, owned, clock)
    decoded = say(whole.data, whole.start, whole.end, whole.fill, types)
    timed = replace(whole, time_us=np.zeros_like(whole.time_us))  # a message without a time is one all the same
    code = codes(found, timed, decoded.code)
    used = (decoded.code == 0) & owned[whole.sentence]
    heads, forms = _chosen(found, whole, used, decoded.forms, source)
    return FieldRows(
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
    heads = {
        "time": pa.array(time_us, mask=time_us == NO_TIME).cast(UTC),
        "station": nmea.named(found.station[first], found.stations),
        "receiver": nmea.named(found.receiver[first], pa.array(RECEIVERS)),
        "source": pa.repeat(pa.scalar(source.source, pa.string()), len(first)),
        "offset": pa.array(found.offset[first], pa.int64()),
        "length": pa.array(found.length[first], pa.int32()),
    }
    return heads, [(place[rows[wanted[rows]]], _kept(columns, wanted[rows])) for rows, columns in forms]


def _kept(columns: dict[str, pa.Array], kept: Bools) -> dict[str, pa.Array]:
    return columns if kept.all() else {name: column.filter(pa.array(kept)) for name, column in columns.items()}
