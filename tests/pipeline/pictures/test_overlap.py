"""Owns: no two texts of a picture lie over each other, whatever the encounter looks like."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
import pytest

from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.courses import scene as scene_of
from stswatch.pipeline.pictures.page import page
from stswatch.pipeline.rules import Rules
from tests.pipeline.pictures import waters
from tests.pipeline.pictures.waters import A, B, vessel, water

RULES = Rules()
_TOUCH_PX = 1.0


def one_spot():
    """Both at one place, to the last digit, all the time."""
    h = [0.0, 9.0]
    return water(vessel(A, h, [0, 0], [0, 0], every_s=300.0), vessel(B, h, [0, 0], [0, 0], every_s=300.0))


def shortest():
    """Half an hour beside each other, a metre apart."""
    return waters.meeting(hours=0.6, drift_kn=0.0, beside_m=1.0)


def far_off():
    """From a thousand kilometres away and back: the map is as wide as a sea."""
    h, far_m = [0.0, 30.0, 80.0, 110.0], 30 * 18 * 1852.0
    a = vessel(A, h, [-far_m, 0, 0, far_m], [0, 0, 0, far_m], every_s=600.0)
    return water(a, vessel(B, h, [90, 90, 90, -far_m], [far_m, 0, 0, far_m], every_s=600.0))


def many_silences():
    """Silent again and again, near one place."""
    silent = ((0.5, 2.9), (3.2, 5.4), (8.6, 10.9), (11.0, 13.4))
    return waters.meeting(hours=6.0, drift_kn=0.1, silent=silent)


def side_by_side_all_the_way():
    """They come, lie and go together: every mark of one lies on one of the other."""
    h, way = [0.0, 4.0, 8.0, 12.0], [-60_000.0, 0.0, 0.0, 60_000.0]
    return water(vessel(A, h, way, [0, 0, 0, 0]), vessel(B, h, [x + 30 for x in way], [0, 0, 0, 0]))


SCENES: dict[str, Callable[[], Any]] = {
    "meeting": waters.meeting,
    "still": waters.still,
    "date_line": lambda: waters.meeting(lon=179.9, lat=-17.04),
    "pole": lambda: waters.meeting(lon=-100.0, lat=89.9),
    "by_the_ports": lambda: waters.still(lon=125.2, lat=38.68),
    "few": waters.few,
    "shared": waters.shared,
    "one_spot": one_spot,
    "shortest": shortest,
    "far_off": far_off,
    "many_silences": many_silences,
    "side_by_side": side_by_side_all_the_way,
}


LONG, SHORT = ("WWWWWWWWWWWWWWWWWWWW", "MMMMMMMMMMMMMMMMMMMM"), ("SIM ALPHA", None)


@pytest.mark.parametrize(("name", "names"), [*((name, LONG) for name in SCENES), ("still", SHORT), ("one_spot", SHORT)])
def test_no_text_lies_over_another(name, names):
    found = SCENES[name]()
    row, (a, b) = found.row, (found.row["mmsi_a"], found.row["mmsi_b"])
    printed = {"ship_type": 84, "imo": 9187629, "call_sign": "JABCDEF", "length_m": 333.0, "beam_m": 60.0}
    vessels = {m: row["vessels"][m] | printed | {"name": n} for m, n in zip((a, b), names, strict=True)}
    row |= {"vessels": vessels, "met": {"pair": 12, a: 123, b: 45}, "gap_a": True, "gap_b": True}
    row |= {"start_censored": True, "end_censored": True, "status": "superseded"}
    with style.look():
        figure = page(row, scene_of(row, found.fixes, RULES), RULES)
        figure.canvas.draw()
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip() and t.get_visible()]
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
    boxes = [(text, box) for text, box in boxes if np.isfinite(box.get_points()).all()]
    assert len(boxes) >= 30
    over = [
        (one, other)
        for (one, p), (other, q) in combinations(boxes, 2)
        if min(p.x1, q.x1) - max(p.x0, q.x0) > _TOUCH_PX and min(p.y1, q.y1) - max(p.y0, q.y0) > _TOUCH_PX
    ]
    assert not over
    width, height = figure.canvas.get_width_height()
    beyond = [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
    assert not beyond
