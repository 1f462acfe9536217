"""What helps to read a map: a scale bar, north, and where on Earth it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from stswatch.geo import coast
from stswatch.geo.longitude import near_lon
from stswatch.pipeline.batch import Floats, starts_of
from stswatch.pipeline.exports import style
from stswatch.pipeline.exports.panel import Panel, panel
from stswatch.pipeline.exports.projection import Box, metres_text

LOCATOR_PX = 158.0
LOCATOR_M = (1_900_000.0, 4_500_000.0, 10_000_000.0)  # its side: the first that shows some land
_SOME_LAND = 0.05
_CELL_PX = 0.7  # the coast of the locator is no finer
_LEAST_FRAME_PX = 7.0  # a box smaller than that is shown as a point
_M_PER_NM = 1852.0
_M_PER_DEG = 111_000.0
_OVER = 9


def scale_bar(p: Panel, share: float = 0.22) -> None:
    """A scale bar, and north beside it, in the lower corner where they hide least."""
    length_m = round_length(p.box.width * share)
    wide = length_m * p.px_per_m
    text = metres_text(length_m) + (f"  ·  {length_m / _M_PER_NM:.2g} NM" if length_m >= 1000 else "")
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
        shells = [path for name in coast.LAYERS for path in _shells(small, coast.layer(name))]
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


def _shells(p: Panel, layer: coast.Layer) -> list[Path]:
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
