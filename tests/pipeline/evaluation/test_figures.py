"""Owns: figures of a watched sea count what they say, with missed transfers and repeats, and are the same each time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from stswatch.models.ranking import average_precision, recall_at_leads
from stswatch.models.scorecard import ALL, chosen, parsed
from stswatch.pipeline.evaluation import evaluate, figures
from stswatch.pipeline.evaluation.seas import together
from tests.pipeline.evaluation import seas


@pytest.fixture(scope="module")
def sea():
    return seas.watched()


@pytest.fixture(scope="module")
def taken(sea):
    return figures.sample(sea, draws=100)


@pytest.fixture(scope="module")
def duration(taken):
    return np.asarray(taken.rows["duration_min"])


def column(sea, name):
    return sea.rows[name].to_numpy(zero_copy_only=False)


def test_repeats_are_left_out_and_what_was_missed_is_kept(sea, taken):
    assert len(taken.transfer) == ((~column(sea, "repeat").astype(bool)) & column(sea, "detected").astype(bool)).sum()
    assert taken.missed == 20
    assert taken.weights.shape == (100, len(taken.transfer))
    assert taken.missed_weights.mean() == pytest.approx(20, rel=0.3)


def test_figures_are_what_counting_says(taken, duration):
    collected = figures.figures(taken, duration)
    assert set(collected) == {name for name, _, _ in figures.FIGURES}
    assert collected["pr_auc"].value == pytest.approx(average_precision_score(taken.transfer, duration))
    order = np.argsort(-duration)
    first = taken.transfer[order[: 10 * 7]]
    assert collected["recall_at_10_a_day"].value == pytest.approx(first.sum() / (taken.transfer.sum() + 20), abs=0.005)
    assert collected["false_at_10_a_day"].value == pytest.approx((~first).sum() / sea_days() * 1000, rel=0.05)
    assert all(of.low <= of.value <= of.high for of in collected.values())
    assert collected == figures.figures(taken, duration)


def sea_days():
    return 7.0 * 400


def test_a_score_beats_itself_never_and_chance_always(taken, duration):
    rng = np.random.default_rng(1)
    same = figures.paired(taken, duration, duration)
    assert all(one["difference"] == (0, 0, 0) and one["above"] == 0 for one in same.values())
    against_chance = figures.paired(taken, duration, rng.random(len(duration)))
    assert set(against_chance) == {"5", "10", "20"}
    assert against_chance["20"]["difference"].low > 0
    assert against_chance["20"]["above"] > 0.97


def test_each_family_of_transfers_has_its_recall(sea, taken, duration):
    collected = {row["family"]: row for row in figures.of_families(taken, sea, {"duration": duration})}
    assert set(collected) == {"at_anchor", "under_way", "never_seen"}
    assert collected["never_seen"]["found"] == 0
    assert collected["never_seen"]["recall"]["duration"]["5%"].value == 0
    family = taken.rows["family"].to_numpy(zero_copy_only=False)
    for name in ("at_anchor", "under_way"):
        these = taken.transfer & (family == name)
        assert collected[name]["found"] == collected[name]["transfers"] == these.sum()
        least = np.quantile(duration[~taken.transfer], 0.95)
        wanted = (duration[these] > least).mean()
        assert collected[name]["recall"]["duration"]["5%"].value == pytest.approx(wanted, abs=0.02)


def test_each_family_of_others_says_how_many_of_it_pass(taken, duration):
    collected = figures.of_look_alikes(taken, duration)
    assert [row["family"] for row in collected] == ["bunkering", "none", "pilots"]
    assert sum(row["encounters"] for row in collected) == (~taken.transfer).sum()
    passing = sum(row["passing"]["5%"] * row["encounters"] for row in collected) / (~taken.transfer).sum()
    assert 0.03 < passing <= 0.05


def test_single_features_are_judged_in_their_better_direction(taken):
    card = chosen("rules")
    collected = {row["feature"]: row for row in figures.of_features(taken, card)}
    assert list(collected) == [f.name for f in ALL]
    assert all(row[key] is None or row[key] >= 0.5 for row in collected.values() for key in ("auc", "auc_look_alikes"))
    assert collected["duration_h"]["auc"] > 0.6
    assert collected["median_distance_m"]["auc"] > 0.6
    assert collected["distance_to_shore_km"]["auc"] is None
    assert collected["distance_to_shore_km"]["known"] == 0


def test_calibration_is_told_for_both_kinds_in_equal_number(taken, duration):
    collected = figures.calibration(taken, np.log(duration / 150))
    assert len(collected["told"]) == len(collected["was"]) == 10
    assert 0.3 < collected["slope"] < 1.5
    assert 0 < collected["mean_error"] < 0.3


def test_a_feature_costs_what_its_points_are_worth(taken):
    """Nothing where it gives all the same, or none; most where it alone parts them."""
    card = chosen("rules")
    cost = {row["feature"]: row["cost"] for row in figures.of_features(taken, card)}
    assert cost["trade_calls"] == 0
    assert cost["duration_h"] > 0.02
    score, points = card.score(taken.rows)
    alone = points[:, card.parts.index("duration_h")]
    dealt = np.random.default_rng(5).permutation(alone)
    fall = [average_precision(taken.curve(score + more)) for more in (0, dealt - alone)]
    assert cost["duration_h"] == pytest.approx(fall[0] - fall[1], abs=0.03)


@pytest.mark.parametrize(("leads_a_day", "most"), [(1, 7), (10, 70), (10_000, None)])
def test_no_order_finds_more_than_the_ceiling(taken, leads_a_day, most):
    found, missed = taken.transfer.sum(), taken.missed
    assert figures.ceiling(taken, leads_a_day) == (most or found) / (found + missed)
    perfect = taken.curve(taken.transfer.astype(float))
    assert recall_at_leads(perfect, leads_a_day * taken.days) == pytest.approx(figures.ceiling(taken, leads_a_day))


def test_what_costs_nothing_is_left_out_and_named():
    """Two of the made-up seas: there the longer and the nearer are transfers, and nothing else tells."""
    both = together([seas.watched(900, seed) for seed in (4, 5)])
    training = parsed(evaluate.card_of(both)).training
    assert {"duration_h", "median_distance_m"}.isdisjoint(training["costs_nothing"])
    assert {"speed_kn", "trade_calls", "observed_share"} <= {*training["costs_nothing"]}


def test_what_is_withheld_is_that_of_whole_vessels():
    rows = seas.watched(600, 3).rows
    at = rows.schema.get_field_index("ship_type_a")
    printed = rows.set_column(at, rows.schema.field(at), pa.array([70] * rows.num_rows, rows.schema.field(at).type))
    kept = evaluate.withheld(printed)
    assert kept.equals(evaluate.withheld(printed))
    silent = np.asarray(kept["ship_type_a"].is_null())
    vessel = np.asarray(kept["mmsi_a"])
    assert all(len({*silent[vessel == one]}) == 1 for one in np.unique(vessel))
    assert 0.15 < np.mean([silent[vessel == one][0] for one in np.unique(vessel)]) < 0.35
    assert kept.drop_columns("ship_type_a").equals(printed.drop_columns("ship_type_a"))
