"""How well a score ranks transfers above other meetings: plain functions of arrays, with weights for resampling.

A curve holds what an analyst has seen as the cut-off falls from the highest score to the lowest. Meetings of one score
come as one: where a limit falls among them, what is told is the mean over all orders in which they could come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
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

    told: Floats
    was: Floats
    weight: Floats


def reliability(score: Floats, transfer: Bools, weight: Floats, bins: int = 10) -> Reliability:
    """Bins of equal weight, by score (n,) as log-odds; fewer where scores are few. weight: (n,)."""
    chance, order = chance_of(score), np.argsort(score, kind="stable")
    upto = np.cumsum(weight[order]) / weight.sum()
    edges = np.unique(score[order][np.searchsorted(upto, np.arange(1, bins) / bins)])
    which = np.searchsorted(edges, score, side="right")
    kinds = (np.ones(len(score)), chance, transfer)
    total, told, was = (np.asarray(np.bincount(which, weight * kind), np.float64) for kind in kinds)
    some = total > 0
    return Reliability(told[some] / total[some], was[some] / total[some], total[some])


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
