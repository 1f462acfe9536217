"""Draws where gaps of three real archives began and how they were judged: the picture of docs/silence.png.

Cells of 0.1 degrees stand for the gaps that begin in them, so that no position of anybody is shown. To draw it anew:
`python -m docs.silence_map GULF BREST BALTIC`, each a data folder of a run over that archive (silence.md has the runs).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import api
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.ground import grid, land
from stswatch.pipeline.pictures.projection import Box, Sheet
from stswatch.pipeline.pictures.style import panel

ROOT = Path(__file__).parent
SIZE_IN, DPI = (13.6, 5.2), 110
CELL_DEG = 0.1
NAMES = ("Gulf of Mexico, 12 days", "Brest and Biscay, thinned", "western Baltic, a day")
# Okabe and Ito's colours, which keep apart for the colour-blind
COLOURS = {"unknown": "#999999", "not_received": "#56b4e9", "left_data": "#e69f00", "silenced": "#d55e00"}
_MIDDLE_SHARE = 0.02  # of gaps on each side are left out where the map ends
_QUERY = f"""
    SELECT judgement, (floor(lon0 / {CELL_DEG}) + 0.5) * {CELL_DEG} AS lon,
        (floor(lat0 / {CELL_DEG}) + 0.5) * {CELL_DEG} AS lat, count(*) AS gaps
    FROM gaps GROUP BY ALL ORDER BY ALL
"""
Cells = list[tuple[str, float, float, int]]


def cells_of(data: Path) -> Cells:
    """State, middle of the cell in degrees and number of the gaps of a data folder."""
    with closing(api.connect(data)) as db:
        return db.execute(_QUERY).fetchall()


def draw(cells: Sequence[Cells]) -> Figure:
    """The picture of three archives; to be called within `style.look()`."""
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    for k, (name, rows) in enumerate(zip(NAMES, cells, strict=True)):
        _panel(figure, renderer, k, name, rows)
    marks = [
        Line2D([], [], marker="s", linestyle="", color=colour, label=state.replace("_", " "))
        for state, colour in COLOURS.items()
    ]
    figure.legend(handles=marks, loc="lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _panel(figure: Figure, renderer: object, k: int, name: str, rows: Cells) -> None:
    state, lon, lat, gaps = (np.array(column) for column in zip(*rows, strict=True))
    edges = [np.quantile(np.repeat(at, gaps), (_MIDDLE_SHARE, 1 - _MIDDLE_SHARE)) for at in (lon, lat)]
    sheet = Sheet(float(edges[0].mean()), float(edges[1].mean()))
    half_m = np.array([0.62 * np.ptp(edges[0]) * np.cos(np.radians(edges[1].mean())), 0.62 * np.ptp(edges[1])])
    half_m = (half_m + 0.1) * 60 * M_PER_NM
    place = (0.03 + k * 0.325, 0.13, 0.305, 0.78)
    ratio = place[2] * SIZE_IN[0] / (place[3] * SIZE_IN[1])
    half_m = np.maximum(half_m, half_m[::-1] * (ratio, 1 / ratio))
    box = Box(-float(half_m[0]), -float(half_m[1]), float(half_m[0]), float(half_m[1]))
    p = panel(figure.add_axes(place), sheet, box, [], renderer)
    land(p)
    grid(p)
    for each, colour in COLOURS.items():
        here = state == each
        x, y = sheet.xy(lon[here], lat[here])
        inside = box.holds(x, y)
        size = 9 * np.sqrt(gaps[here][inside])
        p.axes.scatter(x[inside], y[inside], s=size, marker="s", color=colour, alpha=0.8, linewidths=0, zorder=6)
    count = ", ".join(f"{int(gaps[state == each].sum()):,} {each.replace('_', ' ')}" for each in COLOURS)
    p.axes.set_title(f"{name}\n{count}", fontsize=9)


if __name__ == "__main__":
    with style.look():
        draw([cells_of(Path(folder)) for folder in sys.argv[1:4]]).savefig(ROOT / "silence.png")
