"""The figures of one score on one watched sea: each with its range over vessels drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from stswatch.models import evaluation
from stswatch.models.evaluation import Curve, curve
from stswatch.models.features import FEATURES
from stswatch.models.resampling import Interval, interval, vessel_draws
from stswatch.models.training import balanced
from stswatch.pipeline.batch import Bools, Floats, Ints
from stswatch.pipeline.trials.labels import LOOK_ALIKE, TRANSFER
from stswatch.pipeline.trials.watch import Watched

Scores: TypeAlias = dict[str, Floats]
LEADS_A_DAY = (5, 10, 20)  # what one analyst, a small and a large desk read
FALSE_RATES = (0.01, 0.05)
DRAWS = 400  # the ends of a range then move by about a tenth of its width from seed to seed


@dataclass(frozen=True)
class Sample:
    """Meetings that stand for themselves, in the order of `rows`: those found, and how much was missed.

    weights: (draws, n) of vessels drawn again; missed: transfers that gave no encounter, missed_weights: (draws,).
    """

    rows: pa.Table
    transfer: Bools
    weights: Floats
    missed: float
    missed_weights: Floats
    days: float
    vessel_days: float

    def curve(self, score: Floats, keep: Bools | None = None) -> Curve:
        """The curve of a score (n,), of some of the rows."""
        at = slice(None) if keep is None else keep
        return curve(score[at], self.transfer[at], missed=self.missed)

    def drawn(self, score: Floats, keep: Bools | None = None) -> Curve:
        """The curves of all draws."""
        at = slice(None) if keep is None else keep
        return curve(score[at], self.transfer[at], self.weights[:, at], self.missed_weights)

    @cached_property
    def balance(self) -> Floats:
        """Weights (n,) with which transfers count as much as all else."""
        return balanced(self.transfer)


def sample(watched: Watched, draws: int = DRAWS, seed: int = 0) -> Sample:
    """The meetings of a watched sea without repeats, and their weights; the same seed draws the same vessels."""
    rows = watched.rows.filter(pa.compute.invert(watched.rows["repeat"])).combine_chunks()
    weights = vessel_draws(_vessels(rows, "a"), _vessels(rows, "b"), draws, seed)
    found = np.asarray(rows["detected"].to_numpy(zero_copy_only=False), bool)
    kept = rows.filter(pa.array(found)).combine_chunks()
    transfer = np.asarray(kept["truth"].to_numpy(zero_copy_only=False) == TRANSFER)
    missed = weights[:, ~found]
    return Sample(
        kept,
        transfer,
        weights[:, found],
        float(missed.shape[1]),
        missed.sum(axis=1),
        watched.days,
        watched.vessel_days,
    )


def _vessels(rows: pa.Table, v: str) -> Ints:
    """A number for each vessel, another in each sea."""
    mmsi, seed = (np.asarray(rows[name]).astype(np.int64) for name in (f"mmsi_{v}", "seed"))
    return np.asarray(seed * 1_000_000_000 + mmsi)


Figure = Callable[[Curve, Sample], Floats]
FIGURES: tuple[tuple[str, str, Figure], ...] = (  # name, what it is, how
    ("pr_auc", "precision-recall AUC of the encounters", lambda c, s: evaluation.average_precision(c)),
    ("roc_auc", "ROC AUC of the encounters", lambda c, s: evaluation.roc_auc(c)),
    *(
        (
            f"recall_at_{k}_a_day",
            f"recall at {k} leads a day",
            lambda c, s, k=k: evaluation.recall_at_leads(c, k * s.days),
        )
        for k in LEADS_A_DAY
    ),
    *(
        (
            f"false_at_{k}_a_day",
            f"false leads per 1,000 vessel-days at {k} leads a day",
            lambda c, s, k=k: evaluation.false_at_leads(c, k * s.days) / s.vessel_days * 1000,
        )
        for k in LEADS_A_DAY
    ),
    *(
        (
            f"recall_at_{rate:.0%}_false",
            f"recall at a false-positive rate of {rate:.0%}",
            lambda c, s, rate=rate: evaluation.recall_at_false_rate(c, rate),
        )
        for rate in FALSE_RATES
    ),
)


def figures(of: Sample, score: Floats) -> dict[str, Interval]:
    """Every figure of a score (n,), with its range."""
    whole, drawn = of.curve(score), of.drawn(score)
    return {name: interval(how(whole, of), how(drawn, of)) for name, _, how in FIGURES}


def paired(of: Sample, score: Floats, other: Floats) -> dict[str, Any]:
    """How much more recall a score has than another at equal leads a day, with its range, and how often it is more."""
    told: dict[str, Any] = {}
    pairs = [(of.curve(s), of.drawn(s)) for s in (score, other)]
    for k in LEADS_A_DAY:
        (a, drawn_a), (b, drawn_b) = pairs
        drawn = [evaluation.recall_at_leads(c, k * of.days) for c in (drawn_a, drawn_b)]
        value = evaluation.recall_at_leads(a, k * of.days) - evaluation.recall_at_leads(b, k * of.days)
        told[str(k)] = {
            "difference": interval(value, drawn[0] - drawn[1]),
            "above": float((drawn[0] > drawn[1]).mean()),
        }
    return told


def of_families(of: Sample, watched: Watched, scores: Scores) -> list[dict[str, Any]]:
    """For each family of transfers: how many, how many gave an encounter, and recall of all at both false rates."""
    rows = watched.rows.filter(pa.compute.invert(watched.rows["repeat"]))
    families, truth = (rows[name].to_numpy(zero_copy_only=False) for name in ("family", "truth"))
    mine = of.rows["family"].to_numpy(zero_copy_only=False)
    told = []
    for family in sorted(set(families[truth == TRANSFER])):
        all_of_it = int(((families == family) & (truth == TRANSFER)).sum())
        these = of.transfer & (mine == family)
        recalls = {
            name: {f"{rate:.0%}": _recall(of, score, these, rate, all_of_it) for rate in FALSE_RATES}
            for name, score in scores.items()
        }
        told.append({"family": family, "transfers": all_of_it, "found": int(these.sum()), "recall": recalls})
    return told


def _recall(of: Sample, score: Floats, these: Bools, rate: float, transfers: int) -> Interval:
    """Recall of some transfers at a false rate; those that were missed count in every draw as they did."""
    keep = these | ~of.transfer
    found, among = curve(score[keep], of.transfer[keep]), of.weights[:, keep]
    drawn = evaluation.recall_at_false_rate(curve(score[keep], of.transfer[keep], among), rate)
    share = these.sum() / transfers
    value = evaluation.recall_at_false_rate(found, rate) * share if these.any() else np.float64(0)
    return interval(value, drawn * share)


def of_look_alikes(of: Sample, score: Floats) -> list[dict[str, Any]]:
    """For each family of other meetings: how many encounters, and what share of them passes at both false rates."""
    family = of.rows["family"].to_numpy(zero_copy_only=False)
    cut_offs = {f"{rate:.0%}": evaluation.cut_off_at_false_rate(score, of.transfer, rate) for rate in FALSE_RATES}
    return [
        {
            "family": name,
            "encounters": int(these.sum()),
            "passing": {rate: float((score[these] >= cut).mean()) for rate, cut in cut_offs.items()},
        }
        for name in sorted(set(family[~of.transfer]))
        for these in [~of.transfer & (family == name)]
    ]


def of_features(of: Sample, value: Floats) -> list[dict[str, Any]]:
    """How well each feature alone parts transfers from all else and from look-alikes; value: (n, k) as FEATURES."""
    alike = of.transfer | (of.rows["truth"].to_numpy(zero_copy_only=False) == LOOK_ALIKE)
    return [
        {
            "feature": feature.name,
            "auc": _better_auc(column, of.transfer),
            "auc_look_alikes": _better_auc(column[alike], of.transfer[alike]),
            "known": float(np.isfinite(column).mean()),
            "place": feature.place,
        }
        for feature, column in zip(FEATURES, value.T, strict=True)
    ]


def _better_auc(value: Floats, transfer: Bools) -> float | None:
    """ROC AUC of values in their better direction, where they are known; None where one kind lacks."""
    known = np.isfinite(value)
    auc = float(evaluation.roc_auc(curve(value[known], transfer[known])))
    return max(auc, 1 - auc) if np.isfinite(auc) else None


def calibration(of: Sample, score: Floats) -> dict[str, Any]:
    """How scores as log-odds agree with what was, transfers and others counted the same in sum, as in training."""
    slope, intercept = evaluation.calibration_line(score, of.transfer, of.balance)
    bins = evaluation.reliability(score, of.transfer, of.balance)
    off = float(np.average(np.abs(bins.told - bins.was), weights=bins.weight))
    return {
        "slope": slope,
        "intercept": intercept,
        "mean_error": off,
        "told": bins.told.tolist(),
        "was": bins.was.tolist(),
    }
