"""An encounter on one page: where they came from and went to, how near they lay, and how their distance went.

It takes rows and tables and gives a drawing; it knows no database. The same input gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from stswatch.pipeline.exports import maps, margins, style, timeline
from stswatch.pipeline.exports.scene import Scene, scene
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.untrusted import harmless

_METADATA: Mapping[str, Mapping[str, Any]] = {  # no date and no version: the same drawing is the same file
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def render(row: Mapping[str, Any], fixes: pa.Table, rules: Rules, suffix: str) -> bytes:
    """An encounter as a picture file: of which kind says the suffix, .png, .svg or .pdf. Raises CourseError."""
    row = harmless(dict(row))
    drawn = scene(row, fixes, rules)
    with style.look():
        figure = page(row, drawn, rules)
        return _png(figure) if suffix == ".png" else vector(figure, suffix)


def _png(figure: Figure) -> bytes:
    """The page in 256 colours, a third of the size of all of them; nobody sees the difference."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    out = io.BytesIO()
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = whole.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(out, "png", optimize=True, dpi=(style.DPI, style.DPI))
    return out.getvalue()


def vector(figure: Figure, suffix: str) -> bytes:
    """The page as a drawing without pixels, .svg or .pdf."""
    out = io.BytesIO()
    figure.savefig(out, format=suffix[1:], metadata=_METADATA[suffix])
    return out.getvalue()


def page(row: Mapping[str, Any], drawn: Scene, rules: Rules) -> Figure:
    """The whole page; row as `api.encounter` gives it, with `vessels` and `run`. To be called within `style.look()`."""
    figure = Figure(figsize=(style.WIDTH_IN, style.HEIGHT_IN), dpi=style.DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    threshold_m = rules.proximity.distance_m
    maps.waters(figure, row, drawn, threshold_m, renderer)
    maps.close_up(figure, row, drawn, threshold_m, renderer)
    timeline.times(figure, row, drawn, rules)
    margins.words(figure, row, drawn, rules, renderer)
    return figure
