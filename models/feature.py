"""What a feature is: a measure of meetings in a number each, and the words that say it to an analyst."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, Any] | pa.Table
Floats = NDArray[np.float64]


def floats(columns: Columns, name: str) -> Floats:
    """One column as float64 (n,), NaN for null; raises KeyError where it is not there.

    >>> floats({"gap_a": [True, None]}, "gap_a").tolist()
    [1.0, nan]
    """
    column = columns[name]
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(column, np.float64)


def lists(columns: Columns, name: str) -> pa.Array:
    """A column of lists of words as one Arrow array; raises KeyError where it is not there."""
    column = columns[name]
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column if isinstance(column, pa.Array) else pa.array(column, pa.list_(pa.string()))


@dataclass(frozen=True)
class Feature:
    """One row of the tables in features.py and context.py.

    `sentence` is filled with `value` and says its unit; `levels` gives the words for a value that is a code. `supports`
    follows it where the points are above 0, `opposes` where they are below, `unknown` stands for all of it where
    the value is not known.
    `monotone` is the direction that the domain demands of any scorecard: 1 a greater value never lowers the
    score, -1 it never raises it, 0 free. `cuts` are the values at which a trained scorecard may step, in round
    numbers, so that it can be read and two of them compared. `place` says that it tells where, not what was done;
    `self_reported` that it rests on what vessels say of themselves, `silence` that it is of silences: one that is not
    judged may give no more points than that nobody was silent. Values up to `near` may give no points for a lead.
    `by_hand` are the points of its steps in every trained card, of what no simulated sea has enough to learn from.
    """

    name: str
    function: Callable[[Columns], Floats]
    sentence: str
    unit: str
    monotone: int
    levels: Mapping[float, str] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()
    place: bool = False
    self_reported: bool = False
    silence: bool = False
    near: float | None = None
    by_hand: tuple[float, ...] = ()
    supports: str = ""
    opposes: str = ""
    unknown: str = ""

    @classmethod
    def measured_by(cls, function: Callable[[Columns], Floats], *row: Any, **more: Any) -> Feature:
        """A row of a table of features, named as the function that measures it."""
        return cls(function.__name__, function, *row, **more)

    def text(self, value: float, points: float = 0.0) -> str:
        """The sentence for one value and the points that it got; NaN says that it is not known.

        >>> near = Feature("apart_m", lambda columns: columns["m"], "{value:.0f} m apart", "m", -1, supports="near")
        >>> near.text(41.4, 0.28)
        '41 m apart: near'
        """
        if np.isnan(value):
            sentence = self.unknown or f"{self.name} is not known"
            return sentence if points else f"{sentence}: no points for or against"
        sentence = self.sentence.format(value=self.levels.get(value, value))
        way = self.supports if points > 0 else self.opposes if points < 0 else ""
        return f"{sentence}: {way}" if way else sentence

    @property
    def reason(self) -> str:
        """What the points of a trained card follow from, in the words of both directions."""
        way = {1: "a greater value never lowers the score", -1: "a greater value never raises it", 0: ""}[self.monotone]
        ways = (("above 0", self.supports), ("below", self.opposes), ("", way))
        return "; ".join(f"{side}: {sentence}" if side else sentence for side, sentence in ways if sentence)


def values(columns: Columns, features: Sequence[Feature]) -> Floats:
    """Every feature of n meetings, (n, k) in the order of the features; NaN where not known.

    columns: those that the features read, (n,) each, as a mapping or an Arrow table: of schema.ENCOUNTERS, and of
    encounter_context.beside_schema() for what lies round a meeting. A column `zone_kinds` (lists of kinds) may stand
    for `zones` where the zones are not those of geo/data. Raises KeyError for a column that is not there.
    """
    return np.column_stack([feature.function(columns) for feature in features])
