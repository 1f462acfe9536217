"""How far it is by sea: between two points, and from any point to ports.

Every answer is two numbers that hold the truth between them, on the coast of geo/coast/land.py:

- the value: the length of a way that crosses no land, so a ship can sail it;
- the bound: no way by sea is shorter. What asks "could it have been there" uses this one.

They hold in the region of interest (15 to 48 N, 105 to 145 E) and half a degree round it. Elsewhere the value is NaN
and the bound is the great circle. Where the great circle crosses no land both are its length. Locks and barrages are
taken to be open; ice and depth are not known. Points are lon, lat in degrees, any longitude. A point on land, or on
water that no sea reaches, counts from the nearest place at sea, up to 20 km off; farther inland the value is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.coast.land import REGION_BOX
from stswatch.geo.coordinates.plane import apart_km, from_plane, in_space_km, to_plane
from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.geo.reference.ports import ports
from stswatch.geo.sea.lattice import (
    LEVELS,
    PER_DEG,
    SOUTH,
    WEST,
    crosses_shore,
    from_place_km,
    lattice,
    nodes_near,
    straight_is_clear,
)
from stswatch.geo.sea.strings import ROUNDING, inner_land

__all__ = ["BySea", "bounds_km", "in_region", "nothing_between", "port_bound_km", "port_distance_km", "sea_distance_km"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class BySea(NamedTuple):
    """What a ship can sail, and what no way is shorter than, km."""

    value_km: Floats
    bound_km: Floats


def sea_distance_km(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> BySea:
    """Distances by sea (n,) from points (n,) to others; both NaN for what is no position.

    Costs most for each of the points that differ, on the side that has fewer: a third of a second, unless the great
    circle is clear. Never raises.

    >>> value, bound = sea_distance_km([125.0, 124.0], [38.4, 36.0], [128.0, 123.0], [39.3, 35.0])
    >>> value.round(-1).tolist(), bound.round(-1).tolist()
    ([1300.0, 140.0], [1240.0, 140.0])
    """
    x0, y0, x1, y1 = (np.atleast_1d(np.asarray(v, np.float64)) for v in np.broadcast_arrays(lon0, lat0, lon1, lat1))
    shape = x0.shape
    one, which_one = _distinct(x0.ravel(), y0.ravel())
    other, which_other = _distinct(x1.ravel(), y1.ravel())
    if len(one.lon) > len(other.lon):
        one, which_one, other, which_other = other, which_other, one, which_one
    value, bound = (np.full(len(which_one), np.nan) for _ in range(2))
    for k in range(len(one.lon)):
        pairs = np.flatnonzero(which_one == k)
        found = _from_one(one.taken(np.array([k])), other.taken(which_other[pairs]))
        value[pairs], bound[pairs] = found
    return BySea(value.reshape(shape), bound.reshape(shape))


def port_distance_km(lon: ArrayLike, lat: ArrayLike, port_ids: Sequence[str]) -> BySea:
    """Distances by sea (n, k) from points (n,) to ports, by their ids in `ports()`; NaN for what is no position.

    What is known of a port is kept, so a second call costs some tens of microseconds a point and port. Raises KeyError
    for an id that is none.

    >>> value, bound = port_distance_km([124.0], [38.0], ["nampo", "wonsan"])
    >>> bool((bound <= value).all()), value.round(-1).tolist()
    (True, [[150.0, 1280.0]])
    """
    places, which = _distinct(*(np.asarray(v, np.float64).ravel() for v in np.broadcast_arrays(lon, lat)))
    found = [_from_one(_port(port), places) for port in port_ids]
    if not found:
        return BySea(np.empty((len(which), 0)), np.empty((len(which), 0)))
    value, bound = (np.column_stack(axis)[which] for axis in zip(*found, strict=True))
    return BySea(value, bound)


def port_bound_km(lon: ArrayLike, lat: ArrayLike, port_ids: Sequence[str], asked: Bools | None = None) -> Floats:
    """What no way by sea from points (n,) to ports is shorter than, (n, k) km: as the bound of `port_distance_km`.

    Cheaper, since no way is looked for that a ship can sail. asked: (n, k) of which more than the great circle is
    wanted, all where None. Raises KeyError for an id that is none.

    >>> least = port_bound_km([124.0], [38.0], ["nampo", "wonsan"])
    >>> bool((least <= port_distance_km([124.0], [38.0], ["nampo", "wonsan"]).value_km).all()), least.round(-1).tolist()
    (True, [[150.0, 1240.0]])
    """
    places, which = _distinct(*(np.asarray(v, np.float64).ravel() for v in np.broadcast_arrays(lon, lat)))
    some = np.full((len(places.lon), len(port_ids)), asked is None)
    if asked is not None:
        point, port = np.nonzero(asked)
        some[which[point], port] = True
    ends, space_km = [_port(name) for name in port_ids], in_space_km(places.lon, places.lat)
    least = np.empty((len(places.lon), len(ends)))
    some &= places.known[:, None]
    for k, end in enumerate(ends):
        least[:, k] = apart_km(in_space_km(end.lon, end.lat), space_km) * ROUNDING
        at = np.flatnonzero(some[:, k] & end.known)
        some[:, k] = False
        some[at, k] = ~inner_land().clear_from(end.xy[0], places.xy[at])
    at, to = np.flatnonzero(some.any(axis=1)), np.flatnonzero(some.any(axis=0))
    if len(at):
        corner_km = np.column_stack([_corner_km(*ends[k].xy[0].tolist()) for k in to.tolist()])
        strung = inner_land().strung_km(places.xy[at], corner_km)
        moved = np.array([ends[k].moved_km[0] for k in to.tolist()])
        strung = (np.where(np.isfinite(strung), strung, 0.0) - moved - places.moved_km[at, None]) * ROUNDING
        part = np.ix_(at, to)
        least[part] = np.where(some[part], np.maximum(least[part], strung), least[part])
    return least[which]


def in_region(lon: ArrayLike, lat: ArrayLike) -> Bools:
    """Whether points (n,) lie where ways by sea are known; never raises.

    >>> in_region([124.0, -70.0], [38.0, 40.0]).tolist()
    [True, False]
    """
    west, south, east, north = REGION_BOX
    x, y = wrap_lon(lon), np.asarray(lat, np.float64)
    return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))


def bounds_km(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> Floats:
    """What no way by sea from points (n,) to others (m,) is shorter than, (n, m) km: the bound of `sea_distance_km`.

    Of points outside of the region it is the great circle. Costs 1 ms for each of the n, 0.2 ms for each of the m that
    land lies before. Never raises on numbers.

    >>> bounds_km([125.0], [38.4], [124.0, 128.0], [38.0, 39.3]).round(-1).tolist()
    [[100.0, 1240.0]]
    """
    one, which_one = _distinct(*(np.asarray(v, np.float64) for v in (lon0, lat0)))
    other, which_other = _distinct(*(np.asarray(v, np.float64) for v in (lon1, lat1)))
    here_km, there_km = (in_space_km(of.lon, of.lat) for of in (one, other))
    bound = np.stack([apart_km(there_km, at) for at in here_km]) * ROUNDING
    row, column = np.nonzero(one.known[:, None] & other.known)
    apart = np.zeros(bound.shape, bool)
    apart[row, column] = ~inner_land().clear(one.xy[row], other.xy[column])
    of, some = (np.flatnonzero(apart.any(axis=axis)) for axis in (1, 0))
    if len(of):
        point, corner, km = inner_land().seen_km(other.xy[some])
        for k, to_corners in zip(of.tolist(), inner_land().to_corners_km(one.xy[of]), strict=True):
            strung = np.full(len(some), np.inf)
            np.minimum.at(strung, point, to_corners[corner] + km)
            strung = (np.where(np.isfinite(strung), strung, 0.0) - one.moved_km[k] - other.moved_km[some]) * ROUNDING
            bound[k, some] = np.where(apart[k, some], np.maximum(bound[k, some], strung), bound[k, some])
    return np.asarray(bound[which_one][:, which_other])


def nothing_between(lon: Floats, lat: Floats, lon1: Floats, lat1: Floats) -> bool:
    """Whether no inner land lies in what the straight ways from points (n,) to the hull of others (m,) take up.

    Points are in the region. Never raises.

    >>> there = np.array([124.0, 124.5, 124.5]), np.array([38.5, 38.5, 39.0])
    >>> [nothing_between(np.array([x]), np.array([37.0]), *there) for x in (124.0, 129.5)]
    [True, False]
    """
    others = np.broadcast_to(to_plane(lon1, lat1), (len(lon), len(lon1), 2))
    points = np.concatenate([to_plane(lon, lat)[:, None], others], axis=1)
    return not inner_land().touches(shapely.convex_hull(shapely.multipoints(points))).any()


@dataclass(frozen=True)
class _Places:
    """Points (n,): in degrees, on the plane, moved there out of the inner land, and by how many km."""

    lon: Floats
    lat: Floats
    xy: Floats
    moved_km: Floats

    def taken(self, index: Ints) -> _Places:
        return _Places(self.lon[index], self.lat[index], self.xy[index], self.moved_km[index])

    @cached_property
    def known(self) -> Bools:
        """Those in the region."""
        return in_region(self.lon, self.lat)

    @cached_property
    def nodes(self) -> tuple[Ints, Ints, Floats]:
        """The nodes that those in the region go to, see `nodes_near`."""
        known = np.flatnonzero(self.known)
        place, node, km = nodes_near(self.lon[known], self.lat[known])
        return known[place], node, km

    @cached_property
    def corners(self) -> tuple[Ints, Ints, Floats]:
        """The corners of the inner land that those in the region see, see `InnerLand.seen_km`."""
        known = np.flatnonzero(self.known)
        place, corner, km = inner_land().seen_km(self.xy[known])
        return known[place], corner, km


def _distinct(lon: Floats, lat: Floats) -> tuple[_Places, Ints]:
    """The different ones of points (n,), and which of them each is. What is no position is NaN."""
    points = np.column_stack([wrap_lon(lon), lat])
    points[~(np.isfinite(lon) & (np.abs(lat) <= 90.0))] = np.nan
    each, which = np.unique(points, axis=0, return_inverse=True)
    xy = to_plane(*each.T)
    there = np.isfinite(xy).all(axis=1)
    moved = xy.copy()
    moved[there] = inner_land().moved_out(xy[there])
    away = np.flatnonzero(there & (moved != xy).any(axis=1))
    moved_km = np.zeros(len(each))
    moved_km[away] = apart_km(in_space_km(*each[away].T), in_space_km(*from_plane(moved[away])))
    return _Places(each[:, 0], each[:, 1], moved, moved_km), which.reshape(-1)


def _port(port: str) -> _Places:
    table = ports()
    row = np.flatnonzero(table.id == port)
    if not row.size:
        raise KeyError(f"no port {port!r}; ids are those of stswatch.geo.reference.ports.ports()")
    return _distinct(table.lon[row], table.lat[row])[0]


def _from_one(one: _Places, others: _Places) -> BySea:
    """From one place to others (n,)."""
    straight = apart_km(in_space_km(one.lon, one.lat), in_space_km(others.lon, others.lat))
    value, bound = np.full(len(straight), np.nan), straight * ROUNDING
    if not one.known.all():
        return BySea(value, bound)
    apart, unsailed = others.known.copy(), others.known.copy()
    begin = np.broadcast_to(one.xy, others.xy.shape)
    apart[apart] = ~inner_land().clear(begin[apart], others.xy[apart])
    at = np.flatnonzero(unsailed & ~apart)
    unsailed[at] = ~straight_is_clear(begin[at], others.xy[at])
    at = np.flatnonzero(others.known & ~unsailed)
    value[at] = bound[at] = straight[at]
    if unsailed.any():
        value[unsailed] = _sailed_km(one, others)[unsailed]
    if apart.any():
        least = (_strung_km(one, others) - one.moved_km - others.moved_km) * ROUNDING
        bound[apart] = np.maximum(bound, least)[apart]
    return BySea(value, np.fmin(bound, value))


def _sailed_km(one: _Places, others: _Places) -> Floats:
    """Lengths (n,) of the shortest ways on the lattice; NaN where none goes."""
    place, node, km = others.nodes
    out = np.full(len(others.lon), np.inf)
    np.minimum.at(out, place, _node_km(float(one.lon[0]), float(one.lat[0]))[node] + km)
    return np.where(np.isfinite(out), out, np.nan)


def _strung_km(one: _Places, others: _Places) -> Floats:
    """Lengths (n,) of the shortest strings round the inner land that bend; 0 where there is none."""
    place, corner, km = others.corners
    out = np.full(len(others.lon), np.inf)
    np.minimum.at(out, place, _corner_km(float(one.xy[0, 0]), float(one.xy[0, 1]))[corner] + km)
    return np.where(np.isfinite(out), out, 0.0)


_node_km = lru_cache(40)(from_place_km)  # 4 MB each


@lru_cache(4000)
def _corner_km(x: float, y: float) -> Floats:
    return np.asarray(inner_land().to_corners_km(np.array([[x, y]]))[0])


# ----------------------------------------------------------------------------------------------------------------
# How far ports are by sea from many places: a net of places 5 km apart, worked out where it is asked for and kept

Singles = NDArray[np.float32]

_STEP = LEVELS[1].step
_TILE = 16  # nodes along the side of a tile
_TILES_KEPT = 1000  # 4 kB a port each


def reach_km(lon: ArrayLike, lat: ArrayLike, port_ids: Sequence[str]) -> BySea:
    """Distances by sea (n, k) from points (n,) to ports, by their ids: as `port_distance_km`, cheaper and less sharp.

    Each point takes the answer of the node of the net next to it, some 4 km off at most: the value is longer by as
    much, the bound shorter. A point with land before that node gets the sharp answer. Raises KeyError for an id that
    is none.

    >>> value, bound = reach_km([124.0], [38.0], ["nampo"])
    >>> sharp = port_distance_km([124.0], [38.0], ["nampo"])
    >>> bool(bound[0] <= sharp.bound_km[0] <= value[0] < bound[0] + 20.0)
    True
    """
    x, y = (np.asarray(v, np.float64).ravel() for v in np.broadcast_arrays(wrap_lon(lon), lat))
    value, bound = (np.full((len(x), len(port_ids)), np.nan) for _ in range(2))
    point, row, column = _next_nodes(x, y)
    tile = row // _TILE * 10_000 + column // _TILE
    for one in np.unique(tile).tolist():
        up, right = divmod(one, 10_000)
        here = np.flatnonzero(tile == one)
        held_value, held_bound = _tile(up, right, tuple(port_ids))
        at = row[here] - up * _TILE, column[here] - right * _TILE
        node_km = in_space_km(*_place(row[here], column[here]))
        off_km = apart_km(in_space_km(x[point[here]], y[point[here]]), node_km)[:, None]
        value[point[here]], bound[point[here]] = held_value[at] + off_km, held_bound[at] - off_km
    rest = np.setdiff1d(np.arange(len(x)), point)
    value[rest], bound[rest] = port_distance_km(x[rest], y[rest], port_ids)
    return BySea(value, np.maximum(bound, 0.0))


def _place(row: Ints, column: Ints) -> tuple[Floats, Floats]:
    """Longitude and latitude of nodes of the net."""
    return WEST + column * _STEP / PER_DEG, SOUTH + row * _STEP / PER_DEG


def _next_nodes(lon: Floats, lat: Floats) -> tuple[Ints, Ints, Ints]:
    """The points that have a node next to them with nothing between, and its row and column in the net."""
    index = lattice().index[::_STEP, ::_STEP]
    with np.errstate(invalid="ignore"):
        known = np.isfinite(lon) & (np.abs(lat) <= 90.0)
        row, column = (
            np.where(known, np.rint((v - low) * PER_DEG / _STEP), -1.0) for v, low in ((lat, SOUTH), (lon, WEST))
        )
    inside = (row >= 0) & (row < index.shape[0]) & (column >= 0) & (column < index.shape[1])
    point = np.flatnonzero(inside)
    r, c = row[point].astype(np.int64), column[point].astype(np.int64)
    there = index[r, c] >= 0
    point, r, c = point[there], r[there], c[there]
    x, y = _place(r, c)
    clear = ~crosses_shore(lon[point], lat[point], x, y)
    clear[clear] = inner_land().clear(to_plane(lon[point[clear]], lat[point[clear]]), to_plane(x[clear], y[clear]))
    return point[clear], r[clear], c[clear]


@lru_cache(_TILES_KEPT)
def _tile(up: int, right: int, port_ids: tuple[str, ...]) -> tuple[Singles, Singles]:
    """Value and bound of the nodes of a tile (rows, columns, k)."""
    row, column = np.meshgrid(up * _TILE + np.arange(_TILE), right * _TILE + np.arange(_TILE), indexing="ij")
    found = port_distance_km(*_place(row.ravel(), column.ravel()), port_ids)
    value, bound = (km.reshape(_TILE, _TILE, -1).astype(np.float32) for km in found)
    return value, bound
