"""What maps of this room are drawn on: land, sea, and a net of degrees; polygons at the turn that a map shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from stswatch.geo.coast import coast
from stswatch.geo.longitude import near_lon

Bounds = tuple[float, float, float, float]

SEA = "#f3f8fb"
_TICKS_DEG = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def ground(axes: Any, bounds: Bounds, pixel_deg: float) -> None:
    """Land and a net of degrees on the axes of a map of west, south, east, north; a pixel is so many degrees wide.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> ground(axes, (124.0, 38.0, 126.0, 39.0), 0.01)
    >>> len(axes.patches) > 2, axes.get_xticklabels()[0].get_text()
    (True, '124°E')
    """
    west, south, east, north = bounds
    axes.set(xlim=(west, east), ylim=(south, north))
    land = shapely.simplify(shapely.get_parts(coast(west, south, east, north)), pixel_deg / 2)
    fill(axes, land[shapely.area(land) > pixel_deg**2], facecolor="#dcd8cc", edgecolor="#8d8877", linewidth=0.4)
    axes.set_aspect(1 / np.cos(np.radians((south + north) / 2)), adjustable="box", anchor="SW")
    step = next(s for s in _TICKS_DEG if (east - west) / s <= 8)
    for axis, low, high, signs in ((axes.xaxis, west, east, "WE"), (axes.yaxis, south, north, "SN")):
        ticks = np.arange(np.ceil(low / step) * step, high + 1e-9, step).round(6)
        axis.set_ticks(ticks, [f"{abs(t):g}°{signs[int(t > 0)] if t else ''}" for t in ticks])
    axes.tick_params(labelsize=7, length=2, pad=2)
    axes.grid(color="#c5d2da", linewidth=0.4, zorder=0)


def fill(axes: Any, shapes: Any, **style: Any) -> None:
    """Polygons with their holes, at the turn at which the map has them; style: of matplotlib's patches.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot(xlim=(170, 190))
    >>> fill(axes, np.array([shapely.box(-178, 0, -176, 2)]))
    >>> axes.patches[0].get_path().vertices[:, 0].min()
    np.float64(182.0)
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    for part in seen_from(float(np.mean(axes.get_xlim())), shapes):
        rings = [shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)]
        axes.add_patch(PathPatch(Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings)), **style))


def seen_from(middle_deg: float, shapes: Any) -> list[Any]:
    """The parts of polygons, each moved by whole turns to where it is nearest to a meridian.

    >>> seen_from(180.0, np.array([shapely.box(-178, 0, -176, 2)]))[0].bounds
    (182.0, 0.0, 184.0, 2.0)
    """
    parts = shapely.get_parts(shapes)
    lon = (shapely.bounds(parts)[:, 0] + shapely.bounds(parts)[:, 2]) / 2
    turn = near_lon(lon, middle_deg) - lon
    return [shapely.transform(part, lambda xy, t=t: xy + np.array([t, 0])) for part, t in zip(parts, turn, strict=True)]
