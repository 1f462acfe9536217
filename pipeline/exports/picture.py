"""An encounter on one page: where they came from and went to, how near they lay, and how their distance went.

It takes rows and tables and gives a drawing; it knows no database. The same input gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from stswatch.pipeline.batch import Floats
from stswatch.pipeline.exports import captions, chart, style, timeline
from stswatch.pipeline.exports.chart import Meeting
from stswatch.pipeline.exports.courses import (
    SILENT,
    Course,
    CourseError,
    course,
    micros_of,
    shown_us,
    stretches,
    unseen,
)
from stswatch.pipeline.exports.furniture import locator, scale_bar
from stswatch.pipeline.exports.ground import grid, land, port_marks, zone_areas
from stswatch.pipeline.exports.panel import Panel, panel
from stswatch.pipeline.exports.projection import Box, Sheet, around, metres_text
from stswatch.pipeline.rules import Rules

_MAP = (0.036, 0.400, 0.549, 0.480)  # left, bottom, width, height, shares of the page
_CLOSE = (0.625, 0.400, 0.3395, 0.480)
_DISTANCE = (0.058, 0.178, 0.927, 0.130)
_SPEED = (0.058, 0.098, 0.927, 0.066)
_MARGIN = 0.11  # of the map, round the courses
_LEAST_MAP_M = 15_000.0  # the map shows the waters even round vessels that lie still
_CLOSE_UP = 1.22  # half of the close-up, in thresholds: the ring of the threshold is in it
_LEAST_FRAME_PX = 14.0  # of the close-up in the map: smaller, it would hide what it frames
_METADATA: Mapping[str, Mapping[str, Any]] = {  # no date and no version: the same drawing is the same file
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Scene:
    """What is drawn: both courses, the time shown, and when they met."""

    a: Course
    b: Course
    span_us: tuple[int, int]
    meeting: Meeting
    sheet: Sheet

    @property
    def pair(self) -> tuple[tuple[Course, style.Hand], ...]:
        """Both courses, each with how it is drawn."""
        return (self.a, style.A), (self.b, style.B)


def scene(row: Mapping[str, Any], fixes: pa.Table, rules: Rules) -> Scene:
    """What is drawn of an encounter.

    row: of `encounters`. fixes: rows of the lake of both MMSI in `needed_us`. Raises CourseError.
    """
    if row["lon"] is None:
        raise CourseError(f"{row['id']}: was not seen, so there is no course to draw; only lit encounters can be drawn")
    a, b = (course(fixes, row[f"mmsi_{v}"], row, rules) for v in ("a", "b"))
    meeting = Meeting(*(micros_of(row[name]) for name in ("start_time", "end_time", "nearest_time")))
    return Scene(a, b, shown_us(row), meeting, Sheet(row["lon"], row["lat"]))


def render(row: Mapping[str, Any], fixes: pa.Table, rules: Rules, suffix: str) -> bytes:
    """An encounter as a picture file: of which kind says the suffix, .png, .svg or .pdf. Raises CourseError."""
    drawn = scene(row, fixes, rules)
    with style.look():
        figure = page(row, drawn, rules)
        return _png(figure) if suffix == ".png" else _vector(figure, suffix)


def _png(figure: Figure) -> bytes:
    """The page in 256 colours, a third of the size of all of them; nobody sees the difference."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    out = io.BytesIO()
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = whole.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(out, "png", optimize=True, dpi=(style.DPI, style.DPI))
    return out.getvalue()


def _vector(figure: Figure, suffix: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=suffix[1:], metadata=_METADATA[suffix])
    return out.getvalue()


def page(row: Mapping[str, Any], drawn: Scene, rules: Rules) -> Figure:
    """The whole page; row as `api.encounter` gives it, with `vessels` and `run`. To be called within `style.look()`."""
    figure = Figure(figsize=(style.WIDTH_IN, style.HEIGHT_IN), dpi=style.DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    threshold_m = rules.proximity.distance_m
    _waters(figure, row, drawn, threshold_m, renderer)
    _close_up(figure, row, drawn, threshold_m, renderer)
    _times(figure, row, drawn, rules)
    _words(figure, row, drawn, rules)
    return figure


# ------------------------------------------------------------------------------------------------ maps


def _waters(figure: Figure, row: Mapping[str, Any], drawn: Scene, threshold_m: float, renderer: RendererAgg) -> None:
    """Both courses, some hours before and after."""
    axes = figure.add_axes(_MAP, gid="map", label="map")
    ways = _ways(drawn)
    ratio = _MAP[2] * style.WIDTH_IN / (_MAP[3] * style.HEIGHT_IN)
    x, y = np.concatenate(ways).T
    box = around(x, y, ratio, _LEAST_MAP_M, _MARGIN)
    p = panel(axes, drawn.sheet, box, ways, renderer)
    land(p)
    locator(p)
    scale_bar(p)
    for one, hand in drawn.pair:
        chart.draw_others(p, one)
        chart.draw_course(p, one, hand, drawn.span_us, drawn.meeting)
    _close_up_frame(p, drawn, threshold_m)
    chart.ends(p, drawn.a, drawn.b, drawn.meeting)
    for one, hand in drawn.pair:
        chart.say_silences(p, one, hand, drawn.span_us)
    for one, hand in drawn.pair:
        _name(p, one, hand, drawn, captions.name(row, hand.letter.lower()))
        chart.hour_marks(p, one, hand, drawn.span_us, drawn.meeting)
    zone_areas(p)
    port_marks(p, row.get("port"))
    grid(p)


def _ways(drawn: Scene) -> list[Floats]:
    """The lines of both courses in the time shown, silences left out, (n, 2) each, metres on the sheet."""
    return [
        np.column_stack(drawn.sheet.xy(*stretch.columns))
        for one, _ in drawn.pair
        for stretch in stretches(one, drawn.span_us)
        if stretch.kind != SILENT
    ]


def _name(p: Panel, one: Course, hand: style.Hand, drawn: Scene, name: str) -> None:
    """The letter and name of a vessel, beside the point of its course that is furthest from the other's."""
    grid_us = np.linspace(*drawn.span_us, 200).astype(np.int64)
    x, y = p.sheet.xy(*one.at(grid_us))
    away = np.where(np.isfinite(x), np.hypot(x, y), -1.0)
    at = int(np.argmax(away))
    text = f"{hand.letter}  {name}"
    p.say(float(x[at]), float(y[at]), text, (8.0, 16.0, 26.0), fontsize=8, weight="bold", color=hand.colour)


def _close_up_frame(p: Panel, drawn: Scene, threshold_m: float) -> None:
    """Where the close-up lies, if that can be seen."""
    half_m = _CLOSE_UP * threshold_m
    if 2 * half_m * p.px_per_m > _LEAST_FRAME_PX:
        x, y = _place_of_a(drawn)
        frame = Rectangle((x - half_m, y - half_m), 2 * half_m, 2 * half_m, fill=False, ec=style.INK, lw=0.7, zorder=10)
        frame.set_gid("close-up-frame")
        p.axes.add_artist(frame)


def _close_up(figure: Figure, row: Mapping[str, Any], drawn: Scene, threshold_m: float, renderer: RendererAgg) -> None:
    """The nearest approach in metres, with the ring of the threshold about a."""
    axes = figure.add_axes(_CLOSE, gid="close-up", label="close-up")
    half_m = _CLOSE_UP * threshold_m
    x, y = _place_of_a(drawn)
    box = Box(x - half_m, y - half_m, x + half_m, y + half_m)
    p = panel(axes, drawn.sheet, box, _ways(drawn), renderer)
    land(p)
    axes.add_artist(Circle((x, y), threshold_m, fill=False, ec=style.QUIET, lw=0.9, zorder=4, gid="ring"))
    scale_bar(p)
    for one, hand in drawn.pair:
        chart.draw_course(p, one, hand, drawn.span_us, drawn.meeting)
    told = f"nearest {row['min_distance_m']:.0f} m\n{row['nearest_time']:%H:%M:%S} UTC"
    chart.nearest(p, drawn.a, drawn.b, drawn.meeting, told)
    _ring_label(p, x, y, threshold_m)


def _place_of_a(drawn: Scene) -> tuple[float, float]:
    """Where a was at the nearest approach, metres on the sheet."""
    (x,), (y,) = drawn.sheet.xy(*drawn.a.at(np.array([drawn.meeting.nearest_us])))
    return float(x), float(y)


def _ring_label(p: Panel, x: float, y: float, threshold_m: float) -> None:
    """What the ring is, on it, where it hides least."""
    text, how = f"{metres_text(threshold_m)} about A", {"fontsize": 6.5, "color": style.QUIET}
    width, height = p.size(text, **how)
    turn = np.radians(np.arange(90, 450, 30))
    across, up = p.px(x + threshold_m * np.cos(turn), y + threshold_m * np.sin(turn))
    places = [
        (float(i - width / 2), float(j - height / 2), float(i + width / 2), float(j + height / 2))
        for i, j in zip(across, up, strict=True)
    ]
    box = {"boxstyle": "square,pad=0.2", "fc": style.SEA, "ec": "none"}
    p.write(places[p.labels.free(places)], text, bbox=box, zorder=4.5, **how)


# ------------------------------------------------------------------------------------------------ times


def _times(figure: Figure, row: Mapping[str, Any], drawn: Scene, rules: Rules) -> None:
    """Distance and speeds over the time shown."""
    distance = figure.add_axes(_DISTANCE, gid="distance", label="distance")
    speed = figure.add_axes(_SPEED, gid="speed", label="speed")
    hidden = unseen(drawn.a, drawn.b, drawn.span_us)
    for axes in (distance, speed):
        timeline.shade(axes, drawn.meeting, hidden)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    timeline.distance(distance, drawn.a, drawn.b, drawn.span_us, rules.proximity.distance_m)
    timeline.known_distances(distance, row, drawn.meeting)
    timeline.speeds(speed, drawn.a, drawn.b, drawn.span_us, rules.vessel.slow_kn)
    timeline.say_unseen(distance, hidden, drawn.span_us)
    timeline.clock_axis(distance, drawn.span_us, words=False)
    timeline.clock_axis(speed, drawn.span_us, words=True)
    _edge_times(distance, drawn.meeting)


def _edge_times(axes: Axes, meeting: Meeting) -> None:
    top = axes.get_ylim()[1]
    for time_us, side in ((meeting.start_us, "left"), (meeting.end_us, "right")):
        text = f" {chart.clock(time_us)} "
        axes.text(float(timeline.hours(time_us)), top * 0.97, text, ha=side, va="top", fontsize=7, weight="bold")


# ------------------------------------------------------------------------------------------------ words


def _words(figure: Figure, row: Mapping[str, Any], drawn: Scene, rules: Rules) -> None:
    """Title, facts, legend, caution, small print."""
    say = figure.text
    say(0.036, 0.962, captions.title(row, rules.proximity.distance_m), fontsize=13.5, weight="bold", va="center")
    say(0.036, 0.933, captions.subtitle(row), fontsize=8.5, color=style.QUIET, va="center")
    say(0.036, 0.909, captions.measured(row), fontsize=8.5, color=style.QUIET, va="center")
    for (_, hand), left in zip(drawn.pair, (0.036, 0.31), strict=True):
        _vessel(figure, row, hand, left)
    _legend(figure, rules)
    others = {v: len(one.others) for v, one in zip("ab", (drawn.a, drawn.b), strict=True)}
    say(0.985, 0.030, "  ".join(captions.notes(row, others)), fontsize=7, ha="right", va="center", color=style.INK)
    say(0.036, 0.030, captions.CAUTION, fontsize=8, weight="bold", va="center")
    say(0.036, 0.012, captions.small_print(row), fontsize=5.5, color=style.QUIET, va="center")


def _vessel(figure: Figure, row: Mapping[str, Any], hand: style.Hand, left: float) -> None:
    v = hand.letter.lower()
    head = f"{hand.letter}  {captions.name(row, v)}"
    figure.text(left, 0.363, head, fontsize=8, weight="bold", color=hand.colour, va="center")
    for k, line in enumerate(captions.vessel(row, v)):
        figure.text(left, 0.3475 - 0.0135 * k, line, fontsize=6.8, color=style.QUIET if k else style.INK, va="center")


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
        bbox_to_anchor=(0.512, 0.345),
        ncols=3,
        frameon=False,
        fontsize=6.8,
        handlelength=3.0,
        columnspacing=1.6,
    )
