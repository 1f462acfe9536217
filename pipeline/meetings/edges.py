"""Silences beside encounters: which vessel's data began or ended there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Bools, Ints, micros, ordered


@dataclass(frozen=True)
class Edges:
    """Times at which the legs of tracks begin or end for want of data, sorted by track and time.

    key: number of the track and time in one whole number, times counted from `base_us` and shorter than `span_us`.
    """

    mmsi: Ints
    track_us: Ints
    key: Ints
    base_us: int
    span_us: int

    @staticmethod
    def of(table: pa.Table) -> Edges:
        """From rows of schema.EDGES, whatever their side."""
        mmsi, track_us, time_us = np.asarray(table["mmsi"]), micros(table, "track"), micros(table, "time")
        order = ordered(mmsi, track_us, time_us)
        mmsi, track_us, time_us = mmsi[order], track_us[order], time_us[order]
        change = (np.diff(mmsi, prepend=mmsi[:1]) != 0) | (np.diff(track_us, prepend=track_us[:1]) != 0)
        number = np.cumsum(change)
        first = np.flatnonzero(np.diff(number, prepend=-1))
        base_us = int(time_us.min(initial=1 << 62))
        span_us = int(time_us.max(initial=base_us)) - base_us + 1
        return Edges(mmsi[first], track_us[first], number * span_us + time_us - base_us, base_us, span_us)

    def any_between(self, mmsi: Ints, track_us: Ints, low_us: Ints, high_us: Ints) -> Bools:
        """Whether a track has an edge in [low, high], (n,) each."""
        number = self._number(mmsi, track_us)
        # a time before or after all edges must not reach into the numbers of another track
        low = number * self.span_us + np.clip(low_us - self.base_us, 0, self.span_us)
        high = number * self.span_us + np.clip(high_us - self.base_us, -1, self.span_us - 1)
        found = np.searchsorted(self.key, high, side="right") > np.searchsorted(self.key, low, side="left")
        return found & (number >= 0)

    def _number(self, mmsi: Ints, track_us: Ints) -> Ints:
        """The number of each track among those with edges, -1 where it has none."""
        have = len(self.mmsi)
        both = np.concatenate([self.mmsi, mmsi]), np.concatenate([self.track_us, track_us])
        order = ordered(*both)
        a, b = both[0][order], both[1][order]
        group = np.cumsum((np.diff(a, prepend=a[:1]) != 0) | (np.diff(b, prepend=b[:1]) != 0))
        number = np.full(len(order) + 1, -1)
        mine = order < have
        number[group[mine]] = order[mine]
        out = np.empty(len(order), np.int64)
        out[order] = number[group]
        return out[have:]


def darken(meetings: pa.Table, edges: pa.Table, beside_us: int) -> pa.Table:
    """The encounters with dark_a, dark_b set where a silence of that vessel begins or ends in or beside them."""
    told = Edges.of(edges.filter(pc.not_equal(edges["side"], "data_end")))
    low, high = micros(meetings, "start") - beside_us, micros(meetings, "end") + beside_us
    for v in ("a", "b"):
        found = told.any_between(np.asarray(meetings[f"mmsi_{v}"]), micros(meetings, f"track_{v}"), low, high)
        at = meetings.column_names.index(f"dark_{v}")
        dark = pa.array(found | np.asarray(meetings[f"dark_{v}"]))
        meetings = meetings.set_column(at, meetings.schema.field(at), dark)
    return meetings


def ended_by_data(meetings: pa.Table, edges: pa.Table) -> Bools:
    """Whether the legs of a or b end, for want of data, just where the encounter does, (n,) bool."""
    told = Edges.of(edges.filter(pc.not_equal(edges["side"], "start")))
    end = micros(meetings, "end")
    sides = [
        told.any_between(np.asarray(meetings[f"mmsi_{v}"]), micros(meetings, f"track_{v}"), end, end)
        for v in ("a", "b")
    ]
    return np.asarray(sides[0] | sides[1])
