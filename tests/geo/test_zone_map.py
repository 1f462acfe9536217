"""Owns: labels never overlap; the picture of the zones names all of them and is of the data that are there now."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from stswatch.geo import labels, zone_map
from stswatch.geo.ports import ports
from stswatch.geo.zones import area, zones

PICTURE = Path(__file__).parents[2] / "docs" / "zones.png"


@pytest.fixture(scope="module")
def drawn():
    """The picture of the program's own zones, and the names for which it had no room."""
    return zone_map.draw()


def written(figure):
    """Every text on the maps of a figure."""
    return [text for axes in figure.axes for text in axes.texts]


def test_the_picture_in_the_docs_is_of_these_zones_and_ports():
    with Image.open(PICTURE) as picture:
        assert picture.text["Source"] == zone_map.fingerprint(), "docs/zones.png is stale; run make docs"
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


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 10), st.sampled_from(["Nampo", "a much longer name", "i"])),
        max_size=25,
    ),
    st.integers(0, 12),
)
@settings(max_examples=25)
def test_labels_lie_in_the_map_on_no_other_and_on_nothing_taken(places, blocks):
    figure = Figure(figsize=(4, 4), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(0, 10), ylim=(0, 10))
    taken = [shapely.box(50 + 25 * k, 50, 60 + 25 * k, 350) for k in range(blocks)]
    wanted = [labels.Label(text, x, y, False, {"size": 7, "color": "k"}) for x, y, text in places]
    left_out = labels.place(renderer, axes, wanted, taken)
    assert len(left_out) + len(axes.texts) == len(places)
    boxes = [shapely.box(*text.get_window_extent(renderer).extents) for text in axes.texts]
    frame = shapely.box(*axes.get_window_extent(renderer).extents)
    for k, box in enumerate(boxes):
        assert frame.contains(box)
        assert not any(box.intersects(other) for other in (*boxes[:k], *taken))


def test_where_there_is_no_room_a_label_is_left_out_and_said():
    figure = Figure(figsize=(4, 4), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(0, 10), ylim=(0, 10))
    everywhere = labels.Label("Nampo", 5, 5, True, {"size": 7, "color": "k"})
    assert labels.place(renderer, axes, [everywhere], [shapely.box(0, 0, 400, 400)]) == ["Nampo"]
    assert len(axes.texts) == 0
    assert labels.place(renderer, axes, [everywhere], []) == []
    (text,) = axes.texts
    assert text.get_position() == pytest.approx((200, 200))


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
    assert west <= box[0] < box[2] <= east
    assert south <= box[1] < box[3] <= north
    assert east - west <= max(4, 3 * (box[2] - box[0]))
    assert "mine" in [text.get_text() for text in written(figure)]
    assert left_out == []


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
    x, y = inset.transData.transform((125.40, 38.7167))
    assert np.hypot(*(np.array(nampo.get_position()) - (x, y))) < 60
