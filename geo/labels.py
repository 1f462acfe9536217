"""Labels of a map that do not overlap: each beside its place, with a line to it where there is no room beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

RINGS_PX = range(6, 130, 8)  # how far out a place for a label is looked for
TURNS_DEG = (0, 180, 60, -60, 120, -120, 90, -90, 30, -30, 150, -150)  # right and left first: a map is read in lines
LINE_FROM_PX = 9  # a label further from its place gets a line


class Label(NamedTuple):
    """A text for a place in degrees; `over` it may lie on the place itself, as the name of a zone may."""

    text: str
    lon: float
    lat: float
    over: bool
    style: dict[str, Any]


def place(renderer: Any, axes: Any, labels: Iterable[Label], taken: list[Any]) -> list[str]:
    """Write labels on matplotlib axes, the first ones first; gives the texts of those for which there was no room.

    `taken` are the boxes, in pixels, that stay free of labels.

    >>> from matplotlib.backends.backend_agg import FigureCanvasAgg
    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> renderer, axes = FigureCanvasAgg(figure).get_renderer(), figure.add_subplot()
    >>> style = {"size": 9, "color": "black"}
    >>> names = [Label(name, 0.5, 0.5, True, style) for name in ("Nampo", "Sok-do", 99 * "W")]
    >>> place(renderer, axes, names, []) == [99 * "W"]  # too long for the map
    True
    """
    from matplotlib.patheffects import withStroke

    frame = axes.get_window_extent(renderer)
    room = shapely.box(frame.x0 + 2, frame.y0 + 2, frame.x1 - 2, frame.y1 - 2)
    taken, left_out = list(taken), []
    for label in labels:
        at = shapely.Point(axes.transData.transform((label.lon, label.lat)))
        text = axes.text(0, 0, label.text, transform=None, va="center", ha="center", zorder=7, **label.style)
        extent = text.get_window_extent(renderer)
        boxes = _candidates(at, extent.width, extent.height, label.over)
        box = _first_free(boxes, taken, room)
        if box is None:
            text.remove()
            left_out.append(label.text)
            continue
        text.set_position((box.centroid.x, box.centroid.y))
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
        taken.append(box)
        if box.distance(at) > LINE_FROM_PX:
            line = shapely.shortest_line(box, at)
            axes.plot(*line.xy, transform=None, color=label.style["color"], linewidth=0.5, zorder=6)
    return left_out


def _candidates(at: Any, width: float, height: float, over: bool) -> NDArray[np.object_]:
    """Boxes for a label, in order of preference: on its place, beside it, further out."""
    away, turn = (axis.ravel() for axis in np.meshgrid(RINGS_PX, np.radians(TURNS_DEG), indexing="ij"))
    x = at.x + np.cos(turn) * (width / 2 + away)
    y = at.y + np.sin(turn) * (height / 2 + away)
    if over:
        x, y = np.append(at.x, x), np.append(at.y, y)
    half_width, half_height = width / 2 + 1, height / 2 + 1
    return np.asarray(shapely.box(x - half_width, y - half_height, x + half_width, y + half_height))


def _first_free(boxes: NDArray[np.object_], taken: list[Any], room: Any) -> Any:
    """The first box within the room that touches nothing; None where there is none."""
    free = shapely.covers(room, boxes)
    free[shapely.STRtree(taken).query(boxes, predicate="intersects")[0]] = False
    return boxes[int(np.argmax(free))] if free.any() else None
