"""What was received: files and spool segments found again, held against their hashes, and read back in one pass."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.errors import StswatchError
from stswatch.models import scorecard
from stswatch.pipeline.batch import DAY, HOUR, MINUTE
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.evidence import plain_reading
from stswatch.pipeline.evidence.lake_fixes import MOVES, Deciding, Lake, RawRef, Rows, TrackFixes, leaps, tracks_of
from stswatch.pipeline.evidence.plain_reading import Claims, Compared, Unreadable
from stswatch.pipeline.readers.packing import opened, segment_arrivals
from stswatch.pipeline.readers.source import SourceError, SourcePlace
from stswatch.pipeline.rule_files import from_json
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import queries
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.entries import SourceEntry, entries, is_segment
from stswatch.pipeline.times import micros
from stswatch.pipeline.track_rules import VesselRules

_PIECE = 1 << 20
_EVER_US = 1 << 60
_ELSEWHERE = re.compile(r"factors=\(\(|decimal=','|numbered=True|east_360=True|ids=Numbering|words=\(\(")


def known_sources(data: Path) -> dict[str, SourceEntry]:
    """The sources of the catalogue. Raises StoreError where there is none, CatalogueError where it is damaged."""
    catalogue = Catalogue.read(data)
    if catalogue is None:
        raise StoreError(f"{data}: holds no catalogue of what was read; `stswatch run` makes one")
    with catalogue:
        return entries(catalogue)


@dataclass(frozen=True)
class Holding:
    """A source and where it lies now; path: None where it is gone. fault: what is wrong with the file, in words."""

    entry: SourceEntry
    path: Path | None
    fault: str = ""

    @property
    def name(self) -> str:
        """Where it lies, or lay."""
        return str(self.path or self.entry.path)

    @property
    def absence(self) -> str:
        """Why it is not there, as far as that is known, and what to do."""
        why = self.entry.source.get("removed")
        return f"{self.name}: {why or 'is not there; name the folder where it lies with `files`'}"

    @property
    def member(self) -> str | None:
        """The member of a zip that it is."""
        member = self.entry.source.get("member")
        return str(member) if member is not None else None

    @cached_property
    def plainly(self) -> bool:
        """Whether its values stand there as they are meant, without factors, other words or numbers of our own."""
        return not _ELSEWHERE.search(self.entry.options)


@dataclass
class Vault:
    """The sources of a data folder.

    elsewhere: folders in which to look for a source that no longer lies where it was read. Each file is hashed once.
    """

    data: Path
    entries: Mapping[str, SourceEntry]
    elsewhere: Sequence[Path] = ()
    _hashes: dict[Path, str] = field(default_factory=dict)
    _found: dict[str, Holding] = field(default_factory=dict)
    _inside: dict[Path, dict[int, list[Path]]] = field(default_factory=dict)

    def holding(self, source: str) -> Holding:
        """Where a source lies now, its hash compared. Raises KeyError for one that the catalogue does not know."""
        if source not in self._found:
            self._found[source] = self._look(self.entries[source])
        return self._found[source]

    def _look(self, entry: SourceEntry) -> Holding:
        wanted = str(entry.source["sha256"])
        places = [path for path in self._places(entry) if path.is_file()]
        try:
            for path in places:
                if self._sha256(path) == wanted:
                    return Holding(entry, path)
        except OSError as error:
            return Holding(entry, None, f"{path}: cannot be read ({error.strerror})")
        if places:
            return Holding(entry, None, f"{places[0]}: is not what was read (its SHA-256 is another)")
        return Holding(entry, None)

    def _places(self, entry: SourceEntry) -> Iterator[Path]:
        """Where it may lie: where it was read, in the spool of this folder, in one of the folders given."""
        yield entry.path
        if is_segment(entry.path):
            yield self.data / Path(*entry.path.parts[-3:])
        size = int(entry.source.get("bytes") or 0)
        for folder in self.elsewhere:
            yield folder / entry.path.name
            yield from self._sizes(folder).get(size, ())

    def _sizes(self, folder: Path) -> Mapping[int, list[Path]]:
        """The files of a folder by their size, bytes. Raises StoreError where there is no such folder."""
        if folder not in self._inside:
            if not folder.is_dir():
                raise StoreError(f"{folder}: is no folder; name one where input files lie with `files`")
            self._inside[folder] = {}
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                self._inside[folder].setdefault(path.stat().st_size, []).append(path)
        return self._inside[folder]

    def _sha256(self, path: Path) -> str:
        if path not in self._hashes:
            with path.open("rb") as file:
                self._hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashes[path]

    def held_against(self, rows: Iterable[Deciding]) -> dict[int, Compared]:
        """Rows of the lake held against their bytes, by id(row): each source is read once, from its first byte on.

        What could not be read is `unchecked`.
        """
        by_source: dict[str, list[Deciding]] = {}
        for row in rows:
            by_source.setdefault(row.refs[0].source, []).append(row)
        found: dict[int, Compared] = {}
        for source, wanted in by_source.items():
            found |= self._of_source(source, wanted)
        return found

    def _of_source(self, source: str, rows: Sequence[Deciding]) -> dict[int, Compared]:
        if source not in self.entries:
            return dict.fromkeys(map(id, rows), Compared(unchecked=(f"source {source} is not in the catalogue",)))
        holding = self.holding(source)
        if holding.path is None:
            why = holding.fault or holding.absence
            found = Compared((why,)) if holding.fault else Compared(unchecked=(why,))
            return dict.fromkeys(map(id, rows), found)
        refs = sorted({ref for row in rows for ref in row.refs}, key=lambda ref: ref.offset)
        try:
            with opened(SourcePlace(str(holding.path), holding.member)) as file:
                reader = _reader_of(file, holding)
                content = reader(refs)
            arrivals = segment_arrivals(SourcePlace(str(holding.path), holding.member))
        except SourceError as error:
            return dict.fromkeys(map(id, rows), Compared((str(error),)))
        return {id(row): _compared(row, content, holding, arrivals) for row in rows}


# --------------------------------------------------------------------------------- bytes, or rows, of one opened source

_Content = Mapping[RawRef | None, Any]


def _reader_of(file: Any, holding: Holding) -> Callable[[Sequence[RawRef]], _Content]:
    """What reads references, sorted by offset, of an opened source."""
    start = file.read(4)
    if start == b"PAR1":
        return lambda refs: _table_rows(file, refs, holding)
    return lambda refs: _spans(file, start, refs)


def _spans(file: BinaryIO, start: bytes, refs: Sequence[RawRef]) -> _Content:
    """The bytes of references and, under None, the first line; memory holds what references overlap, no more."""
    head = start
    while b"\n" not in head and len(head) < _PIECE and (more := file.read(_PIECE)):
        head += more
    found: dict[RawRef | None, bytes] = {None: head.partition(b"\n")[0]}
    held, begins = head, 0
    for ref in refs:
        end = ref.offset + ref.length
        if ref.offset > begins:
            drop = min(ref.offset - begins, len(held))
            held, begins = held[drop:], begins + drop
        while begins < ref.offset and (piece := file.read(min(ref.offset - begins + _PIECE, 8 * _PIECE))):
            drop = min(ref.offset - begins, len(piece))
            held, begins = piece[drop:], begins + drop
        while begins + len(held) < end and (piece := file.read(_PIECE)):
            held += piece
        found[ref] = held[ref.offset - begins : end - begins]
    return found


def _table_rows(file: Any, refs: Sequence[RawRef], holding: Holding) -> _Content:
    """Rows of a Parquet file, by number."""
    file.seek(0)
    table = pq.ParquetFile(file)
    wanted = {*plain_reading.mapping_of(holding.entry.source.get("columns")).values()}
    names = [name for name in table.schema_arrow.names if name in wanted]
    number = np.array([ref.offset for ref in refs], np.int64)
    found: dict[RawRef | None, Mapping[str, Any]] = {}
    begins = 0
    for group in range(table.num_row_groups):
        ends = begins + table.metadata.row_group(group).num_rows
        low, high = np.searchsorted(number, [begins, ends])
        if high > low:
            rows = table.read_row_group(group, columns=names).take(pa.array(number[low:high] - begins)).to_pylist()
            found |= zip(refs[low:high], rows, strict=True)
        begins = ends
    return found


def _compared(row: Deciding, content: _Content, holding: Holding, arrivals: Any) -> Compared:
    parts = [content.get(ref) for ref in row.refs]
    written = [part for part in parts if isinstance(part, bytes)]
    for part, ref in zip(parts, row.refs, strict=True):
        if part is None or (isinstance(part, bytes) and len(part) != ref.length):
            return Compared((f"{holding.name}: ends before byte {ref.offset + ref.length:,}",))
    try:
        claims = _claims(parts, content, holding)
    except Unreadable as error:
        return Compared(unchecked=(f"{holding.name}, at {row.refs[0].offset:,}: {error}",))
    if arrivals is not None and not {"time", "stamp"} & claims.keys():
        arrived_us = int(arrivals.at(np.array([row.refs[0].offset]))[0])
        claims = {**claims, "time": arrived_us} if arrived_us != NO_TIME else claims
    found = plain_reading.compare(row.row, claims, written, holding.plainly)
    at = f"{holding.name}, {'row' if not written else 'byte'} {row.refs[0].offset:,}"
    return Compared(*(tuple(f"{at}: {phrase}" for phrase in each) for each in (found.differs, found.unchecked)))


def _claims(parts: Sequence[Any], content: _Content, holding: Holding) -> Claims:
    """What the bytes of a row say. Raises Unreadable."""
    if isinstance(parts[0], Mapping):
        return plain_reading.of_values(parts[0], holding.entry.source.get("columns"))
    if str(holding.entry.source["format"]) == plain_reading.NMEA:
        return plain_reading.of_sentences(parts)
    if parts[0].lstrip()[:1] in (b"{", b"["):
        return plain_reading.of_record(parts[0])
    return plain_reading.of_line(content[None], parts[0], holding.entry.source.get("columns"))


def _watermark_us(data: Path) -> int:
    """Up to when the slices of a folder know what was heard; 0 where there is none."""
    catalogue = Catalogue.read(data)
    if catalogue is None:
        return 0
    with catalogue:
        found = catalogue.every("slices", lambda key, content: int(content["slice"]["watermark_us"])).values()
        return max((each for each in found if isinstance(each, int)), default=0)


class Basis:
    """What the events of one data folder are held against.

    card: the content of a scorecard that does not come with the program, where one was given.
    """

    def __init__(
        self, data: Path, known: Mapping[str, SourceEntry], elsewhere: Sequence[Path], card: bytes | None
    ) -> None:
        """known: the sources of its catalogue. Raises StoreError."""
        self.data, self.lake, self.vault = data, Lake.of(data, known), Vault(data, known, elsewhere)
        self.watermark_us = _watermark_us(data)
        self._given, self._runs, self._cards = (
            card,
            dict[str, tuple[dict[str, Any], Rules]](),
            dict[str, bytes | None](),
        )

    def run_of(self, run_id: str) -> tuple[dict[str, Any], Rules]:
        """A run, as table runs has it, and its rules."""
        if run_id not in self._runs:
            run = queries.run_of(self.data, run_id)
            self._runs[run_id] = run, from_json(run["rules"])
        return self._runs[run_id]

    def rules_of(self, run_id: str | None = None) -> Rules:
        """The rules of a run; of the last where None."""
        return self.run_of(run_id or str(queries.run_of(self.data)["run_id"]))[1]

    def removal(self, row: Mapping[str, Any]) -> str | None:
        """Under which rule something that decides an event was removed; None where all of it is there."""
        return self.lake.removal(needed_us(row, self.rules_of(row.get("run_id")))) if self.lake.removed else None

    def card_of(self, run_id: str) -> bytes | None:
        """The content of the scorecard of a run; None where it is not at hand."""
        wanted = str(self.run_of(run_id)[0]["model_id"])
        if wanted not in self._cards:
            shipped = [scorecard.own(name).read_bytes() for name in scorecard.NAMES.values()]
            at_hand = [*([self._given] if self._given else []), *shipped]
            fits = (content for content in at_hand if scorecard.parsed(content).model_id == wanted)
            self._cards[wanted] = next(fits, None)
        return self._cards[wanted]


# -------------------------------------------------------------------- what of the lake can decide something of an event

BEFORE_US = 2 * DAY  # in which the fix before a silence is looked for


def window_us(rules: Rules) -> int:
    """How far before and after an event its fixes can decide something of it."""
    own, near = rules.vessel, rules.encounter
    beside_min = max(near.join_min + near.dark_beside_min, near.around_h * 60)
    longest_us = max(own.gap_satellite_h, own.gap_terrestrial_h) * HOUR
    return round(longest_us + (beside_min + 2 * own.thin_bucket_min) * MINUTE)


def needed_us(row: Mapping[str, Any], rules: Rules) -> tuple[int, int]:
    """The span of the lake in which anything lies that can decide something of an event, UTC microseconds."""
    begin, end = ([row[f"{edge}_time"], *(row.get(f"gap_{edge}_{v}") for v in "ab")] for edge in ("start", "end"))
    first_us, last_us = min(micros(t) for t in begin if t), max(micros(t) for t in end if t)
    memory_us = round(rules.encounter.static_memory_d + 1) * DAY
    return first_us - max(window_us(rules) + BEFORE_US, memory_us), last_us + window_us(rules) + 1


class RemovedFixes(StswatchError, ValueError):
    """What would be needed was removed; the message says under which rule. Never leaves this room."""


def course_of(
    lake: Lake, fixes: Rows, mmsi: int, track_us: int, span_us: tuple[int, int], rules: VesselRules
) -> TrackFixes:
    """The fixes of a track in a span, and the one before it. fixes: those of the lake about it.

    Where several send under the number, all that it ever sent is read. Raises RemovedFixes where some of that is gone.
    """
    first, end = fixes.of(mmsi, -_EVER_US, span_us[0])
    course = fixes.course(mmsi, int(fixes.time_us[end - 1]) if end > first else span_us[0], span_us[1])
    if not leaps(course, rules).any():
        return course
    if lake.removed and lake.removed[0][0] < span_us[1]:
        raise RemovedFixes(lake.removed[0][2])
    if mmsi not in lake.torn:
        _read_ever(lake, [mmsi], rules)
    time_us, track = lake.torn[mmsi]
    return course.at(np.isin(course.time_us, time_us[track == track_us]))


def read_torn(lake: Lake, fixes: Rows, rules: VesselRules) -> None:
    """Read, all at once, what `course_of` will ask of the numbers among some fixes under which several send."""
    several = [m for m in fixes.torn(rules) if m not in lake.torn]
    if several and not lake.removed:
        _read_ever(lake, several, rules)


def _read_ever(lake: Lake, several: Sequence[int], rules: VesselRules) -> None:
    """Have the lake know of which track each fix is that was ever sent under some numbers."""
    ever = lake.rows("fixes", several, (-_EVER_US, _EVER_US), MOVES)
    for mmsi in several:
        own = ever.course(mmsi, -_EVER_US, _EVER_US)
        lake.torn[mmsi] = own.time_us, tracks_of(own, rules)
