"""The simulated sea: its generator, a recording, the truth beside it; how ships and crews behave by `behaviour.csv`."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = ("share", "number", "uniform", "lognormal")


class Figure(NamedTuple):
    """A row of behaviour.csv: a share, a number, a uniform (least, most) or a lognormal (median, sigma of the log).

    mark: G from a published source, M measured on a recording, E an estimate of this project; `source` says which, or
    the reason.
    """

    kind: str
    first: float
    second: float
    unit: str
    mark: str
    source: str

    def one(self, rng: np.random.Generator) -> float:
        """One value: of a share 1.0 or 0.0."""
        return float(self.draw(rng, 1)[0])

    def happens(self, rng: np.random.Generator) -> bool:
        """Whether what has this share happens."""
        return bool(rng.random() < self.first)

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Values (n,)."""
        if self.kind == "uniform":
            return rng.uniform(self.first, self.second, n)
        if self.kind == "lognormal":
            drawn: NDArray[np.float64] = rng.lognormal(0.0, self.second, n) * self.first
            return drawn
        return (rng.random(n) < self.first).astype(float) if self.kind == "share" else rng.random(n) * 0 + self.first


@cache
def behaviour() -> dict[str, Figure]:
    """The figures of behaviour.csv by name, read once.

    >>> behaviour()["stay_berth_h"].unit
    'h'
    """
    text = (files("stswatch.sample_ais") / "behaviour.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["name"]: Figure(
            row["kind"], float(row["first"]), float(row["second"] or 0), row["unit"], row["mark"], row["source"]
        )
        for row in rows
    }
