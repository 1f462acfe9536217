"""Leaving out what nobody could see: points and lines of a drawing, to a cell about the size of a pixel."""

from __future__ import annotations

import numpy as np

from stswatch.pipeline.batch import Floats, Ints, starts_of

MOST_POINTS = 20_000  # of one line; more is not drawn finer, only slower


def spots(x: Floats, y: Floats, cell: float) -> Ints:
    """The first of the points (n,) in each square cell, rising; a cell has the unit of x and y.

    >>> spots(np.array([0.0, 0.1, 5.0, 0.2]), np.zeros(4), 1.0).tolist()
    [0, 2]
    """
    column, row = _cells(x, y, cell)
    order = np.lexsort((np.arange(len(x)), row, column))
    return np.sort(order[starts_of(column[order], row[order])])


def line(x: Floats, y: Floats, cell: float) -> Ints:
    """Points (n,) of a line that suffice, rising: one for each cell it goes through, its ends among them.

    Cells are doubled until MOST_POINTS suffice: a vessel that swings for weeks goes through its cells again and again.

    >>> line(np.array([0.0, 0.1, 0.2, 5.0, 0.0]), np.zeros(5), 1.0).tolist()
    [0, 3, 4]
    """
    while True:
        kept = starts_of(*_cells(x, y, cell))
        if len(kept) <= MOST_POINTS:
            return np.union1d(kept, [len(x) - 1]) if len(x) else kept
        cell *= 2


def series(time: Ints | Floats, value: Floats, columns: int) -> Ints:
    """Points (n,) of a curve over time, in order, that look alike: first, least, most and last of each column of it.

    Source: Jugel et al., M4: A Visualization-Oriented Time Series Data Aggregation, PVLDB 7 (2014).

    >>> series(np.arange(6), np.array([0.0, 9.0, -9.0, 1.0, 2.0, 3.0]), 1).tolist()
    [0, 1, 2, 5]
    """
    if len(time) <= 4 * columns:
        return np.arange(len(time))
    share = (time - time[0]) / max(time[-1] - time[0], 1)
    column = np.minimum((share * columns).astype(np.int64), columns - 1)
    first = starts_of(column)
    by_value = np.lexsort((value, column))
    last = np.append(first[1:], len(time)) - 1
    return np.unique(np.concatenate([first, last, by_value[first], by_value[last]]))


def _cells(x: Floats, y: Floats, cell: float) -> tuple[Ints, Ints]:
    return np.floor(x / cell).astype(np.int64), np.floor(y / cell).astype(np.int64)
