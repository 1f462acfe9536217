"""How well a score ranks transfers above other meetings, and what else a user would rank them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.models import scorecard
from stswatch.models.feature import Columns, Floats, floats
from stswatch.models.features import (
    duration_h,
    median_distance_m,
    speed_kn,
)

# --------- What else a user would rank meetings by: published rules and the plainest of measures, to be beaten or not
# A published rule parts meetings into those that pass, 1, and those that do not, 0, without an order in either. At a
# number of leads that falls among equals, evaluation.py tells the mean over all their orders.

BESIDE = "starboard"
PASSED = 1.0


def global_fishing_watch(columns: Columns) -> Floats:
    """Within 500 m for 2 h, median speed under 2 kn, 10 km or more from the nearest port.

    Source: https://globalfishingwatch.org/faqs/what-is-a-vessel-encounter/; the 10 km there are to an anchorage.
    """
    slow, far = speed_kn(columns) < 2, floats(columns, "distance_to_port_km") >= 10
    return ((duration_h(columns) >= 2) & slow & far).astype(np.float64)


def starboard(columns: Columns) -> Floats:
    """Within 50 m for 10 min or within 200 m for 30 min, 10 km or more from the shore.

    A column `starboard` says whether the meeting holds such a stretch; the steps find it with these two distances and
    durations as their rules. Where the shore is not known the nearest port stands for it.
    Source: https://help.starboard.nz/en/articles/5587275-how-are-vessel-encounters-identified
    """
    shore_km, port_km = (floats(columns, f"distance_to_{of}_km") for of in ("shore", "port"))
    away = np.where(np.isnan(shore_km), port_km, shore_km) >= 10
    return ((floats(columns, BESIDE) > 0) & away).astype(np.float64)


def longest(columns: Columns) -> Floats:
    """The longer the meeting, the higher."""
    return duration_h(columns)


def nearest(columns: Columns) -> Floats:
    """The smaller the median distance, the higher; last where it is not known."""
    return -np.nan_to_num(median_distance_m(columns), nan=1e9)


def rules(columns: Columns) -> Floats:
    """The points of models/rules.json, set by hand from what the domain says."""
    return scorecard.load(scorecard.own(scorecard.RULES)).score(columns)[0]


@dataclass(frozen=True)
class Baseline:
    """One row of the table below; `parts` says that it is a rule which meetings pass or not."""

    name: str
    function: Callable[[Columns], Floats]
    parts: bool = False


BASELINES = (
    Baseline("Global Fishing Watch", global_fishing_watch, parts=True),
    Baseline("Starboard", starboard, parts=True),
    Baseline("duration alone", longest),
    Baseline("distance alone", nearest),
    Baseline("rules.json", rules),
)


def scores(columns: Columns) -> dict[str, Floats]:
    """The score of every baseline, by name, (n,) each; needs the column `starboard` beside those of encounters."""
    return {baseline.name: baseline.function(columns) for baseline in BASELINES}


# ----------------------------------------------------------------------------------------------------------------
# How well a score ranks transfers above other meetings: plain functions of arrays, with weights for resampling
# A curve holds what an analyst has seen as the cut-off falls from the highest score to the lowest. Meetings of one
# score come as one: where a limit falls among them, what is told is the mean over all orders in which they could
# come.

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Curve:
    """Weights of transfers and of other meetings at or above each distinct score, from none to all.

    true, false: (..., m + 1), the first column 0; leading axes are draws. missed: (...), transfers that no meeting
    found stands for, which no cut-off brings.
    """

    true: Floats
    false: Floats
    missed: Floats

    @property
    def transfers(self) -> Floats:
        """All transfers, found or not, (...)."""
        return np.asarray(self.true[..., -1] + self.missed)

    @property
    def leads(self) -> Floats:
        """Meetings at or above each score, (..., m + 1)."""
        return np.asarray(self.true + self.false)


def curve(score: Floats, transfer: Bools, weight: Floats | None = None, missed: ArrayLike = 0.0) -> Curve:
    """The curve of n meetings; score (n,) finite, transfer (n,), weight (..., n) or none, missed (...).

    >>> told = curve(np.array([3.0, 2.0, 2.0]), np.array([True, False, True]))
    >>> told.true.tolist(), told.false.tolist()
    ([0.0, 1.0, 2.0], [0.0, 0.0, 1.0])
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1) if len(score) else np.zeros(0, np.int64)
    weight = np.ones(len(score)) if weight is None else weight
    sums = (np.cumsum((weight * kind)[..., order], axis=-1)[..., ends] for kind in (transfer, ~transfer))
    nothing = [(0, 0)] * (weight.ndim - 1) + [(1, 0)]
    true, false = (np.pad(kind, nothing) for kind in sums)
    return Curve(true, false, np.broadcast_to(np.asarray(missed, np.float64), true.shape[:-1]))


def average_precision(found: Curve) -> Floats:
    """Area under precision over recall of what was found (...), as scikit-learn's average_precision_score; NaN if none.

    >>> float(average_precision(curve(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))).round(4))
    0.8333
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = found.true[..., 1:] / found.leads[..., 1:]
        gained = np.diff(found.true, axis=-1)
        area = np.where(gained > 0, gained * precision, 0).sum(axis=-1)
        return np.asarray(area / found.true[..., -1])


def roc_auc(found: Curve) -> Floats:
    """How often a transfer stands above another meeting, ties half, (...); NaN where one kind lacks.

    >>> float(roc_auc(curve(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))))
    0.5
    """
    middle = (found.true[..., 1:] + found.true[..., :-1]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (np.diff(found.false, axis=-1) * middle).sum(axis=-1)
        return np.asarray(area / (found.true[..., -1] * found.false[..., -1]))


def recall_at_leads(found: Curve, leads: float) -> Floats:
    """Share of all transfers among the so many highest scores (...); NaN where there are no transfers."""
    return _share(_at(found.leads, found.true, leads), found.transfers)


def precision_at_leads(found: Curve, leads: float) -> Floats:
    """Share of transfers among the so many highest scores (...), or among all where there are fewer."""
    true, all_leads = _at(found.leads, found.true, leads), np.minimum(found.leads[..., -1], leads)
    return _share(true, all_leads)


def false_at_leads(found: Curve, leads: float) -> Floats:
    """Other meetings among the so many highest scores (...)."""
    return _at(found.leads, found.false, leads)


def recall_at_false_rate(found: Curve, rate: float) -> Floats:
    """Share of all transfers above the cut-off that this share of the other meetings passes (...)."""
    return _share(_at(found.false, found.true, rate * found.false[..., -1]), found.transfers)


def cut_off_at_false_rate(score: Floats, transfer: Bools, rate: float) -> float:
    """The least score that at most this share of other meetings reaches; above all of them where even one is too many.

    >>> cut_off_at_false_rate(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True]), 0.5)
    3.0
    """
    others = np.sort(score[~transfer])
    allowed = int(np.floor(rate * len(others) + 1e-9))
    barred = others[len(others) - allowed - 1] if allowed < len(others) else -np.inf
    above = score[score > barred]
    return float(above.min()) if len(above) else float(np.inf)


class Reliability(NamedTuple):
    """By bin of the score: mean chance as told, share of transfers as it was, their weight; (bins,) each."""

    predicted: Floats
    was: Floats
    weight: Floats


def reliability(score: Floats, transfer: Bools, weight: Floats, bins: int = 10) -> Reliability:
    """Bins of equal weight, by score (n,) as log-odds; fewer where scores are few. weight: (n,)."""
    chance, order = chance_of(score), np.argsort(score, kind="stable")
    upto = np.cumsum(weight[order]) / weight.sum()
    edges = np.unique(score[order][np.searchsorted(upto, np.arange(1, bins) / bins)])
    which = np.searchsorted(edges, score, side="right")
    kinds = (np.ones(len(score)), chance, transfer)
    total, predicted, was = (np.asarray(np.bincount(which, weight * kind), np.float64) for kind in kinds)
    some = total > 0
    return Reliability(predicted[some] / total[some], was[some] / total[some], total[some])


def calibration_line(score: Floats, transfer: Bools, weight: Floats) -> tuple[float, float]:
    """Slope and intercept of the log-odds of a transfer over the score; 1 and 0 where scores are log-odds indeed.

    By Newton's method on the likelihood, weighted (n,). Raises ValueError where one kind lacks.
    """
    if transfer.all() or not transfer.any():
        raise ValueError(f"{int(transfer.sum())} transfers among {len(transfer)} meetings: no line without both kinds")
    x, line = np.column_stack([score, np.ones(len(score))]), np.zeros(2)
    for _ in range(100):
        chance = chance_of(x @ line)
        slope = x.T @ (weight * (transfer - chance))
        step = np.linalg.solve((x.T * (weight * chance * (1 - chance))) @ x + 1e-9 * np.eye(2), slope)
        line = line + step
        if np.abs(step).max() < 1e-10:
            break
    return float(line[0]), float(line[1])


def chance_of(log_odds: Floats) -> Floats:
    """Log-odds as a share, (n,), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)))


class Expected(NamedTuple):
    """What a watch floor would get: leads a day, and the share of them that are transfers."""

    leads_a_day: float
    precision: float


def expected(recall: float, false_per_1000_vessel_days: float, per_1000_vessel_days: float, vessels: float) -> Expected:
    """Leads a day and precision for a fleet where transfers are so frequent, by the two rates of a cut-off.

    >>> expected(0.5, 2.0, 1.0, 4000)
    Expected(leads_a_day=10.0, precision=0.2)
    """
    true, false = (rate * vessels / 1000 for rate in (recall * per_1000_vessel_days, false_per_1000_vessel_days))
    return Expected(true + false, true / (true + false) if true + false else 0.0)


def _share(part: Floats, whole: ArrayLike) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / np.asarray(whole))


def _at(x: Floats, y: Floats, where: ArrayLike) -> Floats:
    """y where x, rising along the last axis, reaches a value (...), on straight lines between; its last beyond."""
    flat_x, flat_y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    wanted = np.broadcast_to(np.asarray(where, np.float64), x.shape[:-1]).ravel()
    # of equal x the last counts: transfers that cost no further false lead are seen too
    found = [_last_at(*row) for row in zip(flat_x, flat_y, wanted, strict=True)]
    return np.asarray(found).reshape(x.shape[:-1])


def _last_at(x: Floats, y: Floats, where: float) -> float:
    right = int(np.searchsorted(x, where, side="right"))
    if right == len(x):
        return float(y[-1])
    left = max(right - 1, 0)
    run = x[right] - x[left]
    return float(y[left] + (y[right] - y[left]) * ((where - x[left]) / run if run > 0 else 0.0))


# ---------- How sure a figure is: vessels are drawn again, never meetings, since the meetings of one vessel are alike


class Interval(NamedTuple):
    """A figure and the range that holds it in 95 of 100 draws."""

    value: float
    low: float
    high: float


def vessel_draws(a: NDArray[np.int64], b: NDArray[np.int64], draws: int, seed: int) -> Floats:
    """Weights (draws, n) of meetings between vessels a and b, (n,) numbers each: each vessel is drawn again.

    A vessel comes so often as a Poisson number of mean 1 says, and a meeting as often as both of its vessels do: what
    hangs on one busy vessel comes and goes with it. The same input gives the same weights.
    Source: Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1(2), for two crossed factors; Poisson
    numbers in place of drawing with replacement after Chamandy et al. (2012), Estimating uncertainty for massive data
    streams.

    >>> vessel_draws(np.array([1, 1]), np.array([2, 3]), 4, seed=0).shape
    (4, 2)
    """
    vessels, which = np.unique(np.concatenate([a, b]), return_inverse=True)
    often = np.random.default_rng(seed).poisson(1.0, (draws, len(vessels))).astype(np.float64)
    return np.asarray(often[:, which[: len(a)]] * often[:, which[len(a) :]])


def interval(value: ArrayLike, drawn: Floats) -> Interval:
    """The figure with its range, percentiles 2.5 and 97.5 of the draws (d,); draws without meaning are left out.

    >>> interval(2.0, np.array([1.0, 2.0, 3.0, np.nan]))
    Interval(value=2.0, low=1.05, high=2.95)
    """
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Interval(float(np.asarray(value)), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(np.asarray(value)), float(low), float(high))
