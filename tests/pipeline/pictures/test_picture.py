"""Owns: the picture of an encounter shows what was measured, how well it is known, and is the same each time."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from stswatch.pipeline import facts, times
from stswatch.pipeline.pictures import courses, ground, image_file, style
from stswatch.pipeline.pictures import page as timeline
from stswatch.pipeline.pictures.courses import REPORTED, CourseError
from stswatch.pipeline.pictures.courses import scene as scene_of
from stswatch.pipeline.pictures.image_file import SUFFIXES
from stswatch.pipeline.pictures.page import page, render
from stswatch.pipeline.rules import Rules
from tests.pipeline.pictures import waters

RULES = Rules()
WATERS = {
    "under_way": lambda: waters.meeting(drift_kn=3.5, hours=6.0),
    "still": waters.still,
    "date_line": lambda: waters.meeting(lon=179.9, lat=-17.04),
    "pole": lambda: waters.meeting(lon=-100.0, lat=89.9),
    "crowded": waters.crowded,
    "few": waters.few,
    "shared": waters.shared,
    "silent": lambda: waters.meeting(silent=((5.0, 8.6),)),
}
every_water = pytest.mark.parametrize("name", WATERS)


@cache
def met(name):
    return WATERS[name]()


@cache
def drawn(name):
    """The figure of one of WATERS, and what is drawn in it."""
    water = met(name)
    with style.look():
        scene = scene_of(water.row, water.fixes, RULES)
        figure = page(water.row, scene, RULES)
        figure.canvas.draw()
    return figure, scene


def axes_of(name, label):
    (found,) = (axes for axes in _all_axes(drawn(name)[0]) if axes.get_gid() == label)
    return found


def _all_axes(figure):
    for axes in figure.axes:
        yield axes
        yield from axes.child_axes


def artists(axes, gid):
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def one(axes, gid):
    (artist,) = artists(axes, gid)
    return artist


def texts(name):
    return "\n".join(text.get_text() for text in drawn(name)[0].findobj(matplotlib.text.Text))


def segments(name, letter, kind, label="map"):
    return one(axes_of(name, label), f"{letter}-{kind}").get_segments()


def length(paths):
    return sum(np.hypot(*np.diff(path, axis=0).T).sum() for path in paths)


@every_water
def test_the_nearest_approach_joins_both_vessels_at_the_distance_measured(name):
    row = met(name).row
    (line,) = artists(axes_of(name, "close-up"), "nearest")
    x, y = line.get_data()
    assert np.hypot(x[1] - x[0], y[1] - y[0]) == pytest.approx(row["cpa_distance_m"], abs=0.6)
    ring = one(axes_of(name, "close-up"), "ring")
    assert ring.radius == RULES.proximity.distance_m
    assert ring.center == pytest.approx((x[0], y[0]))
    assert f"nearest {row['cpa_distance_m']:.0f} ± 20 m\n{row['cpa_time']:%H:%M:%S} UTC" in texts(name)
    assert (x.mean() ** 2 + y.mean() ** 2) ** 0.5 < 1.0, "the middle of the sheet is the middle of the pair"


@every_water
def test_solid_dashed_and_dotted_say_how_a_course_is_known(name):
    _, scene = drawn(name)
    for course, hand in scene.pair:
        for kind, dashes in (("reported", None), ("interpolated", style.DASHES), ("silent", style.DOTS)):
            artist = one(axes_of(name, "map"), f"{hand.letter}-{kind}")
            ((_, pattern),) = artist.get_linestyle()
            assert (pattern is None) == (dashes is None)
            parts = [part for part in courses.stretches(course, scene.span_us) if part.kind == kind]
            paths = artist.get_segments()
            assert len(paths) == len(parts)
            for path, part in zip(paths, parts, strict=True):
                x, y = scene.sheet.xy(*part.columns)
                assert path[[0, -1]] == pytest.approx(np.column_stack([x, y])[[0, -1]])
    expected = {"few": (True, False), "silent": (False, True)}.get(name, (False, False))
    assert (bool(segments(name, "A", "interpolated")), bool(segments(name, "A", "silent"))) == expected


def test_nothing_but_dots_crosses_a_silence():
    (gap,) = segments("silent", "A", "silent")
    assert gap.shape == (2, 2)
    for kind in ("reported", "interpolated"):
        for path in segments("silent", "A", kind):
            assert np.hypot(*np.diff(path, axis=0).T).max() < np.hypot(*(gap[1] - gap[0])) / 2
    assert "silent 3 h 38 min" in texts("silent")


@every_water
def test_the_distance_over_time_is_the_one_measured(name):
    row, (_, scene) = met(name).row, drawn(name)
    axes = axes_of(name, "distance")
    lines = artists(axes, "distance-reported") + artists(axes, "distance-interpolated")
    time_h, distance_m = np.concatenate([np.column_stack(line.get_data()) for line in lines]).T
    start_h, end_h = timeline.hours(np.array([scene.meeting.start_us, scene.meeting.end_us]))
    together = (time_h > start_h) & (time_h < end_h)  # at both ends a faster leg, measured on a plane of its own
    assert distance_m[together].min() == pytest.approx(row["cpa_distance_m"], abs=0.02)
    assert distance_m[together].max() <= RULES.proximity.distance_m + 0.5
    assert one(axes, "threshold").get_ydata()[0] == RULES.proximity.distance_m
    shaded = one(axes, "together").get_extents().transformed(axes.transData.inverted())
    assert (shaded.x0, shaded.x1) == pytest.approx((start_h, end_h))
    assert bool(artists(axes, "distance-interpolated")) == (name == "few")
    assert all(line.get_linestyle() != "-" for line in artists(axes, "distance-interpolated"))


@every_water
def test_what_nobody_reported_is_hatched(name):
    _, scene = drawn(name)
    hidden = courses.unseen(scene.a, scene.b, scene.span_us)
    for label in ("distance", "speed"):
        axes = axes_of(name, label)
        spans = artists(axes, "unseen")
        assert len(spans) == len(hidden)
        for span, part in zip(spans, hidden, strict=True):
            assert span.get_hatch() == "////"
            shown = span.get_extents().transformed(axes.transData.inverted())
            assert (shown.x0, shown.x1) == pytest.approx(timeline.hours(np.array([part.start_us, part.end_us])))
    assert bool(hidden) == (name in ("few", "silent", "still"))


@every_water
def test_reports_are_points_where_they_were(name):
    _, scene = drawn(name)
    for course, hand in scene.pair:
        for label in ("map", "close-up"):
            points = np.asarray(one(axes_of(name, label), f"{hand.letter}-reports").get_offsets())
            x, y = scene.sheet.xy(course.lon, course.lat)
            known = set(map(tuple, np.column_stack([x, y]).round(6).tolist()))
            assert {tuple(point) for point in points.round(6).tolist()} <= known
            assert len(points) >= 1
    speeds = np.asarray(one(axes_of(name, "speed"), "A-speed").get_offsets())
    assert len(speeds) >= 5


def test_arrows_point_where_the_vessel_goes():
    """A comes from the west and goes north; B comes from the south and goes east."""
    for letter, before, after in (("A", 0.0, np.pi / 2), ("B", np.pi / 2, 0.0)):
        heads = one(axes_of("under_way", "map"), f"{letter}-arrows").get_paths()
        assert len(heads) >= 4
        tips = np.array([head.vertices[0] for head in heads])
        tails = np.array([head.vertices[[1, 3]].mean(axis=0) for head in heads])
        turns = np.arctan2(*(tips - tails).T[::-1])
        assert turns[0] == pytest.approx(before, abs=0.1)
        assert turns[-1] == pytest.approx(after, abs=0.1)
        barbs = [np.hypot(*(tips - [head.vertices[k] for head in heads]).T) for k in (1, 3)]
        assert barbs[0] == pytest.approx(barbs[1])
    assert not artists(axes_of("still", "map"), "A-arrows"), "what lies still goes nowhere"


def test_a_hundred_thousand_fixes_are_thinned_and_still_exact():
    assert met("crowded").fixes.num_rows > 100_000
    for label in ("map", "close-up"):
        axes = axes_of("crowded", label)
        for letter in "AB":
            assert sum(map(len, one(axes, f"{letter}-reported").get_segments())) <= 20_002
            assert len(one(axes, f"{letter}-reports").get_offsets()) < 5_000
    whole_m = length(
        [
            np.column_stack(scene.sheet.xy(*part.columns))
            for scene in [drawn("crowded")[1]]
            for part in courses.stretches(scene.a, scene.span_us)
        ]
    )
    assert length(segments("crowded", "A", "reported")) == pytest.approx(whole_m, rel=0.6)
    assert sum(len(line.get_xdata()) for line in artists(axes_of("crowded", "distance"), "distance-reported")) < 10_000


def test_the_other_hull_under_the_number_is_grey_and_told():
    (other,) = artists(axes_of("shared", "map"), "other-hull")
    assert other.get_color() == style.FAINT
    assert "431000001 has 1 other track in this time" in texts("shared")
    assert not artists(axes_of("few", "map"), "other-hull")


def test_the_date_line_cuts_nothing():
    paths = segments("date_line", "A", "reported") + segments("date_line", "B", "reported")
    assert max(np.hypot(*np.diff(path, axis=0).T).max() for path in paths) < 5_000
    x = np.concatenate(paths)[:, 0]
    assert np.ptp(x) > 100_000
    labels = [tick.get_text() for tick in axes_of("date_line", "map").get_xticklabels()]
    assert {"179°30′E", "180°", "179°30′W"} <= set(labels)
    assert artists(axes_of("date_line", "map"), "land"), "Fiji lies about"


@every_water
def test_both_courses_lie_within_the_map_and_its_scale_is_true(name):
    _, scene = drawn(name)
    axes = axes_of(name, "map")
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    for letter in "AB":
        for kind in ("reported", "interpolated"):
            for path in segments(name, letter, kind):
                assert ((path >= [west, south]) & (path <= [east, north])).all()
    for label in ("map", "close-up"):
        extent = axes_of(name, label).get_window_extent()
        wide, high = (np.ptp(lim()) for lim in (axes_of(name, label).get_xlim, axes_of(name, label).get_ylim))
        assert wide / extent.width == pytest.approx(high / extent.height, rel=0.002), "a metre is a metre both ways"
        black, white = artists(axes_of(name, label), "scale")
        length_m = np.ptp(np.concatenate([black.get_xy(), white.get_xy()])[:, 0])
        collected = [t.get_text() for t in axes_of(name, label).texts]
        assert any(t.startswith(captions_of(length_m)) for t in collected)
    north_pole = scene.sheet.xy([scene.sheet.lon], [min(scene.sheet.lat + 0.2, 90.0)])
    assert abs(north_pole[0][0]) < 1.0 < north_pole[1][0], "north is up"


def degrees_of(label):
    """What a label at the edge of a map says, degrees."""
    whole, minutes, side = re.fullmatch(r"(\d+)°(?:(\d+)′)?([NESW]?)", label).groups()
    return (int(whole) + int(minutes or 0) / 60) * (-1 if side in "SW" and side else 1)


@every_water
def test_degrees_at_the_edges_are_those_of_the_edge(name):
    axes, sheet = axes_of(name, "map"), drawn(name)[1].sheet
    left = [(axes.get_xlim()[0], t.get_position()[1], t.get_text()) for t in axes.get_yticklabels()]
    bottom = [(t.get_position()[0], axes.get_ylim()[0], t.get_text()) for t in axes.get_xticklabels()]
    assert len(left) >= 2
    assert len(bottom) >= 2
    for x, y, label in left:
        assert sheet.lon_lat([x], [y])[1][0] == pytest.approx(degrees_of(label), abs=1e-3)
    for x, y, label in bottom:
        off = (sheet.lon_lat([x], [y])[0][0] - degrees_of(label) + 180) % 360 - 180
        assert abs(off * np.cos(np.radians(sheet.lat))) < 1e-3


def captions_of(length_m):
    from stswatch.pipeline.pictures.projection import metres_text

    return metres_text(round(float(length_m), 3))


def test_coast_zones_and_ports_are_there():
    axes = axes_of("few", "map")
    assert artists(axes, "zone-chodo")
    assert "Cho-do" in texts("few")
    assert one(axes, "land").get_path().vertices.shape[0] > 500
    assert {"Nampo Oil Buoys", "Songnim"} <= {t.get_text() for t in axes.texts}
    locator = axes_of("few", "locator")
    assert artists(locator, "land")
    assert np.ptp(locator.get_xlim()) == ground.LOCATOR_M[0]
    assert np.ptp(axes_of("date_line", "locator").get_xlim()) > ground.LOCATOR_M[0], "the South Sea is wide"


@every_water
def test_it_says_who_how_long_and_that_it_is_no_finding(name):
    row, printed = met(name).row, texts(name)
    assert facts.CAUTION in printed
    assert f"within 500 m for {times.duration(row['duration_min'])}" in printed
    for text in ("MMSI 431000001, Japan", "MMSI 440000002", "SIM ALPHA", "IMO 3900067", "88 by 13 m"):
        assert text in printed
    for text in (row["id"], "run r", "stswatch 0", f"median distance {row['median_distance_m']:.0f} ± 20 m", "UTC"):
        assert text in printed
    assert ("The data, not the vessels, began" in printed) == row["start_censored"] == (name == "still")


@every_water
def test_labels_do_not_lie_over_each_other(name):
    axes = axes_of(name, "map")
    renderer = drawn(name)[0].canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in axes.texts if t.get_text() != "N"]
    assert len(boxes) >= 4
    over = [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].padded(-2).overlaps(boxes[j].padded(-2))]
    assert not over, [(axes.texts[i].get_text(), axes.texts[j].get_text()) for i, j in over]


@cache
def rendered():
    water = met("few")
    return render(water.row, water.fixes, RULES, ".png")


def test_the_same_input_gives_the_same_bytes_whatever_the_users_settings():
    water = met("few")
    order = np.random.default_rng(1).permutation(water.fixes.num_rows)
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "savefig.facecolor": "red"}):
        again = render(water.row, water.fixes.take(order), RULES, ".png")
        assert matplotlib.rcParams["lines.linewidth"] == 9, "the user's settings come back"
    assert rendered() == again
    assert again.startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".png"])
def test_a_drawing_without_pixels_says_nothing_of_the_day_it_was_made(suffix):
    with style.look():
        once, again = (image_file.encode(drawn("few")[0], suffix) for _ in range(2))
    assert once == again
    assert once.startswith({".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    assert len(once) > 20_000
    assert b"CreationDate" not in once
    assert b"dc:date" not in once


def test_the_pixels_show_two_vessels_on_a_map():
    image = Image.open(io.BytesIO(rendered()))
    assert "date" not in "".join(map(str, image.info)).lower()
    pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (1240, 1753, 3)

    def share(colour):
        return (np.abs(pixels - np.array(to_rgb(colour)) * 255).max(axis=2) < 14).mean()

    assert 0.3 < share("white") < 0.8
    assert share(style.A.colour) > 3e-4
    assert share(style.B.colour) > 3e-4
    assert share(style.LAND) > 0.003
    assert share(style.SPAN_LIGHT) > 0.01


def test_both_hands_can_be_told_apart_without_colour():
    grey = [np.dot(to_rgb(hand.colour), [0.2126, 0.7152, 0.0722]) for hand in (style.A, style.B)]
    assert abs(grey[0] - grey[1]) > 0.2
    assert style.A.marker != style.B.marker


def test_words_round_the_drawing_have_room():
    """The longest that can be said: names, a zone, both ends of the data, silences, other hulls, an old revision."""
    water = met("few")
    a, b = waters.A, waters.B
    who = {m: water.row["vessels"][m] | {"name": "W" * 20, "imo": 9999999, "call_sign": "WWWWWWW"} for m in (a, b)}
    row = water.row | {"vessels": who, "zones": ["dprk_east_eez"], "start_censored": True, "end_censored": True}
    row |= {"gap_a": True, "gap_b": True, "status": "superseded", "observed_share": 1.0, "score": -12.3}
    row |= {"duration_min": 29.9 * 1440, "distance_to_port_km": 1410.0}
    with style.look():
        scene = drawn("few")[1]
        other = (np.zeros(2), np.zeros(2))
        several = replace(scene, a=replace(scene.a, others=(other,) * 9), b=replace(scene.b, others=(other,) * 9))
        figure = page(row, several, RULES)
        figure.canvas.draw()
    printed = [text for text in figure.texts if text.get_text()]
    assert len(printed) >= 12
    boxes = [text.get_window_extent() for text in printed]
    edge = figure.bbox
    for box, text in zip(boxes, printed, strict=True):
        assert edge.x0 <= box.x0 < box.x1 <= edge.x1, text.get_text()
        assert edge.y0 <= box.y0 < box.y1 <= edge.y1, text.get_text()
    boxes += [axes.get_tightbbox() for axes in figure.axes] + [legend.get_window_extent() for legend in figure.legends]
    over = [(i, j) for i in range(len(printed)) for j in range(len(boxes)) if i != j and boxes[i].overlaps(boxes[j])]
    assert not over, [(printed[i].get_text(), printed[j].get_text() if j < len(printed) else j) for i, j in over]


def test_odd_names_are_drawn_as_they_are():
    water = met("few")
    a, b = waters.A, waters.B
    vessels = water.row["vessels"]
    odd = {a: vessels[a] | {"name": "M$V_$x^2"}, b: vessels[b] | {"name": "北極星 A VERY LONG NAME INDEED"}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert render(water.row | {"vessels": odd}, water.fixes, RULES, ".png")
    assert facts.name(water.row | {"vessels": {}}, "a") == "431000001"


def test_what_was_not_seen_cannot_be_drawn():
    water = met("few")
    with pytest.raises(CourseError, match="only lit encounters can be drawn"):
        render(water.row | {"lon": None, "lat": None}, water.fixes, RULES, ".png")


def test_nothing_loads_matplotlib_until_something_is_drawn():
    """Neither any module of geo, nor the command, nor the words and courses of an encounter."""
    script = """
import pkgutil, sys
from importlib import import_module
import stswatch.geo
rooms = [m.name for m in pkgutil.walk_packages(stswatch.geo.__path__, "stswatch.geo.") if ".scripts" not in m.name]
for room in rooms:
    import_module(room)
import stswatch.pipeline.cli, stswatch.pipeline.words
from stswatch.pipeline.pictures import image_file as file, projection
print(len(rooms) > 10, "matplotlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_course_has_a_kind_for_each_part():
    assert {part.kind for part in courses.stretches(drawn("under_way")[1].a, drawn("under_way")[1].span_us)} == {
        REPORTED
    }
