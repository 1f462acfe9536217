"""Owns: labels never overlap; the picture of the zones names all of them and is of the data that are there now."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import area, zones
from stswatch.pipeline.pictures import style, zone_map
from stswatch.pipeline.pictures.projection import Box, Sheet
from stswatch.pipeline.pictures.style import panel

PICTURE = Path(__file__).parents[3] / "docs" / "zones.png"


@pytest.fixture(scope="module")
def drawn():
    """The picture of the program's own zones, and the names for which it had no room."""
    with style.look():
        return zone_map.draw()


def written(figure):
    """Every text on the maps of a figure."""
    return [text for axes in figure.axes for text in axes.texts]


def test_the_picture_in_the_docs_is_of_these_zones_and_ports():
    with Image.open(PICTURE) as picture:
        assert picture.info["Source"] == zone_map.fingerprint(), "docs/zones.png is stale; run make docs"
        assert min(picture.size) > 1000
        assert len(picture.getcolors(1 << 24)) > 1000


def test_every_zone_and_every_port_of_interest_is_named(drawn):
    figure, left_out = drawn
    names = [text.get_text() for text in written(figure)]
    assert left_out == []
    assert set(zones().ids) <= set(names)
    assert set(ports().name[ports().drawn].tolist()) <= set(names)


def test_no_two_names_overlap(drawn):
    figure, _ = drawn
    renderer = FigureCanvasAgg(figure).get_renderer()
    compared = 0
    for axes in figure.axes:
        named = [text for text in axes.texts if len(text.get_text().strip()) > 1]
        boxes = [shapely.box(*text.get_window_extent(renderer).extents) for text in named]
        for a, b in combinations(range(len(named)), 2):
            assert boxes[a].intersection(boxes[b]).area == 0, (named[a].get_text(), named[b].get_text())
            compared += 1
    assert compared > 500


def small_map():
    """A map of 10 by 10 metres on 320 by 320 pixels."""
    figure = Figure(figsize=(4, 4), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    return panel(figure.add_axes((0.1, 0.1, 0.8, 0.8)), Sheet(0, 0), Box(0, 0, 10, 10), [], renderer)


GAPS_PX = tuple(range(6, 130, 8))


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 10), st.sampled_from(["Nampo", "a much longer name", "i"])),
        max_size=25,
    ),
    st.integers(0, 12),
)
@settings(max_examples=25)
def test_labels_lie_in_the_map_on_no_other_and_on_nothing_taken(places, blocks):
    p = small_map()
    taken = [(10.0 + 25 * k, 10.0, 20.0 + 25 * k, 310.0) for k in range(blocks)]
    for rectangle in taken:
        p.labels.take(rectangle)
    written = [p.say_if_clear(x, y, text, GAPS_PX, 9.0, fontsize=7) for x, y, text in places]
    assert sum(written) == len(p.axes.texts)
    boxes = [shapely.box(*rectangle) for rectangle in p.labels.taken]
    assert len(boxes) == blocks + sum(written)
    for k, box in enumerate(boxes[blocks:], blocks):
        assert shapely.box(*p.labels.frame).covers(box)
        assert not any(box.intersection(other).area for other in boxes[:k])


def test_where_there_is_no_room_a_label_is_left_out_and_said():
    p = small_map()
    p.labels.take((0.0, 0.0, 400.0, 400.0))
    assert not p.say_if_clear(5, 5, "Nampo", (0.0, *GAPS_PX), fontsize=7)
    assert len(p.axes.texts) == 0
    p.labels.taken.clear()
    assert p.say_if_clear(5, 5, "Nampo", (0.0, *GAPS_PX), fontsize=7)
    assert np.mean(np.reshape(p.labels.taken[0], (2, 2)), axis=0) == pytest.approx((160, 160))


@pytest.mark.parametrize(
    "box",
    [(179.0, -17.0, 181.0, -16.0), (-170.0, 80.0, 170.0, 89.9), (4.0, 51.0, 4.001, 51.001)],
    ids=["date line", "polar", "tiny"],
)
def test_a_users_zones_are_drawn_round_about_them(tmp_path, box):
    path = tmp_path / "mine.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(shapely.box(*box))))
    figure, left_out = zone_map.draw(area(path))
    (axes,) = figure.axes
    west, east, south, north = *axes.get_xlim(), *axes.get_ylim()
    zone: Any
    (zone,) = (artist for artist in axes.get_children() if artist.get_gid() == "zone-mine")
    extent = zone.get_path().get_extents()
    assert west < extent.x0 < extent.x1 < east
    assert south < extent.y0 < extent.y1 < north
    assert north - south <= max(22_000, 1.5 * max(extent.width, extent.height))
    assert "mine" in [text.get_text() for text in written(figure)]
    assert left_out == []


def test_zones_round_the_whole_earth_are_drawn_where_they_are(tmp_path):
    """What lies opposite to the middle of the map is cut there, not drawn across it."""
    boxes = [shapely.box(-60, -50, 0, 50), shapely.box(50, -40, 90, 10), shapely.box(-170, -50, -100, 50)]
    path = tmp_path / "seas.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(shapely.MultiPolygon(boxes))))
    shown = zone_map._around(area(path).zones)
    assert shown.box.height <= 24_000_000
    drawn = shown.sheet.shape(shapely.segmentize(shapely.box(-179, -80, 179, 80), 0.5))
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-178, 178, 400), rng.uniform(-79, 79, 400)
    near_opposite = np.hypot((lon - shown.sheet.lon + 180 + 180) % 360 - 180, lat + shown.sheet.lat) < 10
    inside = shapely.contains_xy(shapely.union_all(drawn), *shown.sheet.xy(lon, lat))
    assert inside[~near_opposite].all()
    assert (~near_opposite).sum() > 300


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_picture_is_of_the_kind_that_its_name_says_and_carries_its_source(tmp_path, suffix, begins):
    path = tmp_path / "mine.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(shapely.box(12.0, 54.0, 13.0, 54.2))))
    content = zone_map.render(suffix, area(path))
    assert content.startswith(begins)
    assert zone_map.fingerprint().encode() in content
    assert len(content) > 5_000


def test_the_maps_show_the_ports_where_they_are(drawn):
    figure, _ = drawn
    whole = figure.axes[0]
    (nampo,) = (text for axes in figure.axes for text in axes.texts if text.get_text() == "Nampo")
    inset = nampo.axes
    assert inset is not whole
    shown = zone_map.INSETS[0]
    assert inset.get_title("left") == shown.title
    at = np.concatenate(shown.sheet.xy([125.40], [38.7167]))
    off = inset.transData.transform(nampo.get_position()) - inset.transData.transform(at)
    assert np.hypot(*off) < 60
