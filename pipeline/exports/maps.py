"""The two maps of an encounter: the waters with both courses, and the nearest approach in metres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from stswatch.pipeline.batch import Floats
from stswatch.pipeline.exports import captions, chart, style
from stswatch.pipeline.exports.courses import SILENT, Course, stretches
from stswatch.pipeline.exports.furniture import locator, scale_bar
from stswatch.pipeline.exports.ground import grid, land, port_marks, zone_areas
from stswatch.pipeline.exports.panel import FURTHER_PX, Panel, panel
from stswatch.pipeline.exports.projection import Box, around, metres_text
from stswatch.pipeline.exports.scene import Scene

_MAP = (0.036, 0.400, 0.549, 0.480)  # left, bottom, width, height, shares of the page
_CLOSE = (0.625, 0.400, 0.3395, 0.480)
_MARGIN = 0.11  # of the map, round the courses
_LEAST_MAP_M = 15_000.0  # the map shows the waters even round vessels that lie still
_CLOSE_UP = 1.22  # half of the close-up, in thresholds: the ring of the threshold is in it
_LEAST_FRAME_PX = 14.0  # of the close-up in the map: smaller, it would hide what it frames


def waters(figure: Figure, row: Mapping[str, Any], drawn: Scene, threshold_m: float, renderer: RendererAgg) -> None:
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
    p.say(
        float(x[at]), float(y[at]), text, (8.0, 16.0, 26.0, *FURTHER_PX), fontsize=8, weight="bold", color=hand.colour
    )


def _close_up_frame(p: Panel, drawn: Scene, threshold_m: float) -> None:
    """Where the close-up lies, if that can be seen."""
    half_m = _CLOSE_UP * threshold_m
    if 2 * half_m * p.px_per_m > _LEAST_FRAME_PX:
        x, y = _place_of_a(drawn)
        frame = Rectangle((x - half_m, y - half_m), 2 * half_m, 2 * half_m, fill=False, ec=style.INK, lw=0.7, zorder=10)
        frame.set_gid("close-up-frame")
        p.axes.add_artist(frame)


def close_up(figure: Figure, row: Mapping[str, Any], drawn: Scene, threshold_m: float, renderer: RendererAgg) -> None:
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
    told = f"nearest {captions.metres(row, 'min_distance_m')}\n{row['nearest_time']:%H:%M:%S} UTC"
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
