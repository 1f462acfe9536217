"""The fixes of vessels in the lake: where their bytes lie, of which track they are, in which slow legs.

A raw_ref is (source, member, offset, length): offset in decompressed bytes, of Parquet the number of the row. A message
of several sentences has several. They are looked up by vessel and time, never carried through the steps. What a track
and a slow leg are is what docs/identity.md and rules.md say; none of the code of a run is called.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.coordinates.cells import MINUTE_TENTH_DEG, moved_m
from stswatch.geo.coordinates.plane import in_space_km
from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, MS_PER_KN
from stswatch.pipeline import schema
from stswatch.pipeline.batch import DAY, HOUR, MINUTE, SECOND, micros, spread
from stswatch.pipeline.routes import LAKE_SHARDS, lake_shard
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.entries import SourceEntry, source_of
from stswatch.pipeline.store.lake import ROUNDED, Part, read
from stswatch.pipeline.track_rules import VesselRules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_HEADING = -1


# ------------------------------------- the fixes of a number, one for each moment; of one track; its slow legs


@dataclass(frozen=True)
class TrackFixes:
    """Usable fixes of one MMSI, one per moment, (n,) each in order of time.

    time_us: whole milliseconds. sog_kn: NaN where none was sent. heading_deg: NO_HEADING where none was. rounding_m:
    how far rounding may have moved each. row: which row of the evidence each is.
    """

    time_us: Ints
    lon: Floats
    lat: Floats
    sog_kn: Floats
    heading_deg: Ints
    satellite: Bools
    rounding_m: Ints
    row: Ints

    def at(self, rows: Any) -> TrackFixes:
        """These fixes."""
        return TrackFixes(*(getattr(self, name)[rows] for name in _OF_TRACK))

    def __len__(self) -> int:
        return len(self.time_us)

    @cached_property
    def hops_m(self) -> Floats:
        """How far it is from each fix to the next, (n - 1,)."""
        return np.asarray(apart_m(self.lon[:-1], self.lat[:-1], self.lon[1:], self.lat[1:]))


_OF_TRACK = tuple(TrackFixes.__annotations__)


def apart_m(lon0: Any, lat0: Any, lon1: Any, lat1: Any) -> Any:
    """Great-circle distances on the mean sphere, metres.

    >>> round(float(apart_m(0.0, 0.0, 1.0, 0.0)))
    111195
    """
    a0, b0, a1, b1 = (np.radians(each) for each in (lon0, lat0, lon1, lat1))
    half = np.sin((b1 - b0) / 2) ** 2 + np.cos(b0) * np.cos(b1) * np.sin((a1 - a0) / 2) ** 2
    return 2 * MEAN_RADIUS_M * np.arcsin(np.minimum(np.sqrt(half), 1.0))


def _one_apart_m(lon0: float, lat0: float, lon1: float, lat1: float) -> float:
    """As `apart_m`, of two points."""
    south, north, turn = math.radians(lat0), math.radians(lat1), math.radians(lon1 - lon0)
    half = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(turn / 2) ** 2
    return 2 * MEAN_RADIUS_M * math.asin(min(math.sqrt(half), 1.0))


def leaps(course: TrackFixes, rules: VesselRules) -> Bools:
    """Between each fix and the next, (n - 1,): whether a ship cannot have made it, so that more than one sends."""
    reach_m = rules.hop_slack_m + rules.max_speed_kn * MS_PER_KN * np.diff(course.time_us) / SECOND
    return np.asarray(np.round(course.hops_m, 3) > reach_m)


def tracks_of(course: TrackFixes, rules: VesselRules) -> Ints:
    """When the track of each fix began, of all that were sent under a number from its beginning on, (n,).

    Each joins the nearest track that can explain it, else begins one.
    """
    memory_us, per_us = rules.track_memory_d * DAY, rules.max_speed_kn * MS_PER_KN / SECOND
    alive: dict[int, tuple[int, float, float]] = {}
    found = []
    for time_us, lon, lat in zip(course.time_us.tolist(), course.lon.tolist(), course.lat.tolist(), strict=True):
        can = []
        for name, (seen_us, x, y) in alive.items():
            away_m = round(_one_apart_m(x, y, lon, lat), 3)
            waited_us = time_us - seen_us
            if waited_us <= memory_us and away_m <= rules.hop_slack_m + per_us * waited_us:
                can.append((away_m, -seen_us, name))
        name = min(can)[2] if can else time_us
        alive.pop(name, None)
        alive[name] = (time_us, lon, lat)
        if len(alive) > rules.tracks_at_once:
            del alive[next(iter(alive))]
        found.append(name)
    return np.array(found, np.int64)


@dataclass(frozen=True)
class Chords:
    """The slow legs of a course, a stay thinned to one for each bucket: from fix `first` to fix `last`, (m,) each.

    speed_dkn: mean speed in tenths of a knot; reported: some of it was.
    """

    first: Ints
    last: Ints
    speed_dkn: Ints
    reported: Bools


def chords_of(course: TrackFixes, rules: VesselRules, lean: int = 0) -> Chords:
    """The slow legs; see `VesselRules` for when two fixes are a leg, when it is slow, and what is thinned.

    lean: 1 thins too what a plane in degrees may put within the tolerance, -1 only what no such plane puts beyond.
    """
    took_us, leg, speed_kn, reported = legs_of(course, rules)
    slow = leg & (speed_kn < rules.slow_kn)
    tenths = np.where(slow, np.ceil(speed_kn * 10 - 0.5), 0)
    first, last = _thinned(course, took_us, leg, slow, rules, lean)
    inside = np.cumsum(np.bincount(first, minlength=len(course)) - np.bincount(last, minlength=len(course)))[:-1] > 0
    plain = np.flatnonzero(slow & ~inside)
    first, last = np.concatenate([first, plain]), np.concatenate([last, plain + 1])
    order = np.argsort(first)
    first, last = first[order], last[order]
    way = np.concatenate([[0.0], np.cumsum(tenths * took_us)])
    mean = (way[last] - way[first]) / np.maximum(course.time_us[last] - course.time_us[first], 1)
    upto = np.concatenate([[0], np.cumsum(reported)])
    return Chords(first, last, np.ceil(mean - 0.5).astype(np.int64), upto[last] > upto[first])


def legs_of(course: TrackFixes, rules: VesselRules) -> tuple[Ints, Bools, Floats, Bools]:
    """Between each fix and the next, (n - 1,): how long, whether a leg, its speed, whether that was reported."""
    took_us = np.diff(course.time_us)
    by_satellite = course.satellite[1:] & course.satellite[:-1]
    leg = took_us <= np.where(by_satellite, rules.gap_satellite_h, rules.gap_terrestrial_h) * HOUR
    implied_kn = course.hops_m / np.maximum(took_us / SECOND, rules.implied_over_s) / MS_PER_KN
    mean_kn = np.round((course.sog_kn[1:] + course.sog_kn[:-1]) / 2, 3)
    reported = ~np.isnan(mean_kn)
    return took_us, leg, np.where(reported, mean_kn, implied_kn), reported


def _thinned(
    course: TrackFixes, took_us: Ints, leg: Bools, slow: Bools, rules: VesselRules, lean: int
) -> tuple[Ints, Ints]:
    """The fixes at both ends of each stretch that one chord stands for: of a bucket, from the fix before it."""
    bucket = course.time_us // round(rules.thin_bucket_min * MINUTE)
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1))
    last = np.append(first[1:], len(bucket)) - 1
    first = first - np.concatenate([[False], leg])[first]
    restless = np.concatenate([[0], np.cumsum(~slow | (took_us > rules.thin_interval_min * MINUTE))])
    keep = (last - first >= 2) & (restless[last] == restless[first])
    first, last = first[keep], last[keep]
    if not len(first):
        return first, last
    count = last - first + 1
    of, nth = spread(count)
    at = first[of] + nth
    space_m, time_us = in_space_km(course.lon, course.lat) * 1000, course.time_us
    share = ((time_us[at] - time_us[first][of]) / (time_us[last] - time_us[first])[of])[:, None]
    chord_m = space_m[last] - space_m[first]
    off_m = np.linalg.norm(space_m[at] - space_m[first][of] - chord_m[of] * share, axis=1)
    bend_m = (chord_m * chord_m).sum(axis=1) / MEAN_RADIUS_M + 0.01
    straight = np.maximum.reduceat(off_m, np.cumsum(count) - count) <= rules.thin_tolerance_m + lean * bend_m
    north = np.minimum(np.maximum(np.abs(course.lat[first]), np.abs(course.lat[last])), 89.0)
    most_m = rules.piece_km * 1000 / np.maximum(np.tan(np.radians(north)), 1.0)
    keep = straight & (apart_m(course.lon[first], course.lat[first], course.lon[last], course.lat[last]) <= most_m)
    return first[keep], last[keep]


def gap_edges(course: TrackFixes, begun_us: int, data_end_us: int, rules: VesselRules) -> Ints:
    """When silences of a course begin and end, (k,); one that is open at the end of the data begins at the last fix.

    begun_us: when its track began; where that was before the first fix here, a silence ends with it.
    """
    if not len(course):
        return np.zeros(0, np.int64)
    leg = legs_of(course, rules)[1]
    limit_h = rules.gap_satellite_h if course.satellite[-1] else rules.gap_terrestrial_h
    open_ = data_end_us - course.time_us[-1:] > limit_h * HOUR
    first = course.time_us[:1][course.time_us[:1] > begun_us]
    return np.concatenate([first, course.time_us[:-1][~leg], course.time_us[1:][~leg], course.time_us[-1:][open_]])


# --------------------------------------------- rows of the lake by vessel and time, each with where its bytes lie

_LONG_RANGE = 27
_UNUSED = ("source", *schema.RADIO_FIELDS, "station")  # the source is told by the name of the file
MOVES = ("mmsi", "time", "lon", "lat", "sog_kn", "heading_deg", "msg_type", "receiver", "invalid_reason")
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
    removed: Sequence[tuple[int, int, str]] = ()  # spans that `retain` removed something of, and the sentence of each
    torn: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)  # numbers of several: times, and of which track

    @staticmethod
    def of(data: Path, entries: Mapping[str, SourceEntry]) -> Lake:
        """Those that the newest snapshot lists. Raises StoreError where one of them is in no entry of the catalogue."""
        snapshot = snapshots.newest(data)
        manifest = snapshots.read_manifest(snapshot) if snapshot else None
        if manifest is None:
            raise StoreError(f"{data}: what the published database rests on is not known; run again")
        listed = {path for files in manifest.lake_files.values() for path in files}
        parts, removed = [], set[tuple[int, int, str]]()
        for name, entry in entries.items():
            spans = tuple((int(a), int(b)) for a, b in manifest.left_out.get(name, ()))
            for part in entry.parts:
                if part.removed and part.slab_us is not None:
                    removed.add((part.slab_us, part.slab_us + entry.slab_us, part.removed))
                elif part.path in listed and part.slab_us is not None:
                    parts.append((Part(**{**vars(part), "left_out": spans}), entry.slab_us))
                listed.discard(part.path)
        if listed:
            raise StoreError(f"{data}: {min(listed)} is of a source that was read anew; run again")
        lost = any(receipt.lost for entry in entries.values() for receipt in entry.receipts)
        members = {name: entry.source.get("member") for name, entry in entries.items()}
        return Lake(data, parts, members, lost, sorted(removed))

    def removal(self, span_us: tuple[int, int]) -> str | None:
        """Which rule took something of a span away, in words; None where all of it is there."""
        return next((why for a, b, why in self.removed if a < span_us[1] and b > span_us[0]), None)

    def rows(
        self, table: str, mmsi: Collection[int], span_us: tuple[int, int], names: Sequence[str] | None = None
    ) -> Rows:
        """The valid rows of some vessels in a span, by vessel and time; names: columns, all that decide where None.

        Raises DamagedFile.
        """
        who = np.array(sorted(mmsi), np.int64)
        shards = lake_shard(who)
        between = (int(shards.min()), int(shards.max()) + 1) if len(who) else (0, LAKE_SHARDS)
        asked = tuple(names or [name for name in schema.LAKE[table].names if name not in _UNUSED])
        asked += (ROUNDED,) if table == "fixes" else ()
        found = [_with_source(read(self.data, [], asked, (0, LAKE_SHARDS), span_us, table), "")]
        for part, slab_us in self.parts:
            begin_us = part.slab_us or 0
            if part.table == table and begin_us < span_us[1] and begin_us + slab_us > span_us[0]:
                rows = read(self.data, [part], asked, between, span_us, table)
                wanted = pc.and_(pc.is_in(rows["mmsi"], pa.array(who, pa.int32())), pc.is_null(rows["invalid_reason"]))
                found.append(_with_source(rows.filter(wanted), source_of(part.path)))
        kept = pa.concat_tables(found).unify_dictionaries().combine_chunks()
        order = np.lexsort((micros(kept, "time"), np.asarray(kept["mmsi"])))
        return Rows(self, table, kept.take(pa.array(order)).combine_chunks())


def _with_source(rows: pa.Table, source: str) -> pa.Table:
    """The rows with the source that their file is of, which is no longer to read than one word."""
    word = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows.num_rows, np.int32)), pa.array([source]))
    return rows.append_column("source", word)


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
    def _mmsi(self) -> Ints:
        return np.asarray(self.kept["mmsi"]).astype(np.int64)

    def of(self, mmsi: int, from_us: int, to_us: int) -> tuple[int, int]:
        """From which row up to which, left out, those of a vessel in a span lie, both ends included."""
        first, end = self._mmsi.searchsorted([mmsi, mmsi + 1]).tolist()
        low, high = self.time_us[first:end].searchsorted([from_us, to_us + 1])
        return first + int(low), first + int(high)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        kept = self.kept
        words = kept["receiver"].combine_chunks()
        coded = words if pa.types.is_dictionary(words.type) else words.dictionary_encode()
        place = np.array([_RECEIVER_ORDER.get(word, schema.UNKNOWN) for word in coded.dictionary.to_pylist()] or [0])
        step, back = np.unique(np.nan_to_num(np.asarray(kept[ROUNDED], dtype=np.float64)), return_inverse=True)
        rounding_m = np.array([round(moved_m(each)) if each else 0 for each in step], np.int64)[back]
        long_range = np.asarray(pc.fill_null(pc.equal(kept["msg_type"], _LONG_RANGE), False))
        return {
            "lon": np.asarray(kept["lon"], dtype=np.float64),
            "lat": np.asarray(kept["lat"], dtype=np.float64),
            "sog_kn": kept["sog_kn"].to_numpy().astype(np.float64),
            "heading_deg": np.asarray(pc.fill_null(kept["heading_deg"], NO_HEADING)).astype(np.int64),
            "receiver": place[np.asarray(coded.indices)],
            "rounding_m": np.where(long_range, np.maximum(rounding_m, round(moved_m(MINUTE_TENTH_DEG))), rounding_m),
        }

    @cached_property
    def _moments(self) -> tuple[Ints, TrackFixes]:
        """Whose, (n,), and the fixes of all, one for each moment: of several the least by place, speed and heading."""
        of, time_us, mmsi = self._columns, self.time_us // 1000 * 1000, self._mmsi
        row, again = np.arange(len(time_us)), (np.diff(time_us, prepend=-1) == 0) & (np.diff(mmsi, prepend=-1) == 0)
        if again.any():
            tied = np.flatnonzero(again | np.append(again[1:], False))
            keys = [of[name][tied] for name in ("rounding_m", "receiver", "heading_deg", "sog_kn", "lat", "lon")]
            row[tied] = tied[np.lexsort((*keys, time_us[tied], mmsi[tied]))]
            row = row[~again]
            of, time_us = {name: values[row] for name, values in of.items()}, time_us[row]
        satellite = of["receiver"] == schema.SATELLITE
        place = of["lon"], of["lat"], of["sog_kn"], of["heading_deg"]
        return mmsi[row], TrackFixes(time_us, *place, satellite, of["rounding_m"], row)

    def course(self, mmsi: int, from_us: int, to_us: int) -> TrackFixes:
        """The fixes of a vessel in a span, in whole milliseconds, one for each moment."""
        whose, fixes = self._moments
        first, end = whose.searchsorted([mmsi, mmsi + 1]).tolist()
        low, high = fixes.time_us[first:end].searchsorted([from_us // 1000 * 1000, to_us + 1])
        return fixes.at(slice(first + int(low), first + int(high)))

    def torn(self, rules: VesselRules) -> list[int]:
        """Under which numbers more than one sends, by all fixes of each here."""
        whose, fixes = self._moments
        within = whose[1:] == whose[:-1]
        return [int(mmsi) for mmsi in np.unique(whose[1:][within & leaps(fixes, rules)])]

    def deciding(self, roles: Mapping[int, Collection[str]]) -> dict[int, Deciding]:
        """Rows by their number, with their bytes; roles: what each decides."""
        wanted = sorted(roles)
        values = self.kept.take(pa.array(wanted, pa.int64())).drop_columns(["time"]).to_pylist()
        found = {}
        for row, of in zip(wanted, values, strict=True):
            of["time"] = int(self.time_us[row])
            source, member = of["source"], self.lake.members.get(of["source"])
            spans = [(each["offset"], each["length"]) for each in (of, *(of["more_refs"] or ()))]
            refs = tuple(RawRef(source, member, *span) for span in spans)
            found[row] = Deciding(tuple(dict.fromkeys(roles[row])), self.table, refs, of)
        return found
