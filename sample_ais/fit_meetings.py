"""Fits how long real meetings at sea last, how far apart the antennas are and how fast both go: meetings.json.

The sample holds what its makers call an encounter: two vessels within 0.5 km for 2 h or more, at a median speed under
2 kn. So it is truncated at all three, and each column is fitted as a truncated sample: a mixture of two lognormals, for
the distances of a lognormal and an exponential (hulls alongside, and those that are not), whose mass inside the bounds
is divided out. The lower tail of the durations, under 2 h, is extrapolated from the shape above, and nothing in the
sample says whether it is right.

The errors are standard deviations over fits to samples in which carriers (the vessels met) were drawn anew with all
their meetings, since the meetings of one carrier are alike: the usual formula would make them too small.

python -m stswatch.sample_ais.fit_meetings FILE

Source: Miller, Roan, Hochberg, Amos, Kroodsma, Identifying global patterns of transshipment behavior, Frontiers in
Marine Science 5:240 (2018); the table of its encounters, by Global Fishing Watch and SkyTruth. It is not part of the
project.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr

Floats = NDArray[np.float64]

OUT = "meetings.json"
SEED, RESAMPLES = 1, 60
NAMES = ("share", "median_1", "sigma_1", "median_2", "sigma_2")  # no last one where the second part is exponential


class Column(NamedTuple):
    """A column of the sample, the bounds at which it is truncated, and where a fit may begin."""

    name: str
    theirs: str
    scale: float  # their unit in ours
    low: float
    high: float
    start: tuple[float, ...]  # as NAMES, four of them where the second part is exponential
    step: float  # resolution of the sample, ours: what lies on a bound is half a step inside


COLUMNS = (
    Column("duration_h", "duration_hr", 1.0, 2.0, np.inf, (0.5, 4.0, 0.7, 14.0, 0.8), 1 / 6),
    Column("median_distance_m", "median_distance_km", 1000.0, 0.0, 500.0, (0.85, 38.0, 0.5, 200.0), 1.0),
    Column("median_speed_kn", "median_speed_knots", 1.0, 0.0, 2.0, (0.3, 0.02, 0.8, 0.9, 0.6), 0.001),
)


def log_density(p: Floats, x: Floats, low: float, high: float) -> Floats:
    """Log density (n,) of the mixture truncated to (low, high); p as `_free` makes it."""
    share, log_x = 1 / (1 + np.exp(-p[0])), np.log(x)
    inside, density = 0.0, np.zeros_like(x)
    for weight, part in ((share, p[1:3]), (1 - share, p[3:])):
        if len(part) == 2:
            m, s = float(part[0]), float(np.exp(part[1]))
            density += weight * np.exp(-(((log_x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi)) / x
            below, above = (0.0 if v <= 0 else float(ndtr((np.log(v) - m) / s)) for v in (low, high))
        else:
            mean = float(np.exp(part[0])) / np.log(2.0)
            density += weight * np.exp(-x / mean) / mean
            below, above = (1 - float(np.exp(-v / mean)) for v in (low, high))
        inside += weight * (above - below)
    return np.asarray(np.log(np.maximum(density, 1e-300)) - np.log(max(inside, 1e-12)))


def fit(x: Floats, weight: Floats, column: Column, start: Floats | None = None) -> Floats:
    """Parameters in the order of NAMES of greatest likelihood, each value counted `weight` times."""
    low = max(column.low - column.step / 2, 0.0)
    # a weak pull towards sigmas near 0.7 keeps a part from closing in on a few equal values or fading out of sight
    found = minimize(
        lambda p: -float(weight @ log_density(p, x, low, column.high)) + 20.0 * float(((p[2::2] + 0.36) ** 2).sum()),
        _free(np.array(column.start) if start is None else start),
        method="Nelder-Mead" if start is None else "Powell",
        options={"maxiter": 6000, "maxfev": 6000, "xatol": 1e-5, "fatol": 1e-3} if start is None else {"ftol": 1e-7},
    )
    return _plain(found.x)


def _free(told: Floats) -> Floats:
    return np.concatenate([[np.log(told[0] / (1 - told[0]))], np.log(told[1:])])


def _plain(p: Floats) -> Floats:
    return np.concatenate([[1 / (1 + np.exp(-p[0]))], np.exp(p[1:])])


def fitted(rows: Sequence[dict[str, str]], column: Column, rng: np.random.Generator) -> dict[str, Any]:
    """What meetings.json says of a column."""
    x = np.array([float(row[column.theirs]) * column.scale for row in rows])
    carrier = np.unique([row["transshipment_vessel_mmsi"] for row in rows], return_inverse=True)[1]
    known = (x >= column.low) & (x < column.high) & (x > 0)
    x, carrier = x[known], carrier[known]
    best = fit(x, np.ones(len(x)), column)
    again = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(rng.integers(0, carrier.max() + 1, carrier.max() + 1), minlength=carrier.max() + 1)
        again.append(fit(x, drawn[carrier].astype(float), column, best))
    errors = np.std(again, axis=0)
    names = NAMES[: len(best)]
    second = "median and sigma of another" if len(best) == len(NAMES) else "median of an exponential"
    return {
        "parts": f"share, median and sigma (of the logarithm) of a lognormal; {second}",
        **{name: float(f"{value:.4g}") for name, value in zip(names, best, strict=True)},
        "standard_errors": {name: float(f"{error:.2g}") for name, error in zip(names, errors, strict=True)},
        "truncated_to": [column.low, None if np.isinf(column.high) else column.high],
        "values": len(x),
        "quartiles_of_the_sample": [float(f"{q:.4g}") for q in np.quantile(x, [0.25, 0.5, 0.75])],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Fits and writes the file beside this one."""
    parser = argparse.ArgumentParser(description="Fit the shapes of real meetings.")
    parser.add_argument("file", type=Path, help="gfw_miller2018_encounter-events.csv.gz")
    with gzip.open(parser.parse_args(argv).file, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    rng = np.random.default_rng(SEED)
    told = {
        "made_by": "python -m stswatch.sample_ais.fit_meetings",
        "source": "Miller et al. 2018, Frontiers in Marine Science 5:240: 11,681 encounters of fishing vessels with "
        "carriers, Global Fishing Watch and SkyTruth",
        "how": "maximum likelihood of samples truncated at the bounds of the definition (2 h, 0.5 km, 2 kn); standard "
        f"errors over {RESAMPLES} samples with carriers drawn anew",
        "columns": {c.name: fitted(rows, c, rng) for c in COLUMNS},
    }
    path = Path(str(files("stswatch.sample_ais") / OUT))
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
