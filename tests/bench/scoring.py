"""What it costs to score at a load: a day more, drawn, onto a store of many, by CPU seconds and events scored.

    python -m tests.bench.scoring [--days 90] [--vessels 2000]

Every table that lies round a meeting is drawn with as many rows a vessel and day as a sea of `stswatch train` has, the
days as slices of their own. Prints what each of some loads costs, with and without a card for what lies round events.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.geo.reference.zones import area
from stswatch.models.scorecard import load as card
from stswatch.pipeline import schema
from stswatch.pipeline.store import touched
from stswatch.pipeline.store.database import open_work
from stswatch.pipeline.store.loader import Output, commit
from tests.pipeline.store.build import DAY, at, run

# rows a vessel and day; each row begins in its day and lasts so many hours at most
RATES = {"gaps": (2.0, 12), "port_calls": (0.2, 36), "loitering": (0.4, 18), "track_checks": (0.05, 2)}
RATES |= {"encounters": (0.15, 24), "identity_events": (0.01, 48)}
BASE = int(DAY.timestamp() * 1e6)


def rows_of(name: str, day: int, vessels: int, dice: np.random.Generator) -> pa.Table:
    """The rows of a table in one day."""
    rate, hours = RATES.get(name, (1.0, 24))
    n = vessels if name in ("vessels", "identity_values") else int(dice.poisson(rate * vessels))
    start = BASE + (day * 24 + dice.random(n) * 24) * 3.6e9
    end = start + dice.random(n) * hours * 3.6e9
    mmsi = np.arange(n) if n == vessels else dice.integers(0, vessels, n)
    return pa.table(
        [column(f, n, mmsi, start, end, dice) for f in schema.TABLES.parts[name]], schema=schema.TABLES.parts[name]
    )


STARTS = ("start_time", "first_seen", "first_time", "arrival", "cpa_time", "gap_start")
ENDS = ("end_time", "last_seen", "last_time", "departure", "gap_end")
WORDS = {"kind": ("lit",), "judgement": ("silenced", "not_received"), "shown": ("lit", "lit", "dark_possible")}
WORDS |= {"field": ("imo",), "status": ("current",), "check_name": ("teleport", "displacement")}


def column(field: pa.Field, n: int, mmsi: Any, start: Any, end: Any, dice: np.random.Generator) -> pa.Array:
    name, kind = field.name, field.type
    if name in ("mmsi", "mmsi_a", "mmsi_b", "other_mmsi"):
        other = (mmsi + 1 + dice.integers(0, 50, n)) % 10**6
        value = 440_000_000 + (other if name in ("mmsi_b", "other_mmsi") else mmsi)
        return pa.array(value, pa.int32())
    if name in STARTS or name in ENDS:
        return pa.array((start if name in STARTS else end).astype(np.int64), schema.UTC)
    if pa.types.is_timestamp(kind):
        return pa.array(np.full(n, BASE), schema.UTC)
    if name.startswith("track_"):
        side = mmsi if name == "track_a" else mmsi + 1
        return pa.array([f"{440_000_000 + m}@{DAY:%Y-%m-%dT%H:%M:%SZ}" for m in side])
    if name == "id":
        return pa.array([f"E{m}-{s:.0f}" for m, s in zip(mmsi, start, strict=True)])
    if name == "value":
        return pa.array([f"{9_000_000 + m}" for m in mmsi])
    if name == "reasons":
        one = [
            {"feature": f"f{k}", "value": 1.5, "points": 0.25, "text": f"a sentence of some length, {k}"}
            for k in range(20)
        ]
        return pa.array([one] * n, kind)
    if pa.types.is_string(kind):
        return pa.array(dice.choice(WORDS.get(name, ("a", "b", "c")), n))
    if pa.types.is_boolean(kind):
        return pa.array(dice.random(n) < 0.3)
    if pa.types.is_list(kind) or pa.types.is_binary(kind):
        return pa.array([b"" if pa.types.is_binary(kind) else []] * n, kind)
    return pa.array((dice.random(n) * 1000).round(3)).cast(kind, safe=False)


def output(data: Path, day: int, vessels: int) -> Output:
    """A slice of one day in files; the same day gives the same."""
    dice, files = np.random.default_rng(day), {}
    for name in ("encounters", "vessels", "identity_values", *RATES):
        path = data / f"events/{day}/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows_of(name, day, vessels, dice), path)
        files[name] = [str(path.relative_to(data))]
    return Output(f"day {day}", files)


def loads(data: Path, given: list[Output], scored: bool) -> Iterator[tuple[str, int, int, float]]:
    """Each load: what it was, how many encounters there were, how many were scored, and its CPU seconds."""
    record = replace(run(), card=card() if scored else None)
    turns = {"all days but one, first": given[:-1], "the same again": given[:-1], "a day more": given}
    turns |= {"a day in the midst is late": [*given[:44], *given[45:]], "and comes": given}
    with closing(open_work(data)) as work:
        work.execute("SET threads = 1")
        for what, outputs in turns.items():
            begun = time.process_time()
            commit(work, data, record, area("world"), outputs, None, at(24 * 100))
            spent = time.process_time() - begun
            (n,) = work.execute("SELECT count(*) FROM part_encounters").fetchall()[0]
            known = work.execute("SELECT scored FROM scored_by").fetchall() if scored else []
            yield what, n, known[0][0] if known else n, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--vessels", type=int, default=2000)
    asked = parser.parse_args()
    found = []
    for scored, few in ((False, 0), (True, 1 << 60), (True, 0)):
        touched.FEW = few
        with TemporaryDirectory() as folder:
            given = [output(Path(folder), day, asked.vessels) for day in range(asked.days + 1)]
            found.append(list(loads(Path(folder), given, scored)))
    print("| load | encounters | scored | scoring, CPU s | all scored, CPU s | the load without scoring, CPU s |")
    print("|---|---|---|---|---|---|")
    for (what, n, _, plain), (*_, whole), (*_, scored, part) in zip(*found, strict=True):
        print(f"| {what} | {n:,} | {scored:,} | {part - plain:.2f} | {whole - plain:.2f} | {plain:.2f} |")


if __name__ == "__main__":
    main()
