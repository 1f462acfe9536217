"""The figures of one score on one watched sea: each with its range over vessels drawn again."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from stswatch.models import ranking
from stswatch.models.context import known_at
from stswatch.models.ranking import Curve, Interval, curve, interval, vessel_draws
from stswatch.models.scorecard import ALL, Scorecard
from stswatch.models.training import balanced
from stswatch.pipeline.batch import Bools, Floats, Ints
from stswatch.pipeline.evaluation.seas import LOOK_ALIKE, TRANSFER, Watched
from stswatch.pipeline.pictures.style import DASHES, DOTS, FAINT, INK, QUIET, A, B, look

# Transfers in 1,000 vessel-days, and vessels watched, for which leads and precision are told. Nobody knows the first
# for real waters: the three are a sea like the simulated one, ten times and a hundred times as rare.
PER_1000_VESSEL_DAYS = (10.0, 1.0, 0.1)
VESSELS = (500, 5_000, 50_000)
Scores: TypeAlias = dict[str, Floats]
LEADS_A_DAY = (5, 10, 20)  # what one analyst, a small and a large desk read
FALSE_RATES = (0.01, 0.05)
DEALS = 20  # the mean of so many moves by less than 0.005 from seed to seed
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
    ("pr_auc", "precision-recall AUC of the encounters", lambda c, s: ranking.average_precision(c)),
    ("roc_auc", "ROC AUC of the encounters", lambda c, s: ranking.roc_auc(c)),
    *(
        (
            f"recall_at_{k}_a_day",
            f"recall at {k} leads a day",
            lambda c, s, k=k: ranking.recall_at_leads(c, k * s.days),
        )
        for k in LEADS_A_DAY
    ),
    *(
        (
            f"false_at_{k}_a_day",
            f"false leads per 1,000 vessel-days at {k} leads a day",
            lambda c, s, k=k: ranking.false_at_leads(c, k * s.days) / s.vessel_days * 1000,
        )
        for k in LEADS_A_DAY
    ),
    *(
        (
            f"recall_at_{rate:.0%}_false",
            f"recall at a false-positive rate of {rate:.0%}",
            lambda c, s, rate=rate: ranking.recall_at_false_rate(c, rate),
        )
        for rate in FALSE_RATES
    ),
)


def figures(of: Sample, score: Floats) -> dict[str, Interval]:
    """Every figure of a score (n,), with its range."""
    whole, drawn = of.curve(score), of.drawn(score)
    return {name: interval(how(whole, of), how(drawn, of)) for name, _, how in FIGURES}


def ceiling(of: Sample, leads_a_day: int) -> float:
    """The share of all transfers that no order of the encounters can exceed at so many leads a day."""
    found = int(of.transfer.sum())
    return min(leads_a_day * of.days, found) / (found + of.missed)


def by_age(taken: Sample, card: Scorecard, ages_d: Sequence[int]) -> dict[str, dict[str, Interval]]:
    """The figures of a card so many days after each meeting."""
    rows = dict(zip(taken.rows.schema.names, taken.rows.columns, strict=True))
    return {str(age_d): figures(taken, card.score(known_at(rows, age_d))[0]) for age_d in ages_d}


def published(taken: Sample) -> list[dict[str, Any]]:
    """What the published rules take as they stand, without an order: leads a day, recall, false leads."""
    found = []
    for baseline in ranking.BASELINES:
        if not baseline.parts:
            continue
        passes = baseline.function(taken.rows) == ranking.PASSED
        true, false = int((passes & taken.transfer).sum()), int((passes & ~taken.transfer).sum())
        found.append(
            {
                "name": baseline.name,
                "leads_a_day": (true + false) / taken.days,
                "recall": true / (taken.transfer.sum() + taken.missed),
                "precision": true / max(true + false, 1),
                "false_per_1000_vessel_days": false / taken.vessel_days * 1000,
            }
        )
    return found


def cut_offs(taken: Sample, score: Any, of_card: float) -> list[dict[str, Any]]:
    """What passes at the cut-off of the card itself, and at those of both false rates."""
    found = []
    for rate in (None, *FALSE_RATES):
        least = of_card if rate is None else ranking.cut_off_at_false_rate(score, taken.transfer, rate)
        passes = score >= least
        true, false = int((passes & taken.transfer).sum()), int((passes & ~taken.transfer).sum())
        found.append(
            {
                "least_score": least,
                "false_rate": false / int((~taken.transfer).sum()),
                "leads_a_day": (true + false) / taken.days,
                "recall": true / (taken.transfer.sum() + taken.missed),
                "precision": true / max(true + false, 1),
            }
        )
    return found


def paired(of: Sample, score: Floats, other: Floats) -> dict[str, Any]:
    """How much more recall a score has than another at equal leads a day, with its range, and how often it is more."""
    differences: dict[str, Any] = {}
    pairs = [(of.curve(s), of.drawn(s)) for s in (score, other)]
    for k in LEADS_A_DAY:
        (a, drawn_a), (b, drawn_b) = pairs
        drawn = [ranking.recall_at_leads(c, k * of.days) for c in (drawn_a, drawn_b)]
        value = ranking.recall_at_leads(a, k * of.days) - ranking.recall_at_leads(b, k * of.days)
        differences[str(k)] = {
            "difference": interval(value, drawn[0] - drawn[1]),
            "above": float((drawn[0] > drawn[1]).mean()),
        }
    return differences


def of_families(of: Sample, watched: Watched, scores: Scores) -> list[dict[str, Any]]:
    """For each family of transfers: how many, how many gave an encounter, and recall of all at both false rates."""
    rows = watched.rows.filter(pa.compute.invert(watched.rows["repeat"]))
    families, truth = (rows[name].to_numpy(zero_copy_only=False) for name in ("family", "truth"))
    mine = of.rows["family"].to_numpy(zero_copy_only=False)
    of_each = []
    for family in sorted(set(families[truth == TRANSFER])):
        all_of_it = int(((families == family) & (truth == TRANSFER)).sum())
        these = of.transfer & (mine == family)
        recalls = {
            name: {f"{rate:.0%}": _recall(of, score, these, rate, all_of_it) for rate in FALSE_RATES}
            for name, score in scores.items()
        }
        of_each.append({"family": family, "transfers": all_of_it, "found": int(these.sum()), "recall": recalls})
    return of_each


def _recall(of: Sample, score: Floats, these: Bools, rate: float, transfers: int) -> Interval:
    """Recall of some transfers at a false rate; those that were missed count in every draw as they did."""
    keep = these | ~of.transfer
    found, among = curve(score[keep], of.transfer[keep]), of.weights[:, keep]
    drawn = ranking.recall_at_false_rate(curve(score[keep], of.transfer[keep], among), rate)
    share = these.sum() / transfers
    value = ranking.recall_at_false_rate(found, rate) * share if these.any() else np.float64(0)
    return interval(value, drawn * share)


def of_look_alikes(of: Sample, score: Floats) -> list[dict[str, Any]]:
    """For each family of other meetings: how many encounters, and what share of them passes at both false rates."""
    family = of.rows["family"].to_numpy(zero_copy_only=False)
    cut_offs = {f"{rate:.0%}": ranking.cut_off_at_false_rate(score, of.transfer, rate) for rate in FALSE_RATES}
    return [
        {
            "family": name,
            "encounters": int(these.sum()),
            "passing": {rate: float((score[these] >= cut).mean()) for rate, cut in cut_offs.items()},
        }
        for name in sorted(set(family[~of.transfer]))
        for these in [~of.transfer & (family == name)]
    ]


def of_features(of: Sample, card: Scorecard) -> list[dict[str, Any]]:
    """How well each feature alone parts transfers from all else and from look-alikes; and what the card loses without.

    cost: by how much the precision-recall AUC falls where the points of the feature are dealt out anew among all
    encounters, the mean of DEALS; 0 for one of which the card has none.
    """
    alike = of.transfer | (of.rows["truth"].to_numpy(zero_copy_only=False) == LOOK_ALIKE)
    cost = costs(of, card)
    return [
        {
            "feature": feature.name,
            "auc": _better_auc(column, of.transfer),
            "auc_look_alikes": _better_auc(column[alike], of.transfer[alike]),
            "known": float(np.isfinite(column).mean()),
            "place": feature.place,
            "cost": cost.get(feature.name, 0.0),
        }
        for feature in ALL
        for column in [feature.function(of.rows)]
    ]


def costs(of: Sample, card: Scorecard) -> dict[str, float]:
    """By feature of the card what dealing out its points anew costs."""
    score, points = card.score(of.rows)
    whole = float(ranking.average_precision(of.curve(score)))
    rng, found = np.random.default_rng(0), {}
    for k, name in enumerate(card.parts[:-1]):
        dealt = [score - points[:, k] + rng.permutation(points[:, k]) for _ in range(DEALS)]
        found[name] = whole - float(np.mean([ranking.average_precision(of.curve(one)) for one in dealt]))
    return found


def _better_auc(value: Floats, transfer: Bools) -> float | None:
    """ROC AUC of values in their better direction, where they are known; None where one kind lacks."""
    known = np.isfinite(value)
    auc = float(ranking.roc_auc(curve(value[known], transfer[known])))
    return max(auc, 1 - auc) if np.isfinite(auc) else None


def calibration(of: Sample, score: Floats) -> dict[str, Any]:
    """How scores as log-odds agree with what was, transfers and others counted the same in sum, as in training."""
    slope, intercept = ranking.calibration_line(score, of.transfer, of.balance)
    bins = ranking.reliability(score, of.transfer, of.balance)
    off = float(np.average(np.abs(bins.predicted - bins.was), weights=bins.weight))
    return {
        "slope": slope,
        "intercept": intercept,
        "mean_error": off,
        "told": bins.predicted.tolist(),
        "was": bins.was.tolist(),
    }


def expected(taken: Sample, score: Any) -> list[dict[str, Any]]:
    """Leads a day and precision at three frequencies of transfers and three fleets, at both false rates."""
    rows = []
    for rate in FALSE_RATES:
        found = taken.curve(score)
        recall = float(ranking.recall_at_false_rate(found, rate))
        false = rate * float(found.false[-1]) / taken.vessel_days * 1000
        for often in PER_1000_VESSEL_DAYS:
            for vessels in VESSELS:
                leads, precision = ranking.expected(recall, false, often, vessels)
                rows.append(
                    {
                        "false_rate": rate,
                        "transfers_per_1000_vessel_days": often,
                        "vessels": vessels,
                        "leads_a_day": leads,
                        "precision": precision,
                    }
                )
    return rows


# ----------------------------------------------------------------------------------------------------------------
# Pictures of the evaluation: precision over recall, recall over leads a day, calibration, the points of the card

_DPI = 110
# by place in the order of the scores: the trained card, its variants, then the baselines; apart in grey too
_LINES: tuple[tuple[str, Any, float], ...] = (
    (A.colour, "-", 2.0),
    (A.colour, DASHES, 1.2),
    (A.colour, DOTS, 1.2),
    (A.colour, "-", 0.9),
    (B.colour, "-", 1.4),
    (B.colour, DASHES, 1.2),
    (QUIET, "-", 1.0),
    (QUIET, DOTS, 1.2),
    (INK, DASHES, 1.4),
)
_MOST_A_DAY = 40.0


def pictures(of: Sample, scores: Scores, evaluation: Mapping[str, Any], card: Scorecard) -> dict[str, bytes]:
    """The pictures by name as PNG; the same figures give the same bytes."""
    from matplotlib.figure import Figure

    made: dict[str, tuple[tuple[float, float], Callable[[Any], None]]] = {
        "precision_recall": ((6.4, 4.2), lambda figure: _precision(figure, of, scores)),
        "leads": ((6.4, 4.2), lambda figure: _leads(figure, of, scores)),
        "calibration": ((4.2, 4.2), lambda figure: _calibration(figure, evaluation["calibration"])),
        "points": ((9.0, 2.1 * -(-len(card.steps) // 3)), lambda figure: _points(figure, card)),
    }
    written = {}
    with look():
        for name, (size_in, draw) in made.items():
            figure = Figure(figsize=size_in, layout="constrained")
            draw(figure)
            sink = io.BytesIO()
            figure.savefig(sink, format="png", dpi=_DPI, metadata={"Software": None})
            written[name] = sink.getvalue()
    return written


def _precision(figure: Any, of: Sample, scores: Scores) -> None:
    """Precision over recall of all transfers: recall ends where those end that gave an encounter."""
    ax = figure.subplots()
    for (name, score), (colour, dash, width) in zip(scores.items(), _LINES, strict=True):
        found = of.curve(score)
        with np.errstate(invalid="ignore"):
            precision = found.true[1:] / found.leads[1:]
        ax.plot(found.true[1:] / found.transfers, precision, color=colour, ls=dash, lw=width, label=name)
    ax.axhline(of.transfer.mean(), color=FAINT, lw=0.8)
    ax.set(xlabel="recall of all transfers", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(frameon=False, loc="upper right")


def _leads(figure: Any, of: Sample, scores: Scores) -> None:
    ax = figure.subplots()
    for (name, score), (colour, dash, width) in zip(scores.items(), _LINES, strict=True):
        found = of.curve(score)
        ax.plot(found.leads / of.days, found.true / found.transfers, color=colour, ls=dash, lw=width, label=name)
    for k in LEADS_A_DAY:
        ax.axvline(k, color=FAINT, lw=0.8)
    title = f"{of.vessel_days / of.days:,.0f} vessels watched"
    ax.set(xlabel="leads a day", ylabel="recall of all transfers", xlim=(0, _MOST_A_DAY), ylim=(0, 1), title=title)
    ax.legend(frameon=False, loc="lower right")


def _calibration(figure: Any, reliability: Mapping[str, Any]) -> None:
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    ax.plot(reliability["told"], reliability["was"], color=A.colour, marker="o", lw=1.4)
    ax.set(
        xlabel="told by the score, both kinds in equal number", ylabel="share of transfers", xlim=(0, 1), ylim=(0, 1)
    )
    ax.set_aspect("equal")


def _points(figure: Any, card: Scorecard) -> None:
    """Steps of every feature of the card, on one scale of points."""
    axes = figure.subplots(-(-len(card.steps) // 3), 3, squeeze=False, sharey=True).ravel()
    for ax, steps in zip(axes, card.steps, strict=False):
        cuts = steps.feature.cuts
        beside = 0.1 * (cuts[-1] - cuts[0]) if len(cuts) > 2 else 1.0
        edges = [min(cuts[0], *steps.edges[:1]) - beside, *steps.edges, max(cuts[-1], *steps.edges[-1:]) + beside]
        ax.stairs(steps.points, edges, color=A.colour, lw=1.4, baseline=None)
        ax.set_xlabel(steps.feature.unit)
        ax.axhline(0, color=FAINT, lw=0.8)
        ax.set_title(steps.feature.name)
    for ax in axes[len(card.steps) :]:
        ax.set_axis_off()
    for ax in axes[::3]:
        ax.set_ylabel("points")
