"""Encounters of fixed inputs, as rows of text that a later version must give again.

    python -m tests.frozen.results      write them anew, where events were meant to change; STSWATCH_REAL_DATA is needed

Of simulated inputs the rows themselves are kept, of real ones a SHA-256 of each. A row is all that was measured or
scored of an encounter, not its id, its run or its revision; columns have lost their names, so that they may be renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from stswatch.pipeline import api
from stswatch.sample_ais import simulation
from stswatch.sample_ais.scenes.voyages import VoyagePlan

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "sample_ais" / "simulated_48h.nmea.gz"
# fmt: off
COLUMNS = (
    "kind", "track_a", "track_b", "mmsi_a", "mmsi_b", "start_time", "end_time", "start_censored", "end_censored",
    "duration_min", "within_min", "lon", "lat", "cpa_time", "cpa_distance_m", "position_error_m",
    "median_distance_m", "median_speed_a_kn", "median_speed_b_kn", "relative_speed_kn", "drift_km", "drift_kn",
    "heading_difference_deg", "fixes_a", "fixes_b", "observed_share", "possibly_one_hull", "zones", "port",
    "distance_to_port_km", "in_port", "in_port_part", "distance_to_shore_km", "distance_to_shore_error_km",
    "sun_elevation_deg", "gap_a", "gap_b", "ship_type_a", "ship_type_b", "length_a_m", "length_b_m", "candidate_count",
    "score",
)
# fmt: on
_SEAS = {
    "sea of a day": (simulation.Plan(days=1.0, background=40, transfers=6, look_alikes=12), 301),
    "sea of three days": (simulation.Plan(days=3.0, background=60, transfers=8, look_alikes=16), 302),
    "sea with voyages": (VoyagePlan(days=3.0, background=30, transfers=10, look_alikes=20, trade=4, moored=8), 303),
}
_REAL = {
    "gulf_mexico_2023-08-01_to_12": ("decoded/gulf_mexico_2023-08-01_to_12.csv.gz", None, "mmsi"),
    "noaa_2022-01-03": ("decoded/noaa_2022-01-03_99999.csv.gz", None, "mmsi"),
    "baltic_2018-04-01": ("decoded/baltic_2018-04-01_renumbered.csv.gz", None, "any"),
    "brest_2015-10": ("decoded/brest_2015-10_renumbered.csv.gz", "decoded/brest_columns.toml", "any"),
    "aishub": ("nmea/aishub_nmea-sample.txt.gz", None, "mmsi"),
}


def _number(value: float) -> str:
    """Nine digits: sums may be taken in another order by another machine."""
    return f"{value:.9g}"


def rows_of(found: pa.Table) -> list[str]:
    """A row of text for each encounter, in order."""
    columns = [found.column(name).to_pylist() for name in COLUMNS]
    text = [[_number(v) if isinstance(v, float) else str(v) for v in column] for column in columns]
    return sorted("\t".join(row) for row in zip(*text, strict=True))


def run_over(path: Path, columns: Path | None = None, ids: str = "mmsi", **options: object) -> list[str]:
    """The rows of a run over one archive."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        api.run([path], data, area="world", columns=columns, ids=ids, **options)  # type: ignore[arg-type]
        with closing(api.connect(data)) as db:
            return rows_of(db.sql("SELECT * FROM encounters WHERE status = 'current'").to_arrow_table())


def simulated() -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """The simulated inputs, and how each is worked out."""
    yield "sample", lambda: run_over(SAMPLE)
    for name, (plan, seed) in _SEAS.items():
        yield (
            name,
            lambda plan=plan, seed=seed: rows_of(  # type: ignore[misc]
                pa.Table.from_pandas(api.detect(simulation.simulate(plan, seed).fixes).drop(columns="geometry"))
            ),
        )


def real(folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """The real inputs in a folder, and how each is worked out: digests of rows."""
    for name, (path, columns, ids) in _REAL.items():
        yield (
            name,
            lambda path=path, columns=columns, ids=ids: [  # type: ignore[misc]
                hashlib.sha256(row.encode()).hexdigest()
                for row in run_over(folder / path, folder / columns if columns else None, ids)
            ],
        )


def kept() -> dict[str, list[str]]:
    """What was worked out when they were written."""
    found: dict[str, list[str]] = json.loads((HERE / "encounters.json").read_text())
    return found


if __name__ == "__main__":
    folder = Path(os.environ["STSWATCH_REAL_DATA"])
    every = {name: work() for name, work in (*simulated(), *real(folder))}
    (HERE / "encounters.json").write_text(json.dumps(every, indent=0) + "\n")
    print({name: len(rows) for name, rows in every.items()})
