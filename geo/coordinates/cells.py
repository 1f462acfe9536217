"""Cells that rows are keyed and counted by, and the grid of degrees that positions were rounded to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.coordinates.sphere import turns_of, wrap_lon

# --------- Cells that the steps key by: rows of latitude, each cut into columns so that cells are about equally large
# A coarse row is half a degree of latitude; a coarse cell is about 55 km on a side and is cut into 50 x 50
# fine cells of about 1.1 km, nested exactly. A fine id is its coarse id shifted left with the place inside
# below it, so that the parent of a fine cell is one shift. Cells are half open: a point on a shared edge
# belongs to the cell north and east of it, and the poles to the rows beside them.
#
# Ids are int64 (n,), degrees float64 (n,) of any turn; scalars pass too. Nothing is mutated. Points that are not
# finite and ids that name no cell raise ValueError; empty arrays give empty arrays.

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Level = Literal["coarse", "fine"]

COARSE_DEG = 0.5
FINE = 50  # fine cells along each side of a coarse cell

_ROWS = round(180 / COARSE_DEG)
_COLUMN_BITS = 10  # at most 720 coarse columns
_INSIDE_BITS = 6  # at most 50 fine rows or columns inside
_EQUATORWARD_DEG = np.minimum(
    np.abs(np.arange(_ROWS) * COARSE_DEG - 90), np.abs(np.arange(1, _ROWS + 1) * COARSE_DEG - 90)
)
_COLUMNS: Ints = np.maximum(1, (360 / COARSE_DEG * np.cos(np.radians(_EQUATORWARD_DEG))).astype(np.int64))
_FINE_COLUMNS: Ints = np.repeat(_COLUMNS * FINE, FINE)  # by fine row
_FINE_PER_DEG: Floats = _FINE_COLUMNS / 360.0


def columns(row: ArrayLike) -> Ints:
    """Coarse columns in coarse rows (n,), counted from the south; each at least half a degree of arc wide.

    Up to 80 degrees of latitude the largest cell has less than 1.15 times the area of the smallest. Raises IndexError
    for a row that is none.

    >>> int(columns(180)), int(columns(0))
    (720, 6)
    """
    return np.asarray(_COLUMNS[np.asarray(row)])


def fine_of(lon: ArrayLike, lat: ArrayLike) -> Ints:
    """Fine cells (n,) of points, degrees; any longitude, latitude clipped to +-90.

    Raises ValueError for NaN or infinity.

    >>> bool(fine_of(124.9, 38.6) == fine_of(124.9 - 360, 38.6)), fine_of([], []).shape
    (True, (0,))
    """
    _check_points(lon, lat)
    row = _fine_row(lat)
    return _pack_fine(row, _fine_column(np.asarray(wrap_lon(lon)), row))


def coarse_of(lon: ArrayLike, lat: ArrayLike) -> Ints:
    """Coarse cells (n,) of points, degrees; any longitude, latitude clipped to +-90.

    Raises ValueError for NaN or infinity.

    >>> bool(coarse_of(180.0, 12.3) == coarse_of(-180.0, 12.3))
    True
    """
    return parent(fine_of(lon, lat))


def parent(fine_cell: ArrayLike) -> Ints:
    """Coarse cells (n,) that hold the fine cells (n,).

    >>> bool(parent(fine_of(10.0, 50.0)) == coarse_of(10.0, 50.0))
    True
    """
    return np.asarray(fine_cell, np.int64) >> 2 * _INSIDE_BITS


def fine_row(fine_cell: ArrayLike) -> Ints:
    """Rows (n,) of fine cells: equal for cells side by side, greater to the north; not without holes.

    >>> bool(fine_row(fine_of(10.0, 50.0)) == fine_row(fine_of(10.4, 50.0)))
    True
    """
    cell = np.asarray(fine_cell, np.int64)
    return cell >> (2 * _INSIDE_BITS + _COLUMN_BITS) << _INSIDE_BITS | (cell >> _INSIDE_BITS & (1 << _INSIDE_BITS) - 1)


def cover(west: ArrayLike, south: ArrayLike, east: ArrayLike, north: ArrayLike, level: Level) -> tuple[Ints, Ints]:
    """Every cell that each box touches, as (index (m,) of the box, cell (m,)); once a box, boxes in order.

    Within a box the rows come from south to north, within a row the columns from west to east.
    Boxes are four arrays (n,) in continuous degrees: west <= east, which may run beyond +-180; latitude is
    clipped to +-90. Any point of a box lies in a cell that covers it. Raises ValueError where west > east,
    south > north or NaN.

    >>> index, cell = cover([179.999], [0.001], [180.001], [0.002], "fine")
    >>> sorted(cell.tolist()) == sorted([int(fine_of(179.999, 0.001)), int(fine_of(180.001, 0.001))])
    True
    """
    west, south, east, north = (np.atleast_1d(np.asarray(side, np.float64)) for side in (west, south, east, north))
    _check_boxes(west, south, east, north)
    size = 1 if level == "fine" else FINE
    first = _fine_row(south) // size
    box, step = _expand(_fine_row(north) // size - first + 1)
    row = first[box] + step
    start, count = _column_span(west, east, box, row, size)
    pair, step = _expand(count)
    box, row, column = box[pair], row[pair], start[pair] + step
    width = _FINE_COLUMNS[row] if size == 1 else _COLUMNS[row]
    column -= width * (column >= width)  # past the date line
    return box, _pack_fine(row, column) if size == 1 else _pack_coarse(row, column)


def box_of(cell: ArrayLike, level: Level) -> tuple[Floats, Floats, Floats, Floats]:
    """West, south, east and north of cells (n,), degrees; east may be 180. Raises ValueError for an id of no cell.

    >>> [float(side) for side in box_of(coarse_of(0.1, 0.1), "coarse")]
    [0.0, 0.0, 0.5, 0.5]
    """
    row, column, size = _unpack(cell, level)
    width = _FINE_COLUMNS[row * size] // size
    high = COARSE_DEG * size / FINE
    west, east = (np.asarray((column + side) * 360 / width - 180) for side in (0, 1))
    south, north = (np.asarray((row + side) * high - 90) for side in (0, 1))
    return west, south, east, north


def neighbours(cell: ArrayLike, level: Level) -> tuple[Ints, Ints]:
    """The cells that share an edge or a corner with each of cells (n,), as (index (m,) into the cells, cell (m,)).

    In order of the cells, from south to north and from west to east. Rows differ in their number of columns, so there
    are five to eight of them, date line or not; in the row by a pole, whose cells all meet there, the others of the row
    and those beside it. Raises ValueError for an id of no cell.

    >>> index, beside = neighbours([coarse_of(179.9, 0.1)], "coarse")
    >>> beside.size, bool(coarse_of(-179.9, 0.1) in beside)
    (7, True)
    """
    here, column, size = _unpack(np.atleast_1d(np.asarray(cell, np.int64)), level)
    rows = _ROWS * FINE // size
    index = np.repeat(np.arange(here.size), 3)
    row = here[index] + np.tile([-1, 0, 1], here.size)
    index, row = index[(row >= 0) & (row < rows)], row[(row >= 0) & (row < rows)]
    width, own = _FINE_COLUMNS[row * size] // size, _FINE_COLUMNS[here[index] * size] // size
    # cell c of `own` columns spans [c, c + 1] / own of the circle: the columns that this closed span touches
    low = -(-column[index] * width // own) - 1
    count = np.minimum((column[index] + 1) * width // own - low + 1, width)
    count = np.where((row == here[index]) & ((row == 0) | (row == rows - 1)), width, count)
    pair, step = _expand(count)
    index, row, beside = index[pair], row[pair], (low[pair] + step) % width[pair]
    other = ~((row == here[index]) & (beside == column[index]))
    index, row, beside = index[other], row[other], beside[other]
    return index, _pack_fine(row, beside) if size == 1 else _pack_coarse(row, beside)


def _check_points(lon: ArrayLike, lat: ArrayLike) -> None:
    finite = np.isfinite(lon) & np.isfinite(lat)
    if not np.all(finite):
        i = int(np.argmin(finite))
        raise ValueError(f"point {i} is not finite; leave out points without a position")


def _check_boxes(west: Floats, south: Floats, east: Floats, north: Floats) -> None:
    wrong = ~((west <= east) & (south <= north))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"box {i} runs from {west[i]}, {south[i]} to {east[i]}, {north[i]}; boxes need west <= east "
            "and south <= north, in continuous degrees (179.9 to 180.1, not to -179.9)"
        )


def _expand(count: Ints) -> tuple[Ints, Ints]:
    """For counts (n,): whose each of the sum(count) items is, and which of its own it is, from 0."""
    if count.size and count.max() == 1 == count.min():
        return np.arange(count.size), np.zeros(count.size, np.int64)
    owner = np.repeat(np.arange(count.size), count)
    return owner, np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count)


def _fine_row(lat: ArrayLike) -> Ints:
    row = np.floor((np.clip(np.asarray(lat, np.float64), -90, 90) + 90) * (FINE / COARSE_DEG)).astype(np.int64)
    return np.minimum(row, _ROWS * FINE - 1)


def _fine_column(wrapped: Floats, fine_row: Ints) -> Ints:
    """Fine column of longitudes in [-180, 180); just below 180 the product may round up, hence the clip."""
    column = ((wrapped + 180.0) * _FINE_PER_DEG[fine_row]).astype(np.int64)
    return np.minimum(column, _FINE_COLUMNS[fine_row] - 1)


def _column_span(west: Floats, east: Floats, box: Ints, row: Ints, size: int) -> tuple[Ints, Ints]:
    """First column and number of columns of each row of each box.

    Both ends are wrapped by themselves and the turns between them added as whole columns: then a point of
    the box falls in the span bit for bit, on whichever side of the date line it was written.
    """
    turns = (turns_of(east) - turns_of(west)).astype(np.int64)
    fine_row, width = row * size, _FINE_COLUMNS[row * size] // size
    first = _fine_column(wrap_lon(west)[box], fine_row) // size
    last = _fine_column(wrap_lon(east)[box], fine_row) // size + turns[box] * width
    return first, np.minimum(last - first + 1, width)


def _pack_coarse(row: Ints, column: Ints) -> Ints:
    return row << _COLUMN_BITS | column


def _pack_fine(row: Ints, column: Ints) -> Ints:
    up, right = row // FINE, column // FINE
    inside = (row - up * FINE) << _INSIDE_BITS | (column - right * FINE)
    return _pack_coarse(up, right) << 2 * _INSIDE_BITS | inside


def _unpack(cell: ArrayLike, level: Level) -> tuple[Ints, Ints, int]:
    """Row and column of cells in rows and columns of their own level, and how many fine cells one is wide."""
    ids = np.asarray(cell, np.int64)
    coarse = parent(ids) if level == "fine" else ids
    row, column = coarse >> _COLUMN_BITS, coarse & ((1 << _COLUMN_BITS) - 1)
    mask = (1 << _INSIDE_BITS) - 1
    up, right = (ids >> _INSIDE_BITS & mask, ids & mask) if level == "fine" else (row * 0, row * 0)
    known = (row >= 0) & (row < _ROWS) & (column < _COLUMNS[row % _ROWS]) & (up < FINE) & (right < FINE)
    if not np.all(known):
        raise ValueError(f"{ids[~known].flat[0]} is no {level} cell; ids come from fine_of, coarse_of and cover")
    if level == "coarse":
        return row, column, FINE
    return row * FINE + up, column * FINE + right, 1


# -------------------------------------------- The plain square grid of latitude and longitude that counts are kept by
# Ids are int64 (n,): row * 100000 + column, from 90 S and 180 W. Scalars pass too; nothing is mutated; empty arrays
# give empty arrays.

GRID_ROW = 100_000  # from a cell to the one north of it


def grid_cell(lon: ArrayLike, lat: ArrayLike, size_deg: float) -> Ints:
    """Grid cells (n,) of points, degrees; any longitude, latitude clipped to +-90.

    Raises ValueError unless 0.0036 <= size_deg <= 180, and for NaN or infinity.

    >>> int(grid_cell(-179.9, -89.9, 0.5)), int(grid_cell(0.1, 0.1, 0.5))
    (0, 18000360)
    """
    if not 360 / GRID_ROW <= size_deg <= 180:
        raise ValueError(f"a grid of {size_deg} degrees has no cell ids; give a size from 0.0036 to 180 degrees")
    if not (np.all(np.isfinite(lon)) and np.all(np.isfinite(lat))):
        raise ValueError("a point is not finite; leave out points without a position")
    row = np.floor((np.clip(np.asarray(lat, np.float64), -90, 90) + 90) / size_deg).astype(np.int64)
    column = np.floor((wrap_lon(lon) + 180) / size_deg).astype(np.int64)
    return np.minimum(row, int(np.ceil(180 / size_deg)) - 1) * GRID_ROW + column


def grid_centre(cell: ArrayLike, size_deg: float) -> tuple[Floats, Floats]:
    """Longitude and latitude of the centres of grid cells (n,), degrees.

    >>> [float(x) for x in grid_centre(18000360, 0.5)]
    [0.25, 0.25]
    """
    row, column = np.divmod(np.asarray(cell, np.int64), GRID_ROW)
    return (column + 0.5) * size_deg - 180, (row + 0.5) * size_deg - 90


# ---------------------------- Positions that were rounded before they were told: which grid of degrees holds them all
# Archives are thinned or made anonymous by rounding, and nothing says so but the numbers themselves. What is finer
# than a thousandth of a degree is no matter here: it moves a position by less than the receivers of ships do.

FINE_DEG = 4  # decimals of a degree from which on rounding is not looked for
MINUTE_TENTH_DEG = 1 / 600  # the grid of AIS message 27. Source: ITU-R M.1371-5, table 84
_PLACES = 4  # distinct positions that are remembered: no grid asks for more
_CHANCE = 1e-8  # that positions told to 0.0001 degree lie on a coarser grid by accident; rarer than any archive
_M_PER_DEG = 111_195.0  # along a meridian; the widest that a degree of longitude can be
_NEAR = 1e-5  # of a step: positions are kept to 1e-7 degree
_FEW = 256
_MANY = 1_000_000  # more thousandths of a degree than there are of latitude


@dataclass(frozen=True)
class Rounding:
    """How finely some positions are told: the fewest decimals that hold them all, and up to four distinct ones."""

    decimals: int = 0
    places: tuple[tuple[float, float], ...] = ()

    def with_positions(self, lon: Floats, lat: Floats) -> Rounding:
        """The same with n positions more, degrees; none may be NaN."""
        if self.decimals == FINE_DEG or not len(lon):
            return self
        decimals = _decimals(lon[:_FEW], lat[:_FEW], self.decimals)
        decimals = _decimals(lon, lat, decimals)
        if decimals == FINE_DEG:
            return Rounding(FINE_DEG)
        # most archives show enough places at once; others are looked through
        return Rounding(decimals, self.places).seen(lon[:_FEW], lat[:_FEW]).seen(lon, lat)

    def seen(self, lon: Floats, lat: Floats) -> Rounding:
        """The same, these positions among the distinct ones."""
        if len(self.places) == _PLACES:
            return self
        units = 10**self.decimals
        x, y = (np.rint(c * units).astype(np.int64) for c in (lon, lat))
        key = np.unique(x * _MANY + y + _MANY // 2)[: 2 * _PLACES]
        found = zip((key // _MANY / units).tolist(), ((key % _MANY - _MANY // 2) / units).tolist(), strict=True)
        places = sorted({*self.places, *found})
        return Rounding(self.decimals, tuple(places[:_PLACES]))

    def step_deg(self) -> float:
        """The step of the grid, degrees; 0 where there is none, or too few positions tell.

        >>> Rounding(0, ((124.0, 36.0),)).step_deg(), Rounding(3, ((124.001, 36.2),)).step_deg()
        (1.0, 0.0)
        """
        by_accident = 10.0 ** (2 * (self.decimals - FINE_DEG) * len(self.places))
        known = self.decimals < FINE_DEG and self.places and by_accident <= _CHANCE * (1 + 1e-9)
        return 10.0**-self.decimals if known else 0.0


def together(parts: Sequence[Rounding]) -> Rounding:
    """Of all positions of several parts, whatever their order.

    >>> together([Rounding(0, ((124.0, 36.0),)), Rounding(1, ((124.5, 36.1),))]).step_deg()
    0.1
    """
    places = sorted({place for part in parts for place in part.places})
    return Rounding(max((part.decimals for part in parts), default=FINE_DEG), tuple(places[:_PLACES]))


def moved_m(step_deg: float) -> float:
    """How far rounding to a grid may have moved a position: half the diagonal of a cell, metres.

    >>> round(moved_m(0.001)), round(moved_m(MINUTE_TENTH_DEG)), moved_m(0.0)
    (79, 131, 0.0)
    """
    return step_deg * _M_PER_DEG * sqrt(0.5)


def _decimals(lon: Floats, lat: Floats, least: int) -> int:
    """The fewest decimals, at least so many, that hold all of these degrees; FINE where three do not."""
    for decimals in range(least, FINE_DEG):
        units = 10.0**decimals
        if all(bool((np.abs(c * units - np.rint(c * units)) < _NEAR).all()) for c in (lat, lon)):
            return decimals
    return FINE_DEG
