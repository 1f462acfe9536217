"""Taut strings: the shortest ways round polygons, and the land that no way by sea can cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from stswatch.geo.coast.land import spread
from stswatch.geo.coordinates.plane import apart_km, from_plane, in_space_km, on_plane, sides_of
from stswatch.geo.sea.lattice import NAME

# ---------------------------- Taut strings: the shortest ways round polygons in the plane, from what each corner sees
# A shortest way among obstacles is straight but where it bends round a corner that stands out, and there it only
# grazes the obstacle. So all shortest ways are made of straight pieces between such corners, and which corners see
# each other is worked out once. From a corner, the obstacles cut all that can be seen into sectors, each of which
# ends at one side of a polygon: a table of the sectors of all corners answers for many points at once.

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OPEN, SHUT = -1, -2  # sectors without an end, and those inside the corner's own polygon
_TURN = 8.0  # more than a whole turn: the angles of one corner come after those of the one before
_SLACK = 1e-9  # of the plane's unit: what lies on a side, but for rounding, is seen
_HAIR = 1e-12  # of its square: so much a product of two lines may be off by rounding
_FEW = 64  # points: with fewer together it is not worth asking which corners none of them can see
_NEAR = 0.1  # of the plane, 640 km: from all over a wider box hardly any corner is hidden
_PARTS = 4  # in which more points are taken apart


@dataclass(frozen=True)
class Sectors:
    """What corners (n,) see: corner k has the sectors start[k]:start[k + 1].

    A sector begins at the angle of a point, of which `first` (m,) is the side that begins there, ascending in each
    corner from 0 to 2 pi; it goes on to the next one, the last of a corner to its first. `side` (m,) is the side that
    ends it, OPEN or SHUT.
    """

    start: Ints
    first: Ints
    side: Ints


@dataclass(frozen=True)
class Strings:
    """Polygons without holes, apart from each other, as sides from `tail` to `head` (s, 2) with the inside on the left.

    Rings are closed: side `next_side[k]` begins where side k ends. `sectors` are of the corners that stand out.
    """

    tail: Floats
    head: Floats
    next_side: Ints
    sectors: Sectors

    @cached_property
    def corner(self) -> Floats:
        """The corners that stand out (n, 2)."""
        return self.tail[self._sides[0]]

    @cached_property
    def _sides(self) -> tuple[Ints, Ints]:
        """Of each corner that stands out the side that begins there, and the one that ends there."""
        return standing_out(self.tail, self.head, self.next_side)

    def seen(self, xy: Floats) -> tuple[Ints, Ints]:
        """The pairs of a point and a corner that it sees and could bend round, as (point (m,), corner (m,)), by point.

        xy (n, 2): points outside of all polygons, or on their edge.
        """
        found = [(np.empty(0, np.int64), np.empty(0, np.int64)), *self.seen_by_group(xy)]
        point, corner = (np.concatenate(axis) for axis in zip(*found, strict=True))
        order = np.argsort(point, kind="stable") if len(found) > 2 else slice(None)
        return point[order], corner[order]

    def seen_by_group(self, xy: Floats) -> Iterator[tuple[Ints, Ints]]:
        """The same pairs, of some points that lie together at a time, which see much the same; in a group by point."""
        for points, corners in self._groups(xy, np.arange(len(xy)), np.arange(len(self.corner))):
            grazed = self._grazed(xy[points], corners)
            corner, point = np.nonzero(grazed.T)  # by corner, whose sectors lie together
            grazed[point, corner] = self.sees(corners[corner], xy[points[point]])
            point, corner = np.nonzero(grazed)
            yield points[point], corners[corner]

    def _groups(self, xy: Floats, points: Ints, corners: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Some points in groups, each ascending, with those of some corners that one of them might see."""
        if len(points):
            low, high = xy[points].min(axis=0), xy[points].max(axis=0)
            if len(points) >= _FEW and (high - low).max() <= _NEAR:
                corners = corners[self._may_see(corners, low, high)]
            if len(points) < 2 * _FEW:
                yield points, corners
                return
            edges = [len(points) * k // _PARTS for k in range(1, _PARTS)]
            order = np.argpartition(xy[points, np.argmax(high - low)], edges)
            for part in np.split(order, edges):
                yield from self._groups(xy, points[np.sort(part)], corners)

    def _may_see(self, corners: Ints, low: Floats, high: Floats) -> Bools:
        """Whether corners (c,) might see, and be bent round from, somewhere in a box; False only where that is sure."""
        box = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
        beside = np.stack([(fixed[corners, None] - (box @ turn[:, corners]).T) for fixed, turn in self._beside])
        ahead, behind = (np.asarray(sign.all(axis=2)) for sign in (beside > _SLACK, beside < -_SLACK))
        may = np.asarray(~((ahead[0] & behind[1]) | (behind[0] & ahead[1])))
        of = corners[may]
        off = box - self.corner[of, None]
        turn = np.arctan2(off[..., 1], off[..., 0])
        turn = turn[:, :1] + np.mod(turn - turn[:, :1] + np.pi, 2 * np.pi) - np.pi  # seen from outside less than half
        first, last = (np.mod(edge, 2 * np.pi) for edge in (turn.min(axis=1) - _SLACK, turn.max(axis=1) + _SLACK))
        begin, end = self._sector_at(of, first), self._sector_at(of, last)
        stop = self.sectors.start[of + 1]
        sure = (begin != end) | ((first <= last) & (begin < stop - 1))  # not out of a sector, round and back into it
        sure &= ~((off.min(axis=1) < _SLACK) & (off.max(axis=1) > -_SLACK)).all(axis=1)
        size = stop - self.sectors.start[of]
        which, sector = spread(begin, begin + (end - begin) % size + 1)
        sector -= np.where(sector >= stop[which], size[which], 0)
        side, (x, y, east, north, here) = self.sectors.side[sector], (each[sector, None] for each in self._ends)
        there = np.sign(here) * (east * (box[:, 1] - y) - north * (box[:, 0] - x))
        lit = (side == OPEN) | ((side >= 0) & (there.max(axis=1) >= -2 * _SLACK))
        may[may] = ~sure | (np.bincount(which, lit, len(of)) > 0)
        return may

    def _grazed(self, xy: Floats, corners: Ints) -> Bools:
        """Whether lines from points (n, 2) pass corners (c,) with their polygons on one side only, (n, c)."""
        ahead, behind = (fixed[corners] - xy @ turn[:, corners] for fixed, turn in self._beside)
        return np.asarray((np.minimum(ahead, behind) >= -_HAIR) | (np.maximum(ahead, behind) <= _HAIR))

    @cached_property
    def _beside(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """What makes the cross products of lines to corners with both sides there one product of matrices."""
        out, into = self._sides
        ways = self.head[out] - self.tail[out], self.tail[into] - self.head[into]
        a, b = ((_cross(self.corner, way), np.stack([way[:, 1], -way[:, 0]])) for way in ways)
        return a, b

    def sees(self, corner: Ints, xy: Floats) -> Bools:
        """Whether corners (m,), rows of `corner`, see points (m, 2) beside them."""
        at = self._sector_at(corner, _angles(xy - self.corner[corner]))
        side, (x, y, east, north, here) = self.sectors.side[at], (of_sector[at] for of_sector in self._ends)
        there = east * (xy[:, 1] - y) - north * (xy[:, 0] - x)
        return np.asarray((side == OPEN) | ((side >= 0) & (here * there >= -_SLACK * np.abs(here))))

    def _sector_at(self, corner: Ints, angle: Floats) -> Ints:
        """The sectors of corners (m,) at angles from 0 to 2 pi."""
        at = np.searchsorted(self._key, corner * _TURN + angle, side="right") - 1
        return np.asarray(np.where(at < self.sectors.start[corner], self.sectors.start[corner + 1] - 1, at))

    @cached_property
    def _ends(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Of the side that ends each sector where it begins, its way, and its cross product with that to the corner."""
        known = np.maximum(self.sectors.side, 0)
        corner = np.repeat(np.arange(len(self.corner)), np.diff(self.sectors.start))
        tail, way = self.tail[known], (self.head - self.tail)[known]
        return *tail.T.copy(), *way.T.copy(), _cross(way, self.corner[corner] - tail)

    @cached_property
    def _key(self) -> Floats:
        corner = np.repeat(np.arange(len(self.corner)), np.diff(self.sectors.start))
        return corner * _TURN + _angles(self.tail[self.sectors.first] - self.corner[corner])

    def between(self) -> tuple[Ints, Ints]:
        """The pairs of corners that a taut string can go straight between, both ways, in order: from, to (m,)."""
        out, into = self._sides
        one, other = np.nonzero(self._grazed(self.corner, np.arange(len(self.corner))).T)
        one, other = one[one != other], other[one != other]
        key = one * len(self.corner) + other
        both = np.isin(key, other * len(self.corner) + one)  # it grazes the polygons at both of its ends
        one, other = one[both], other[both]
        # What lies at the very edge of a sector is seen if it is seen a hair to either side; along a side always is.
        off = self.corner[other] - self.corner[one]
        across = np.column_stack([-off[:, 1], off[:, 0]]) * 1e-9
        clear = self.sees(one, self.corner[other] + across) | self.sees(one, self.corner[other] - across)
        clear |= (self.next_side[into[other]] == out[other]) & (into[other] == out[one]) | (into[one] == out[other])
        return one[clear], other[clear]


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def standing_out(tail: Floats, head: Floats, next_side: Ints) -> tuple[Ints, Ints]:
    """The corners at which polygons with the inside on their left stand out, as (side from there, side to there).

    >>> sides = sides_of(np.array([shapely.Polygon([(0, 0), (2, 0), (1, 1), (2, 2), (0, 2)])]))
    >>> sorted(map(tuple, sides[0][standing_out(*sides)[0]].tolist()))  # but not (1, 1), where it falls back
    [(0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (2.0, 2.0)]
    """
    ahead = next_side
    out = np.flatnonzero(_cross(head - tail, head[ahead] - tail[ahead]) > 0.0)
    return ahead[out], out


def sectors_of(tail: Floats, head: Floats, next_side: Ints) -> Sectors:
    """What each corner that stands out sees: for every corner in turn, some milliseconds each.

    >>> sides = sides_of(np.array([shapely.box(0, 0, 1, 1), shapely.box(3, 0, 4, 1)]))
    >>> held = Strings(*sides, sectors_of(*sides))
    >>> corner = np.flatnonzero((held.corner == [1, 1]).all(axis=1)).repeat(3)
    >>> held.sees(corner, np.array([[2.0, 5.0], [3.0, 0.5], [5.0, 0.5]])).tolist()  # the last lies behind the other box
    [True, True, False]
    """
    out, into = standing_out(tail, head, next_side)
    each = [(np.empty(0, np.int64),) * 2]
    each += [_sectors(k, i, tail, head, next_side) for k, i in zip(out.tolist(), into.tolist(), strict=True)]
    first, side = (np.concatenate(axis) for axis in zip(*each, strict=True))
    return Sectors(np.cumsum([len(begin) for begin, _ in each]), first, side)


def _sectors(out: int, into: int, tail: Floats, head: Floats, next_side: Ints) -> tuple[Ints, Ints]:
    """The sectors of the corner from which side `out` goes and to which side `into` comes: first, side."""
    angle, first, ends = _view(tail[out], tail, head, next_side)
    middle = angle + np.diff(angle, append=angle[0] + 2 * np.pi) / 2
    ahead, behind = _angles(np.stack([head[out], tail[into]]) - tail[out])
    ends[np.mod(middle - ahead, 2 * np.pi) < np.mod(behind - ahead, 2 * np.pi)] = SHUT
    changed = ends != np.roll(ends, 1)
    changed[0] |= not changed.any()
    return first[changed], ends[changed]


def _view(
    here: Floats, tail: Floats, head: Floats, next_side: Ints, outside: bool = False
) -> tuple[Floats, Ints, Ints]:
    """What a point sees of some sides: angles (m,) at which sectors begin, the side there, the one that ends each.

    outside: of all polygons, of each of which then the near sides hide the far.
    """
    a, b = tail - here, head - here
    left = np.asarray(_cross(a, b) > 0.0)
    turn = _angles(a)
    low, high = np.where(left, turn, turn[next_side]), np.where(left, turn[next_side], turn)
    away = np.asarray(a.any(axis=1))  # the point itself has no angle
    angle, first = np.unique(turn[away], return_index=True)
    first = np.flatnonzero(away)[first]
    middle = angle + np.diff(angle, append=angle[0] + 2 * np.pi) / 2
    # The sectors that each other side is in front of or behind, those that go on over angle 0 in two parts.
    one, beyond = np.searchsorted(angle, low), np.searchsorted(angle, high)
    over = beyond < one
    sides = np.flatnonzero(away & away[next_side] & (one != beyond) & ~(left & outside))
    wrapped = sides[over[sides]]
    which, sector = spread(
        np.concatenate([one[sides], np.zeros(len(wrapped), np.int64)]),
        np.concatenate([np.where(over[sides], len(angle), beyond[sides]), beyond[wrapped]]),
    )
    side = np.concatenate([sides, wrapped])[which]
    ray = np.column_stack([np.cos(middle[sector]), np.sin(middle[sector])])
    way = (b - a)[side]
    with np.errstate(divide="ignore", invalid="ignore"):
        far = _cross(a[side], way) / _cross(ray, way)
    order = np.lexsort((far, sector))
    nearest = order[np.diff(sector[order], prepend=-1) != 0]
    ends = np.full(len(angle), OPEN)
    ends[sector[nearest]] = side[nearest]
    return angle, first, ends


def _angles(off: Floats) -> Floats:
    """Directions (n,) of (n, 2), radians from 0 to 2 pi."""
    return np.asarray(np.mod(np.arctan2(off[:, 1], off[:, 0]), 2 * np.pi))


# ---------- The land that no way can cut off, and the shortest ways round it: what bounds every way by sea from below
# It lies within the land of the coast everywhere, without lakes and without small islands (geo/scripts/build_sea.py).
# Round it ships may go some kilometres inland and through what is narrow; so that way is never longer than one that
# can be sailed.

UNITS = 100_000  # points are kept in so many parts of a degree
_CLOSE = 1e-8  # radians, and of the plane's unit: nearer to what decides, rounding might
_MANY = 4096  # points: of fewer it costs less to ask for each whether land lies between
_EDGE_M = 1e-6  # of the plane's unit, 6 m: a line that only touches the land is not cut off by it
ROUNDING = 1.0 - 1e-4  # `arc_km` is good to 6 parts in 100,000 as far as the region goes


@dataclass(frozen=True)
class InnerLand:
    """Polygons on the plane of `gnomonic`, the strings round them, and `Strings.between` of these: 0.6 s to find."""

    polygons: NDArray[np.object_]
    strings: Strings
    between: tuple[Ints, Ints]
    _views: dict[bytes, tuple[Floats, Ints, Ints]] = field(default_factory=dict)

    @cached_property
    def corners_km(self) -> Floats:
        """The corners in space (c, 3)."""
        return in_space_km(*from_plane(self.strings.corner))

    @cached_property
    def _rings(self) -> Any:
        return shapely.get_exterior_ring(self.polygons)

    @cached_property
    def _tree(self) -> Any:
        shapely.prepare(self.polygons)
        return shapely.STRtree(self.polygons)

    @cached_property
    def _solid(self) -> Any:
        """All of it as one, a hair smaller."""
        solid = shapely.union_all(shapely.buffer(self.polygons, -_EDGE_M))
        shapely.prepare(solid)
        return solid

    @cached_property
    def _ways(self) -> tuple[Ints, Ints, Floats]:
        one, other = self.between
        return one, other, apart_km(self.corners_km[one], self.corners_km[other])

    def moved_out(self, xy: Floats) -> Floats:
        """Points (n, 2) of the plane; those within the land moved to the nearest point of its edge."""
        point, polygon = self._tree.query(shapely.points(xy), predicate="within")
        out = xy.copy()
        lines = shapely.shortest_line(self._rings[polygon], shapely.points(xy[point]))
        out[point] = shapely.get_coordinates(lines).reshape(-1, 2, 2)[:, 0]
        return out

    def clear(self, one: Floats, other: Floats) -> Bools:
        """Whether nothing of it lies between points (n, 2) of the plane and others."""
        return ~self.touches(shapely.linestrings(np.stack([one, other], axis=1)))

    def clear_from(self, here: Floats, xy: Floats) -> Bools:
        """`clear` from one point (2,) to others (n, 2); of many by what it sees, and so one by one only where close."""
        if len(xy) < _MANY or self.touches(shapely.points(here)):
            return self.clear(np.broadcast_to(here, xy.shape), xy)
        tail, head, next_side = self._solid_sides
        if (key := here.tobytes()) not in self._views:  # ports, which are asked again; 0.4 MB each
            self._views[key] = _view(here, tail, head, next_side, outside=True)
        angle, _, side = self._views[key]
        turn = _angles(xy - here)
        sector = np.searchsorted(angle, turn, side="right") - 1  # -1 is the last one
        side, edges = side[sector], np.stack([angle[sector], angle[(sector + 1) % len(angle)]])
        tail, way = tail[side], (head - tail)[side]
        there = _cross(way, xy - tail)
        clear: Bools = (side == OPEN) | (np.sign(_cross(way, here - tail)) * there > 0.0)
        close = (np.abs(np.mod(edges - turn + np.pi, 2 * np.pi) - np.pi) < _CLOSE).any(axis=0)
        close |= (side != OPEN) & (np.abs(there) < _CLOSE * np.abs(way).max(axis=1))
        close |= (np.abs(xy - here) < _EDGE_M).all(axis=1)
        clear[close] = self.clear(np.broadcast_to(here, xy.shape)[close], xy[close])
        return clear

    @cached_property
    def _solid_sides(self) -> tuple[Floats, Floats, Ints]:
        return sides_of(shapely.get_parts(self._solid))

    def touches(self, shapes: Any) -> Bools:
        """Which shapely geometries of the plane (n,) it touches."""
        return np.asarray(shapely.intersects(self._solid, shapes))

    def seen_km(self, xy: Floats) -> tuple[Ints, Ints, Floats]:
        """The corners to which strings can go straight from points (n, 2): point (m,), by point, corner, distance."""
        point, corner = self.strings.seen(xy)
        here_km = in_space_km(*from_plane(xy))
        return point, corner, apart_km(here_km[point], self.corners_km[corner])

    def strung_km(self, xy: Floats, to_km: Floats) -> Floats:
        """Lengths (n, k) of the shortest strings that bend from points (n, 2); to_km: those from corners (c, k)."""
        here_km = in_space_km(*from_plane(xy))
        out = np.full((len(xy), to_km.shape[1]), np.inf)
        for point, corner in self.strings.seen_by_group(xy):
            km = apart_km(here_km[point], self.corners_km[corner])
            begin = np.flatnonzero(np.diff(point, prepend=-1))
            out[point[begin]] = np.minimum.reduceat(to_km[corner] + km[:, None], begin) if len(begin) else np.inf
        return out

    def to_corners_km(self, xy: Floats) -> Floats:
        """Lengths of the shortest strings from points (n, 2) of the plane to corners (n, c); inf where none goes."""
        one, other, km = self._ways
        point, corner, near_km = self.seen_km(xy)
        size = len(self.corners_km)
        begin, end = np.concatenate([one, size + point]), np.concatenate([other, corner])
        ways = csr_array((np.concatenate([km, near_km]), (begin, end)), shape=(size + len(xy),) * 2)
        if not len(xy):
            return np.empty((0, size))
        return np.asarray(dijkstra(ways, indices=size + np.arange(len(xy)))[:, :size])


@cache
def inner_land() -> InnerLand:
    """That of geo/data/sea.npz, read once.

    >>> from stswatch.geo.coordinates.plane import to_plane
    >>> pyongyang, korea_bay = to_plane([125.9, 124.0], [39.1, 39.0])
    >>> [bool(shapely.contains_xy(inner_land().polygons, *place).any()) for place in (pyongyang, korea_bay)]
    [True, False]
    """
    with np.load(str(files("stswatch.geo") / "data" / NAME), allow_pickle=False) as held:
        points, sizes = held["ring_points"] / UNITS, held["ring_sizes"].astype(np.int64)
        sectors = Sectors(*(held[f"sector_{part}"].astype(np.int64) for part in ("start", "first", "side")))
        other, count = (held[f"between_{part}"].astype(np.int64) for part in ("to", "count"))
    polygons = on_plane(points, sizes)
    return InnerLand(polygons, Strings(*sides_of(polygons), sectors), (np.repeat(np.arange(len(count)), count), other))
