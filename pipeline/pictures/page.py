"""An encounter on one page: courses before and after, nearness, the course of distance and speed, and words.

It takes rows and tables and gives a drawing; it knows no database. The same input gives the same bytes.
"""

from __future__ import annotations

import io
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from stswatch.geo.reference.zones import zones
from stswatch.pipeline import facts, facts_beside
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Floats, Ints
from stswatch.pipeline.pictures import lead, style
from stswatch.pipeline.pictures.courses import (
    INTERPOLATED,
    DrawnCourse,
    DrawnScene,
    Meeting,
    Unseen,
    apart,
    scene,
    thin_series,
    unseen,
)
from stswatch.pipeline.pictures.image_file import encode
from stswatch.pipeline.pictures.lead import clock
from stswatch.pipeline.pictures.projection import metres_text
from stswatch.pipeline.pictures.style import fit
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.times import duration, span
from stswatch.pipeline.untrusted import harmless

# ---------------------------------------- distance and speeds over time: what was measured, and where nobody saw it

_DISTANCE = (0.058, 0.178, 0.927, 0.130)  # left, bottom, width, height, shares of the page
_SPEED = (0.058, 0.098, 0.927, 0.066)
SHOWN_THRESHOLDS = 2.4  # the distance is shown up to so many times that of an encounter: beyond, they are apart
_COLUMNS = 2400  # finer than any print
_FASTEST_SHOWN_KN = 30.0
_LABELLED_OFTEN = 2
_LABELLED_FROM = 0.09  # of the time shown: a shorter stretch has no room for words
_STEPS_MIN = (10, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760, 11520)
_MOST_STEPS = 14
_BETWEEN = "   ·   "


def times(figure: Figure, row: Mapping[str, Any], drawn: DrawnScene, rules: Rules) -> None:
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


def distance(axes: Axes, a: DrawnCourse, b: DrawnCourse, span_us: tuple[int, int], threshold_m: float) -> None:
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


def speeds(axes: Axes, a: DrawnCourse, b: DrawnCourse, span_us: tuple[int, int], slow_kn: float) -> None:
    """The speeds as reported: a point for each report."""
    highest, silent = [slow_kn * 1.3], []
    for course, hand, size in ((a, style.A, 8.0), (b, style.B, 2.5)):  # so that b does not hide a
        shown = (course.time_us >= span_us[0]) & (course.time_us <= span_us[1]) & np.isfinite(course.sog_kn)
        time_us, sog_kn = course.time_us[shown], course.sog_kn[shown]
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
    axes.plot(at, row["cpa_distance_m"], marker="v", ms=4.5, mfc="white", mec=style.INK, mew=0.9, zorder=6, gid="least")
    text = f"median {facts.median_distance(row)}"
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
    labelled = Counter[str]()
    for part in sorted(hidden, key=lambda part: part.start_us - part.end_us):
        labelled[part.who] += 1
        if labelled[part.who] <= _LABELLED_OFTEN and part.end_us - part.start_us > _LABELLED_FROM * (
            span_us[1] - span_us[0]
        ):
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


# --------------------------------------------------------------------------------------------------------- the page

_LEFT, _RIGHT = 0.036, 0.985  # shares of the page
_NOTE_CHARACTERS, _NOTE_LINES = 105, 3


def render(row: Mapping[str, Any], fixes: pa.Table, rules: Rules, suffix: str) -> bytes:
    """An encounter as a picture file: of which kind says the suffix, .png, .svg or .pdf. Raises CourseError."""
    row = harmless(dict(row))
    drawn = scene(row, fixes, rules)
    with style.look():
        figure = page(row, drawn, rules)
        return as_file(figure, suffix)


def as_file(figure: Figure, suffix: str) -> bytes:
    """A page as a .png, .svg or .pdf file."""
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


def page(row: Mapping[str, Any], drawn: DrawnScene, rules: Rules) -> Figure:
    """The whole page; row as `api.encounter` gives it, with `vessels` and `run`. To be called within `style.look()`."""
    figure = Figure(figsize=(style.WIDTH_IN, style.HEIGHT_IN), dpi=style.DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    threshold_m = rules.proximity.distance_m
    lead.waters(figure, row, drawn, threshold_m, renderer)
    lead.close_up(figure, row, drawn, threshold_m, renderer)
    times(figure, row, drawn, rules)
    words(figure, row, drawn, rules, renderer)
    return figure


def words(figure: Figure, row: Mapping[str, Any], drawn: DrawnScene, rules: Rules, renderer: RendererAgg) -> None:
    """Title, facts, legend, caution, small print."""
    lines: tuple[tuple[float, str, dict[str, Any]], ...] = (
        (0.962, _title(row, rules.proximity.distance_m), {"fontsize": 13.5, "weight": "bold"}),
        (0.933, _subtitle(row), {"fontsize": 8.5, "color": style.QUIET}),
        (0.909, measured(row), {"fontsize": 8.5, "color": style.QUIET}),
        (0.034, facts.CAUTION, {"fontsize": 8, "weight": "bold"}),
        (0.012, _small_print(row), {"fontsize": 5.5, "color": style.QUIET}),
    )
    for height, text, how in lines:
        fit(figure.text(_LEFT, height, text, va="center", **how), _RIGHT, renderer)
    for (_, hand), left in zip(drawn.pair, (_LEFT, 0.278), strict=True):
        _vessel(figure, row, hand, left, renderer)
    _legend(figure, rules)
    others = {v: len(one.others) for v, one in zip("ab", (drawn.a, drawn.b), strict=True)}
    notes = textwrap.wrap("  ".join(notes_of(row, others)), _NOTE_CHARACTERS, max_lines=_NOTE_LINES)
    figure.text(_RIGHT, 0.0385, "\n".join(notes), fontsize=6.6, ha="right", va="center", linespacing=1.2)


def _vessel(figure: Figure, row: Mapping[str, Any], hand: style.Hand, left: float, renderer: RendererAgg) -> None:
    v, right = hand.letter.lower(), left + 0.234
    head = f"{hand.letter}  {facts.name(row, v)}"
    fit(figure.text(left, 0.3685, head, fontsize=8, weight="bold", color=hand.colour, va="center"), right, renderer)
    for k, line in enumerate(vessel_lines(row, v)):
        colour = style.QUIET if k else style.INK
        fit(figure.text(left, 0.354 - 0.0125 * k, line, fontsize=6.8, color=colour, va="center"), right, renderer)


def _legend(figure: Figure, rules: Rules) -> None:
    """How lines are to be read."""
    within = rules.proximity.observed_within_min
    kinds = (
        ("-", 1.5, f"a report within {within:.0f} min"),
        (style.DASHES, 1.2, "interpolated: no report so near"),
        (style.DOTS, 0.9, "silent: nothing known between"),
    )
    lines = [Line2D([], [], color=style.INK, ls=ls, lw=lw, label=label) for ls, lw, label in kinds]
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


# ------------------------------------------------------------------------------------------------------------- words


def _title(row: Mapping[str, Any], threshold_m: float) -> str:
    a, b = (facts.name(row, v) for v in ("a", "b"))
    return f"{a} and {b}: within {threshold_m:.0f} m for {duration(row['duration_min'])}"


def _subtitle(row: Mapping[str, Any]) -> str:
    """When and where, with the first label of the most specific zone."""
    labels = {str(p["id"]): str(p["labels"][0]) for p in zones().properties}
    zone = [labels.get(zone, zone) for zone in row["zones"][:1]]
    return _BETWEEN.join([span(row["start_time"], row["end_time"]), facts.position(row["lon"], row["lat"]), *zone])


def measured(row: Mapping[str, Any]) -> str:
    """The numbers of the encounter, in one line."""
    port = row.get("port")
    return _BETWEEN.join(
        [
            *([f"{row['distance_to_port_km']:.0f} km from {facts.port_name(port)}"] if port else []),
            f"median distance {facts.median_distance(row)}",
            f"least {facts.metres(row, 'cpa_distance_m')}",
            f"{100 * row['observed_share']:.0f} % of the time near a report of both",
            *filter(None, [facts.met_before(row)]),
            f"score {row['score']:+.1f}",
        ]
    )


def vessel_lines(row: Mapping[str, Any], v: str) -> list[str]:
    """What one vessel said of itself, what was measured of it, and how many others it met; four lines."""
    return [
        f"MMSI {row[f'mmsi_{v}']:09d}, {facts.flag(row, v)}",
        ", ".join([*([] if facts.is_named(row, v) else ["no name"]), *facts.identity(row, v)]),
        f"{row[f'fixes_{v}']:,} reports while together, {facts.speed(row, v)}",
        facts.met_others(row, v),
    ]


def notes_of(row: Mapping[str, Any], other_hulls: Mapping[str, int]) -> list[str]:
    """What a reader must know of the data; other_hulls: how many further tracks go under the MMSI of "a" and "b"."""
    found = [*facts.one_hull(row), *facts_beside.censored(row), *facts_beside.beside(row)]
    for v, count in other_hulls.items():
        if count:
            tracks = f"{count} other track{'s' * (count > 1)}"
            found.append(f"{row[f'mmsi_{v}']:09d} has {tracks} in this time (grey, where on the map).")
    if row["status"] != "current":
        found.append(f"This revision is {row['status']}: see the later one.")
    return found


def _small_print(row: Mapping[str, Any]) -> str:
    """What made the picture."""
    return small_print(f"{row['id']}, revision {row['revision']}", row["run"], f"scorecard {row['run']['model_id']}")


def small_print(what: str, run: Mapping[str, Any], *more: str) -> str:
    """What is shown, the run that it is of, and what holds for all that is drawn of AIS."""
    made = [f"stswatch {run['code_version']}", f"run {run['run_id']}", f"rules {run['rules_fingerprint'][:12]}", *more]
    known = "positions and names as broadcast: AIS is self-reported and forgeable", "coast: GSHHG, LGPL-3"
    return "  ·  ".join([what, *made, *known])
