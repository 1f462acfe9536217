"""The two maps of an encounter: the waters with both courses, and the nearest approach in metres.

Courses are solid where reported, dashed where interpolated, dotted across silences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import facts
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Floats, Ints
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.courses import (
    INTERPOLATED,
    REPORTED,
    SILENT,
    DrawnCourse,
    DrawnScene,
    Meeting,
    stretches,
    thin_line,
    thin_points,
)
from stswatch.pipeline.pictures.ground import grid, land, locator, port_marks, scale_bar, zone_areas
from stswatch.pipeline.pictures.projection import Box, around, metres_text
from stswatch.pipeline.pictures.style import FURTHER_PX, Hand, Panel, panel
from stswatch.pipeline.times import duration, utc

_KN_PER_M_S = 3600.0 / M_PER_NM
_ARROW_EVERY_PX, _ARROW_FROM_KN, _ARROW_OVER_MIN = 130.0, 1.0, 10.0
_REPORT_EVERY_PX = 5.0  # reports nearer to each other than that are drawn as one
_ARROW_PX = np.array([(9.0, 0.0), (-8.0, 7.0), (-4.5, 0.0), (-8.0, -7.0)])
_HOUR_STEPS = (1, 2, 3, 6, 12, 24, 48, 96, 192)
_MOST_HOURS, _HOUR_APART_PX = 7, 55.0
_LINES = {REPORTED: "-", INTERPOLATED: style.DASHES, SILENT: style.DOTS}
_WIDTHS = {REPORTED: 1.5, INTERPOLATED: 1.2, SILENT: 0.8}
_OVER = 5  # courses lie over the ground, b over a
_MAP = (0.036, 0.400, 0.549, 0.480)  # left, bottom, width, height, shares of the page
_CLOSE = (0.625, 0.400, 0.3395, 0.480)
_MARGIN = 0.11  # of the map, round the courses
_LEAST_MAP_M = 15_000.0  # the map shows the waters even round vessels that lie still
_CLOSE_UP = 1.22  # half of the close-up, in thresholds: the ring of the threshold is in it
_LEAST_FRAME_PX = 14.0  # of the close-up in the map: smaller, it would hide what it frames


def draw_course(p: Panel, course: DrawnCourse, hand: Hand, span_us: tuple[int, int], meeting: Meeting) -> None:
    """One course with its reports, its direction, and what belongs to the encounter under a broad band."""
    _band(p, course, meeting)
    cell = 0.35 / p.px_per_m
    lines: dict[str, list[Floats]] = {kind: [] for kind in _LINES}
    for stretch in stretches(course, span_us):
        x, y = p.sheet.xy(*stretch.columns)
        kept = thin_line(x, y, cell)
        lines[stretch.kind].append(np.column_stack([x, y])[kept])
    for kind, paths in lines.items():
        drawn = LineCollection(paths, linestyles=[_LINES[kind]], gid=f"{hand.letter}-{kind}", zorder=_OVER)
        drawn.set(color=hand.colour, linewidth=_WIDTHS[kind], alpha=0.6 if kind == SILENT else 1.0)
        drawn.set_capstyle("butt" if kind == INTERPOLATED else "round")
        p.axes.add_collection(drawn, autolim=False)
    _reports(p, course, hand, span_us)
    _arrows(p, course, hand, span_us)


def draw_others(p: Panel, course: DrawnCourse) -> None:
    """Tracks of other hulls under the same MMSI, faint."""
    for lon, lat in course.others:
        x, y = p.sheet.xy(lon, lat)
        kept = thin_line(x, y, 0.5 / p.px_per_m)
        p.axes.plot(x[kept], y[kept], color=style.FAINT, lw=0.9, marker=".", ms=2.5, zorder=4, gid="other-hull")


def _band(p: Panel, course: DrawnCourse, meeting: Meeting) -> None:
    """The part of the course within the encounter, broad and light, under everything."""
    together = stretches(course, (meeting.start_us, meeting.end_us))
    paths = [np.column_stack(p.sheet.xy(*s.columns)) for s in together if s.kind != SILENT]
    paths = [path[thin_line(path[:, 0], path[:, 1], 0.5 / p.px_per_m)] for path in paths]
    drawn = LineCollection(paths, colors=style.SPAN, linewidths=8.0, zorder=4, gid="together")
    drawn.set_capstyle("round")
    drawn.set_joinstyle("round")
    p.axes.add_collection(drawn, autolim=False)


def _reports(p: Panel, course: DrawnCourse, hand: Hand, span_us: tuple[int, int]) -> None:
    x, y = p.sheet.xy(course.lon, course.lat)
    near = p.box.holds(x, y) & (course.time_us >= span_us[0]) & (course.time_us <= span_us[1])
    x, y = x[near], y[near]
    kept = thin_points(x, y, _REPORT_EVERY_PX / p.px_per_m)
    p.axes.scatter(
        x[kept],
        y[kept],
        s=3.2,
        marker=hand.marker,
        facecolor="white",
        edgecolor=hand.colour,
        linewidth=0.55,
        zorder=_OVER + 1,
        gid=f"{hand.letter}-reports",
    )


def _arrows(p: Panel, course: DrawnCourse, hand: Hand, span_us: tuple[int, int]) -> None:
    """Arrowheads along the course, where it goes somewhere."""
    tips = headings(p, course, span_us)
    if not len(tips):
        return
    x, y, turn = tips.T
    corners = np.stack(
        [
            np.column_stack([along * np.cos(turn) - side * np.sin(turn), along * np.sin(turn) + side * np.cos(turn)])
            for along, side in _ARROW_PX
        ],
        axis=1,
    )
    corners = corners / p.px_per_m + np.column_stack([x, y])[:, None, :]
    heads = PolyCollection(list(corners), gid=f"{hand.letter}-arrows", zorder=_OVER + 2)
    heads.set(facecolor=hand.colour, edgecolor="white", linewidth=0.6)
    p.axes.add_collection(heads, autolim=False)


def headings(p: Panel, course: DrawnCourse, span_us: tuple[int, int]) -> Floats:
    """Where arrowheads go: east and north, metres, and direction, radians from east; (k, 3).

    By the way made good over some minutes, so that noise in position is no direction.
    """
    steps = int(np.clip((span_us[1] - span_us[0]) / MINUTE, 2, 3000))
    time_us = np.linspace(*span_us, steps).astype(np.int64)
    half_us = round(_ARROW_OVER_MIN / 2 * MINUTE)
    before, now, after = (np.stack(p.sheet.xy(*course.at(time_us + d))) for d in (-half_us, 0, half_us))
    made = after - before
    speed_kn = np.hypot(*made) / (2 * half_us / SECOND) * _KN_PER_M_S
    with np.errstate(invalid="ignore"):
        moving = speed_kn > _ARROW_FROM_KN
        shown = moving & p.box.holds(*now)
    step_px = np.hypot(*np.diff(now, axis=1, prepend=now[:, :1])) * p.px_per_m
    gone_px = np.cumsum(np.where(shown & np.isfinite(step_px), step_px, 0.0))
    mark = np.floor(gone_px / _ARROW_EVERY_PX + 0.5)
    rows = np.flatnonzero(shown & (np.diff(mark, prepend=0.0) > 0))
    return np.column_stack([now[0][rows], now[1][rows], np.arctan2(made[1][rows], made[0][rows])])


def hour_marks(p: Panel, course: DrawnCourse, hand: Hand, span_us: tuple[int, int], meeting: Meeting) -> None:
    """Whole hours along the course, outside the encounter and where there is room for them."""
    step_us = hour_step(span_us)
    time_us = np.arange(-(-span_us[0] // step_us) * step_us, span_us[1], step_us)
    time_us = time_us[(time_us < meeting.start_us - 15 * MINUTE) | (time_us > meeting.end_us + 15 * MINUTE)]
    x, y = p.sheet.xy(*course.at(time_us))
    last = np.array([-np.inf, -np.inf])
    for t, x_m, y_m in zip(time_us.tolist(), x, y, strict=True):
        here = np.array(p.px(x_m, y_m))
        if np.isfinite(x_m) and p.box.holds(x_m, y_m) and np.hypot(*(here - last)) > _HOUR_APART_PX:
            last = here
            p.axes.plot(
                x_m,
                y_m,
                marker=hand.marker,
                ms=4.2,
                mfc=hand.colour,
                mec="white",
                mew=0.7,
                zorder=_OVER + 2,
                gid="hour",
            )
            p.say_if_clear(x_m, y_m, clock(t), (5.0, 9.0), fontsize=6.2, color=hand.colour)


def say_silences(p: Panel, course: DrawnCourse, hand: Hand, span_us: tuple[int, int]) -> None:
    """How long nothing was heard, beside the dotted line."""
    for start_us, end_us in course.silent_us.tolist():
        if start_us < span_us[1] and end_us > span_us[0]:
            fix = np.searchsorted(course.time_us, [start_us, end_us])
            x, y = (np.linspace(c[fix[0]], c[fix[1]], 101) for c in p.sheet.xy(course.lon, course.lat))
            shown = np.flatnonzero(p.box.holds(x, y))
            if len(shown):
                at = shown[len(shown) // 2]
                text = f"silent {duration((end_us - start_us) / MINUTE)}"
                how: dict[str, Any] = {"fontsize": 6.2, "style": "italic", "color": hand.colour}
                p.say_if_clear(float(x[at]), float(y[at]), text, (4.0, 10.0, 18.0), **how)


def hour_step(span_us: tuple[int, int]) -> int:
    """Between hour marks, microseconds: so that there are few."""
    fitting = [s for s in _HOUR_STEPS if (span_us[1] - span_us[0]) / (s * HOUR) <= _MOST_HOURS]
    return (fitting or _HOUR_STEPS[-1:])[0] * HOUR


def clock(time_us: int) -> str:
    """Hours and minutes, UTC.

    >>> clock(0)
    '00:00'
    """
    return f"{utc(time_us):%H:%M}"


def ends(p: Panel, a: DrawnCourse, b: DrawnCourse, meeting: Meeting) -> None:
    """Where the encounter began and where it ended: the middle of the pair."""
    times_us = np.array([meeting.start_us, meeting.end_us])
    x, y = middle(p, a, b, times_us)
    names = [f"start {clock(meeting.start_us)}", f"end {clock(meeting.end_us)}"]
    if np.hypot(*(np.diff(p.px(x, y)))).item() < 12:
        x, y, names = x[:1], y[:1], [f"together {clock(meeting.start_us)} to {clock(meeting.end_us)}"]
    for x_m, y_m, name in zip(x, y, names, strict=True):
        p.axes.plot(x_m, y_m, marker="|", ms=9, mec=style.INK, mew=1.2, zorder=_OVER + 4, gid="end")
        p.say(x_m, y_m, name, (9.0, 16.0, 26.0, *FURTHER_PX), fontsize=7, weight="bold")


def middle(p: Panel, a: DrawnCourse, b: DrawnCourse, time_us: Ints) -> tuple[Floats, Floats]:
    """The middle of the pair on the sheet, metres."""
    (xa, ya), (xb, yb) = (p.sheet.xy(*course.at(time_us)) for course in (a, b))
    return (xa + xb) / 2, (ya + yb) / 2


def nearest(p: Panel, a: DrawnCourse, b: DrawnCourse, meeting: Meeting, text: str) -> None:
    """The nearest approach: both places then, joined."""
    at = np.array([meeting.nearest_us])
    (xa, ya), (xb, yb) = (p.sheet.xy(*course.at(at)) for course in (a, b))
    x, y = np.concatenate([xa, xb]), np.concatenate([ya, yb])
    p.axes.plot(x, y, color=style.INK, lw=1.3, zorder=_OVER + 5, gid="nearest")
    for hand, x_m, y_m in ((style.A, xa[0], ya[0]), (style.B, xb[0], yb[0])):
        p.axes.plot(x_m, y_m, marker=hand.marker, ms=6.5, mfc=hand.colour, mec=style.INK, mew=0.9, zorder=_OVER + 6)
    p.labels.take(_square(*p.px(x.mean(), y.mean()), 16.0))
    p.say(float(x.mean()), float(y.mean()), text, (14.0, 24.0, 40.0, *FURTHER_PX), fontsize=7.5, weight="bold")


def _square(x: float, y: float, side: float) -> tuple[float, float, float, float]:
    return float(x - side / 2), float(y - side / 2), float(x + side / 2), float(y + side / 2)


def waters(
    figure: Figure, row: Mapping[str, Any], drawn: DrawnScene, threshold_m: float, renderer: RendererAgg
) -> None:
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
        draw_others(p, one)
        draw_course(p, one, hand, drawn.span_us, drawn.meeting)
    _close_up_frame(p, drawn, threshold_m)
    ends(p, drawn.a, drawn.b, drawn.meeting)
    for one, hand in drawn.pair:
        say_silences(p, one, hand, drawn.span_us)
    for one, hand in drawn.pair:
        _name(p, one, hand, drawn, facts.name(row, hand.letter.lower()))
        hour_marks(p, one, hand, drawn.span_us, drawn.meeting)
    zone_areas(p)
    port_marks(p, row.get("port"))
    grid(p)


def _ways(drawn: DrawnScene) -> list[Floats]:
    """The lines of both courses in the time shown, silences left out, (n, 2) each, metres on the sheet."""
    return [
        np.column_stack(drawn.sheet.xy(*stretch.columns))
        for one, _ in drawn.pair
        for stretch in stretches(one, drawn.span_us)
        if stretch.kind != SILENT
    ]


def _name(p: Panel, one: DrawnCourse, hand: style.Hand, drawn: DrawnScene, name: str) -> None:
    """The letter and name of a vessel, beside the point of its course that is furthest from the other's."""
    grid_us = np.linspace(*drawn.span_us, 200).astype(np.int64)
    x, y = p.sheet.xy(*one.at(grid_us))
    away = np.where(np.isfinite(x), np.hypot(x, y), -1.0)
    at = int(np.argmax(away))
    text = f"{hand.letter}  {name}"
    p.say(
        float(x[at]), float(y[at]), text, (8.0, 16.0, 26.0, *FURTHER_PX), fontsize=8, weight="bold", color=hand.colour
    )


def _close_up_frame(p: Panel, drawn: DrawnScene, threshold_m: float) -> None:
    """Where the close-up lies, if that can be seen."""
    half_m = _CLOSE_UP * threshold_m
    if 2 * half_m * p.px_per_m > _LEAST_FRAME_PX:
        x, y = _place_of_a(drawn)
        frame = Rectangle((x - half_m, y - half_m), 2 * half_m, 2 * half_m, fill=False, ec=style.INK, lw=0.7, zorder=10)
        frame.set_gid("close-up-frame")
        p.axes.add_artist(frame)


def close_up(
    figure: Figure, row: Mapping[str, Any], drawn: DrawnScene, threshold_m: float, renderer: RendererAgg
) -> None:
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
        draw_course(p, one, hand, drawn.span_us, drawn.meeting)
    label = f"nearest {facts.metres(row, 'cpa_distance_m')}\n{row['cpa_time']:%H:%M:%S} UTC"
    nearest(p, drawn.a, drawn.b, drawn.meeting, label)
    _ring_label(p, x, y, threshold_m)


def _place_of_a(drawn: DrawnScene) -> tuple[float, float]:
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
