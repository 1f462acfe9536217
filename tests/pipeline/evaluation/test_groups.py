"""Owns: how often each group of vessels is wrongly led is counted as it says, and too few say nothing."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from stswatch.geo.reference.mmsi import flag_of
from stswatch.pipeline.evaluation import figures
from stswatch.pipeline.evaluation.groups import LEAST, false_leads, groups_text
from stswatch.sample_ais.simulation import Plan
from tests.pipeline.evaluation import seas

MIDS = (431, 431, 431, 431, 440, 440, 440, 273, 273, 412, 412, 283)  # 283 is of no state

HEARD = ["terrestrial", "terrestrial", "satellite", "both", None]


@pytest.fixture(scope="module")
def taken():
    """Meetings of vessels of some flags, of which some say a type."""
    made = figures.sample(seas.watched(), draws=100)
    rows, rng = made.rows, np.random.default_rng(4)
    mids, types = rng.choice(MIDS, 1000), rng.choice([30, 70, 80, 80, None], 1000)
    for v in "ab":
        who = np.asarray(rows[f"mmsi_{v}"], np.int64)
        drawn = {f"mmsi_{v}": mids[who] * 1_000_000 + who, f"ship_type_{v}": types[who]}
        drawn |= {f"heard_{v}": rng.choice(HEARD, len(who)), f"class_{v}": rng.choice(["A", "A", "B", None], len(who))}
        for name, values in drawn.items():
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, rows.schema.field(at), pa.array(values.tolist(), rows.schema.field(at).type))
    return dataclasses.replace(made, rows=rows)


@pytest.fixture(scope="module")
def score(taken):
    return np.asarray(taken.rows["duration_min"], float)


def test_all_and_each_group_are_what_counting_says(taken, score):
    cut_off = float(np.quantile(score, 0.8))
    rows = {(row["what"], row["group"]): row for row in false_leads(taken, score, cut_off)}
    other, lead = ~taken.transfer, score >= cut_off
    every = rows["all", "all"]
    assert every["meetings"] == other.sum()
    assert every["share"][0] == pytest.approx(lead[other].mean())
    flags = [flag_of(np.asarray(taken.rows[f"mmsi_{v}"])) for v in "ab"]
    for (what, name), row in rows.items():
        if what == "flag by MMSI" and not name.startswith("MID"):
            assert row["meetings"] == (other & ((flags[0] == name) | (flags[1] == name))).sum()
    seen = [row["meetings"] for (what, _), row in rows.items() if what == "how well heard"]
    assert sum(seen) == other.sum()  # here each meeting is of one group
    sides = {name: [taken.rows[f"{name}_{v}"].to_pylist() for v in "ab"] for name in ("heard", "class")}
    pairs = {name: list(zip(*both, strict=True)) for name, both in sides.items()}
    for name, of in (("receiver", "heard"), ("AIS class", "class")):
        known = [None not in pair for pair in pairs[of]]
        assert sum(row["meetings"] for (what, _), row in rows.items() if what == name) == (other & known).sum()
    one_kind = other & [pair == ("satellite", "satellite") for pair in pairs["heard"]]
    assert rows["receiver", "both by satellite receivers alone"]["meetings"] == one_kind.sum()
    mixed = other & [set(pair) == {"A", "B"} for pair in pairs["class"]]
    assert rows["AIS class", "A and B"]["meetings"] == mixed.sum()
    assert all(row["share"][1] <= row["share"][0] <= row["share"][2] for row in rows.values() if row["share"])


def test_a_group_that_is_wrongly_led_more_often_is_apart(taken):
    """Were the score the flag, its group would be told."""
    a = np.asarray(taken.rows["mmsi_a"], np.int64) // 1_000_000
    number = int(np.bincount(a[~taken.transfer]).argmax())
    score = (a == number).astype(float)
    rows = [row for row in false_leads(taken, score, 0.5) if row["what"] == "flag by MMSI" and row["share"]]
    assert max(rows, key=lambda row: row["share"][0])["apart"]


def test_of_few_meetings_nothing_is_said(taken, score):
    rows = false_leads(taken, score, 0.0)
    few = [row for row in rows if row["meetings"] < LEAST]
    assert few
    assert all(row["share"] is None and not row["apart"] for row in few)
    text = groups_text(rows)
    assert "Not enough data: " in text
    assert groups_text(None) == ""


def test_days_of_a_sea_are_those_that_began_within_them_with_their_share_of_the_time():
    sea = seas.watched()
    us = Plan.start_s * 1_000_000 + np.arange(sea.rows.num_rows) % 45 * 86_400_000_000
    at = sea.rows.schema.get_field_index("start_time")
    field = sea.rows.schema.field(at)
    sea = dataclasses.replace(sea, rows=sea.rows.set_column(at, field, pa.array(us).cast(field.type)))
    late = sea.between(30, 35)
    assert late.rows.num_rows == sum(30 <= k % 45 < 35 for k in range(sea.rows.num_rows))
    assert late.days == pytest.approx(sea.days / 9)
    assert late.vessels == pytest.approx(sea.vessels)
