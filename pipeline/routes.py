"""Which shards a row goes to: one function per way of keying, (table, shards) -> (row, shard), int64 (m,) each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates import cells
from stswatch.geo.coordinates.plane import grow_box
from stswatch.pipeline.batch import Floats, Ints
from stswatch.pipeline.rules import Rules

LAKE_SHARDS = 64


Route = Callable[[pa.Table, int, Rules], tuple[Ints, Ints]]


def lake_shard(mmsi: Ints) -> Ints:
    """The lake shard of each MMSI, 0 to 63; mixed, since the last digits of MMSI are not even.

    >>> lake_shard(np.array([366999001, 366999002])).max() < 64
    np.True_
    """
    return _mixed(mmsi) % LAKE_SHARDS


def step_shard(lake: Ints, shards: int) -> Ints:
    """The step shard that a lake shard belongs to: each takes a row of neighbouring lake shards."""
    return lake * shards // LAKE_SHARDS


def by_mmsi(table: pa.Table, shards: int, rules: Rules) -> tuple[Ints, Ints]:
    """Each row to the shard of its MMSI."""
    return np.arange(table.num_rows), step_shard(lake_shard(np.asarray(table["mmsi"])), shards)


def by_pair(table: pa.Table, shards: int, rules: Rules) -> tuple[Ints, Ints]:
    """Each row to the shard of its pair of MMSI."""
    a, b = (np.asarray(table[name]).astype(np.int64) for name in ("mmsi_a", "mmsi_b"))
    return np.arange(table.num_rows), _mixed(a * 1_000_003 + b) % shards


def by_party(table: pa.Table, shards: int, rules: Rules) -> tuple[Ints, Ints]:
    """Each row of a pair to the shards of both its MMSI."""
    row = np.arange(table.num_rows)
    a, b = (step_shard(lake_shard(np.asarray(table[name])), shards) for name in ("mmsi_a", "mmsi_b"))
    other = np.flatnonzero(a != b)
    return np.append(row, other), np.append(a, b[other])


def by_cell(table: pa.Table, shards: int, rules: Rules) -> tuple[Ints, Ints]:
    """Each leg to every shard that owns a coarse cell which its grown box touches."""
    row, cell = cells.cover(*grown_boxes(table, rules.proximity.distance_m), level="coarse")
    both = np.unique(row * shards + cell_shard(cell, shards))
    return both // shards, both % shards


def to_all(table: pa.Table, shards: int, rules: Rules) -> tuple[Ints, Ints]:
    """Every row to every shard."""
    return np.tile(np.arange(table.num_rows), shards), np.repeat(np.arange(shards), table.num_rows)


def cell_shard(coarse: Ints, shards: int) -> Ints:
    """The shard that owns a coarse cell."""
    return _mixed(coarse) % shards


def grown_boxes(legs: pa.Table, distance_m: float) -> tuple[Floats, Floats, Floats, Floats]:
    """The box of each leg grown by half the distance: where two legs come so near, the boxes share the middle.

    A little more is added for the bend of the great circle between the ends. Returns west, south, east, north, degrees.
    """
    lon0, lat0, lon1, lat1 = (np.asarray(legs[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
    south, north = np.minimum(lat0, lat1), np.maximum(lat0, lat1)
    west, east = np.minimum(lon0, lon1), np.maximum(lon0, lon1)
    return grow_box(west, south, east, north, distance_m / 2 * 1.01 + 10.0)


def _mixed(key: Ints) -> Ints:
    """A well spread whole number from 0 to 2**31 - 1 for each key (a multiplicative hash, Knuth 6.4)."""
    mixed = key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(33)).astype(np.int64)
