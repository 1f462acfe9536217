"""The additive scorecard: steps of points per feature, read from JSON, evaluated by look-up.

The score is a rank in units like log-odds, not a probability. Points are whole multiples of GRAIN and their sum stays
below LIMIT, so that it is the same in whatever order they are added: float64 holds every such sum exactly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from stswatch.errors import StswatchError
from stswatch.models.context import CONTEXT
from stswatch.models.feature import Columns, Feature, Floats, values
from stswatch.models.features import FEATURES, GUARDS
from stswatch.regular_files import read_regular

GRAIN = 2.0**-40  # fine enough that a trained card is within 1e-11 of the trees that it was read from
LIMIT = 2.0**12  # 2^53 grains is where float64 ends to hold whole numbers; log-odds end long before
BASE = "base"
ALIKE, OTHER = 0.1, 0.25  # of `stability`: under the first alike, from the second on another population
RULES, TRAINED = "rules.json", "trained.json"  # set by hand; trained on simulated voyages, see CARD.md
NAMES = {"rules": RULES, "trained": TRAINED}  # what a user calls them
DEFAULT = TRAINED  # which of them a run uses: docs/decisions/0012 and 0018
ALL = (*FEATURES, *GUARDS, *CONTEXT)


class ScorecardError(StswatchError, ValueError):
    """A scorecard that cannot be used; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Steps:
    """Points of one feature: `points[i]` from `edges[i - 1]` to below `edges[i]`; `missing` for NaN."""

    feature: Feature
    edges: tuple[float, ...]
    points: tuple[float, ...]
    missing: float
    reason: str

    def at(self, value: Floats) -> Floats:
        """Points for values (n,)."""
        found = np.asarray(self.points)[np.searchsorted(self.edges, value, side="right")]
        return np.where(np.isnan(value), self.missing, found)

    def shares(self, value: Floats) -> Floats:
        """The share of values (n,) in each step, and of those not known last, (len(points) + 1,)."""
        return _shares(np.asarray(self.edges), value)


@dataclass(frozen=True)
class CutOff:
    """The score from which a meeting is a lead, on the scale of its card, and why there."""

    score: float = 0.0  # of files that name none: what it was for every card before each had its own
    reason: str = ""


@dataclass(frozen=True)
class Scorecard:
    """An intercept and the steps of each feature; `model_id` names the file by its content.

    `training` is what the file says of how it was trained; empty for one that was set by hand. `cut_off` holds where
    the rules of a run do not name another (`lead.min_score`).
    """

    id: str
    description: str
    intercept: float
    intercept_reason: str
    steps: tuple[Steps, ...]
    model_id: str
    training: Mapping[str, Any] = field(default_factory=dict)
    cut_off: CutOff = CutOff()

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Names of the columns of the contributions: the features, then `base` (the intercept)."""
        return (*(s.feature.name for s in self.steps), BASE)

    @cached_property
    def of_meeting(self) -> Scorecard:
        """What of the card needs the meeting alone, with the intercept."""
        return replace(self, steps=tuple(s for s in self.steps if s.feature not in CONTEXT))

    @cached_property
    def of_context(self) -> Scorecard:
        """The rest of it, what lies round the meeting: without intercept, so that the two add up to the card."""
        return replace(self, steps=tuple(s for s in self.steps if s.feature in CONTEXT), intercept=0.0)

    def score(self, columns: Columns) -> tuple[Floats, Floats]:
        """Scores (n,) and contributions (n, len(parts)), which add up to them exactly.

        `columns` as in feature.values. Raises KeyError for a column that is not there.
        """
        return self._weighed(self._values(columns))

    def reasons(self, columns: Columns) -> pa.ListArray:
        """What each of n scores is made of: lists of feature, value, points, text; largest by size, `base` last.

        Points of a meeting add up to its score. Raises KeyError for a column that is not there.
        """
        value = self._values(columns)
        _, points = self._weighed(value)
        n, k = value.shape
        words, text = self._words(value)
        order = np.concatenate([np.argsort(-np.abs(points[:, :k]), axis=1, kind="stable"), np.full((n, 1), k)], axis=1)

        def shown(table: NDArray[Any]) -> NDArray[Any]:
            return np.take_along_axis(table, order, axis=1).ravel()

        known = np.concatenate([value, np.full((n, 1), np.nan)], axis=1)
        fields = {
            "feature": pa.array(np.array(self.parts, object)[order.ravel()], pa.string()),
            "value": pa.array(shown(known), pa.float64(), from_pandas=True),
            "points": pa.array(shown(points), pa.float64()),
            "text": pa.array(words, pa.string()).take(pa.array(shown(text))),
        }
        rows = pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
        return pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * (k + 1), pa.int32()), rows)

    def distribution(self, columns: Columns) -> dict[str, Any]:
        """How n meetings spread over this card, as `train` writes it down and `drift` is held against.

        meetings: n. score: nine edges that part the scores in tenths, and the share between each. features: by name the
        share in each step, that of what is not known last. Raises KeyError for a column that is not there.
        """
        value = self._values(columns)
        score, _ = self._weighed(value)
        edges = np.unique(np.round(np.quantile(score, np.arange(1, 10) / 10), 2))
        spread = {s.feature.name: s.shares(value[:, i]).tolist() for i, s in enumerate(self.steps)}
        return {
            "meetings": len(score),
            "score": {"edges": edges.tolist(), "shares": _shares(edges, score).tolist()},
            "features": spread,
        }

    def drift(self, score: Floats, values: Mapping[str, Floats]) -> dict[str, float] | None:
        """How far other meetings are from those of the training, by feature and for the `score`: `stability` of each.

        score: (n,). values: (n,) of features by name; what the card does not know is passed over. None where the file
        of the card does not say how its training was spread, as one set by hand.
        """
        known = self.training.get("distribution")
        if known is None:
            return None
        edges = np.asarray(known["score"]["edges"], np.float64)
        found = {"score": stability(np.asarray(known["score"]["shares"]), _shares(edges, score), len(score))}
        for steps in self.steps:
            name = steps.feature.name
            if name in values and name in known["features"]:
                there = np.asarray(known["features"][name], np.float64)
                found[name] = stability(there, steps.shares(values[name]), len(score))
        return found

    def _words(self, value: Floats) -> tuple[list[str], NDArray[np.int64]]:
        """Every sentence that is needed once, and which one belongs to each value; the last is that of the base."""
        words: list[str] = []
        which = np.empty((len(value), len(self.steps) + 1), np.int64)
        for i, steps in enumerate(self.steps):
            each, place = np.unique(value[:, i], return_inverse=True)
            which[:, i] = place + len(words)
            each_points = zip(each.tolist(), steps.at(each).tolist(), strict=True)
            words += [steps.feature.text(v, points) for v, points in each_points]
        which[:, -1] = len(words)
        return [*words, self.intercept_reason], which

    def _values(self, columns: Columns) -> Floats:
        return values(columns, [s.feature for s in self.steps])

    def _weighed(self, value: Floats) -> tuple[Floats, Floats]:
        contributions = np.full((len(value), len(self.steps) + 1), self.intercept)
        for i, steps in enumerate(self.steps):
            contributions[:, i] = steps.at(value[:, i])
        return contributions.sum(axis=1), contributions


def _shares(edges: Floats, value: Floats) -> Floats:
    """The share of values (n,) between edges, and of NaN last, (len(edges) + 2,)."""
    step = np.where(np.isnan(value), len(edges) + 1, np.searchsorted(edges, value, side="right"))
    return np.asarray(np.bincount(step, minlength=len(edges) + 2) / max(len(value), 1))


def stability(there: Floats, here: Floats, n: int) -> float:
    """The population stability index of shares `here`, of n meetings, against shares `there`: 0 where they are equal.

    By custom under ALIKE is alike and from OTHER on is another population. A share of none counts as half a meeting, so
    that few meetings give no infinity. Source: Siddiqi 2006, Credit Risk Scorecards.

    >>> stability(np.array([0.5, 0.5]), np.array([0.5, 0.5]), 100)
    0.0
    >>> round(stability(np.array([0.5, 0.5]), np.array([0.8, 0.2]), 100), 2)
    0.42
    """
    least = 0.5 / max(n, 1)
    one, other = (np.maximum(each, least) for each in (there, here))
    return float(((other - one) * np.log(other / one)).sum())


def merged(reasons: pa.ListArray, more: pa.ListArray) -> pa.ListArray:
    """The reasons of two parts of a card, (n,) each, as one: largest by size, the `base` of the first last.

    What the second calls `base` is left out: the intercept belongs to one of them.
    """
    first, second = reasons.flatten(), more.flatten()
    rows = pa.concat_arrays([first.cast(second.type), second])  # a schema may say of the first that no field is null
    of = np.concatenate([np.asarray(pc.list_parent_indices(each)) for each in (reasons, more)])
    base = np.asarray(pc.equal(rows.field("feature"), BASE).fill_null(False))
    kept = np.flatnonzero(~base | (np.arange(len(rows)) < len(first)))
    order = kept[np.lexsort((-np.abs(np.asarray(rows.field("points")))[kept], base[kept], of[kept]))]
    offsets = np.searchsorted(of[order], np.arange(len(reasons) + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), rows.take(pa.array(order)))


def load(path: Path | None = None) -> Scorecard:
    """The scorecard of a JSON file, or the one that a run uses (DEFAULT, in models/).

    Raises ScorecardError where the file cannot be read, is not of the shape of rules.json, or breaks a
    direction that the domain demands.

    >>> load().model_id.partition("@")[0]
    'trained'
    """
    source = own(DEFAULT) if path is None else path
    name = str(path or DEFAULT)
    try:
        content = read_regular(source)
    except OSError as error:
        raise ScorecardError(f"{name}: cannot be read ({error.strerror}); give the path of a scorecard") from error
    return parsed(content, name)


def chosen(name: str | Path) -> Scorecard:
    """The scorecard that the program calls so, `rules` or `trained`, else that of the file at this path.

    Raises ScorecardError, see `load`.

    >>> chosen("rules").model_id.partition("@")[0]
    'rules-1'
    """
    known = NAMES.get(str(name))
    if known is None and not Path(name).exists():
        raise ScorecardError(f"{name}: no such file; give the path of a scorecard, or {' or '.join(NAMES)}")
    return load(own(known) if known else Path(name))


def own(name: str) -> Path:
    """Where a scorecard lies that comes with the program, RULES or TRAINED."""
    return Path(str(files("stswatch.models"))) / name


def parsed(content: bytes, name: str = "the scorecard") -> Scorecard:
    """The scorecard of a JSON file's content; `name` stands in messages. Raises ScorecardError, see `load`."""
    try:
        given = json.loads(content)
    except ValueError as error:
        raise ScorecardError(f"{name}: not JSON ({error}); give a scorecard like models/rules.json") from error
    try:
        tables = dict(given["features"])
        texts = [str(given[key]) for key in ("id", "description", "intercept_reason")]
        intercept = _points(name, "intercept", [given["intercept"]])[0]
        training, cut_off = dict(given.get("training", {})), dict(given.get("cut_off", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise ScorecardError(f"{name}: {error!r}; a scorecard has the keys of models/rules.json") from error
    unknown = sorted(set(tables) - {f.name for f in ALL})
    if unknown or not tables:
        raise ScorecardError(f"{name}: no feature {', '.join(unknown)}; there are {', '.join(f.name for f in ALL)}")
    steps = tuple(_steps(name, f, tables[f.name]) for f in ALL if f.name in tables)
    largest = abs(intercept) + sum(max(map(abs, (*s.points, s.missing))) for s in steps)
    if largest >= LIMIT:
        raise ScorecardError(f"{name}: points add up to {largest:g}; log-odds stay under {LIMIT:g}")
    digest = hashlib.sha256(content).hexdigest()[:12]
    lead = _cut_off(name, cut_off)
    return Scorecard(texts[0], texts[1], intercept, texts[2], steps, f"{texts[0]}@{digest}", training, lead)


def _steps(name: str, feature: Feature, table: Any) -> Steps:
    """One feature of the file, checked."""
    try:
        edges = np.asarray(table["edges"], np.float64)
        points = _points(name, feature.name, table["points"])
        missing = _points(name, feature.name, [table["missing"]])[0]
        reason = str(table["reason"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ScorecardError):
            raise
        raise ScorecardError(f"{name}: {feature.name}: {error!r}; give edges, points, missing and reason") from error
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise ScorecardError(f"{name}: {feature.name}: edges {edges.tolist()} do not ascend; sort them, each once")
    if len(points) != len(edges) + 1:
        raise ScorecardError(f"{name}: {feature.name}: {len(points)} points for {len(edges)} edges; one more is needed")
    if (np.diff(points) * feature.monotone < 0).any():
        way = "rise" if feature.monotone > 0 else "fall"
        raise ScorecardError(f"{name}: {feature.name}: points {list(points)} must never do other than {way}")
    steps = Steps(feature, tuple(edges.tolist()), points, missing, reason)
    if feature.silence and missing > steps.at(np.zeros(1))[0]:
        raise ScorecardError(
            f"{name}: {feature.name}: missing {missing:g} is more than nobody silent gets; a silence that is not"
            " judged may give no points"
        )
    return steps


def _cut_off(name: str, given: Mapping[str, Any]) -> CutOff:
    """The cut-off of the file, checked."""
    score = given.get("score", CutOff.score)
    if isinstance(score, bool) or not isinstance(score, int | float) or not np.isfinite(score):
        raise ScorecardError(f"{name}: cut_off: score {score!r}; give the number from which a meeting is a lead")
    return CutOff(float(score), str(given.get("reason", CutOff.reason)))


def _points(name: str, where: str, given: Any) -> tuple[float, ...]:
    """Points as floats; refuses what is no multiple of GRAIN, since only those add up exactly."""
    points: NDArray[np.float64] = np.asarray(given, np.float64)
    if not np.isfinite(points).all() or (points != grained(points)).any():
        raise ScorecardError(f"{name}: {where}: points {points.tolist()}; round them to multiples of 2^-40 (or 1/1024)")
    return tuple(points.tolist())


def grained(points: ArrayLike) -> Floats:
    """Points rounded to multiples of GRAIN, (n,); never raises.

    >>> float(grained(np.array(0.1))) == 0.1, float(grained(np.array(0.125))) == 0.125
    (False, True)
    """
    return np.asarray(np.round(np.asarray(points, np.float64) / GRAIN) * GRAIN)
