"""Trains the additive scorecard: boosted trees without interactions, read out exactly as steps per feature.

A tree sees a value only as the number of its step among the cuts of the feature (models/features.py). Trees without
interactions are a sum of one function per feature, and a function of whole numbers is known once it was asked for each
of them: so the card is read out of scikit-learn's public `decision_function` and equals it, to the rounding of points,
wherever all is known and nothing is near a port or the shore, where no remoteness may speak for a lead. What is not
known gives 0 points, as much as the average meeting has, whatever the trees made of it: that something was not received
is no evidence. A silence that is not judged gives no more than no silence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.errors import StswatchError
from stswatch.models.feature import Columns, Feature, Floats
from stswatch.models.features import FEATURES
from stswatch.models.scorecard import grained, parsed

Bools = NDArray[np.bool_]


class TrainingError(StswatchError, ValueError):
    """Meetings that no scorecard can be trained on; the message says what was found and what to do."""


@dataclass(frozen=True)
class TrainingSettings:
    """How trees are grown; each number says why. Early stopping is off: it would draw its own rows."""

    rounds: int = 300  # with the rate below: the training loss hardly falls any more
    rate: float = 0.05  # small steps, so that no single tree decides
    leaves: int = 4  # a tree steps three times at most: steps are few and can be read
    least_meetings: int = 40  # in a leaf; with fewer a step follows single vessels
    ridge: float = 5.0  # draws small leaves to 0
    seed: int = 0  # of scikit-learn; nothing is drawn with these settings, said all the same


class Read(NamedTuple):
    """One feature as it was read out: points of each step (len(cuts) + 1,), and of what is not known."""

    points: Floats
    missing: float


def ordinals(columns: Columns, features: Sequence[Feature] = FEATURES) -> Floats:
    """What the trees see of n meetings: the number of the step of each feature, (n, k); NaN where not known.

    Raises KeyError for a column that is not there.

    >>> ordinals({"duration_min": [60, None]}, [FEATURES[0]]).tolist()
    [[2.0], [nan]]
    """
    values = [feature.function(columns) for feature in features]
    steps = [np.searchsorted(f.cuts, v, side="right") for f, v in zip(features, values, strict=True)]
    return np.column_stack([np.where(np.isnan(v), np.nan, s) for v, s in zip(values, steps, strict=True)])


def balanced(transfer: Bools) -> Floats:
    """Weights (n,) with which transfers and all else count the same in sum, one on average.

    Raises TrainingError where there are none of one kind.

    >>> balanced(np.array([True, False, False, False])).round(3).tolist()
    [2.0, 0.667, 0.667, 0.667]
    """
    n, positives = len(transfer), int(np.count_nonzero(transfer))
    if not 0 < positives < n:
        raise TrainingError(f"{positives} transfers among {n} meetings; a scorecard needs meetings of both kinds")
    return np.where(transfer, n / (2 * positives), n / (2 * (n - positives)))


def fit(
    steps: Floats, transfer: Bools, features: Sequence[Feature] = FEATURES, settings: TrainingSettings | None = None
) -> Any:
    """A fitted HistGradientBoostingClassifier on what `ordinals` gave, (n, k), and truth (n,), classes balanced.

    The same input gives the same trees. Raises TrainingError where there are no meetings of one kind.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # seconds to import; a run never trains

    how = settings or TrainingSettings()
    model = HistGradientBoostingClassifier(
        learning_rate=how.rate,
        max_iter=how.rounds,
        max_leaf_nodes=how.leaves,
        min_samples_leaf=how.least_meetings,
        l2_regularization=how.ridge,
        monotonic_cst=[f.monotone for f in features],
        interaction_cst="no_interactions",
        early_stopping=False,
        random_state=how.seed,
    )
    with _one_thread():
        return model.fit(np.where(_parts_nothing(steps), 0.0, steps), transfer, sample_weight=balanced(transfer))


def _parts_nothing(steps: Floats) -> Bools:
    """Which columns (k,) hold one step at most where they are known: what could be learned of them is their absence.

    A column of zeros in their place is one that no tree can split, and that scikit-learn takes.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(np.fmax.reduce(steps, axis=0) <= np.fmin.reduce(steps, axis=0)) | np.isnan(steps).all(axis=0)


def _one_thread() -> Any:
    """A context in which scikit-learn takes one thread: on a busy machine two wait for each other, for minutes."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def read_out(model: Any, features: Sequence[Feature] = FEATURES) -> tuple[float, list[Read]]:
    """The intercept and the points of each feature that add up to `model.decision_function`, for any input.

    The intercept is the score of what is known of nothing. Never raises for a model of `fit`.
    """
    sizes = [len(f.cuts) + 1 for f in features]
    probes = np.full((1 + sum(sizes), len(sizes)), np.nan)
    at = 1
    for i, size in enumerate(sizes):
        probes[at : at + size, i] = np.arange(size)
        at += size
    with _one_thread():
        values = model.decision_function(probes)
    parts = np.split(values[1:] - values[0], np.cumsum(sizes)[:-1])
    return float(values[0]), [Read(points, 0.0) for points in parts]


def centred(intercept: float, read: Sequence[Read], steps: Floats, weight: Floats) -> tuple[float, list[Read]]:
    """The same function of what is known, with points that are 0 on the average of meetings (n, k), weighted (n,).

    So points say how a meeting differs from the average one, and the intercept is the score of that. What is not known
    gives 0 points.
    """
    moved = []
    for one, step in zip(read, steps.T, strict=True):
        known = ~np.isnan(step)
        points = one.points[step[known].astype(np.int64)]
        mean = float(np.average(points, weights=weight[known])) if known.any() else 0.0
        moved.append(Read(one.points - mean, 0.0))
        intercept += mean
    return intercept, moved


def cut_off(score: Floats, leads: float) -> float:
    """The least score, in hundredths, that no more than so many of n meetings reach.

    >>> cut_off(np.array([2.0, 1.0, 1.0, 0.5]), 2)
    1.01
    >>> cut_off(np.array([2.0, 1.004, 0.5]), 2)
    0.51
    """
    ranked: list[float] = np.sort(score)[::-1].tolist()
    if leads >= len(ranked):
        return math.floor(ranked[-1] * 100) / 100
    return math.floor(ranked[math.floor(leads)] * 100 + 1) / 100  # above the first that is one too many


def train(
    columns: Columns,
    transfer: Bools,
    *,
    features: Sequence[Feature] = FEATURES,
    settings: TrainingSettings | None = None,
    name: str = "trained",
    about: Mapping[str, Any] | None = None,
    leads: float | None = None,
    leads_about: Mapping[str, Any] | None = None,
    spread: Columns | None = None,
) -> bytes:
    """A scorecard as the bytes of a JSON file for `scorecard.load`, trained on n meetings.

    columns: as in feature.values. transfer: (n,) the truth. about: what else to write down of the training. leads: how
    many of the n meetings the cut-off lets pass; it is 0 where None. leads_about: what to write down of that. spread:
    the meetings whose distribution is written down, where some things of them were withheld from training. The same
    input gives the same bytes. Raises KeyError for a column that is not there, TrainingError where one kind lacks or
    where too few meetings part nothing.
    """
    how, weight, steps = settings or TrainingSettings(), balanced(transfer), ordinals(columns, features)
    intercept, read = centred(*read_out(fit(steps, transfer, features, how), features), steps, weight)
    tables = {f.name: _table(f, _bounded(f, one)) for f, one in zip(features, read, strict=True)}
    used = {key: table for key, table in tables.items() if {*table["points"], table["missing"]} != {0.0}}
    if not used:
        raise TrainingError(f"{len(transfer)} meetings are too few for a scorecard; give more seeds")
    transfers = int(np.count_nonzero(transfer))
    training = {"meetings": len(transfer), "transfers": transfers, "settings": asdict(how), **(about or {})}
    card = {
        "id": name,
        "description": "Points learned from simulated meetings, transfers and others counted the same in sum."
        " Measured on no real transfer; a rank, not a probability.",
        "intercept": float(grained(intercept)),
        "intercept_reason": "every meeting begins where the average of the simulated ones lies",
        "cut_off": {"score": 0.0},
        "features": used,
        "training": training,
    }
    made = parsed(json.dumps(card).encode())
    training["distribution"] = made.distribution(columns if spread is None else spread)
    if leads is not None:
        card["cut_off"] = {"score": cut_off(made.score(columns)[0], leads), **(leads_about or {})}
    return (json.dumps(card, indent=1) + "\n").encode()


def _bounded(feature: Feature, read: Read) -> Read:
    """The points within what the feature allows: of a silence that is not judged no more than of none, of what is near
    nothing for a lead."""
    if feature.by_hand:
        return Read(np.array(feature.by_hand), 0.0)
    if feature.silence:
        read = read._replace(missing=min(read.missing, float(read.points[0])))
    if feature.near is not None:
        first = np.array([-np.inf, *feature.cuts])  # value at which each step begins
        read = read._replace(points=np.where(first <= feature.near, np.minimum(read.points, 0.0), read.points))
    return read


def _table(feature: Feature, read: Read) -> dict[str, Any]:
    """One feature as the file has it: equal neighbours are one step."""
    points = grained(read.points)
    new = np.flatnonzero(np.diff(points))
    return {
        "edges": [feature.cuts[i] for i in new.tolist()],
        "points": [*points[new].tolist(), float(points[-1])],
        "missing": float(grained(read.missing)),
        "reason": feature.reason,
    }
