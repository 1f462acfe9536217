"""Draws how far a ship from a port gets by sea in some hours: the picture of docs/reach.png."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import ndimage

from stswatch.geo.coordinates.sphere import M_PER_NM, destination
from stswatch.geo.reference.ports import ports
from stswatch.geo.sea.distance import port_distance_km, reach_km
from stswatch.pipeline.batch import Floats
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.ground import grid, land
from stswatch.pipeline.pictures.image_file import encode
from stswatch.pipeline.pictures.projection import Box, Sheet
from stswatch.pipeline.pictures.style import Panel, panel

SHEET = Sheet(124.1, 37.0)
SIZE_IN, DPI = (10.4, 9.4), 110
PLACE = (0.045, 0.09, 0.945, 0.85)  # left, bottom, width, height, shares of the page
_HALF_M = 490_000.0  # of the height of the map
_WIDE_M = _HALF_M * PLACE[2] * SIZE_IN[0] / (PLACE[3] * SIZE_IN[1])
BOX = Box(-_WIDE_M, -_HALF_M, _WIDE_M, _HALF_M)
HOURS = (6, 12, 24)
SPEED_KN = 14.0
_STEP_DEG = 0.05
_UNDER_LAND = 5  # steps
DATA = ("sea.npz", "coast.npz", "ports.csv")
NOTE = (
    "Filled: where a ship could be at the most, by the bound, which no way by sea undercuts. Line: as far as it gets on"
    " a way that is known\nto be open. Dashed: as the crow flies. Barrages and locks are taken to be open."
    " What is in reach is no sign that a ship was there. Coast: GSHHG, LGPL-3."
)


def render(suffix: str, port: str = "nampo") -> bytes:
    """The reach of a port as a .png, .svg or .pdf file, which carries `fingerprint()`.

    Raises KeyError for a port that is none.

    >>> render(".png", "atlantis")
    Traceback (most recent call last):
    KeyError: "no port 'atlantis'; ids are those of stswatch.geo.reference.ports.ports()"
    """
    with style.look():
        return encode(draw(port), suffix, fingerprint())


def fingerprint() -> str:
    """SHA-256 of the data that the picture of docs/ is drawn from.

    >>> len(fingerprint())
    64
    """
    folder = files("stswatch.geo") / "data"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()


def draw(port: str) -> Figure:
    """The picture; to be called within `style.look()`."""
    port_distance_km([], [], [port])  # an id that is none is refused before anything is worked out
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    p = panel(figure.add_axes(PLACE), SHEET, BOX, [], FigureCanvasAgg(figure).get_renderer())
    west, south, east, north = SHEET.degrees(BOX)
    lon, lat = np.meshgrid(np.arange(west, east + _STEP_DEG, _STEP_DEG), np.arange(south, north + _STEP_DEG, _STEP_DEG))
    value, bound = (km.reshape(lon.shape) for km in reach_km(lon, lat, [port]))
    bound[np.isnan(value)] = np.nan
    limits_km = [hours * SPEED_KN * M_PER_NM / 1000 for hours in HOURS]
    x, y = SHEET.xy(lon, lat)
    p.axes.contourf(x, y, _inland(bound), [0.0, *limits_km], colors=style.NEAR_TO_FAR, alpha=0.55, zorder=0.5)
    p.axes.contour(x, y, _inland(value), limits_km, colors=style.NEAR_TO_FAR, linewidths=1.6, zorder=0.6)
    land(p)
    grid(p)
    _rings(p, port, limits_km)
    _words(figure, p.axes, port)
    return figure


def _inland(km: Floats) -> Floats:
    """Distances with those unknown taken from beside, so that lines end under land; none far inland, as on lakes."""
    off, near = ndimage.distance_transform_edt(~np.isfinite(km), return_indices=True)
    return np.where(off <= _UNDER_LAND, km[tuple(near)], np.nan)


def _rings(p: Panel, port: str, limits_km: list[float]) -> None:
    """As the crow flies; and the ports of interest."""
    table = ports()
    row = int(np.flatnonzero(table.id == port)[0])
    turn_deg = np.arange(0.0, 361.0)
    for hours, km, colour in zip(HOURS, limits_km, style.NEAR_TO_FAR, strict=True):
        x, y = SHEET.xy(*destination(table.lon[row], table.lat[row], turn_deg, km * 1000))
        p.axes.plot(x, y, "--", color=colour, lw=0.9, zorder=4)
        if x[90] < BOX.east:
            p.axes.text(float(x[90]), float(y[90]), f" {hours} h", color=colour, fontsize=9, va="center", zorder=5)
    x, y = SHEET.xy(table.lon[table.drawn], table.lat[table.drawn])
    here = BOX.holds(x, y)
    p.axes.plot(x[here], y[here], "o", ms=3.6, color=style.INK, mec="white", mew=0.4, zorder=5)
    p.axes.plot(*SHEET.xy(table.lon[[row]], table.lat[[row]]), "s", ms=6, color=style.INK, mec="white", zorder=6)


def _words(figure: Figure, axes: Axes, port: str) -> None:
    name = str(ports().name[ports().id == port][0])
    figure.text(0.045, 0.962, f"How far a ship from {name} gets by sea at {SPEED_KN:g} knots", fontsize=15)
    figure.text(0.045, 0.012, NOTE, fontsize=8.2, linespacing=1.4)
    rows: list[Any] = [
        Patch(facecolor=colour, alpha=0.55, edgecolor=colour, label=f"in {hours} h")
        for hours, colour in zip(HOURS, style.NEAR_TO_FAR, strict=True)
    ]
    rows.append(Line2D([], [], color=style.INK, linestyle="--", linewidth=0.9, label="as the crow flies"))
    axes.legend(handles=rows, loc="lower left", fontsize=9, framealpha=0.9)
