"""Owns: figures of the evaluation are those of scikit-learn, or of trying every order, with weights and with ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from stswatch.models import ranking
from stswatch.models.ranking import curve


@st.composite
def judged(draw, most=40, weights=True):
    """Scores with ties, truth with both kinds, whole weights."""
    n = draw(st.integers(2, most))
    score = draw(of_numpy.arrays(np.float64, n, elements=st.integers(-4, 4).map(float)))
    transfer = draw(of_numpy.arrays(bool, n))
    assume(transfer.any() and not transfer.all())

    weight = draw(of_numpy.arrays(np.float64, n, elements=st.integers(1, 4).map(float)))
    return score, transfer, weight if weights else np.ones(n)


def in_every_order(score, transfer, of):
    """The mean of a figure over all orders of equal scores."""
    collected = []
    for order in permutations(range(len(score))):
        if (np.diff(score[list(order)]) <= 0).all():
            collected.append(of(transfer[list(order)]))
    return np.mean(collected)


@given(judged())
def test_precision_and_ranks_are_those_of_scikit_learn(given_scores):
    score, transfer, weight = given_scores
    found = curve(score, transfer, weight)
    wanted = average_precision_score(transfer, score, sample_weight=weight)
    assert ranking.average_precision(found) == pytest.approx(wanted)
    assert ranking.roc_auc(found) == pytest.approx(roc_auc_score(transfer, score, sample_weight=weight))


@given(judged())
def test_a_weight_is_so_many_rows(given_scores):
    score, transfer, weight = given_scores
    rows = np.repeat(np.arange(len(score)), weight.astype(int))
    for figure in (ranking.average_precision, ranking.roc_auc, lambda c: ranking.recall_at_leads(c, 3)):
        assert figure(curve(score, transfer, weight)) == pytest.approx(figure(curve(score[rows], transfer[rows])))


@given(judged(), st.integers(0, 2**32 - 1))
def test_draws_side_by_side_are_draws_one_by_one(given_scores, seed):
    score, transfer, _ = given_scores
    weights = np.random.default_rng(seed).poisson(1.0, (5, len(score))).astype(float)
    missed = np.arange(5.0)
    together = curve(score, transfer, weights, missed)
    for figure in (
        ranking.average_precision,
        ranking.roc_auc,
        lambda c: ranking.recall_at_leads(c, 4),
        lambda c: ranking.precision_at_leads(c, 4),
        lambda c: ranking.recall_at_false_rate(c, 0.2),
    ):
        alone = [figure(curve(score, transfer, w, m)) for w, m in zip(weights, missed, strict=True)]
        np.testing.assert_allclose(figure(together), np.array(alone, float))


@settings(max_examples=60)
@given(judged(most=6, weights=False), st.integers(1, 6), st.integers(0, 3))
def test_leads_among_equal_scores_are_the_mean_over_all_orders(given_scores, leads, missed):
    score, transfer, _ = given_scores
    leads = min(leads, len(score))
    found = curve(score, transfer, missed=missed)
    recall = in_every_order(score, transfer, lambda t: t[:leads].sum() / (transfer.sum() + missed))
    assert ranking.recall_at_leads(found, leads) == pytest.approx(recall)
    precision = in_every_order(score, transfer, lambda t: t[:leads].mean())
    assert ranking.precision_at_leads(found, leads) == pytest.approx(precision)
    assert ranking.false_at_leads(found, leads) == pytest.approx(leads * (1 - precision))


@given(judged(weights=False), st.sampled_from([0.0, 0.01, 0.05, 0.25, 0.5, 1.0]))
def test_recall_at_a_false_rate_without_ties_is_what_counting_says(given_scores, rate):
    score, transfer, _ = given_scores
    score = score + np.linspace(0, 0.5, len(score))  # no two alike
    others = (~transfer).sum()
    allowed = int(np.floor(rate * others))
    assume(abs(rate * others - allowed) < 1e-12)
    best = max((transfer & (score >= s)).sum() for s in [*score, np.inf] if (~transfer & (score >= s)).sum() <= allowed)
    assert ranking.recall_at_false_rate(curve(score, transfer), rate) == pytest.approx(best / transfer.sum())


@given(judged(weights=False), st.sampled_from([0.0, 0.01, 0.05, 0.25, 0.5, 1.0]))
def test_the_cut_off_keeps_to_its_false_rate_and_is_the_least_that_does(given_scores, rate):
    score, transfer, _ = given_scores
    cut = ranking.cut_off_at_false_rate(score, transfer, rate)

    def passed(at):
        return (~transfer & (score >= at)).sum() / (~transfer).sum()

    assert passed(cut) <= rate + 1e-9
    assert all(passed(s) > rate for s in score if s < cut)


def test_what_was_missed_lowers_recall_and_nothing_else():
    score, transfer = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
    all_found, half = curve(score, transfer), curve(score, transfer, missed=2)
    assert ranking.recall_at_leads(all_found, 3) == 1
    assert ranking.recall_at_leads(half, 3) == 0.5
    assert ranking.average_precision(half) == ranking.average_precision(all_found)


def test_one_kind_alone_has_no_figures():
    nothing = curve(np.zeros(0), np.zeros(0, bool))
    lawful = curve(np.array([1.0, 2.0]), np.zeros(2, bool))
    for figure in (ranking.average_precision, ranking.roc_auc, lambda c: ranking.recall_at_leads(c, 1)):
        assert np.isnan(figure(nothing))
        assert np.isnan(figure(lawful))


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0.3, 3), st.floats(-2, 2))
def test_the_line_of_calibration_is_that_of_scikit_learn(seed, slope, shift):
    rng = np.random.default_rng(seed)
    score, weight = rng.normal(0, 2, 300), rng.uniform(0.5, 2, 300)
    transfer = rng.random(300) < 1 / (1 + np.exp(-(slope * score + shift)))
    assume(0 < transfer.sum() < 300)
    line = ranking.calibration_line(score, transfer, weight)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(score[:, None], transfer, sample_weight=weight)
    np.testing.assert_allclose(line, (fitted.coef_[0, 0], fitted.intercept_[0]), rtol=1e-3, atol=1e-3)


def test_scores_that_are_log_odds_are_calibrated():
    rng = np.random.default_rng(1)
    score = rng.normal(0, 2, 100_000)
    transfer = rng.random(100_000) < ranking.chance_of(score)
    slope, shift = ranking.calibration_line(score, transfer, np.ones(len(score)))
    assert slope == pytest.approx(1, abs=0.03)
    assert shift == pytest.approx(0, abs=0.03)
    bins = ranking.reliability(score, transfer, np.ones(len(score)))
    assert len(bins.predicted) == 10
    np.testing.assert_allclose(bins.predicted, bins.was, atol=0.02)
    np.testing.assert_allclose(bins.weight, 10_000, rtol=0.01)
    assert np.abs(ranking.reliability(score * 3, transfer, np.ones(len(score))).predicted - bins.was).max() > 0.05


def test_one_kind_alone_has_no_line():
    with pytest.raises(ValueError, match="no line without both kinds"):
        ranking.calibration_line(np.ones(3), np.ones(3, bool), np.ones(3))


@given(st.floats(0, 1), st.floats(0, 10), st.floats(1e-6, 10), st.floats(1, 1e5))
def test_expected_precision_is_the_share_of_expected_leads(recall, false_rate, frequency, vessels):
    collected = ranking.expected(recall, false_rate, frequency, vessels)
    assert collected.leads_a_day == pytest.approx(vessels / 1000 * (recall * frequency + false_rate))
    assert 0 <= collected.precision <= 1
    assert collected.leads_a_day * collected.precision == pytest.approx(vessels / 1000 * recall * frequency)
