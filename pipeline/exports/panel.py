"""A map in a figure: a box of a sheet, and the labels that have found a place on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

from stswatch.pipeline.batch import Floats, spread
from stswatch.pipeline.exports import style
from stswatch.pipeline.exports.labels import Labels, Rectangle
from stswatch.pipeline.exports.projection import Box, Sheet

_LABEL_OVER = 12
FURTHER_PX = (60.0, 90.0, 130.0, 180.0)  # gaps for what must be said, where there is no room nearer
_DENSE_PX = 3.0  # so near to each other are the points that labels keep clear of
_MOST_DENSE = 100_000


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

    def say_if_clear(self, x: float, y: float, text: str, gap: Sequence[float], **how: Any) -> bool:
        """The same, but only where no other label is; tells whether."""
        taken = len(self.labels.taken)
        at = self.labels.place(self._at(x, y), self.size(text, **how), gap)
        clear = self.labels.clear(at, taken)
        if clear:
            self.write(at, text, **how)
        else:
            del self.labels.taken[taken:]
        return clear

    def write(self, at: Rectangle, text: str, **how: Any) -> None:
        """A label in a place, pixels."""
        x, y = self.metres(at[0], at[1])
        told: dict[str, Any] = {"zorder": _LABEL_OVER, "path_effects": style.halo(), "ha": "left", "va": "bottom"} | how
        self.axes.text(float(x), float(y), text, **told)


def panel(axes: Axes, sheet: Sheet, box: Box, paths: Sequence[Floats], renderer: RendererAgg) -> Panel:
    """A map in these axes; paths: lines (n, 2) that labels had better not hide, metres."""
    axes.set_xlim(box.west, box.east)
    axes.set_ylim(box.south, box.north)
    axes.set_facecolor(style.SEA)
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
