"""What every map is drawn on: land, zones, ports, meridians and parallels, a scale bar, where on Earth it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from stswatch.geo.coast.land import LAYERS, Layer, coast, layer
from stswatch.geo.coordinates.sphere import M_PER_NM, near_lon, wrap_lon
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import REPORTED, zones
from stswatch.pipeline.batch import Floats, starts_of
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.projection import Box, graticule, metres_text
from stswatch.pipeline.pictures.style import Panel, panel

_ZONES, _LAND, _GRID, _PORTS = 1, 2, 3, 4  # what lies over what
_MOST_PORTS = 5
EDGE_DEG = 0.1  # a longer edge is no straight line on a sheet
_FINEST_PX = 0.4  # a coast finer than that is simplified
LOCATOR_PX = 158.0
LOCATOR_M = (1_900_000.0, 4_500_000.0, 10_000_000.0)  # its side: the first that shows some land
_SOME_LAND = 0.05
_CELL_PX = 0.7  # the coast of the locator is no finer
_LEAST_FRAME_PX = 7.0  # a box smaller than that is shown as a point
_M_PER_DEG = 111_000.0
_OVER = 9


def land(p: Panel) -> None:
    """The land of the box."""
    west, south, east, north = p.sheet.degrees(p.box)
    wide, high = 0.2 * (east - west), 0.2 * (north - south)  # beyond the box, so that no cut is seen
    west, east = max(west - wide, p.sheet.lon - 180), min(east + wide, p.sheet.lon + 180)
    parts = shapely.get_parts(coast(west, max(south - high, -90), east, min(north + high, 90)))
    parts = parts[~shapely.is_empty(parts)]  # an empty part is more than `segmentize` can bear
    shape = p.sheet.shape(shapely.segmentize(parts, max(high, EDGE_DEG) if high < 1 else 1.0))
    shape = shape[shapely.area(shape) > p.px_per_m**-2]  # what is smaller than a pixel is not seen
    patch = polygons(shapely.simplify(shape, _FINEST_PX / p.px_per_m))
    if patch is not None:
        patch.set(facecolor=style.LAND, edgecolor=style.SHORE, linewidth=0.5, zorder=_LAND, gid="land")
        p.axes.add_artist(patch)


def polygons(shape: np.ndarray) -> PathPatch | None:
    """Polygons (n,) of a sheet as one patch, holes left open; None where there is none."""
    if not len(shape):
        return None
    rings = [ring for part in shapely.orient_polygons(shape) for ring in (part.exterior, *part.interiors)]
    return PathPatch(Path.make_compound_path(*(Path(np.asarray(ring.coords), closed=True) for ring in rings)))


def zone_areas(p: Panel) -> None:
    """The zones that reach into the box, each with its first label."""
    table = zones()
    frame = shapely.box(*p.box)
    west, south, east, north = p.sheet.degrees(p.box)
    for properties, geometry in zip(table.properties, table.geometry, strict=True):
        low_x, low_y, high_x, high_y = geometry.bounds
        beside = (low_x - east) % 360 > 0 and (low_x - east) % 360 + (high_x - low_x) < 360 - (east - west)
        if beside or low_y > north or high_y < south:
            continue
        shape = p.sheet.shape(shapely.segmentize(geometry, EDGE_DEG))
        patch = polygons(shape)
        if patch is not None:
            colour = style.REPORTED_ZONE if properties["kind"] == REPORTED else style.CONTEXT_ZONE
            patch.set(facecolor=(*to_rgb(colour), 0.05), edgecolor=(*to_rgb(colour), 0.6), linewidth=0.7)
            patch.set(zorder=_ZONES, gid=f"zone-{properties['id']}")
            p.axes.add_artist(patch)
            visible = shapely.union_all(shapely.intersection(shapely.make_valid(shape), frame))
            _zone_label(p, visible, str(properties["labels"][0]), colour)


def _zone_label(p: Panel, visible: Any, text: str, colour: str) -> None:
    """The name of a zone in a corner of what is seen of it; none where there is no room."""
    how = {"fontsize": 6.5, "style": "italic", "color": colour}
    width, height = p.size(text, **how)
    if visible.is_empty:
        return
    west, south, east, north = visible.bounds
    (left, right), (bottom, top) = p.px([west, east], [south, north])
    inset = 6.0
    if right - left < width + 2 * inset or top - bottom < height + 2 * inset:
        return
    corners = [
        (float(x), float(y), float(x + width), float(y + height))
        for y in (top - inset - height, bottom + inset)
        for x in (left + inset, right - inset - width)
    ]
    at = corners[p.labels.free(corners)]
    p.write(at, text, **how)


def port_marks(p: Panel, nearest: str | None) -> None:
    """Ports in the box: the one nearest to the encounter first, then those of the trade, then by distance."""
    table = ports()
    west, south, east, north = p.sheet.degrees(p.box)
    beside = ((table.lon - west) % 360 <= east - west) & (table.lat >= south) & (table.lat <= north)
    rows = np.flatnonzero(beside)
    x, y = p.sheet.xy(table.lon[rows], table.lat[rows])
    inside = np.flatnonzero(p.box.holds(x, y))
    rank = np.lexsort((np.hypot(x, y)[inside], ~table.trade[rows[inside]], table.id[rows[inside]] != (nearest or "")))
    for k in inside[rank][:_MOST_PORTS].tolist():
        at, name = (float(x[k]), float(y[k])), str(table.name[rows[k]]).title()
        if p.say_if_clear(*at, name, (4.0,), fontsize=6.5, color=style.INK):
            p.axes.plot(*at, marker="s", ms=2.8, mfc="white", mec=style.INK, mew=0.7, zorder=_PORTS, gid="port")


def grid(p: Panel) -> None:
    """Meridians and parallels, their degrees at the left and lower edges."""
    lines = list(graticule(p.sheet, p.box))
    drawn = LineCollection([np.column_stack([line.x, line.y]) for line in lines], zorder=_GRID, gid="graticule")
    drawn.set(color=style.FAINT, linewidth=0.4, alpha=0.7)
    p.axes.add_collection(drawn, autolim=False)
    left: list[tuple[float, str]] = []
    bottom: list[tuple[float, str]] = []
    for line in lines:
        along, across, edge = (line.y, line.x, p.box.west) if line.parallel else (line.x, line.y, p.box.south)
        low, high = (p.box.south, p.box.north) if line.parallel else (p.box.west, p.box.east)
        for at in _crossings(along, across, edge):
            if low <= at <= high:
                (left if line.parallel else bottom).append((at, degrees_text(line.degrees, line.parallel)))
    p.axes.set_yticks([at for at, _ in left], [text for _, text in left], rotation=90, va="center")
    p.axes.set_xticks([at for at, _ in bottom], [text for _, text in bottom])
    p.axes.tick_params(length=2.5, pad=2, labelsize=6.5)


def _crossings(along: Floats, across: Floats, edge: float) -> list[float]:
    """Where a line of points (n,) crosses an edge: how far along it; twice or more, where the line bends back."""
    over = across > edge
    k = np.flatnonzero(over[1:] != over[:-1])
    share = (edge - across[k]) / (across[k + 1] - across[k])
    found: list[float] = (along[k] + share * (along[k + 1] - along[k])).tolist()
    return found


def degrees_text(degrees: float, parallel: bool) -> str:
    """Degrees and minutes.

    >>> degrees_text(38.5, True), degrees_text(-179.75, False), degrees_text(181.0, False), degrees_text(0.0, True)
    ('38°30′N', '179°45′W', '179°W', '0°')
    """
    if not parallel:
        degrees = float(wrap_lon(degrees))
    minutes = round(abs(degrees) * 60)
    whole, rest = divmod(minutes, 60)
    side = "" if minutes in (0, 180 * 60) else (("S", "N") if parallel else ("W", "E"))[degrees > 0]
    return f"{whole}°{f'{rest:02d}′' if rest else ''}{side}"


def scale_bar(p: Panel, share: float = 0.22) -> None:
    """A scale bar, and north beside it, in the lower corner where they hide least."""
    length_m = round_length(p.box.width * share)
    wide = length_m * p.px_per_m
    text = metres_text(length_m) + (f"  ·  {length_m / M_PER_NM:.2g} NM" if length_m >= 1000 else "")
    how = {"fontsize": 6.5, "color": style.INK}
    text_wide, text_high = p.size(text, **how)
    bar, inset = max(wide, text_wide), 10.0
    full = bar + 28.0
    lefts = (inset, p.labels.frame[2] - inset - full)
    left = lefts[p.labels.free([(x, inset, x + full, inset + text_high + 24.0) for x in lefts])]
    for part, colour in ((0, style.INK), (1, "white")):
        x0, x1 = left + part * wide / 2, left + (part + 1) * wide / 2
        corners = np.array([(x0, inset), (x1, inset), (x1, inset + 5), (x0, inset + 5)])
        _shape(p, corners, fc=colour, ec=style.INK, lw=0.6, gid="scale")
    p.write((left, inset + 9, 0.0, 0.0), text, zorder=_OVER, **how)
    _north(p, left + bar + 18.0, inset)


def _north(p: Panel, x: float, y: float) -> None:
    arrow = np.array([(x, y + 20.0), (x + 5.0, y), (x, y + 4.0), (x - 5.0, y)])
    _shape(p, arrow, fc=style.INK, ec="none", gid="north")
    p.write((x, y + 21.0, 0.0, 0.0), "N", ha="center", fontsize=6.5, weight="bold", zorder=_OVER)


def _shape(p: Panel, corners_px: Floats, **how: Any) -> None:
    p.axes.add_artist(Polygon(np.column_stack(p.metres(*corners_px.T)), zorder=_OVER, **how))


def round_length(metres: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that is not longer.

    >>> round_length(37_000.0), round_length(499.0)
    (20000.0, 200.0)
    """
    power = 10.0 ** np.floor(np.log10(metres))
    return float(max(k for k in (1, 2, 5) if k * power <= metres * (1 + 1e-9)) * power)


def locator(p: Panel) -> Axes:
    """A small map of the seas round about, in the corner of the map where it hides least."""
    _, _, wide, high = p.labels.frame
    corners = [
        (x, y, x + LOCATOR_PX, y + LOCATOR_PX) for y in (high - LOCATOR_PX, 0.0) for x in (wide - LOCATOR_PX, 0.0)
    ]
    left, bottom, _, _ = corners[p.labels.free(corners)]
    axes = p.axes.inset_axes((left / wide, bottom / high, LOCATOR_PX / wide, LOCATOR_PX / high), zorder=_OVER)
    axes.set(gid="locator", label="locator")
    for side_m in LOCATOR_M:
        small = panel(axes, p.sheet, Box(-side_m / 2, -side_m / 2, side_m / 2, side_m / 2), [], p.renderer)
        small.labels.frame = (0.0, 0.0, LOCATOR_PX, LOCATOR_PX)  # inset axes are laid out later
        shells = [path for name in LAYERS for path in _shells(small, layer(name))]
        if _land_share(shells, side_m) >= _SOME_LAND:
            break
    if shells:
        far = PathPatch(Path.make_compound_path(*shells), fc=style.LAND, ec=style.LAND, lw=0.3, gid="land")
        axes.add_artist(far)
    corner, size = (p.box.west, p.box.south), (p.box.width, p.box.height)
    if size[0] * small.px_per_m > _LEAST_FRAME_PX:
        axes.add_artist(Rectangle(corner, *size, fill=False, ec=style.INK, lw=1.0, zorder=_OVER))
    else:
        axes.plot(0, 0, marker="o", ms=4, mfc=style.INK, mec="white", mew=0.8, zorder=_OVER)
    return axes


def _land_share(shells: list[Path], side_m: float) -> float:
    """How much of a square about the centre is land, by a grid of points."""
    across = (np.arange(16) - 7.5) / 16 * side_m
    points = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    covered = np.zeros(len(points), bool)
    for shell in shells:
        covered |= shell.contains_points(points)
    return float(covered.mean())


def _shells(p: Panel, layer: Layer) -> list[Path]:
    """The shells of a layer of the coast that reach into the box, one point a cell; lakes are left out."""
    west, south, east, north = p.sheet.degrees(p.box)
    ring = np.repeat(np.arange(len(layer.polygon)), np.diff(layer.start))
    step_deg = _CELL_PX / p.px_per_m / _M_PER_DEG
    few = starts_of(ring, np.floor(layer.lon / step_deg), np.floor(layer.lat / step_deg))
    lon, lat, ring = near_lon(layer.lon[few], p.sheet.lon), layer.lat[few], ring[few]
    near = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    shell = np.diff(layer.polygon, prepend=-1) != 0
    wanted = shell & (np.bincount(ring[near], minlength=len(shell)) > 0)
    rows = np.flatnonzero(wanted[ring])
    points = np.column_stack(p.sheet.xy(lon[rows], lat[rows]))
    return [Path(part) for part in np.split(points, starts_of(ring[rows])[1:]) if len(part) > 2]
