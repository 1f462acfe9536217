"""An encounter on one page: where they came from and went to, how near they lay, how their distance went, and in words.

It takes rows and tables and gives a drawing; it knows no database. The same input gives the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from stswatch.pipeline.pictures import captions, lead, style, timeline
from stswatch.pipeline.pictures.courses import Scene, scene
from stswatch.pipeline.pictures.file import encode
from stswatch.pipeline.pictures.labels import fit
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.untrusted import harmless

_LEFT, _RIGHT = 0.036, 0.985  # shares of the page
_NOTE_CHARACTERS, _NOTE_LINES = 105, 3


def render(row: Mapping[str, Any], fixes: pa.Table, rules: Rules, suffix: str) -> bytes:
    """An encounter as a picture file: of which kind says the suffix, .png, .svg or .pdf. Raises CourseError."""
    row = harmless(dict(row))
    drawn = scene(row, fixes, rules)
    with style.look():
        figure = page(row, drawn, rules)
        return _png(figure) if suffix == ".png" else encode(figure, suffix)


def _png(figure: Figure) -> bytes:
    """The page in 256 colours, a third of the size of all of them; nobody sees the difference."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    out = io.BytesIO()
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = whole.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(out, "png", optimize=True, dpi=(style.DPI, style.DPI))
    return out.getvalue()


def page(row: Mapping[str, Any], drawn: Scene, rules: Rules) -> Figure:
    """The whole page; row as `api.encounter` gives it, with `vessels` and `run`. To be called within `style.look()`."""
    figure = Figure(figsize=(style.WIDTH_IN, style.HEIGHT_IN), dpi=style.DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    threshold_m = rules.proximity.distance_m
    lead.waters(figure, row, drawn, threshold_m, renderer)
    lead.close_up(figure, row, drawn, threshold_m, renderer)
    timeline.times(figure, row, drawn, rules)
    words(figure, row, drawn, rules, renderer)
    return figure


def words(figure: Figure, row: Mapping[str, Any], drawn: Scene, rules: Rules, renderer: RendererAgg) -> None:
    """Title, facts, legend, caution, small print."""
    lines: tuple[tuple[float, str, dict[str, Any]], ...] = (
        (0.962, captions.title(row, rules.proximity.distance_m), {"fontsize": 13.5, "weight": "bold"}),
        (0.933, captions.subtitle(row), {"fontsize": 8.5, "color": style.QUIET}),
        (0.909, captions.measured(row), {"fontsize": 8.5, "color": style.QUIET}),
        (0.034, captions.CAUTION, {"fontsize": 8, "weight": "bold"}),
        (0.012, captions.small_print(row), {"fontsize": 5.5, "color": style.QUIET}),
    )
    for height, text, how in lines:
        fit(figure.text(_LEFT, height, text, va="center", **how), _RIGHT, renderer)
    for (_, hand), left in zip(drawn.pair, (_LEFT, 0.278), strict=True):
        _vessel(figure, row, hand, left, renderer)
    _legend(figure, rules)
    others = {v: len(one.others) for v, one in zip("ab", (drawn.a, drawn.b), strict=True)}
    notes = textwrap.wrap("  ".join(captions.notes(row, others)), _NOTE_CHARACTERS, max_lines=_NOTE_LINES)
    figure.text(_RIGHT, 0.0385, "\n".join(notes), fontsize=6.6, ha="right", va="center", linespacing=1.2)


def _vessel(figure: Figure, row: Mapping[str, Any], hand: style.Hand, left: float, renderer: RendererAgg) -> None:
    v, right = hand.letter.lower(), left + 0.234
    head = f"{hand.letter}  {captions.name(row, v)}"
    fit(figure.text(left, 0.3685, head, fontsize=8, weight="bold", color=hand.colour, va="center"), right, renderer)
    for k, line in enumerate(captions.vessel(row, v)):
        colour = style.QUIET if k else style.INK
        fit(figure.text(left, 0.354 - 0.0125 * k, line, fontsize=6.8, color=colour, va="center"), right, renderer)


def _legend(figure: Figure, rules: Rules) -> None:
    """How lines are to be read."""
    within = rules.proximity.observed_within_min
    told = (
        ("-", 1.5, f"a report within {within:.0f} min"),
        (style.DASHES, 1.2, "interpolated: no report so near"),
        (style.DOTS, 0.9, "silent: nothing known between"),
    )
    lines = [Line2D([], [], color=style.INK, ls=ls, lw=lw, label=label) for ls, lw, label in told]
    lines.append(Line2D([], [], color=style.SPAN, lw=7, label="together"))
    for colour, label in ((style.REPORTED_ZONE, "reported transfer area"), (style.CONTEXT_ZONE, "other zone: context")):
        lines.append(Line2D([], [], color=colour, lw=0.9, label=label))
    figure.legend(
        handles=lines,
        loc="center left",
        bbox_to_anchor=(0.513, 0.345),
        ncols=3,
        frameon=False,
        fontsize=6.8,
        handlelength=3.0,
        columnspacing=1.6,
    )
