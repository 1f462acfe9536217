"""What vessels report of themselves: each value once a UTC day and where it changes, and the last one before a time.

Law: reports of one vessel are taken in order of time; of several at one moment the greatest of each value counts. A
value is given where the vessel reported another one before, or none yet in that UTC day. So it does not show where the
data are cut, nor in which order or how often a report comes, and nothing older than the day of the watermark is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS, Bools, Column, Ints, build, concat, micros, ordered, starts_of
from stswatch.pipeline.rules import days
from stswatch.pipeline.track_rules import IdentityRules


def once_a_day(reports: pa.Table, today: pa.Table, kind: pa.Schema, watermark_us: int) -> tuple[pa.Table, pa.Table]:
    """What is given now, and what was given in the UTC day of the watermark, both of a schema: mmsi, time, values.

    reports: static reports, in any order. today: the second result of the slice before. A row has the values that are
    given there, null where the vessel reported nothing or the same as before in that day. Never raises.
    """
    both = concat([today, reports.select(kind.names).cast(kind)], kind)
    names = kind.names[2:]
    some = np.flatnonzero(reduce(pc.or_, (pc.is_valid(both[name]) for name in names)))
    if not len(some):
        return kind.empty_table(), kind.empty_table()
    both, new = both.take(pa.array(some)).combine_chunks(), some >= today.num_rows
    mmsi, time_us = np.asarray(both["mmsi"]), micros(both, "time") // MS * MS
    order = ordered(mmsi, time_us // MS)
    moments = starts_of(mmsi[order], time_us[order])
    mmsi, time_us = mmsi[order][moments], time_us[order][moments]
    new, day = np.logical_or.reduceat(new[order], moments), time_us // days(1)
    columns: dict[str, object] = {"mmsi": mmsi, "time": time_us}
    given = np.zeros(len(mmsi), bool)
    for name in names:
        words, rank = ranked(both[name])
        rank = np.maximum.reduceat(rank[order], moments)
        known = np.flatnonzero(rank >= 0)
        anew = known[starts_of(mmsi[known], day[known], rank[known])]
        at = np.full(len(mmsi), -1)
        at[anew], given[anew] = rank[anew], True
        columns[name] = words.take(pa.array(at, mask=at < 0))
    found = build(kind, columns)
    last = day >= watermark_us // days(1)
    return tuple(found.filter(pa.array(given & which)).combine_chunks() for which in (new, last))


def ranked(values: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """The distinct values in order, and the place of each row's among them, (n,), -1 where null.

    >>> words, rank = ranked(pa.chunked_array([["B", None, "A"]]))
    >>> words.to_pylist(), rank.tolist()
    (['A', 'B'], [1, -1, 0])
    """
    coded = values.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    words = coded.dictionary
    order = np.asarray(pc.array_sort_indices(words)).astype(np.int64)
    place = np.empty(len(words) + 1, np.int64)
    place[order], place[-1] = np.arange(len(words)), -1
    rows = np.asarray(pc.fill_null(coded.indices.cast(pa.int64()), len(words)))
    return words.take(pa.array(order)), place[rows]


def as_of(known: pa.Table, name: str, mmsi: Ints, time_us: Ints, oldest_us: Ints) -> tuple[pa.Array, pa.Array]:
    """What vessels (n,) had reported last by some times: values and when; null where nothing, or before oldest_us (n,).

    known: rows of `once_a_day` in any order. What a vessel reports later does not count: later data change nothing.
    """
    rows = known.filter(pc.is_valid(known[name]))
    rows = rows.take(pa.array(ordered(np.asarray(rows["mmsi"]), micros(rows, "time") // MS))).combine_chunks()
    row = _last_before(np.asarray(rows["mmsi"]), micros(rows, "time"), mmsi, time_us)
    row[np.append(micros(rows, "time"), 0)[row] < oldest_us] = -1
    index = pa.array(row, mask=row < 0)
    return rows[name].combine_chunks().take(index), rows["time"].combine_chunks().take(index)


def _last_before(have: Ints, have_us: Ints, mmsi: Ints, time_us: Ints) -> Ints:
    """The last of some sorted rows of each vessel at or before a time, (n,); -1 where there is none."""
    n = len(have)
    # both lists in one order, a report before a time at the same moment: the last so far of the same vessel is it
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(have_us, time_us), np.append(have, mmsi)))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = np.maximum.accumulate(np.where(order < n, order, -1)) if len(order) else []
    row = row[n:]
    return np.where((row >= 0) & (np.append(have, -1)[row] == mmsi), row, -1)


def still_needed(known: pa.Table, names: Sequence[str], since_us: int, oldest_us: int) -> pa.Table:
    """What can be asked for at a time after since_us: all rows after, of each vessel and value the last until then.

    Nothing before oldest_us.
    """
    mmsi, time_us = np.asarray(known["mmsi"]), micros(known, "time")
    needed = time_us > since_us
    order = ordered(mmsi, time_us // MS)
    order = order[~needed[order]]
    for name in names:
        row = order[np.asarray(known[name].is_valid())[order]]
        first = starts_of(mmsi[row])
        needed[row[np.append(first[1:], len(row))[: len(first)] - 1]] = True
    return known.filter(pa.array(needed & (time_us >= oldest_us))).combine_chunks()


# ------------------------------------------- what vessels claim to be: each value, and where another one follows it
# Law: of several reports at one moment the greatest value counts. A value is given where it is the first of its UTC
# day or another than the one before, and with it, of that one, when it was reported last; it is a change where the two
# lie no further apart than `[identity] memory_d`. So it does not show where the data are cut, nor in which order or how
# often a report comes, and nothing older has to be kept.

CLAIMED = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m")
IDENTITY_CHANGE = "identity_change"
CLAIMS = schema.table(
    "What each vessel reported last of itself, and when.",
    schema.VESSELS.field("mmsi"),
    *(schema.VESSELS.field(name + suffix) for name in CLAIMED for suffix in ("", "_time")),
)


@dataclass(frozen=True)
class NewClaims:
    """values: schema.IDENTITY_VALUES. changes: schema.IDENTITY_EVENTS. latest: CLAIMS, for the next slice."""

    values: pa.Table
    changes: pa.Table
    latest: pa.Table


@dataclass(frozen=True)
class _Moments:
    """Reports of the slice behind what was reported before it, one a vessel and moment: (m,) each.

    order, starts: of all rows, to reduce a column of theirs to moments.
    """

    order: Ints
    starts: Ints
    mmsi: Ints
    time_us: Ints
    new: Bools


def claims(reports: pa.Table, before: pa.Table, watermark_us: int, rules: IdentityRules) -> NewClaims:
    """What static reports, in any order, tell anew after those of the slices before; never raises."""
    moments = _moments(reports, before)
    if not len(moments.starts):
        return NewClaims(schema.empty("identity_values"), schema.empty("identity_events"), before)
    found = [_of_field(name, reports, before, moments, rules) for name in CLAIMED]
    values = pa.concat_tables([values for values, _, _ in found]).combine_chunks()
    changes = pa.concat_tables([changes for _, changes, _ in found]).combine_chunks()
    oldest_us = watermark_us - days(rules.memory_d)
    return NewClaims(values, changes, _latest([last for _, _, last in found], oldest_us))


def _moments(reports: pa.Table, before: pa.Table) -> _Moments:
    old = before.num_rows
    mmsi = np.concatenate([np.asarray(rows["mmsi"], dtype=np.int64) for rows in (before, reports)])
    time_ms = micros(reports, "time") // MS
    first_ms = int(time_ms.min()) - 1 if len(time_ms) else 0
    moment = np.concatenate([np.full(old, first_ms), time_ms])  # what was before the slice stands before all of it
    order = ordered(mmsi, moment)
    starts = starts_of(mmsi[order], moment[order])
    at = order[starts]
    return _Moments(order, starts, mmsi[at], moment[at] * MS, at >= old)


_Last = tuple[Ints, pa.Array, Ints]  # MMSI, value, microseconds


def _of_field(
    name: str, reports: pa.Table, before: pa.Table, moments: _Moments, rules: IdentityRules
) -> tuple[pa.Table, pa.Table, _Last]:
    """Values and changes of one field, and the last value of each vessel."""
    given = pa.chunked_array([*before[name].chunks, *reports[name].chunks], before[name].type)
    words, rank = ranked(given)
    of_moment = np.maximum.reduceat(rank[moments.order], moments.starts)
    sent = np.flatnonzero(of_moment >= 0)
    mmsi, value, new = moments.mmsi[sent], of_moment[sent], moments.new[sent]
    time_us = moments.time_us[sent]
    if not new.all():
        kept = np.searchsorted(np.asarray(before["mmsi"]), mmsi[~new])
        time_us[~new] = np.asarray(pc.fill_null(before[f"{name}_time"].cast(pa.int64()), 0))[kept]
    goes_on = np.zeros(len(sent), bool)
    goes_on[1:] = (mmsi[1:] == mmsi[:-1]) & (np.diff(time_us) <= days(rules.memory_d))
    other = goes_on & (value != np.roll(value, 1))
    day = time_us // days(1)
    anew = np.flatnonzero(new & (~goes_on | other | (day != np.roll(day, 1))))
    changed = np.flatnonzero(new & other)
    reported = np.unique(np.concatenate([anew, changed - 1]))
    last = np.append(starts_of(mmsi)[1:], len(mmsi)) - 1 if len(mmsi) else changed
    values = _value_rows(name, mmsi[reported], _text(words, value[reported]), time_us[reported])
    then = time_us[changed]
    old_value, new_value = _text(words, value[changed - 1]), _text(words, value[changed])
    changes = event_rows(IDENTITY_CHANGE, mmsi[changed], then, field=name, old_value=old_value, new_value=new_value)
    return values, changes, (mmsi[last], words.take(pa.array(value[last])), time_us[last])


def _text(words: pa.Array, at: Ints) -> pa.Array:
    """Values as text: whole numbers of metres without a point."""
    found = words.take(pa.array(at))
    if pa.types.is_floating(found.type):
        return pa.array([f"{value:g}" for value in found.to_pylist()], pa.string())
    return found.cast(pa.string())


def _value_rows(name: str, mmsi: Ints, value: pa.Array, time_us: Ints) -> pa.Table:
    field = pa.array([name]).take(pa.array(np.zeros(len(mmsi), np.int64)))
    columns = {"mmsi": mmsi, "field": field, "value": value, "first_seen": time_us, "last_seen": time_us}
    return build("identity_values", columns)


def event_rows(kind: str, mmsi: Ints, time_us: Ints, **given: Column | pa.Array | str) -> pa.Table:
    """Rows of schema.IDENTITY_EVENTS, each of one time; what is not given is null."""
    n = len(mmsi)
    known = {"mmsi": mmsi, "kind": pa.array([kind] * n, pa.string()), "first_time": time_us, "last_time": time_us}
    known |= {
        name: pa.array([value] * n, pa.string()) if isinstance(value, str) else value for name, value in given.items()
    }
    known["times"] = np.ones(n, np.int64)
    return build(
        "identity_events",
        {f.name: known.get(f.name, pa.nulls(n, f.type)) for f in schema.FLOW["identity_events"]},
    )


def _latest(last: list[_Last], oldest_us: int) -> pa.Table:
    """What each vessel reported last of each field, where that is not too old."""
    recent = [time_us > oldest_us for _, _, time_us in last]
    mmsi = np.unique(np.concatenate([who[keep] for (who, _, _), keep in zip(last, recent, strict=True)]))
    columns: dict[str, object] = {"mmsi": mmsi}
    for name, (who, value, time_us), keep in zip(CLAIMED, last, recent, strict=True):
        row = np.full(len(mmsi), -1)
        row[np.searchsorted(mmsi, who[keep])] = np.flatnonzero(keep)
        index = pa.array(row, mask=row < 0)
        columns[name] = value.take(index)
        columns[f"{name}_time"] = pa.array(time_us).cast(schema.UTC).take(index)
    return build(CLAIMS, columns)
