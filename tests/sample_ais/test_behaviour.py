"""Owns: every figure of behaviour.csv says where it comes from, is used, and gives what it says when drawn from."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from stswatch.sample_ais import KINDS, Figure, behaviour
from stswatch.sample_ais.reception import fades

ROOM = Path(__file__).parents[2] / "sample_ais"


def test_each_figure_has_a_kind_a_mark_and_a_source():
    assert len(behaviour()) > 60
    for name, figure in behaviour().items():
        assert figure.kind in KINDS, name
        assert figure.mark in "GME", name
        assert len(figure.source) > 20, name
        assert figure.kind != "share" or 0 <= figure.first <= 1, name
        assert figure.kind != "uniform" or figure.first < figure.second, name
        assert (figure.second != 0) == (figure.kind in ("uniform", "lognormal")), name


def test_each_figure_is_used():
    text = "\n".join(path.read_text() for path in ROOM.rglob("*.py"))
    bases = ("_bare", "_days", "_h")  # asked for by the name before it
    names = {name: {name, *(name.removesuffix(end) for end in bases)} for name in behaviour()}
    assert [name for name, any_of in names.items() if not any(f'"{n}"' in text for n in any_of)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_is_what_it_says(kind):
    first, second = (0.3, 0.0) if kind in ("share", "number") else (0.3, 0.7)
    drawn = Figure(kind, first, second, "", "E", "").draw(np.random.default_rng(1), 40_000)
    middle = np.median(drawn) if kind == "lognormal" else drawn.mean()
    assert middle == pytest.approx({"uniform": 0.5}.get(kind, first), rel=0.05)


def test_each_type_of_class_b_sets_says_what_it_sends_and_whence():
    rows = list(csv.DictReader((ROOM / "class_b_sets.csv").read_text().splitlines()))
    assert len(rows) >= 10
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1.0)
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert row["state"] in fades.B_STATES
        assert row["mark"] in "GME"
        assert len(row["source"]) > 20, row["name"]
        assert all(0 <= float(row[name]) <= 1 for name in fades.ClassBSets._fields[3:])


def test_sets_of_class_b_are_drawn_as_often_as_the_table_says():
    sets = fades.class_b_sets()
    drawn = np.bincount(sets.drawn(np.random.default_rng(1).random(100_000)), minlength=len(sets.share))
    assert drawn / 100_000 == pytest.approx(sets.share, abs=0.01)
