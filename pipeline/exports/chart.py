"""Courses on a map: solid where reported, dashed where interpolated, dotted across silences; where to, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Floats, Ints
from stswatch.pipeline.exports import style, thinning
from stswatch.pipeline.exports.courses import INTERPOLATED, REPORTED, SILENT, Course, stretches
from stswatch.pipeline.exports.moments import duration
from stswatch.pipeline.exports.panel import FURTHER_PX, Panel
from stswatch.pipeline.exports.scene import Meeting
from stswatch.pipeline.exports.style import Hand

_KN_PER_M_S = 3600.0 / 1852.0
_ARROW_EVERY_PX, _ARROW_FROM_KN, _ARROW_OVER_MIN = 130.0, 1.0, 10.0
_REPORT_EVERY_PX = 5.0  # reports nearer to each other than that are drawn as one
_ARROW_PX = np.array([(9.0, 0.0), (-8.0, 7.0), (-4.5, 0.0), (-8.0, -7.0)])
_HOUR_STEPS = (1, 2, 3, 6, 12, 24, 48, 96, 192)
_MOST_HOURS, _HOUR_APART_PX = 7, 55.0
_LINES = {REPORTED: "-", INTERPOLATED: style.DASHES, SILENT: style.DOTS}
_WIDTHS = {REPORTED: 1.5, INTERPOLATED: 1.2, SILENT: 0.8}
_OVER = 5  # courses lie over the ground, b over a


def draw_course(p: Panel, course: Course, hand: Hand, span_us: tuple[int, int], meeting: Meeting) -> None:
    """One course with its reports, its direction, and what belongs to the encounter under a broad band."""
    _band(p, course, meeting)
    cell = 0.35 / p.px_per_m
    lines: dict[str, list[Floats]] = {kind: [] for kind in _LINES}
    for stretch in stretches(course, span_us):
        x, y = p.sheet.xy(*stretch.columns)
        kept = thinning.line(x, y, cell)
        lines[stretch.kind].append(np.column_stack([x, y])[kept])
    for kind, paths in lines.items():
        drawn = LineCollection(paths, linestyles=[_LINES[kind]], gid=f"{hand.letter}-{kind}", zorder=_OVER)
        drawn.set(color=hand.colour, linewidth=_WIDTHS[kind], alpha=0.6 if kind == SILENT else 1.0)
        drawn.set_capstyle("butt" if kind == INTERPOLATED else "round")
        p.axes.add_collection(drawn, autolim=False)
    _reports(p, course, hand, span_us)
    _arrows(p, course, hand, span_us)


def draw_others(p: Panel, course: Course) -> None:
    """Tracks of other hulls under the same MMSI, faint."""
    for lon, lat in course.others:
        x, y = p.sheet.xy(lon, lat)
        kept = thinning.line(x, y, 0.5 / p.px_per_m)
        p.axes.plot(x[kept], y[kept], color=style.FAINT, lw=0.9, marker=".", ms=2.5, zorder=4, gid="other-hull")


def _band(p: Panel, course: Course, meeting: Meeting) -> None:
    """The part of the course within the encounter, broad and light, under everything."""
    together = stretches(course, (meeting.start_us, meeting.end_us))
    paths = [np.column_stack(p.sheet.xy(*s.columns)) for s in together if s.kind != SILENT]
    paths = [path[thinning.line(path[:, 0], path[:, 1], 0.5 / p.px_per_m)] for path in paths]
    drawn = LineCollection(paths, colors=style.SPAN, linewidths=8.0, zorder=4, gid="together")
    drawn.set_capstyle("round")
    drawn.set_joinstyle("round")
    p.axes.add_collection(drawn, autolim=False)


def _reports(p: Panel, course: Course, hand: Hand, span_us: tuple[int, int]) -> None:
    x, y = p.sheet.xy(course.lon, course.lat)
    near = p.box.holds(x, y) & (course.time_us >= span_us[0]) & (course.time_us <= span_us[1])
    x, y = x[near], y[near]
    kept = thinning.spots(x, y, _REPORT_EVERY_PX / p.px_per_m)
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


def _arrows(p: Panel, course: Course, hand: Hand, span_us: tuple[int, int]) -> None:
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


def headings(p: Panel, course: Course, span_us: tuple[int, int]) -> Floats:
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


def hour_marks(p: Panel, course: Course, hand: Hand, span_us: tuple[int, int], meeting: Meeting) -> None:
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


def say_silences(p: Panel, course: Course, hand: Hand, span_us: tuple[int, int]) -> None:
    """How long nothing was heard, beside the dotted line."""
    for start_us, end_us in course.silent_us.tolist():
        if start_us < span_us[1] and end_us > span_us[0]:
            fix = np.searchsorted(course.time_us, [start_us, end_us])
            x, y = (np.linspace(c[fix[0]], c[fix[1]], 101) for c in p.sheet.xy(course.lon, course.lat))
            shown = np.flatnonzero(p.box.holds(x, y))
            if len(shown):
                at = shown[len(shown) // 2]
                text = f"silent {duration((end_us - start_us) / MINUTE)}"
                how = {"fontsize": 6.2, "style": "italic", "color": hand.colour}
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
    return f"{datetime.fromtimestamp(time_us / SECOND, UTC):%H:%M}"


def ends(p: Panel, a: Course, b: Course, meeting: Meeting) -> None:
    """Where the encounter began and where it ended: the middle of the pair."""
    times_us = np.array([meeting.start_us, meeting.end_us])
    x, y = middle(p, a, b, times_us)
    names = [f"start {clock(meeting.start_us)}", f"end {clock(meeting.end_us)}"]
    if np.hypot(*(np.diff(p.px(x, y)))).item() < 12:
        x, y, names = x[:1], y[:1], [f"together {clock(meeting.start_us)} to {clock(meeting.end_us)}"]
    for x_m, y_m, name in zip(x, y, names, strict=True):
        p.axes.plot(x_m, y_m, marker="|", ms=9, mec=style.INK, mew=1.2, zorder=_OVER + 4, gid="end")
        p.say(x_m, y_m, name, (9.0, 16.0, 26.0, *FURTHER_PX), fontsize=7, weight="bold")


def middle(p: Panel, a: Course, b: Course, time_us: Ints) -> tuple[Floats, Floats]:
    """The middle of the pair on the sheet, metres."""
    (xa, ya), (xb, yb) = (p.sheet.xy(*course.at(time_us)) for course in (a, b))
    return (xa + xb) / 2, (ya + yb) / 2


def nearest(p: Panel, a: Course, b: Course, meeting: Meeting, text: str) -> None:
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
