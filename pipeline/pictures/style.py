"""How pictures look: colours and lines, and labels that do not overlap."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

from stswatch.pipeline.batch import Floats, spread
from stswatch.pipeline.pictures.projection import Box, Sheet

# ----------------------------- How pictures look: colours that hold for the colour-blind and in grey, sizes, the font
# Vessel a is dark blue, with round marks; vessel b is orange, with square ones: far apart in hue for every kind of
# colour vision (Source: Okabe and Ito, Color Universal Design, 2008), and dark beside light where there is no colour.

DPI = 150
WIDTH_IN, HEIGHT_IN = 11.69, 8.27  # A4 across
PT_PER_IN = 72.0


@dataclass(frozen=True)
class Hand:
    """How one vessel is drawn."""

    letter: str
    colour: str
    marker: str


A, B = Hand("A", "#0b3c78", "o"), Hand("B", "#d9730d", "s")
INK, QUIET, FAINT = "#1c2733", "#5d6b78", "#aab4bd"
SEA, LAND, SHORE = "#f4f8fa", "#e6dfd0", "#9c8f76"
SPAN, SPAN_LIGHT = "#f6dd8d", "#fcf3d4"  # while they were together: behind the courses, behind the curves
UNSEEN = "#c9ced3"
REPORTED_ZONE, CONTEXT_ZONE, OWN_ZONE = "#7d4a8c", "#5b7f9c", "#0f7f6d"
TRADE_PORT = "#b00020"
NEAR_TO_FAR = ("#7d1128", "#d9541e", "#efb366")  # how far something gets
DASHES = (0, (3.2, 1.8))
DOTS = (0, (0.8, 2.2))

_LOOK = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7.5,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollars
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.facecolor": "white",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "stswatch",  # else ids differ from time to time
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "path.simplify": True,
}


@contextmanager
def look() -> Iterator[None]:
    """This look, whatever the user's own settings are; they come back after."""
    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        rcParams.update(_LOOK)
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks shows as boxes
        yield


def halo(width_pt: float = 2.0) -> list[Any]:
    """A light edge round letters, so that they can be read over lines."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=width_pt, foreground="white", alpha=0.85)]


# ------------ A map in a figure, and the labels that find a place on it: beside what they name, where they hide least

Rectangle = tuple[float, float, float, float]  # left, bottom, right, top
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))  # the first is liked best
_OUTSIDE, _HIT, _POINT, _FAR = 1e6, 1e4, 10.0, 3.0  # what it costs: off the map, over a label, over a point, far off
_LABEL_OVER = 12
FURTHER_PX = (60.0, 90.0, 130.0, 180.0)  # gaps for what must be said, where there is no room nearer
_DENSE_PX = 3.0  # so near to each other are the points that labels keep clear of
_MOST_DENSE = 100_000


@dataclass
class Labels:
    """Labels put on one map so far. All lengths in one unit, pixels say; points (n,) are what had better be seen."""

    frame: Rectangle
    x: Floats
    y: Floats
    taken: list[Rectangle] = field(default_factory=list)

    def take(self, rectangle: Rectangle) -> None:
        """Keep labels away from here."""
        self.taken.append(rectangle)

    def place(self, at: tuple[float, float], size: tuple[float, float], gap: Sequence[float]) -> Rectangle:
        """The best place for a label of a width and height beside a point, at one of these gaps; it is then taken.

        A gap of 0 is on the point itself.

        >>> Labels((0, 0, 100, 100), np.zeros(0), np.zeros(0)).place((98, 50), (20, 10), [5])
        (73.0, 45.0, 93.0, 55.0)
        """
        tried = [_beside(*at, *size, side, away) for away in gap for side in (_SIDES if away else ((0, 0),))]
        best = tried[int(np.argmin(self._costs(tried) + _FAR * np.arange(len(tried)) / len(_SIDES)))]
        self.take(best)
        return best

    def free(self, rectangles: Sequence[Rectangle]) -> int:
        """Which of several rectangles hides least; it is taken from now on."""
        best = int(np.argmin(self._costs(rectangles)))
        self.take(rectangles[best])
        return best

    def clear(self, rectangle: Rectangle, among: int) -> bool:
        """Whether a label there is on the map and over none of the first so many taken places."""
        return bool(self._costs([rectangle], among)[0] < _HIT)

    def _costs(self, rectangles: Sequence[Rectangle], among: int | None = None) -> Floats:
        """What each of some rectangles (k,) hides, of the first so many taken places and of the points."""
        left, bottom, right, top = np.array(rectangles, float).T[..., None]
        low_x, low_y, high_x, high_y = self.frame
        outside = (left < low_x) | (bottom < low_y) | (right > high_x) | (top > high_y)
        west, south, east, north = np.array(self.taken[:among], float).reshape(-1, 4).T
        hits = ((left < east) & (right > west) & (bottom < north) & (top > south)).sum(axis=1)
        x, y = self.x, self.y
        points = [((x > a) & (x < c) & (y > b) & (y < d)).sum() for a, b, c, d in rectangles]
        return np.asarray(_OUTSIDE * outside[:, 0] + _HIT * hits + _POINT * np.array(points))


def _beside(x: float, y: float, width: float, height: float, side: tuple[int, int], away: float) -> Rectangle:
    across, up = side
    reach = away if 0 in side else away * 0.7
    left = x + across * reach - (1 - across) / 2 * width
    bottom = y + up * reach - (1 - up) / 2 * height
    return left, bottom, left + width, bottom + height


@dataclass
class Panel:
    """A map in a figure; `labels` in pixels of the figure, from the lower left corner of the map."""

    axes: Axes
    sheet: Sheet
    box: Box
    labels: Labels
    renderer: RendererAgg

    @property
    def px_per_m(self) -> float:
        """Pixels for a metre."""
        return float(self.labels.frame[2] / self.box.width)

    def px(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Metres on the sheet as pixels in the panel."""
        return (np.asarray(x) - self.box.west) * self.px_per_m, (np.asarray(y) - self.box.south) * self.px_per_m

    def metres(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Pixels in the panel as metres on the sheet."""
        return self.box.west + np.asarray(x) / self.px_per_m, self.box.south + np.asarray(y) / self.px_per_m

    def _at(self, x: float, y: float) -> tuple[float, float]:
        across, up = self.px(x, y)
        return float(across), float(up)

    def size(self, text: str, **how: Any) -> tuple[float, float]:
        """Width and height of a text, pixels."""
        extent = Text(0, 0, text, figure=self.axes.figure, **how).get_window_extent(self.renderer)
        return float(extent.width), float(extent.height)

    def say(self, x: float, y: float, text: str, gap: Sequence[float] = (6.0, 14.0), **how: Any) -> None:
        """A label beside a point of the sheet, where it hides least."""
        at = self.labels.place(self._at(x, y), self.size(text, **how), gap)
        self.write(at, text, **how)

    def say_if_clear(
        self, x: float, y: float, text: str, gap: Sequence[float], line_from_px: float = np.inf, **how: Any
    ) -> bool:
        """The same, but only on the map and where no other label is; tells whether.

        A label further than `line_from_px` from its point gets a line to it.
        """
        taken, point = len(self.labels.taken), self._at(x, y)
        at = self.labels.place(point, self.size(text, **how), gap)
        clear = self.labels.clear(at, taken)
        if not clear:
            del self.labels.taken[taken:]
            return False
        self.write(at, text, **how)
        edge = np.clip(point, at[:2], at[2:])
        if np.hypot(*(edge - point)) > line_from_px:
            ends = self.metres(*np.stack([edge, point]).T)
            self.axes.plot(*ends, color=how.get("color"), linewidth=0.5, zorder=_LABEL_OVER - 1, gid="label-line")
        return True

    def write(self, at: Rectangle, text: str, **how: Any) -> None:
        """A label in a place, pixels."""
        x, y = self.metres(at[0], at[1])
        how_drawn: dict[str, Any] = {"zorder": _LABEL_OVER, "path_effects": halo(), "ha": "left", "va": "bottom"} | how
        self.axes.text(float(x), float(y), text, **how_drawn)


def panel(axes: Axes, sheet: Sheet, box: Box, paths: Sequence[Floats], renderer: RendererAgg) -> Panel:
    """A map in these axes; paths: lines (n, 2) that labels had better not hide, metres."""
    axes.set_xlim(box.west, box.east)
    axes.set_ylim(box.south, box.north)
    axes.set_facecolor(SEA)
    axes.set_xticks([])
    axes.set_yticks([])
    extent = axes.get_window_extent(renderer)
    frame = (0.0, 0.0, float(extent.width), float(extent.height))
    made = Panel(axes, sheet, box, Labels(frame, np.zeros(0), np.zeros(0)), renderer)
    dense = [_dense(np.column_stack(made.px(*path.T))) for path in paths]
    made.labels.x, made.labels.y = np.concatenate([np.zeros((0, 2)), *dense]).T
    return made


def _dense(path: Floats) -> Floats:
    """The points of a line (n, 2), pixels, with others between them where they are far apart."""
    long = np.hypot(*np.diff(path, axis=0).T)
    count = np.minimum(long // _DENSE_PX, _MOST_DENSE // max(len(long), 1)).astype(np.int64) + 1
    row, nth = spread(count)
    between = path[row] + (path[row + 1] - path[row]) * (nth / count[row])[:, None]
    return np.concatenate([between, path[-1:]])


def fit(text: Text, right: float, renderer: RendererAgg) -> None:
    """Make a line small enough to end before `right`, a share of the page."""
    figure = text.get_figure(root=True)
    assert figure is not None
    while text.get_window_extent(renderer).x1 > right * figure.bbox.width:
        text.set_fontsize(float(text.get_fontsize()) * 0.98)
