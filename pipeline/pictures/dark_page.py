"""A dark meeting on one page: where its vessels were heard, how far a silence reaches, where both had time to be.

Nothing between two fixes of a silence is drawn but a dotted line that says how long it was: nobody knows the way. The
same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon

from stswatch.pipeline import facts
from stswatch.pipeline.batch import HOUR, MINUTE, Floats, Ints, micros
from stswatch.pipeline.meetings.reach import GapGroups, longest, regions
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.courses import CourseError, micros_of, thin_line
from stswatch.pipeline.pictures.ground import grid, land, locator, port_marks, scale_bar, zone_areas
from stswatch.pipeline.pictures.page import as_file, small_print
from stswatch.pipeline.pictures.projection import Sheet, around
from stswatch.pipeline.pictures.style import FURTHER_PX, Hand, Panel, fit, panel
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.times import duration, span, utc
from stswatch.pipeline.tracks.fixes import distinct, valid
from stswatch.pipeline.untrusted import harmless

_MAP = (0.036, 0.112, 0.949, 0.765)  # left, bottom, width, height, shares of the page
_LEFT, _RIGHT = 0.036, 0.985
_LEAST_MAP_M, _MARGIN = 30_000.0, 0.06
BESIDE_H = 24.0  # shown before and after: where they came from, where they went
NOT_SEEN = (
    "Nobody saw a meeting: what is drawn was possible, and so were others. A lead is not a finding; most meetings and"
    " silences at sea are lawful."
)


@dataclass(frozen=True)
class _Party:
    """One vessel: its fixes (n,), as metres on the sheet and times; gap_us: from its last fix to the next, or none.

    reach: the edge of where it can have lain for as long as a stay, metres, (m, 2).
    """

    hand: Hand
    mmsi: int
    time_us: Ints
    xy: Floats
    gap_us: tuple[int, int] | None
    reach: Floats | None


def needed_us(row: Mapping[str, Any]) -> tuple[int, int]:
    """The time whose fixes are shown, microseconds: from before the silences until after them."""
    known = [row[f"gap_{side}_{v}"] for side in ("start", "end") for v in "ab"]
    times = [micros_of(moment) for moment in (*known, row["start_time"], row["end_time"]) if moment is not None]
    return min(times) - round(BESIDE_H * HOUR), max(times) + round(BESIDE_H * HOUR)


def render(row: Mapping[str, Any], fixes: pa.Table, rules: Rules, suffix: str) -> bytes:
    """A dark meeting as a .png, .svg or .pdf file.

    row: as `api.dark_meeting` gives it. fixes: rows of the lake of both MMSI in `needed_us`. Raises CourseError where
    they do not hold the ends of a silence.
    """
    row = harmless(dict(row))
    sheet = Sheet(row["lon"], row["lat"])
    parties = [_party(row, v, hand, fixes, sheet, rules) for v, hand in zip("ab", (style.A, style.B), strict=True)]
    with style.look():
        figure = Figure(figsize=(style.WIDTH_IN, style.HEIGHT_IN), dpi=style.DPI, facecolor="white")
        _words(figure, row, rules, whole=_map(figure, row, parties, sheet))
        return as_file(figure, suffix)


def _party(row: Mapping[str, Any], v: str, hand: Hand, fixes: pa.Table, sheet: Sheet, rules: Rules) -> _Party:
    mmsi = row[f"mmsi_{v}"]
    own = distinct(valid(fixes.filter(pc.equal(fixes["mmsi"], mmsi))))
    time_us, lon, lat = micros(own, "time"), np.asarray(own["lon"]), np.asarray(own["lat"])
    xy = np.column_stack(sheet.xy(lon, lat))
    if row[f"gap_start_{v}"] is None:
        return _Party(hand, mmsi, time_us, xy, None, None)
    gap_us = (micros_of(row[f"gap_start_{v}"]), micros_of(row[f"gap_end_{v}"]))
    first, last = (np.flatnonzero(time_us == moment) for moment in gap_us)
    if not len(first) or not len(last):
        raise CourseError(f"{row['id']}: the lake lacks a position at the end of a silence; it cannot be drawn")
    ends = [[[c[first[0]]], [c[last[0]]]] for c in (lon, lat)]
    hours = [[moment / HOUR] for moment in gap_us]
    alone = GapGroups.of(
        hours[0], hours[1], (ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]), rules.stays.dark_speed_kn
    )
    edge = regions(alone, longest(alone), rules.dark.stay_h)
    return _Party(hand, mmsi, time_us, xy, gap_us, np.column_stack(sheet.xy(edge[0][0], edge[1][0])))


def _map(figure: Figure, row: Mapping[str, Any], parties: list[_Party], sheet: Sheet) -> bool:
    """The ground, the reach of each silence, the region of both, and where each was heard.

    Gives whether all of each reach lies on it.
    """
    axes = figure.add_axes(_MAP, gid="map", label="map")
    region = _region(row, sheet)
    shown = [ends for party in parties for ends in (_heard_ends(party), *region) if len(ends)]
    x, y = np.concatenate([*shown, np.zeros((1, 2))]).T
    ratio = _MAP[2] * style.WIDTH_IN / (_MAP[3] * style.HEIGHT_IN)
    renderer = FigureCanvasAgg(figure).get_renderer()
    p = panel(axes, sheet, around(x, y, ratio, _LEAST_MAP_M, _MARGIN), [party.xy for party in parties], renderer)
    land(p)
    locator(p)
    scale_bar(p)
    for party in parties:
        if party.reach is not None:
            edge = Polygon(party.reach, fill=False, ec=party.hand.colour, lw=1.1, ls=style.DASHES, zorder=4)
            edge.set_gid(f"{party.hand.letter}-reach")
            axes.add_patch(edge)
    for number, part in enumerate(region):
        gid = "region" if number == 0 else f"region-{number}"
        axes.add_patch(Polygon(part, fc="none", ec=style.INK, lw=0.8, hatch="////", alpha=0.55, zorder=0.5, gid=gid))
    for party in parties:
        _course(p, party)
    _place(p, row)
    for party in parties:
        _ends(p, party, facts.name(row, party.hand.letter.lower()))
    zone_areas(p)
    port_marks(p, row.get("port"))
    grid(p)
    return all(party.reach is None or bool(p.box.holds(*party.reach.T).all()) for party in parties)


def _region(row: Mapping[str, Any], sheet: Sheet) -> list[Floats]:
    """The corners of each part of the region of a row, metres, (n, 2); none where the place of a wait is known.

    Islands are not cut out: land is drawn over it.
    """
    parts = shapely.get_exterior_ring(shapely.get_parts(shapely.from_wkb(row["region"])))
    return [np.column_stack(sheet.xy(*shapely.get_coordinates(part).T)) for part in parts]


def _heard_ends(party: _Party) -> Floats:
    """Where a party was heard last and first again; of one that waited nothing, since its place is in the middle."""
    if party.gap_us is None:
        return np.zeros((0, 2))
    return party.xy[np.isin(party.time_us, party.gap_us)]


def _course(p: Panel, party: _Party) -> None:
    """Its fixes joined where they are near in time; its silence as a dotted line with its length."""
    cuts = np.flatnonzero(np.diff(party.time_us) > 2 * HOUR) + 1
    for part in np.split(party.xy, cuts):
        kept = thin_line(part[:, 0], part[:, 1], 0.35 / p.px_per_m)
        p.axes.plot(*part[kept].T, color=party.hand.colour, lw=1.4, zorder=5, gid=f"{party.hand.letter}-heard")
    if party.gap_us is None:
        return
    ends = _heard_ends(party)
    p.axes.plot(*ends.T, color=party.hand.colour, lw=0.9, ls=style.DOTS, zorder=5, gid=f"{party.hand.letter}-silent")
    middle, hours = ends.mean(axis=0), duration((party.gap_us[1] - party.gap_us[0]) / MINUTE)
    how: dict[str, Any] = {"fontsize": 6.6, "style": "italic", "color": party.hand.colour}
    p.say_if_clear(float(middle[0]), float(middle[1]), f"silent {hours}", (4.0, 10.0, 18.0), **how)


def _place(p: Panel, row: Mapping[str, Any]) -> None:
    """Where there was most time, or where one waited."""
    p.axes.plot(0.0, 0.0, marker="*", ms=11, mfc="white", mec=style.INK, mew=1.0, zorder=8, gid="place")
    where = "waited here" if row["gap_start_a"] is None else "most time here"
    text = f"{where}: {row['stay_h']:.1f} h at most"
    p.say(0.0, 0.0, text, (9.0, 16.0, 26.0, *FURTHER_PX), fontsize=7.5, weight="bold")


def _ends(p: Panel, party: _Party, name: str) -> None:
    """When a party was heard last and first again, and who it is."""
    how: dict[str, Any] = {"fontsize": 7, "color": party.hand.colour, "weight": "bold"}
    if party.gap_us is None:
        p.say(0.0, 0.0, f"{party.hand.letter}  {name}", (9.0, 16.0, 26.0, *FURTHER_PX), **how)
        return
    for moment, word in zip(party.gap_us, ("heard until", "heard again"), strict=True):
        x, y = party.xy[np.flatnonzero(party.time_us == moment)[0]]
        p.axes.plot(x, y, marker=party.hand.marker, ms=6, mfc=party.hand.colour, mec="white", mew=0.9, zorder=7)
        who = f"{party.hand.letter}  {name}\n" if word == "heard until" else f"{party.hand.letter}  "
        p.say(float(x), float(y), f"{who}{word} {utc(moment):%-d %b %H:%M}", (8.0, 16.0, 26.0, *FURTHER_PX), **how)


def _words(figure: Figure, row: Mapping[str, Any], rules: Rules, whole: bool) -> None:
    """Title, facts, legend, caution, small print; whole: whether all of each reach is on the map."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    a, b = (facts.name(row, v) for v in "ab")
    shown = f"{row['id']}, {'lead' if row['lead'] else 'candidate'}"
    what = "A waited, B was silent" if row["gap_start_a"] is None else "both were silent"
    known = row["chance_by_accident"]
    chance = "not known" if known is None else f"{100 * known:.1f} %"
    when = span(row["start_time"], row["end_time"])
    reach = (
        f"Reach at {rules.stays.dark_speed_kn:g} kn, on straight ways over land too, with {rules.dark.stay_h:g} h to"
    )
    reach += " stay" if whole else " stay; it goes beyond the map"
    facts_of_it = "  ·  ".join(
        [
            f"time for it {when}, {row['stay_h']:.1f} h at most",
            f"least speed {row['least_speed_kn']:.1f} kn",
            f"{row['rivals']} other silence{'s' * (row['rivals'] != 1)} would fit",
            f"chance of one as near by accident: {chance}",
        ]
    )
    lines: tuple[tuple[float, str, dict[str, Any]], ...] = (
        (0.962, f"{a} and {b}: {what}; both had time to be at one place", {"fontsize": 13.5, "weight": "bold"}),
        (0.933, facts_of_it, {"fontsize": 8.5, "color": style.QUIET}),
        (0.909, reach, {"fontsize": 8.5, "color": style.QUIET}),
        (0.034, NOT_SEEN, {"fontsize": 8, "weight": "bold"}),
        (0.012, small_print(shown, row["run"]), {"fontsize": 5.5, "color": style.QUIET}),
    )
    for height, text, how in lines:
        fit(figure.text(_LEFT, height, text, va="center", **how), _RIGHT, renderer)
    marks: list[Line2D | Patch] = [
        Line2D([], [], color=style.INK, lw=1.4, label="heard"),
        Line2D([], [], color=style.INK, lw=0.9, ls=style.DOTS, label="silent: no way is known"),
        Line2D([], [], color=style.INK, lw=1.1, ls=style.DASHES, label="reach of one silence"),
    ]
    if row["region"] is not None:
        marks.append(Patch(fc="none", ec=style.INK, hatch="////", label="where both had time to be"))
    figure.legend(handles=marks, loc="center left", bbox_to_anchor=(_LEFT - 0.005, 0.072), ncols=4, frameon=False)
