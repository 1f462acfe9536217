"""The whole evaluation: one trained card, its variants and the baselines on seas that training never saw."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.errors import StswatchError
from stswatch.models import ranking
from stswatch.models.context import CONTEXT
from stswatch.models.feature import Feature
from stswatch.models.scorecard import ALL, RULES, Scorecard, load, own, parsed
from stswatch.models.training import train
from stswatch.pipeline.batch import Floats
from stswatch.pipeline.evaluation import figures
from stswatch.pipeline.evaluation.card import markdown
from stswatch.pipeline.evaluation.figures import Sample, Scores, cut_offs, pictures, published, sample
from stswatch.pipeline.evaluation.groups import false_leads
from stswatch.pipeline.evaluation.seas import (
    NONE,
    SEAS,
    SECOND,
    SHIFTED,
    STANDARD,
    TRANSFER,
    Archive,
    Watched,
    near_enough,
    vessel_days,
    watched,
)
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.trouble import Progress

# ------------- The whole evaluation: one trained card, its variants and the baselines on seas that training never saw

TRAINED = "trained"
# What is learned. Silences are shown beside a meeting and not scored: they would move no lead of simulated seas, and
# one of a real archive that was misjudged would (docs/decisions/0018).
LEARNED = tuple(feature for feature in ALL if not feature.silence)
# What the same training gives when it may not know some things: their names, and which features are left.
VARIANTS: tuple[tuple[str, Callable[[Feature], bool]], ...] = (
    ("trained, without context", lambda feature: feature not in CONTEXT),
    ("trained, without place", lambda feature: not feature.place),
    ("trained, without type and size", lambda feature: not feature.self_reported),
)
# Where the cut-off of a trained card lies, in leads on a day of the training seas with their 850 vessels: as many as 15
# among 4,250, and more than half of them are transfers there.
LEADS_PER_DAY = 3
WITHHELD = 0.25  # share of the vessels of a training that say nothing of one thing; some 3 % of real ones send no type
LEAST_COST = 0.001  # in precision-recall AUC: what a feature has to be worth
# How many days after a meeting it is judged: what a watch sees of one that has just ended, and what becomes of it.
AGES_D = (0, 1, 3, 10)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """The seas of an evaluation; `what` says of each what it was made from (seeds, plan), for the card.

    second: seas of the second simulator, judged apart and never pooled with the others; None where none was watched.
    """

    training: Watched
    held_out: Watched
    shifted: Watched
    what: Mapping[str, Any]
    second: Watched | None = None


def card_of(
    sea: Watched, features: Sequence[Feature] = LEARNED, without: str | None = None, choose: bool = True, **about: Any
) -> bytes:
    """A scorecard trained on the encounters of a sea, repeats left out, without one family where one is named.

    choose: leave out what costs nothing, see `useful`. Its cut-off is where LEADS_PER_DAY pass.
    """
    rows = sea.rows.filter(pc.and_(sea.rows["detected"], pc.invert(sea.rows["repeat"]))).combine_chunks()
    if without is not None:
        rows = rows.filter(pc.not_equal(rows["family"], without)).combine_chunks()
    kept = useful(sea, features) if choose else features
    transfer = np.asarray(rows["truth"].to_numpy(zero_copy_only=False) == TRANSFER)
    leads_about = {
        "leads_per_day": LEADS_PER_DAY,
        "vessels": (vessels := round(sea.vessels)),
        "reason": f"{LEADS_PER_DAY} leads a day among {vessels:,} vessels on the simulated seas that it was trained on",
    }
    about["about"] = {**about.get("about", {}), "costs_nothing": [f.name for f in features if f not in kept]}
    return train(
        withheld(rows),
        transfer,
        spread=rows,
        features=kept,
        leads=LEADS_PER_DAY * sea.days,
        leads_about=leads_about,
        **about,
    )


def withheld(rows: pa.Table) -> pa.Table:
    """The same rows (ROWS) as if WITHHELD of the vessels, drawn at random, had said nothing of their type, as many
    nothing of their size, and as many nothing of their draught. The same rows give the same.

    So a card learns what else tells, and saying nothing is no way to hide.
    """
    sides = [np.asarray(rows["seed"]) * 1_000_000_000 + np.asarray(rows[f"mmsi_{v}"]) for v in "ab"]
    vessels, of = np.unique(np.concatenate(sides), return_inverse=True)
    silent = np.random.default_rng(0).random((3, len(vessels))) < WITHHELD
    for v, side in zip("ab", np.split(of, 2), strict=True):
        for name, whose in zip((f"ship_type_{v}", f"length_{v}_m", f"draught_change_m_{v}"), silent, strict=True):
            at = rows.schema.get_field_index(name)
            values = rows[name].combine_chunks()
            kept = pc.if_else(pa.array(whose[side]), pa.nulls(1, values.type)[0], values)
            rows = rows.set_column(at, rows.schema.field(at), kept)
    return rows


def useful(sea: Watched, features: Sequence[Feature]) -> list[Feature]:
    """The features that a card owes something: what dealing out their points costs on each seed in turn, by a card
    trained on the others, is LEAST_COST or more on average. All of them where there is one seed."""
    seed = np.asarray(sea.rows["seed"])
    costs: Counter[str] = Counter()
    for one in np.unique(seed).tolist():
        rest = sea.where(seed != one)
        if rest.rows.num_rows:
            card = parsed(card_of(rest, features, choose=False))
            costs.update(figures.costs(figures.sample(sea.where(seed == one), draws=1), card))
    return [f for f in features if f.by_hand or not costs or costs[f.name] >= LEAST_COST * len(np.unique(seed))]


def cards(card: Scorecard, ground: Ground) -> dict[str, Scorecard]:
    """The trained card and its VARIANTS by name, the card itself first."""
    kept = {name: [feature for feature in LEARNED if keep(feature)] for name, keep in VARIANTS}
    return {TRAINED: card} | {name: parsed(card_of(ground.training, features)) for name, features in kept.items()}


def judge(
    trained: Mapping[str, Scorecard],
    ground: Ground,
    archives: Sequence[Archive] = (),
    tell: Say = lambda what: None,
) -> dict[str, Any]:
    """Every figure of the evaluation as one dictionary of plain values, which the report and the file are made of.

    trained: as `cards` gives them. The same cards, seas and archives give the same figures. Raises TrainingError where
    a sea holds meetings of one kind.
    """
    tell("held-out seas")
    card = trained[TRAINED]
    taken = sample(ground.held_out)
    scores = scores_of(taken.rows, trained)
    evaluation: dict[str, Any] = {
        "card": {
            "model_id": card.model_id,
            "training": dict(card.training),
            "cut_off": {"score": card.cut_off.score, "reason": card.cut_off.reason},
        },
        "seas": dict(ground.what) | _counts(ground),
        "detection": detection(ground.held_out),
        "ceilings": {str(k): figures.ceiling(taken, k) for k in figures.LEADS_A_DAY},
        "ages": figures.by_age(taken, card, AGES_D),
        "days_31_to_35": figures.by_age(sample(ground.held_out.between(30, 35)), card, (0, AGES_D[-1])),
        "figures": {name: figures.figures(taken, score) for name, score in scores.items()},
        "published": published(taken),
        "paired": {name: figures.paired(taken, scores[TRAINED], scores[name]) for name in list(scores)[1:]},
        "families": figures.of_families(
            taken, ground.held_out, {n: scores[n] for n in (*trained, _best(taken, scores))}
        ),
        "look_alikes": figures.of_look_alikes(taken, scores[TRAINED]),
        "groups": false_leads(taken, scores[TRAINED], card.cut_off.score),
        "features": figures.of_features(taken, card),
        "calibration": figures.calibration(taken, scores[TRAINED]),
        "expected": figures.expected(taken, scores[TRAINED]),
        "cut_offs": {
            TRAINED: cut_offs(taken, scores[TRAINED], card.cut_off.score),
            "rules.json": cut_offs(taken, scores["rules.json"], load(own(RULES)).cut_off.score),
        },
        "best_baseline": _best(taken, scores),
    }
    evaluation |= elsewhere(trained, ground, taken, scores, tell)
    tell("families left out")
    evaluation["left_out"] = left_out(ground, taken, scores[TRAINED], [steps.feature for steps in card.steps])
    least = {n: ranking.cut_off_at_false_rate(s, taken.transfer, 0.05) for n, s in scores.items()}
    least |= {n: one.cut_off.score for n, one in trained.items()}
    least |= {baseline.name: ranking.PASSED for baseline in ranking.BASELINES if baseline.parts}
    tell("real archives")
    evaluation["archives"] = [on_archive(archive, lambda rows: scores_of(rows, trained), least) for archive in archives]
    return evaluation


def elsewhere(
    trained: Mapping[str, Scorecard], ground: Ground, taken: Sample, scores: Scores, tell: Say
) -> dict[str, Any]:
    """The figures on shifted seas and on those of the second simulator; `harder` readings against the best baseline."""
    tell("shifted seas")
    other, best = sample(ground.shifted), _best(taken, scores)
    shifted = scores_of(other.rows, trained)
    found: dict[str, Any] = {
        "shifted": {n: figures.figures(other, s) for n, s in shifted.items()},
        "harder": {
            **{name: figures.paired(taken, scores[name], scores[best]) for name, _ in VARIANTS},
            "on shifted seas": figures.paired(other, shifted[TRAINED], shifted[best]),
        },
    }
    if ground.second is not None:
        tell("second seas")
        found["second"] = on_second(ground.second, trained)
    return found


def on_second(sea: Watched, trained: Mapping[str, Scorecard]) -> dict[str, Any]:
    """The figures of the same cards on seas of the second simulator, and what became of each family there."""
    taken = sample(sea)
    scores = scores_of(taken.rows, trained)
    shown = {name: scores[name] for name in (TRAINED, _best(taken, scores))}
    return {
        "figures": {name: figures.figures(taken, score) for name, score in scores.items()},
        "families": figures.of_families(taken, sea, shown),
        "look_alikes": figures.of_look_alikes(taken, scores[TRAINED]),
    }


def on_archive(
    archive: Archive, score: Callable[[pa.Table], Mapping[str, Floats]], cut_offs: Mapping[str, float]
) -> dict[str, Any]:
    """Encounters of an archive and, for each way of ranking, how many reach its cut-off and the rank of the known pair.

    Rank 1 is the highest; equal scores share the mean of their ranks. Vessel-days are days on which an MMSI was heard.
    """
    found = near_enough(archive.fixes, archive.static_reports, Rules())
    days = vessel_days(archive.fixes)
    result: dict[str, Any] = {"name": archive.name, "vessel_days": days, "encounters": found.num_rows, "by": {}}
    a, b = (np.asarray(found[f"mmsi_{v}"]) for v in "ab")
    known = (a == archive.pair[0]) & (b == archive.pair[1]) if archive.pair else np.zeros(found.num_rows, bool)
    for name, of in score(found).items():
        passing = int((of >= cut_offs[name]).sum())
        result["by"][name] = {"passing": passing, "per_1000_vessel_days": passing / days * 1000 if days else None}
        if known.any():
            best = of[known].max()
            result["by"][name]["rank"] = float((of > best).sum() + ((of == best).sum() + 1) / 2)
    if archive.pair:
        result["pair"] = {"mmsi": list(archive.pair), "encounters": int(known.sum())}
    return result


def scores_of(rows: pa.Table, trained: Mapping[str, Scorecard]) -> Scores:
    """The scores of n encounters by every way of ranking, the trained card first."""
    return {name: card.score(rows)[0] for name, card in trained.items()} | ranking.scores(rows)


def _best(taken: Sample, scores: Scores) -> str:
    """The baseline that finds most at 10 leads a day."""
    recall = {
        baseline.name: float(ranking.recall_at_leads(taken.curve(scores[baseline.name]), 10 * taken.days))
        for baseline in ranking.BASELINES
    }
    return max(recall, key=lambda name: recall[name])


def _counts(ground: Ground) -> dict[str, Any]:
    """How large each sea was and what it held."""
    counts = {}
    for name in ("training", "held_out", "shifted", "second"):
        sea: Watched | None = getattr(ground, name)
        if sea is None:
            continue
        rows = sea.rows.filter(pc.invert(sea.rows["repeat"]))
        truth = pc.value_counts(rows.filter(rows["detected"])["truth"]).to_pylist()
        counts[name] = {
            "days": sea.days,
            "vessel_days": sea.vessel_days,
            "seeds": sorted(set(rows["seed"].to_pylist())),
            "encounters": {row["values"]: row["counts"] for row in sorted(truth, key=lambda row: str(row["values"]))},
            "missed_transfers": int(pc.sum(pc.invert(rows["detected"])).as_py() or 0),
            "repeats": sea.rows.num_rows - rows.num_rows,
        }
    return {"counts": counts}


def detection(sea: Watched) -> list[dict[str, Any]]:
    """For each scenario of transfers: how many there were, how many gave an encounter, how far its ends are off."""
    rows = sea.rows.filter(pc.invert(sea.rows["repeat"]))
    rows = rows.filter(pc.equal(rows["truth"], TRANSFER)).to_pandas()
    return [
        {
            "family": family,
            "scenario": scenario,
            "transfers": len(part),
            "found": int(part.detected.sum()),
            "start_off_min": _off(part.start_off_min),
            "end_off_min": _off(part.end_off_min),
        }
        for (family, scenario), part in rows.groupby(["family", "scenario"])
    ]


def _off(minutes: Any) -> float | None:
    """The error that nine of ten keep within, minutes; None where nothing was found."""
    known = minutes.dropna().abs()
    return round(float(known.quantile(0.9)), 1) if len(known) else None


def left_out(ground: Ground, taken: Sample, score: Any, features: Sequence[Feature]) -> list[dict[str, Any]]:
    """For each family: how it fares at a false rate of 5 % when it is in training, and when it is not.

    Of transfers the recall of those found; of others the share that passes. A family that training did not know at all
    is what a new practice would be.
    """
    family = taken.rows["family"].to_numpy(zero_copy_only=False)
    rows = []
    for name in sorted(set(ground.training.rows["family"].to_pylist()) - {NONE}):
        these = family == name
        if not these.any():
            continue
        other = parsed(card_of(ground.training, features, without=name, choose=False)).score(taken.rows)[0]
        rows.append({"family": name, "encounters": int(these.sum()), "transfers": int((these & taken.transfer).sum())})
        for key, of in (("in", score), ("out", other)):
            cut = ranking.cut_off_at_false_rate(of, taken.transfer | these, 0.05)
            rows[-1][key] = float((of[these] >= cut).mean())
    return rows


# ----------- From seeds to a trained card, and from a card to its evaluation: what the commands train and evaluate do

CARD, FIGURES = "CARD.md", "evaluation.json"


class TrialError(StswatchError, ValueError):
    """A trial that cannot be held; the message says what was found and what to do."""


def trained(seeds: Sequence[int], keep: Path | None, workers: int, tell: Progress) -> bytes:
    """A card trained on seeds of the standard sea, as the bytes of its file; the same seeds give the same bytes."""
    learned = watched(STANDARD, seeds, keep, workers, tell)
    return card_of(learned, about={"sea": STANDARD, "seeds": sorted(seeds)})


def ground(
    card: Scorecard,
    seeds: Sequence[int],
    shifted: Sequence[int],
    keep: Path | None,
    workers: int,
    tell: Progress,
    second: Sequence[int] = (),
) -> Ground:
    """The seas of an evaluation. Raises TrialError for a card that was not trained here, or on seeds of the trial."""
    learned, sea = card.training.get("seeds"), card.training.get("sea")
    if not learned or sea != STANDARD:
        raise TrialError(f"{card.model_id} says nothing of seeds that it was trained on; give one of `stswatch train`")
    both = sorted(set(learned) & set(seeds))
    if both:
        raise TrialError(f"seed {both[0]} was in the training of {card.model_id}; evaluate on others, such as 101-104")
    return Ground(
        watched(sea, learned, keep, workers, tell),
        watched(sea, seeds, keep, workers, tell),
        watched(SHIFTED, shifted, keep, workers, tell),
        {"plans": {name: text for name, (_, text) in SEAS.items() if second or name != SECOND}},
        watched(SECOND, second, keep, workers, tell) if second else None,
    )


def evaluated(
    card: Scorecard,
    on: Ground,
    archives: Sequence[Archive],
    tell: Progress = lambda stage, done, of: None,
    beside: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """The files of an evaluation by name: the card as Markdown, its figures as JSON, its pictures.

    beside: what silences.py and dark_figures.py measured, by `silences` and `dark`, where it was asked for.
    """
    trained_cards, taken = cards(card, on), sample(on.held_out)
    evaluation = {**judge(trained_cards, on, archives, lambda what: tell(what, 0, 1)), **(beside or {})}
    drawn = pictures(taken, scores_of(taken.rows, trained_cards), evaluation, card)
    written = {CARD: markdown(evaluation).encode(), FIGURES: (json.dumps(plain(evaluation), indent=1) + "\n").encode()}
    return written | {f"{name}.png": content for name, content in drawn.items()}


def plain(content: Any) -> Any:
    """The same values as JSON can say them: what is no number becomes null.

    >>> plain({"auc": float("nan"), "range": (1.0, 2.0)})
    {'auc': None, 'range': [1.0, 2.0]}
    """
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
