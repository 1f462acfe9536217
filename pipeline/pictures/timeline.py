"""Distance and speeds over time: what was measured, and where nobody saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Floats, Ints
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.captions import metres
from stswatch.pipeline.pictures.courses import INTERPOLATED, Course, Meeting, Scene, Unseen, apart, thin_series, unseen
from stswatch.pipeline.pictures.lead import clock
from stswatch.pipeline.pictures.projection import metres_text
from stswatch.pipeline.rules import Rules

_DISTANCE = (0.058, 0.178, 0.927, 0.130)  # left, bottom, width, height, shares of the page
_SPEED = (0.058, 0.098, 0.927, 0.066)
SHOWN_THRESHOLDS = 2.4  # the distance is shown up to so many times that of an encounter: beyond, they are apart
_COLUMNS = 2400  # finer than any print
_FASTEST_SHOWN_KN = 30.0
_SAID_OFTEN = 2
_SAID_FROM = 0.09  # of the time shown: a shorter stretch has no room for words
_STEPS_MIN = (10, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760, 11520)
_MOST_STEPS = 14


def times(figure: Figure, row: Mapping[str, Any], drawn: Scene, rules: Rules) -> None:
    """Distance and speeds over the time shown."""
    upper = figure.add_axes(_DISTANCE, gid="distance", label="distance")
    lower = figure.add_axes(_SPEED, gid="speed", label="speed")
    hidden = unseen(drawn.a, drawn.b, drawn.span_us)
    for axes in (upper, lower):
        shade(axes, drawn.meeting, hidden)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    distance(upper, drawn.a, drawn.b, drawn.span_us, rules.proximity.distance_m)
    known_distances(upper, row, drawn.meeting)
    speeds(lower, drawn.a, drawn.b, drawn.span_us, rules.vessel.slow_kn)
    say_unseen(upper, hidden, drawn.span_us)
    clock_axis(upper, drawn.span_us, words=False)
    clock_axis(lower, drawn.span_us, words=True)
    _edge_times(upper, drawn.meeting)


def _edge_times(axes: Axes, meeting: Meeting) -> None:
    top = axes.get_ylim()[1]
    for time_us, side in ((meeting.start_us, "left"), (meeting.end_us, "right")):
        text = f" {clock(time_us)} "
        axes.text(float(hours(time_us)), top * 0.97, text, ha=side, va="top", fontsize=7, weight="bold")


def hours(time_us: Ints | Floats | int) -> Floats:
    """Times as hours since 1970: what these axes count in."""
    return np.asarray(time_us, np.float64) / HOUR


def distance(axes: Axes, a: Course, b: Course, span_us: tuple[int, int], threshold_m: float) -> None:
    """The distance of the pair; dashed where no report of one of them is near."""
    for stretch in apart(a, b, span_us):
        kept = thin_series(stretch.time_us, stretch.columns[0], _COLUMNS)
        dashed = stretch.kind == INTERPOLATED
        axes.plot(
            hours(stretch.time_us[kept]),
            stretch.columns[0][kept],
            color=style.INK,
            lw=1.1 if dashed else 1.5,
            ls=style.DASHES if dashed else "-",
            zorder=5,
            gid=f"distance-{stretch.kind}",
        )
    axes.axhline(threshold_m, color=style.QUIET, lw=0.8, zorder=3, gid="threshold")
    top = threshold_m * SHOWN_THRESHOLDS
    axes.set_ylim(0, top)
    step = threshold_m / 2
    ticks = np.arange(0, top + 1, step)
    axes.set_yticks(ticks, [metres_text(float(t)) if t else "0" for t in ticks])
    axes.set_ylabel("distance")


def speeds(axes: Axes, a: Course, b: Course, span_us: tuple[int, int], slow_kn: float) -> None:
    """The speeds as reported: a point for each report."""
    highest, silent = [slow_kn * 1.3], []
    for course, hand, size in ((a, style.A, 8.0), (b, style.B, 2.5)):  # so that b does not hide a
        told = (course.time_us >= span_us[0]) & (course.time_us <= span_us[1]) & np.isfinite(course.sog_kn)
        time_us, sog_kn = course.time_us[told], course.sog_kn[told]
        kept = thin_series(time_us, sog_kn, _COLUMNS // 4)
        axes.scatter(
            hours(time_us[kept]),
            sog_kn[kept],
            s=size,
            marker=hand.marker,
            color=hand.colour,
            linewidth=0,
            alpha=0.85,
            zorder=5,
            gid=f"{hand.letter}-speed",
        )
        highest.append(float(np.max(sog_kn, initial=0.0)) * 1.05)
        if not len(sog_kn):
            silent.append(hand.letter)
    axes.axhline(slow_kn, color=style.QUIET, lw=0.6, zorder=3)
    axes.set_ylim(-0.4, min(max(highest), _FASTEST_SHOWN_KN))
    axes.set_yticks(np.arange(0, axes.get_ylim()[1], slow_kn))
    axes.set_ylabel("speed, kn")
    if silent:
        who = "" if len(silent) > 1 else f"{silent[0]}: "
        how: dict[str, Any] = {"fontsize": 6.8, "color": style.QUIET, "ha": "right", "va": "top"}
        axes.text(0.995, 0.94, f"{who}no speed was sent", transform=axes.transAxes, zorder=7, **how)


def shade(axes: Axes, meeting: Meeting, hidden: Sequence[Unseen]) -> None:
    """The span of the encounter, and where the distance is not known from reports near by."""
    axes.axvspan(*_span(meeting.start_us, meeting.end_us), color=style.SPAN_LIGHT, lw=0, zorder=1, gid="together")
    for part in hidden:
        shaded = axes.axvspan(*_span(part.start_us, part.end_us), fc="none", ec=style.UNSEEN, lw=0, zorder=2)
        shaded.set(hatch="////", gid="unseen")


def _span(start_us: int, end_us: int) -> tuple[float, float]:
    return float(hours(start_us)), float(hours(end_us))


def known_distances(axes: Axes, row: Mapping[str, Any], meeting: Meeting) -> None:
    """The median and the least distance, where they belong."""
    start, end, at = hours(np.array([meeting.start_us, meeting.end_us, meeting.nearest_us]))
    axes.hlines(row["median_distance_m"], start, end, color=style.QUIET, lw=0.7, zorder=4, gid="median")
    axes.plot(at, row["min_distance_m"], marker="v", ms=4.5, mfc="white", mec=style.INK, mew=0.9, zorder=6, gid="least")
    text = f"median {metres(row, 'median_distance_m')}"
    low = row["median_distance_m"] < axes.get_ylim()[1] / 4
    lift = (0.04 if low else -0.05) * axes.get_ylim()[1]
    how: dict[str, Any] = {
        "ha": "center",
        "va": "bottom" if low else "top",
        "fontsize": 6.8,
        "color": style.QUIET,
        "path_effects": style.halo(),
    }
    axes.text((start + end) / 2, row["median_distance_m"] + lift, text, zorder=7, **how)


def say_unseen(axes: Axes, hidden: Sequence[Unseen], span_us: tuple[int, int]) -> None:
    """Whose reports lack, where there is room to say it; not again and again."""
    said = Counter[str]()
    for part in sorted(hidden, key=lambda part: part.start_us - part.end_us):
        said[part.who] += 1
        if said[part.who] <= _SAID_OFTEN and part.end_us - part.start_us > _SAID_FROM * (span_us[1] - span_us[0]):
            how: dict[str, Any] = {"fontsize": 6.8, "color": style.QUIET, "ha": "center", "va": "center"}
            at, height = sum(_span(part.start_us, part.end_us)) / 2, 0.75 * axes.get_ylim()[1]
            text = f"no report of {' and '.join(part.who)}"
            axes.text(at, height, text, path_effects=style.halo(3.0), zorder=7, **how)


def clock_axis(axes: Axes, span_us: tuple[int, int], words: bool) -> None:
    """Round times below the axes, the date where a day begins; none where `words` is false."""
    axes.set_xlim(*hours(np.array(span_us)))
    step_us = next(
        (s * MINUTE for s in _STEPS_MIN if (span_us[1] - span_us[0]) / (s * MINUTE) <= _MOST_STEPS),
        _STEPS_MIN[-1] * MINUTE,
    )
    ticks = np.arange(-(-span_us[0] // step_us) * step_us, span_us[1] + 1, step_us)
    axes.set_xticks(hours(ticks), _clock_texts(ticks.tolist()) if words else [""] * len(ticks))
    axes.tick_params(length=2.5, pad=2)


def _clock_texts(ticks_us: list[int]) -> list[str]:
    texts: list[str] = []
    day = None
    for t in ticks_us:
        moment = datetime.fromtimestamp(t / SECOND, UTC)
        new = moment.date() != day
        day = moment.date()
        texts.append(clock(t) + (f"\n{moment.day} {moment:%b}" if new else "") + ("" if texts else ", UTC"))
    return texts
