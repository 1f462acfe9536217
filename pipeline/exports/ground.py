"""What lies under the courses: land, zones, ports, meridians and parallels."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from stswatch.geo.coast import coast
from stswatch.geo.longitude import wrap_lon
from stswatch.geo.ports import ports
from stswatch.geo.zones import REPORTED, zones
from stswatch.pipeline.batch import Floats
from stswatch.pipeline.exports import style
from stswatch.pipeline.exports.panel import Panel
from stswatch.pipeline.exports.projection import graticule

_ZONES, _LAND, _GRID, _PORTS = 1, 2, 3, 4  # what lies over what
_MOST_PORTS = 5
_FINEST_PX = 0.4  # a coast finer than that is simplified


def land(p: Panel) -> None:
    """The land of the box."""
    west, south, east, north = p.sheet.degrees(p.box)
    wide, high = 0.2 * (east - west), 0.2 * (north - south)  # beyond the box, so that no cut is seen
    west, east = max(west - wide, p.sheet.lon - 180), min(east + wide, p.sheet.lon + 180)
    found = coast(west, max(south - high, -90), east, min(north + high, 90))
    parts = shapely.get_parts(found)
    parts = shapely.segmentize(
        parts[~shapely.is_empty(parts)], max(high, 0.01)
    )  # an empty part is more than it can bear
    patch = polygons(shapely.simplify(p.sheet.shape(parts), _FINEST_PX / p.px_per_m))
    if patch is not None:
        patch.set(facecolor=style.LAND, edgecolor=style.SHORE, linewidth=0.5, zorder=_LAND, gid="land")
        p.axes.add_artist(patch)


def polygons(shape: Any) -> PathPatch | None:
    """Polygons as one patch, holes left open; None where there is none."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    parts = parts[(shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)]
    if not len(parts):
        return None
    rings = [ring for part in shapely.orient_polygons(parts) for ring in (part.exterior, *part.interiors)]
    return PathPatch(Path.make_compound_path(*(Path(np.asarray(ring.coords), closed=True) for ring in rings)))


def zone_areas(p: Panel) -> None:
    """The zones that reach into the box, each with its first label."""
    table = zones()
    frame = shapely.box(p.box.west, p.box.south, p.box.east, p.box.north)
    west, south, east, north = p.sheet.degrees(p.box)
    for properties, geometry in zip(table.properties, table.geometry, strict=True):
        low_x, low_y, high_x, high_y = geometry.bounds
        beside = (low_x - east) % 360 > 0 and (low_x - east) % 360 + (high_x - low_x) < 360 - (east - west)
        if beside or low_y > north or high_y < south:
            continue
        shape = p.sheet.shape(shapely.segmentize(geometry, 0.1))
        patch = polygons(shape)
        if patch is not None:
            colour = style.REPORTED_ZONE if properties["kind"] == REPORTED else style.CONTEXT_ZONE
            patch.set(facecolor=(*to_rgb(colour), 0.05), edgecolor=(*to_rgb(colour), 0.6), linewidth=0.7)
            patch.set(zorder=_ZONES, gid=f"zone-{properties['id']}")
            p.axes.add_artist(patch)
            visible = shapely.intersection(shapely.make_valid(shape), frame)
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
