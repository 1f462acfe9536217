"""Owns: a trained card says what scikit-learn says to 1e-9, obeys the directions, and is the same bytes each time."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from stswatch.geo.reference.zones import zones
from stswatch.models import training
from stswatch.models.context import CONTEXT
from stswatch.models.feature import values
from stswatch.models.features import FEATURES
from stswatch.models.scorecard import BASE, chosen, load
from stswatch.models.training import TrainingSettings
from stswatch.pipeline.store.encounter_context import beside_schema
from tests.models.drawn import MEETINGS, columns

QUICK = TrainingSettings(rounds=60, rate=0.2, least_meetings=5)


def sea(n, seed, gaps=0.1):
    """Made-up meetings as columns and their truth: longer, nearer, steadier, darker ones are transfers more often."""
    rng = np.random.default_rng(seed)

    def some(values, share=gaps):
        return np.where(rng.random(n) < share, np.nan, values)

    duration_min, distance_m = rng.lognormal(5, 1, n), rng.uniform(20, 500, n)
    place = rng.integers(0, len(zones().ids) + 1, n)
    made = {
        "duration_min": duration_min,
        "within_min": duration_min * rng.uniform(0.5, 1, n),
        "median_distance_m": some(distance_m),
        "cpa_distance_m": some(distance_m * rng.random(n)),
        "median_speed_a_kn": some(rng.uniform(0, 5, n)),
        "median_speed_b_kn": some(rng.uniform(0, 5, n)),
        "relative_speed_kn": some(rng.lognormal(-2, 1, n)),
        "drift_km": some(rng.uniform(0, 10, n)),
        "heading_difference_deg": some(rng.uniform(0, 90, n), 0.5),
        "zones": [[*zones().ids, None][k : k + 1] if k < len(zones().ids) else [] for k in place.tolist()],
        "distance_to_port_km": some(rng.lognormal(3, 1, n)),
        "distance_to_shore_km": np.full(n, np.nan),
        "gap_a": rng.random(n) < 0.2,
        "gap_b": rng.random(n) < 0.2,
        "observed_share": rng.random(n),
        "ship_type_a": some(rng.choice([30.0, 52.0, 70.0, 80.0], n)),
        "ship_type_b": some(rng.choice([30.0, 52.0, 70.0, 80.0], n)),
        "length_a_m": some(rng.uniform(10, 200, n)),
        "length_b_m": some(rng.uniform(10, 200, n)),
    }
    odds = np.log(duration_min / 150) + (200 - distance_m) / 100 + made["gap_a"] + 2 * made["observed_share"] - 2
    odds += (np.nan_to_num(made["drift_km"]) > 5) - 0.5 * np.nan_to_num(made["median_speed_a_kn"])
    return made, rng.random(n) < 1 / (1 + np.exp(-odds))


def written(path, made, transfer, **how):
    path.write_bytes(training.train(made, transfer, **({"settings": QUICK} | how)))
    return load(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made, transfer = sea(1500, 1)
    model = training.fit(training.ordinals(made), transfer, settings=QUICK)
    return model, written(tmp_path_factory.mktemp("card") / "card.json", made, transfer)


def by_trees(model, card, steps):
    """What the trees say of steps (n, k); of a feature that is not known what they say of it on average, of a silence
    that is not judged no more than of none."""
    with threadpool_limits(1):  # else each of many small questions waits for a second thread
        known = model.decision_function(np.where(np.isnan(steps), 0, steps))
    points = {s.feature.name: s.missing - s.points[0] for s in card.steps}
    return known + np.isnan(steps) @ np.array([points.get(f.name, 0.0) for f in FEATURES])


@given(rows=MEETINGS)
def test_the_card_says_what_the_trees_say(trained, rows):
    model, card = trained
    wanted = by_trees(model, card, training.ordinals(columns(rows)))
    np.testing.assert_allclose(card.score(columns(rows))[0], wanted, rtol=0, atol=1e-9)


def test_what_is_not_known_gives_no_points(trained):
    """Neither for nor against, in the trained card as in the table set by hand."""
    assert len(trained[1].steps) >= 5
    steps = [s for card in (trained[1], chosen("trained"), chosen("rules")) for s in card.steps]
    assert {s.missing for s in steps if not s.feature.silence} == {0.0}
    assert all(s.missing <= min(s.points[0], 0) for s in steps if s.feature.silence), "nor more than nobody silent gets"


def test_absence_alone_is_never_learned():
    """Silences that are not judged and types that are never heard of transfers give no points, however telling."""
    made, transfer = sea(1500, 3)
    hidden = made | {"gap_a": transfer, "gap_b": transfer}
    for one in (1, 2):
        rng = np.random.default_rng(one)
        kept = np.where(transfer | (rng.random(len(transfer)) < 0.1), np.nan, 52.0)
        hidden |= {"ship_type_a": kept, "ship_type_b": kept}
    card = json.loads(training.train(hidden, transfer, settings=QUICK))
    assert not {"dark_beside", "cargo_carriers"} & set(card["features"])
    assert len(card["features"]) >= 3


def test_it_does_so_on_every_edge_and_where_nothing_is_known(trained):
    """Values at the cuts, just below them and NaN, mixed: where an off-by-one would show."""
    model, card = trained
    rng = np.random.default_rng(3)
    rows = 4000
    picked = [rng.choice([*f.cuts, *np.nextafter(f.cuts, -np.inf), np.nan, -1e9, 1e9], rows) for f in FEATURES]
    contributions = {
        s.feature.name: s.at(v) for s in card.steps for f, v in zip(FEATURES, picked, strict=True) if f is s.feature
    }
    total = card.intercept + sum(contributions.values())
    seen = np.column_stack(
        [
            np.where(np.isnan(v), np.nan, np.searchsorted(f.cuts, v, side="right"))
            for f, v in zip(FEATURES, picked, strict=True)
        ]
    )
    assert len(contributions) >= 5
    np.testing.assert_allclose(total, by_trees(model, card, seen), rtol=0, atol=1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), n=st.integers(60, 400), gaps=st.sampled_from([0.0, 0.3, 1.0]))
def test_a_card_of_any_sea_is_exact_and_obeys_its_directions(tmp_path_factory, seed, n, gaps):
    made, transfer = sea(n, seed, gaps)
    how = TrainingSettings(rounds=15, least_meetings=5)
    card = written(
        tmp_path_factory.mktemp("card") / "card.json", made, transfer, settings=how
    )  # load checks directions
    model = training.fit(training.ordinals(made), transfer, settings=how)
    other, _ = sea(200, seed + 1, 0.3)
    wanted = by_trees(model, card, training.ordinals(other))
    score, free = card.score(other)[0], ~bounded(card, other)
    np.testing.assert_allclose(score[free], wanted[free], rtol=0, atol=1e-9)
    assert (score <= wanted + 1e-9).all(), "bounds take points only"
    assert np.std(wanted) > 0 or gaps == 1.0


def bounded(card, rows):
    """Which meetings lie so near a port or the shore that points for a lead may have been taken from them, (n,)."""
    near = [(s.feature, s.at(s.feature.function(rows))) for s in card.steps if s.feature.near is not None]
    return np.any([(of.function(rows) < of.cuts[-1]) & (points == 0) for of, points in near] or [False], axis=0)


def test_points_are_centred_on_the_meetings_of_training(trained):
    made, transfer = sea(1500, 1)
    _, points = trained[1].score(made)
    mean = np.average(points, axis=0, weights=training.balanced(transfer))
    assert trained[1].parts[-1] == BASE
    np.testing.assert_allclose(mean[:-1], 0, atol=1e-9)


def test_the_same_meetings_give_the_same_bytes():
    made, transfer = sea(800, 2)
    first, again = (training.train(made, transfer, settings=QUICK) for _ in range(2))
    assert first == again
    assert training.train(made, ~transfer, settings=QUICK) != first


def test_what_was_learned_is_what_was_there(trained):
    """Longer and nearer raise the score of the card that was trained on such a sea, and it ranks a new sea."""
    from sklearn.metrics import roc_auc_score

    made, transfer = sea(1500, 9)
    assert roc_auc_score(transfer, trained[1].score(made)[0]) > 0.75
    points = {s.feature.name: s.points for s in trained[1].steps}
    assert points["duration_h"][-1] - points["duration_h"][0] > 1
    assert points["median_distance_m"][0] - points["median_distance_m"][-1] > 1


def test_nothing_near_the_shore_is_remote_whatever_was_learned():
    """All transfers lie at 3 km, where the trees give points; the step from 2 km has what counts as near too."""
    made, transfer = sea(800, 5)
    made |= {"distance_to_shore_km": np.where(transfer, 3.0, 1.0), "distance_to_port_km": np.full(800, 60.0)}
    found = {f.name: f for f in FEATURES}["distance_to_shore_km"]
    steps = training.ordinals(made, [found])
    learned = training.read_out(training.fit(steps, transfer, [found], QUICK), [found])
    weight = training.balanced(transfer)
    assert training.centred(*learned, steps, weight)[1][0].points[1] > 0
    card = json.loads(training.train(made, transfer, settings=QUICK))["features"]["distance_to_shore_km"]
    starts = [-np.inf, *card["edges"]]
    assert all(points <= 0 for start, points in zip(starts, card["points"], strict=True) if start <= 2)
    assert min(card["points"]) < 0


def test_a_silence_that_is_not_judged_gives_no_more_than_none_whatever_was_learned():
    made, transfer = sea(800, 6)
    made |= {name: np.full(800, np.nan) for name in beside_schema().names}
    made |= {f"off_inside_{v}": np.where(transfer, 0.95, 0.0) for v in "ab"}
    card = json.loads(training.train(made, transfer, features=(*FEATURES, *CONTEXT), settings=QUICK))
    silence = card["features"]["silenced_inside"]
    assert silence["missing"] == silence["points"][0] < 0 < silence["points"][-1]


def test_a_feature_that_is_never_known_is_not_in_the_card(trained):
    assert "distance_to_shore_km" not in trained[1].parts
    assert np.isnan(values(sea(5, 1)[0], FEATURES)[:, [f.name for f in FEATURES].index("distance_to_shore_km")]).all()


def test_the_file_says_what_it_was_trained_on(tmp_path):
    made, transfer = sea(300, 4)
    card = json.loads(training.train(made, transfer, settings=QUICK, about={"seeds": [1, 2]}))
    assert card["training"]["meetings"] == 300
    assert card["training"]["transfers"] == transfer.sum()
    assert card["training"]["seeds"] == [1, 2]
    assert card["training"]["settings"]["rounds"] == 60


@pytest.mark.parametrize("leads", [1, 30, 100.5, 299])
def test_the_cut_off_lets_so_many_meetings_of_training_pass(tmp_path, leads):
    made, transfer = sea(300, 4)
    card = written(tmp_path / "card.json", made, transfer, leads=leads, leads_about={"reason": "so many a day"})
    score, _ = card.score(made)
    assert (score >= card.cut_off.score).sum() <= leads
    lower = np.sort(score)[::-1][int(leads)]  # to let it pass too would be one too many
    assert 0 < card.cut_off.score - lower <= 0.011
    assert card.cut_off.reason == "so many a day"
    assert json.loads((tmp_path / "card.json").read_text())["cut_off"]["score"] == card.cut_off.score


def test_a_million_meetings_are_scored_in_seconds(trained):
    made, _ = sea(1000, 5)
    arrays = {
        name: pa.array(of, None if name == "zones" else pa.float64(), from_pandas=name != "zones")
        for name, of in made.items()
    }
    many = pa.concat_tables([pa.table(arrays)] * 1000)
    begun = time.process_time()
    assert len(trained[1].score(many)[0]) == 1_000_000
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("transfer", [np.zeros(50, bool), np.ones(50, bool)])
def test_meetings_of_one_kind_are_refused(transfer):
    with pytest.raises(training.TrainingError, match="meetings of both kinds"):
        training.train(sea(50, 1)[0], transfer)


def test_too_few_meetings_are_refused():
    with pytest.raises(training.TrainingError, match="30 meetings are too few"):
        training.train(*sea(30, 1))
