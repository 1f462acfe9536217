"""Which fixes are used, when, and in which order: valid ones, in whole buckets, one per vessel and moment.

And in which spans of time there are any of a track: how well it was heard beside a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.cells import MINUTE_TENTH_DEG, Rounding, moved_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE, MS, Bools, Ints, build, matching, micros, starts_of
from stswatch.pipeline.schema import RECEIVERS, UNKNOWN

NO_HEADING = -1
SPAN_US = 5 * MINUTE  # class A at anchor reports every three minutes; many archives keep one report in five
_LONG_RANGE = 27  # the message that tells places to 1/10 minute
PENDING = pa.schema(
    [
        *(schema.FIXES.field(name) for name in ("mmsi", "time", "lon", "lat", "sog_kn", "cog_deg")),
        schema.column("heading_deg", pa.int16(), "true heading, -1 where none was told", unit="deg"),
        schema.column("receiver", pa.int8(), "kind of receiver, its place in RECEIVERS"),
        schema.LEGS.field("rounding_m"),
        schema.column("station", pa.int64(), "number of the station, made of its name; 0 where none is named"),
        schema.column(
            "sentence", pa.int64(), "communication state and UTC second of types 1 and 2, see `sent`; 0: none"
        ),
        schema.column("ais_class", pa.int8(), "class of the set by the type of message, place in CLASSES; 0: none"),
    ]
)
STATIONS = schema.table(
    "The stations of fixes by their numbers.", PENDING.field("station"), schema.column("name", pa.string(), "its name")
)
CLASSES = (None, "A", "B")
_CLASS_OF = np.zeros(256, np.int8)  # by the type of a position report; 27 is sent by both
_CLASS_OF[[1, 2, 3]], _CLASS_OF[[18, 19]] = 1, 2


def valid(fixes: pa.Table) -> pa.Table:
    """The fixes that can be part of a track, with the columns that decide; times in whole milliseconds.

    fixes: of the lake; cog_deg, msg_type and rounded_deg, the grid of the source in degrees, are taken where they are
    there.
    """
    return valid_by_station(fixes)[0]


def valid_by_station(fixes: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The same as `valid`, and the stations that heard them, STATIONS."""
    if fixes.num_rows == 0:
        return PENDING.empty_table(), STATIONS.empty_table()
    fixes = used(fixes)
    columns = {name: fixes[name] for name in ("mmsi", "lon", "lat", "sog_kn")}
    columns["cog_deg"] = fixes["cog_deg"] if _has_values(fixes, "cog_deg") else pa.nulls(fixes.num_rows, pa.float32())
    columns["heading_deg"] = pc.fill_null(fixes["heading_deg"], NO_HEADING)
    whole_ms = micros(fixes, "time") // MS * MS
    columns |= {"time": whole_ms, "receiver": _receivers(fixes["receiver"]), "rounding_m": _rounding_m(fixes)}
    station, stations = _stations(fixes)
    columns |= {"station": station, "sentence": sent(fixes), "ais_class": ais_classes(fixes)}
    return build(PENDING, columns), stations


def _has_values(fixes: pa.Table, *names: str) -> bool:
    """Whether any row of a table has something in the first of these columns, and the others are there."""
    return set(names) <= set(fixes.column_names) and fixes[names[0]].null_count < fixes.num_rows


def ais_classes(fixes: pa.Table) -> Ints:
    """The class of the set that sent each fix, (n,), its place in CLASSES."""
    if not _has_values(fixes, "msg_type"):
        return np.zeros(fixes.num_rows, np.int8)
    return np.asarray(_CLASS_OF[np.asarray(pc.fill_null(fixes["msg_type"], 0)).astype(np.uint8)])


def _stations(fixes: pa.Table) -> tuple[Ints, pa.Table]:
    """A number for the station of each fix, (n,): the same for one name in all data, 0 where none is named; and names.

    The names: STATIONS, a row each.
    """
    if not _has_values(fixes, "station"):
        return np.zeros(fixes.num_rows, np.int64), STATIONS.empty_table()
    column = fixes["station"].combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    words = [blake2b((word or "").encode(), digest_size=7).digest() for word in coded.dictionary.to_pylist()]
    numbers = np.array([*(1 + int.from_bytes(word, "big") for word in words), 0], np.int64)
    names = build(STATIONS, {"station": numbers[:-1], "name": coded.dictionary})
    return np.asarray(numbers[np.asarray(coded.indices.fill_null(len(words)))]), names


def sent(fixes: pa.Table) -> Ints:
    """Communication state plus 1, times 64, and the UTC second of each fix of types 1 and 2, (n,); 0 of others.

    The second is 60 where it is not available.
    """
    if not _has_values(fixes, "radio", "msg_type", "utc_second"):
        return np.zeros(fixes.num_rows, np.int64)
    radio, kind, second = (
        np.asarray(pc.fill_null(fixes[name], none), dtype=np.int64)
        for name, none in (("radio", -1), ("msg_type", 0), ("utc_second", 60))
    )
    return np.where((radio >= 0) & ((kind == 1) | (kind == 2)), (radio + 1) * 64 + second, 0)


def with_rounding(fixes: pa.Table) -> pa.Table:
    """Fixes of one source with rounded_deg, the grid that its valid positions lie on, as a run finds it."""
    used = fixes.filter(pc.is_null(fixes["invalid_reason"]))
    rounding = Rounding().with_positions(np.asarray(used["lon"]), np.asarray(used["lat"]))
    return fixes.append_column("rounded_deg", pa.array(np.full(fixes.num_rows, rounding.step_deg())))


def _rounding_m(fixes: pa.Table) -> Ints:
    """How far rounding may have moved each position, whole metres (n,)."""
    out = np.zeros(fixes.num_rows, np.int32)
    if "rounded_deg" in fixes.column_names:
        for step_deg in pc.unique(fixes["rounded_deg"]).to_pylist():
            if step_deg:
                out[np.asarray(pc.equal(fixes["rounded_deg"], step_deg))] = round(moved_m(step_deg))
    if "msg_type" in fixes.column_names and fixes["msg_type"].null_count < fixes.num_rows:
        long_range = np.asarray(pc.fill_null(pc.equal(fixes["msg_type"], _LONG_RANGE), False))
        if long_range.any():
            out[long_range] = np.maximum(out[long_range], round(moved_m(MINUTE_TENTH_DEG)))
    return np.asarray(out)


def used(rows: pa.Table) -> pa.Table:
    """The rows of `fixes` or `static_reports` that nothing speaks against."""
    if rows["invalid_reason"].null_count == rows.num_rows:
        return rows
    return rows.filter(pc.is_null(rows["invalid_reason"])).combine_chunks()


def _receivers(kinds: pa.ChunkedArray) -> Ints:
    """The place of each kind of receiver in RECEIVERS; a word that is not there counts as unknown."""
    coded = kinds.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    places = [RECEIVERS.index(word) if word in RECEIVERS else UNKNOWN for word in coded.dictionary.to_pylist()]
    return np.asarray(np.array(places, np.int8)[np.asarray(coded.indices)])


def split(fixes: pa.Table, until_us: int, final: bool) -> tuple[pa.Table, pa.Table]:
    """What is decided now, and what waits for its bucket to end."""
    if final:
        return fixes, PENDING.empty_table()
    ready = micros(fixes, "time") < until_us
    if ready.all():
        return fixes, PENDING.empty_table()
    return fixes.filter(ready), fixes.filter(~ready).combine_chunks()


def distinct(fixes: pa.Table) -> pa.Table:
    """One fix per MMSI and moment, sorted; of several the least by place, speed, heading, receiver is kept."""
    if fixes.num_rows == 0:
        return fixes
    mmsi, time = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    key = _sort_key(mmsi, time)
    if (key[1:] > key[:-1]).all():
        return fixes
    order = np.argsort(key, kind="stable")  # runs of vessels or files, which it merges
    ties = np.diff(key[order]) == 0
    if ties.any():
        order = _break_ties(fixes, key, order, ties)
    return fixes.take(pa.array(order)).combine_chunks()


def _sort_key(mmsi: np.ndarray, time_us: Ints) -> Ints:
    """MMSI and milliseconds since the earliest fix in one whole number."""
    base = time_us.min()
    span = int((time_us.max() - base) // MS) + 1
    who = mmsi.astype(np.int64)
    if (int(who.max()) + 1) * span >= 1 << 63:  # 30 bits of MMSI leave room for 99 days: beyond, number the vessels
        who = np.unique(who, return_inverse=True)[1]
    return np.asarray(who * span + (time_us - base) // MS)


def _break_ties(fixes: pa.Table, key: Ints, order: Ints, ties: Bools) -> Ints:
    """Keep the least row of each group of equal keys; only the tied rows are compared."""
    tied = np.zeros(len(order), bool)
    tied[1:] |= ties
    tied[:-1] |= ties
    rows = order[tied]
    part = fixes.take(pa.array(rows)).append_column("key", pa.array(key[rows]))
    names = ("lon", "lat", "sog_kn", "heading_deg", "receiver", "rounding_m", "station", "sentence", "ais_class")
    keys = [(name, "ascending") for name in ("key", *names, "cog_deg")]
    by_value = np.asarray(pc.sort_indices(part, keys))
    kept = by_value[starts_of(key[rows][by_value])]
    merged = np.concatenate([order[~tied], rows[kept]])
    return merged[np.argsort(key[merged])]


# ------------------------------ how well a vessel itself was heard right before and right after a gap, by UTC spans
# One that was heard in each span up to the last fix and in each from the first fix after on was not at the edge of what
# can be received. What comes after a gap waits until the watermark has passed it, so that no cut of the data shows.

BESIDE = 24  # spans, two hours, in which the vessel is looked for on each side of a gap
PASS_US = 10 * MINUTE  # as much silence parts passes of satellites
PASSES_BESIDE = 60  # spans of PASS_US, ten hours, in which satellites are asked for the vessel on each side of a gap
EARLIER = 36  # spans before those, three hours, in which it is looked for too: whether its reports grew few
_BITS = 62  # spans that are carried: those of a gap whose time after is not over, or those before one
_SPAN_BITS = 28  # a span since 1970 is a number below 2 ** 24 until the year 2129

SPANS = schema.table(
    "In which spans of five minutes each track was heard lately.",
    schema.LEGS.field("mmsi"),
    schema.LEGS.field("track_start"),
    schema.column("span", pa.int64(), "span of the last fix, since 1970"),
    schema.column("mask", pa.int64(), "bit k: a fix lies in the span k before that one"),
)


@dataclass(frozen=True)
class HeardSpans:
    """Spans in which tracks were heard, (m,) rising by track: track t of mmsi, track_us (tracks,), each span once."""

    mmsi: Ints
    track_us: Ints
    track: Ints
    span: Ints

    @staticmethod
    def of(
        mmsi: Ints, track_us: Ints, time_us: Ints, kept: pa.Table, only: Bools | None = None, span_us: int = SPAN_US
    ) -> HeardSpans:
        """Those of new fixes (n,), by track and time, and those carried, SPANS; `only` (n,): of these fixes alone."""
        span = time_us // span_us
        head = starts_of(mmsi, track_us)
        first = np.zeros(len(mmsi), bool)
        first[head] = True
        new = first | (np.diff(span, prepend=span[:1]) != 0)
        every = np.cumsum(first) - 1
        if only is None:
            row = np.flatnonzero(new)
        else:
            row = np.flatnonzero(only)
            row = row[starts_of(np.cumsum(new)[row])]
        track = every[row]
        heads = HeardSpans(mmsi[head], track_us[head], track, span[row])
        if kept.num_rows == 0:
            return heads
        at = heads.find(np.asarray(kept["mmsi"]), micros(kept, "track_start"))
        mask, last = np.asarray(kept["mask"]).astype("<i8"), np.asarray(kept["span"])
        bits = np.unpackbits(mask.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        which, nth = np.nonzero(bits[:, :_BITS])
        alive = at[which] >= 0
        track = np.concatenate([at[which][alive], track])
        span = np.concatenate([(last[which] - nth)[alive], span[row]])
        order = np.lexsort((span, track))
        order = order[starts_of(track[order], span[order])]  # the last one carried is the first of the new ones
        return HeardSpans(heads.mmsi, heads.track_us, track[order], span[order])

    def find(self, mmsi: Ints, track_us: Ints) -> Ints:
        """The number of tracks (n,) by MMSI and start, -1 where there is none."""
        return matching([self.mmsi, self.track_us], [mmsi, track_us])

    def count(self, track: Ints, first: Ints, last: Ints) -> Ints:
        """In how many spans from `first` to `last` tracks were heard, (n,)."""
        key = (self.track << _SPAN_BITS) + self.span
        low, high = (track << _SPAN_BITS) + first, (track << _SPAN_BITS) + last
        return np.searchsorted(key, high, "right") - np.searchsorted(key, low)

    def mask(self, track: Ints, first: Ints, step: int) -> Ints:
        """Bit k, of PASSES_BESIDE, set where tracks were heard in the span first + k step, (n,)."""
        nth = np.arange(PASSES_BESIDE)
        asked = (track << _SPAN_BITS)[:, None] + first[:, None] + step * nth
        key = np.append((self.track << _SPAN_BITS) + self.span, -1)
        found = key[np.searchsorted(key[:-1], asked)] == asked
        return np.asarray(np.where(found, np.int64(1) << nth, 0).sum(axis=1, dtype=np.int64))

    def carried(self) -> pa.Table:
        """What is to be carried on, SPANS."""
        head = starts_of(self.track)
        last = np.append(head[1:], len(self.track)) - 1 if len(head) else head
        end = self.span[last]
        back = np.repeat(end, np.diff(np.append(head, len(self.track)))) - self.span
        bit = np.where(back < _BITS, np.int64(1) << np.minimum(back, _BITS), 0)
        mask = np.bitwise_or.reduceat(bit, head) if len(head) else bit
        columns = {"mmsi": self.mmsi[self.track[head]], "track_start": self.track_us[self.track[head]]}
        return build(SPANS, columns | {"span": end, "mask": mask})
