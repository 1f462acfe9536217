"""Legs as columns, and pairs of them that were near each other: what the proximity step works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import MS, Bools, Ints, micros, ordered, spread, starts_of
from stswatch.pipeline.meetings.motion import Ends, Near


class LegColumns:
    """Legs as NumPy columns."""

    def __init__(self, legs: pa.Table) -> None:
        self.mmsi = np.asarray(legs["mmsi"]).astype(np.int64)
        self.track_us = micros(legs, "track")
        # tracks by number, in order of MMSI and start
        order = ordered(self.mmsi, self.track_us // MS)
        self.rank = np.empty(len(order), np.int64)
        head = np.zeros(len(order), np.int64)
        head[starts_of(self.mmsi[order], self.track_us[order])] = 1
        self.rank[order] = np.cumsum(head) - 1
        self.ends = Ends(
            micros(legs, "start"),
            micros(legs, "end"),
            *(np.asarray(legs[n]) for n in ("lon0", "lat0", "lon1", "lat1")),
        )
        self.start_ms = self.ends.start_us // MS
        self.speed_dkn = np.asarray(legs["speed_dkn"]).astype(np.int64)
        self.rounding_m = np.asarray(legs["rounding_m"]).astype(np.int64)
        self.speed_told = np.asarray(legs["speed_told"])
        self.fix_start_us, self.fix_end_us = micros(legs, "fix_start"), micros(legs, "fix_end")
        self.fresh = np.asarray(legs["fresh"])
        self.heading_deg = np.asarray(legs["heading_deg"]).astype(np.int64)
        inner = legs["inner"].combine_chunks()
        self._base_us = self.ends.start_us.min(initial=0)
        self.thinned = np.asarray(inner.value_lengths()) > 0
        self._fixes = self._fix_keys(inner)

    def _fix_keys(self, inner: pa.ListArray) -> Ints:
        """Every fix of a track but its last, as one number of track and moment, rising."""
        order = ordered(self.rank, self.start_ms)
        inner = inner.take(pa.array(order)) if (np.diff(order) != 1).any() else inner
        begins = (self.ends.start_us == self.fix_start_us)[order].astype(np.int64)
        count = np.asarray(inner.value_lengths()).astype(np.int64) + begins
        leg, nth = spread(count)
        after_ms = np.zeros(len(leg), np.int64)
        after_ms[(nth > 0) | (begins[leg] == 0)] = np.asarray(inner.flatten())
        return self._key(self.rank[order[leg]], self.ends.start_us[order[leg]] + after_ms * MS)

    def _key(self, rank: Ints, time_us: Ints) -> Ints:
        return np.asarray((rank << 42) + (time_us - self._base_us) // MS)

    def fixes(self, leg: Ints, start_us: Ints, end_us: Ints) -> tuple[Ints, Bools]:
        """How many fixes of the track of each leg lie in [start, end), and whether one stands at the end, (m,) each."""
        low, high = (np.searchsorted(self._fixes, self._key(self.rank[leg], t)) for t in (start_us, end_us))
        at_end = np.append(self._fixes, -1)[high] == self._key(self.rank[leg], end_us)
        return high - low, at_end


@dataclass(frozen=True)
class Found:
    """Proximities of pairs of legs: rows of the legs a and b, and when and where they were near, (m,) each."""

    a: Ints
    b: Ints
    near: Near

    def at(self, rows: Ints) -> Found:
        """These, which rise; all of them are not copied."""
        return self if len(rows) == len(self.a) else Found(self.a[rows], self.b[rows], self.near.at(rows))

    def without(self, rows: Ints) -> Found:
        """The others."""
        rest = np.ones(len(self.a), bool)
        rest[rows] = False
        return self.at(np.flatnonzero(rest))
