"""The seas that the judgement is trained and tried on, fixed before training, and watching many seeds of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from stswatch.pipeline.flow.slices import sources_hash
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.trials.watch import Watched, save, saved, together, watch
from stswatch.sample_ais.simulation import Plan, simulate

Tell = Callable[[str, int, int], None]

STANDARD, SHIFTED = "standard", "shifted"
SEAS: dict[str, tuple[Plan, str]] = {
    STANDARD: (
        Plan(days=7.0, background=200, transfers=100, look_alikes=300),
        "7 days, 200 ships in no scene, 100 scenes of transfers and 300 of look-alikes, 60 of 100 in reported areas",
    ),
    SHIFTED: (
        Plan(
            days=7.0,
            background=300,
            transfers=100,
            look_alikes=300,
            in_zones=0.3,
            duration_factor=0.7,
            distance_factor=1.5,
            noise=2.0,
            range_factor=0.75,
            density=1.5,
            outages_per_day=0.8,
        ),
        "as standard, but half as many in reported areas, meetings 0.7 times as long at 1.5 times the distance, twice"
        " the noise, shore stations that reach 0.75 times as far, half as many ships again, twice the outages",
    ),
}
TRAINING_SEEDS, HELD_OUT_SEEDS, SHIFTED_SEEDS = (1, 2, 3, 4), (101, 102, 103, 104), (201, 202)
_ROOMS = ("geo", "sample_ais", "pipeline")  # what a watched sea comes from; the judgement is not among it


def watched(
    name: str,
    seeds: Sequence[int],
    keep: Path | None = None,
    workers: int = 1,
    tell: Tell = lambda stage, done, of: None,
) -> Watched:
    """Several seeds of one of SEAS, watched as one, the same whatever the number of workers.

    keep: a folder where each watched sea is kept and taken from again, by its plan, seed, rules and the code that made
    it. Raises KeyError for another name, ValueError without seeds, OSError where the folder cannot be used.
    """
    one = partial(_one, name, keep=keep)
    tell(f"{name} seas", 0, len(seeds))
    if workers <= 1:
        seas = []
        for done, seed in enumerate(seeds, 1):
            seas.append(one(seed))
            tell(f"{name} seas", done, len(seeds))
        return together(seas)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        seas = []
        for done, sea in enumerate(pool.map(one, seeds), 1):
            seas.append(sea)
            tell(f"{name} seas", done, len(seeds))
    return together(seas)


def _one(name: str, seed: int, keep: Path | None) -> Watched:
    plan, _ = SEAS[name]
    path = None if keep is None else keep / f"{name}-{seed}-{_address(plan)}.parquet"
    if path is not None and path.exists():
        return saved(path)
    sea = watch(simulate(plan, seed), plan.days, seed)
    if path is not None:
        save(sea, path)
    return sea


def _address(plan: Plan) -> str:
    """A name for all that a watched sea depends on but its seed."""
    told = f"{plan!r} {Rules().fingerprint()} {sources_hash(_ROOMS)}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]
