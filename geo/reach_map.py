"""Draws how far a ship from a port gets by sea in some hours: the picture of docs/reach.png."""

from __future__ import annotations

import hashlib
import io
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stswatch.geo.map_ground import SEA, Bounds, ground
from stswatch.geo.port_table import ports
from stswatch.geo.reach import reach_km
from stswatch.geo.sphere import destination

BOUNDS: Bounds = (117.3, 32.6, 130.9, 41.4)
SIZE_IN, DPI = (10.4, 9.4), 110
PLACE: Bounds = (0.045, 0.09, 0.945, 0.85)  # left, bottom, width, height, shares of the page
HOURS = (6, 12, 24)
SPEED_KN = 14.0
KM_PER_NM = 1.852
STEP_DEG = 0.05
_UNDER_LAND = 5  # steps
COLOURS = ("#7d1128", "#d9541e", "#efb366")
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
    KeyError: "no port 'atlantis'; ids are those of stswatch.geo.port_table.ports()"
    """
    named = {".png": {"Software": None, "Source": fingerprint()}, ".svg": {"Date": None, "Source": fingerprint()}}
    out = io.BytesIO()
    metadata = named.get(suffix, {"CreationDate": None, "Keywords": fingerprint()})
    draw(port).savefig(out, format=suffix.removeprefix("."), metadata=metadata)
    return out.getvalue()


def fingerprint() -> str:
    """SHA-256 of the data that the picture of docs/ is drawn from.

    >>> len(fingerprint())
    64
    """
    folder = files("stswatch.geo") / "data"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()


def draw(port: str) -> Any:
    """The picture as a matplotlib figure.

    >>> draw("atlantis")
    Traceback (most recent call last):
    KeyError: "no port 'atlantis'; ids are those of stswatch.geo.port_table.ports()"
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(PLACE, facecolor=SEA)
    lon, lat = (np.arange(BOUNDS[k], BOUNDS[k + 2] + STEP_DEG, STEP_DEG) for k in (0, 1))
    grid_lon, grid_lat = np.meshgrid(lon, lat)
    value, bound = (km.reshape(grid_lon.shape) for km in reach_km(grid_lon, grid_lat, [port]))
    bound[np.isnan(value)] = np.nan
    limits = [hours * SPEED_KN * KM_PER_NM for hours in HOURS]
    axes.contourf(lon, lat, _inland(bound), [0.0, *limits], colors=COLOURS, alpha=0.55, zorder=0.5)
    axes.contour(lon, lat, _inland(value), limits, colors=COLOURS, linewidths=1.6, zorder=0.6)
    ground(axes, BOUNDS, (BOUNDS[2] - BOUNDS[0]) / (PLACE[2] * SIZE_IN[0] * DPI))
    _rings(axes, port, limits)
    _words(figure, axes, port)
    return figure


def _inland(km: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances with those unknown taken from beside, so that lines end under land; none far inland, as on lakes."""
    off, near = ndimage.distance_transform_edt(~np.isfinite(km), return_indices=True)
    return np.where(off <= _UNDER_LAND, km[tuple(near)], np.nan)


def _rings(axes: Any, port: str, limits_km: list[float]) -> None:
    table = ports()
    row = int(np.flatnonzero(table.id == port)[0])
    turn = np.arange(0.0, 361.0)
    for hours, km, colour in zip(HOURS, limits_km, COLOURS, strict=True):
        axes.plot(*destination(table.lon[row], table.lat[row], turn, km * 1000), "--", color=colour, lw=0.9, zorder=4)
        lon, lat = destination(table.lon[row], table.lat[row], 90.0, km * 1000)
        if lon < BOUNDS[2]:
            axes.text(float(lon), float(lat), f" {hours} h", color=colour, size=9, va="center", zorder=5)
    which = np.flatnonzero(table.drawn)
    here = which[(table.lon[which] > BOUNDS[0]) & (table.lon[which] < BOUNDS[2]) & (table.lat[which] > BOUNDS[1])]
    axes.plot(table.lon[here], table.lat[here], "o", ms=2.6, color="#333333", mec="white", mew=0.4, zorder=5)
    axes.plot(table.lon[row], table.lat[row], "s", ms=6, color="black", mec="white", zorder=6)


def _words(figure: Any, axes: Any, port: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    name = str(ports().name[ports().id == port][0])
    figure.text(0.045, 0.962, f"How far a ship from {name} gets by sea at {SPEED_KN:g} knots", size=15)
    figure.text(0.045, 0.012, NOTE, size=8.2, linespacing=1.4)
    rows: list[Any] = [
        Patch(facecolor=colour, alpha=0.55, edgecolor=colour, label=f"in {hours} h")
        for hours, colour in zip(HOURS, COLOURS, strict=True)
    ]
    rows.append(Line2D([], [], color="black", linestyle="--", linewidth=0.9, label="as the crow flies"))
    axes.legend(handles=rows, loc="lower left", fontsize=9, framealpha=0.9)
