"""Where the bytes lie that decide an event: looked up in the lake by vessel and time, never carried through the steps.

A raw_ref is (source, member, offset, length): offset in decompressed bytes, of Parquet the number of the row. A message
of several sentences has several.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.cells import MINUTE_TENTH_DEG, moved_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import micros
from stswatch.pipeline.evidence.recomputed import NO_HEADING, Course, Pair
from stswatch.pipeline.routes import LAKE_SHARDS, lake_shard
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.lake import ROUNDED, Part, read

_LONG_RANGE = 27
_RECEIVER_ORDER = {word: place for place, word in enumerate(schema.RECEIVERS)}


class RawRef(NamedTuple):
    """Bytes of a source: of which, of which member of it, where they begin once unpacked, how many."""

    source: str
    member: str | None
    offset: int
    length: int


@dataclass(frozen=True)
class Deciding:
    """A row of the lake that decides something of an event: what, of which table, its bytes and its values.

    roles: first, nearest, last, gap, static. row: `time` in UTC microseconds.
    """

    roles: tuple[str, ...]
    table: str
    refs: tuple[RawRef, ...]
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Lake:
    """The files of the lake that the published snapshot rests on."""

    data: Path
    parts: Sequence[tuple[Part, int]]  # each with the length of its slab, microseconds
    members: Mapping[str, str | None]
    lost: bool  # whether something that arrived was damaged

    @staticmethod
    def of(data: Path, entries: Mapping[str, SourceEntry]) -> Lake:
        """Those that the newest snapshot lists. Raises StoreError where one of them is in no entry of the catalogue."""
        snapshot = snapshots.newest(data)
        manifest = snapshots.read_manifest(snapshot) if snapshot else None
        if manifest is None:
            raise StoreError(f"{data}: what the published database rests on is not known; run again")
        listed = {path for files in manifest.lake_files.values() for path in files}
        parts = []
        for name, entry in entries.items():
            spans = tuple((int(a), int(b)) for a, b in manifest.left_out.get(name, ()))
            for part in entry.parts:
                if part.path in listed and part.slab_us is not None:
                    parts.append((Part(**{**vars(part), "left_out": spans}), entry.slab_us))
                listed.discard(part.path)
        if listed:
            raise StoreError(f"{data}: {min(listed)} is of a source that was read anew; run again")
        lost = any(receipt.lost for entry in entries.values() for receipt in entry.receipts)
        return Lake(data, parts, {name: entry.source.get("member") for name, entry in entries.items()}, lost)

    def rows(self, table: str, mmsi: Collection[int], span_us: tuple[int, int]) -> Rows:
        """The valid rows of some vessels in a span, by vessel and time. Raises DamagedFile."""
        who = np.array(sorted(mmsi), np.int32)
        shards = lake_shard(who)
        between = (int(shards.min()), int(shards.max()) + 1) if len(who) else (0, LAKE_SHARDS)
        names = [*schema.LAKE[table].names, *([ROUNDED] if table == "fixes" else [])]
        found = []
        for part, slab_us in self.parts:
            begin_us = part.slab_us or 0
            if part.table == table and begin_us < span_us[1] and begin_us + slab_us > span_us[0]:
                rows = read(self.data, [part], names, between, span_us, table)
                wanted = pc.and_(pc.is_in(rows["mmsi"], pa.array(who)), pc.is_null(rows["invalid_reason"]))
                found.append(rows.filter(wanted))
        kept = pa.concat_tables(found).unify_dictionaries().combine_chunks() if found else _nothing(table, names)
        order = np.lexsort((micros(kept, "time"), np.asarray(kept["mmsi"])))
        return Rows(self, table, kept.take(pa.array(order)).combine_chunks())


def _nothing(table: str, names: Sequence[str]) -> pa.Table:
    kind = pa.schema([schema.LAKE[table].field(name) if name != ROUNDED else pa.field(name, pa.float64()) for name in names])
    return kind.empty_table()


@dataclass(frozen=True)
class Rows:
    """Rows of the lake, sorted by vessel and time."""

    lake: Lake
    table: str
    kept: pa.Table

    @cached_property
    def time_us(self) -> np.ndarray:
        """Times, (n,)."""
        return micros(self.kept, "time")

    @cached_property
    def _span(self) -> dict[int, tuple[int, int]]:
        mmsi = np.asarray(self.kept["mmsi"])
        who, first = np.unique(mmsi, return_index=True)
        return dict(zip(who.tolist(), zip(first.tolist(), [*first.tolist()[1:], len(mmsi)], strict=True), strict=True))

    def of(self, mmsi: int, from_us: int, to_us: int) -> tuple[int, int]:
        """From which row up to which, left out, those of a vessel in a span lie, both ends included."""
        first, end = self._span.get(mmsi, (0, 0))
        low, high = np.searchsorted(self.time_us[first:end], [from_us, to_us + 1])
        return first + int(low), first + int(high)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        kept = self.kept
        words = kept["receiver"].combine_chunks()
        coded = words if pa.types.is_dictionary(words.type) else words.dictionary_encode()
        place = np.array([_RECEIVER_ORDER.get(word, schema.UNKNOWN) for word in coded.dictionary.to_pylist()] or [0])
        rounded = np.nan_to_num(np.asarray(kept[ROUNDED], dtype=np.float64))
        rounding = np.array([round(moved_m(step)) if step else 0 for step in np.unique(rounded)])
        rounding_m = rounding[np.searchsorted(np.unique(rounded), rounded)] if len(rounded) else rounded.astype(np.int64)
        long_range = np.asarray(pc.fill_null(pc.equal(kept["msg_type"], _LONG_RANGE), False))
        return {
            "lon": np.asarray(kept["lon"], dtype=np.float64),
            "lat": np.asarray(kept["lat"], dtype=np.float64),
            "sog_kn": kept["sog_kn"].to_numpy().astype(np.float64),
            "heading_deg": np.asarray(pc.fill_null(kept["heading_deg"], NO_HEADING)).astype(np.int64),
            "receiver": place[np.asarray(coded.indices)],
            "rounding_m": np.where(long_range, np.maximum(rounding_m, round(moved_m(MINUTE_TENTH_DEG))), rounding_m),
        }

    def course(self, mmsi: int, from_us: int, to_us: int) -> Course:
        """The fixes of a vessel in a span, one for each moment: of several the least by place, speed and heading."""
        first, end = self.of(mmsi, from_us, to_us)
        of = {name: values[first:end] for name, values in self._columns.items()}
        time_us, row = self.time_us[first:end] // 1000 * 1000, np.arange(first, end)
        keep = np.diff(time_us, prepend=-1) != 0
        if not keep.all():
            keys = [of[name] for name in ("rounding_m", "receiver", "heading_deg", "sog_kn", "lat", "lon")]
            order = np.lexsort((*keys, time_us))
            keep = order[np.diff(time_us[order], prepend=-1) != 0]
        of = {name: values[keep] for name, values in of.items()}
        satellite = of["receiver"] == schema.SATELLITE
        place = of["lon"], of["lat"], of["sog_kn"], of["heading_deg"]
        return Course(time_us[keep], *place, satellite, of["rounding_m"], row[keep])

    def deciding(self, row: int, roles: Sequence[str]) -> Deciding:
        """One row with its bytes."""
        values = self.kept.slice(row, 1).drop_columns(["time"]).to_pylist()[0]
        values["time"] = int(self.time_us[row])
        source = values["source"]
        spans = [(values["offset"], values["length"])]
        spans += [(more["offset"], more["length"]) for more in values["more_refs"] or ()]
        refs = tuple(RawRef(source, self.lake.members.get(source), *span) for span in spans)
        return Deciding(tuple(roles), self.table, refs, values)


def of_meeting(pair: Pair, rows: Rows, cpa_us: int, rules: Rules) -> list[Deciding]:
    """The fixes of both that decide a meeting: beside its first, nearest and last moment, and at the edges of gaps."""
    near, found = pair.near, dict[int, list[str]]()
    begin_us, end_us = int(near.start_us[0]), int(near.end_us[-1])
    beside_us = round(rules.encounter.dark_beside_min * 60e6)
    for course in pair.courses:
        for role, time_us in (("first", begin_us), ("nearest", cpa_us), ("last", end_us)):
            for k in _beside(course, time_us):
                found.setdefault(int(course.row[k]), []).append(role)
        for k in gaps_in(course, begin_us - beside_us, end_us + beside_us, rules):
            for edge in (k, k + 1):
                found.setdefault(int(course.row[edge]), []).append("gap")
    return [rows.deciding(row, dict.fromkeys(roles)) for row, roles in found.items()]


def _beside(course: Course, time_us: int) -> Iterator[int]:
    """The fixes between which a moment lies, or the one that stands at it."""
    after = int(np.searchsorted(course.time_us, time_us))
    if after < len(course) and course.time_us[after] == time_us:
        yield after
        return
    yield from (k for k in (after - 1, after) if 0 <= k < len(course))


def gaps_in(course: Course, from_us: int, to_us: int, rules: Rules) -> list[int]:
    """After which fixes of a course a gap begins of which an edge lies in a span."""
    took_us = np.diff(course.time_us)
    kind = course.satellite[1:] & course.satellite[:-1]
    limit_us = np.where(kind, rules.vessel.gap_satellite_h, rules.vessel.gap_terrestrial_h) * 3.6e9
    edges = [(side >= from_us) & (side <= to_us) for side in (course.time_us[:-1], course.time_us[1:])]
    return np.flatnonzero((took_us > limit_us) & (edges[0] | edges[1])).tolist()
