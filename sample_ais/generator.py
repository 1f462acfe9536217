"""Writes the simulated recording, a table of some of its positions, and the truth beside them.

python -m stswatch.sample_ais.generator --out sample_ais --seed 1
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stswatch.sample_ais import reports, sea, sentences, truth
from stswatch.sample_ais.scenes import Actor, Scene

VERSION = 1
SEED = 1
RECORDING = "simulated_24h.nmea.gz"
TRUTH = "truth.json"
TABLE = "simulated_24h.csv"

JITTER_S = 3.0  # delivery: lines stand so much out of the order of their times
TABLE_EVERY_S = 900  # of each ship the first position in so many seconds, so that the table stays small


def recording(scenes: Sequence[Scene], seed: int) -> bytes:
    """The sentences of all ships as one text, in the order in which they were delivered; never raises."""
    actors = [actor for scene in scenes for actor in scene.actors]
    parts: list[tuple[NDArray[np.int64], list[bytes]]] = []
    group = 1
    for k, actor in enumerate(actors):
        rng = _stream(seed, k)
        parts.append(_position_lines(actor, reports.positions(rng, actor, sea.START_S, sea.HOURS)))
        times = reports.static_times(rng, actor, sea.START_S, sea.HOURS)
        parts += _static_lines(actor, times, group)
        group += len(times)
    time_s = np.concatenate([t for t, _ in parts])
    text = [line for _, lines in parts for line in lines]
    late_s = np.random.default_rng([seed, 999]).uniform(0, JITTER_S, len(text))
    return b"\n".join(text[k] for k in np.argsort(time_s + late_s, kind="stable").tolist()) + b"\n"


def table(scenes: Sequence[Scene], seed: int) -> str:
    """Positions of the recording as CSV text, one in TABLE_EVERY_S of each ship, in order of time; never raises."""
    rows: list[tuple[int, str]] = []
    for k, actor in enumerate(actor for scene in scenes for actor in scene.actors):
        sent = reports.positions(_stream(seed, k), actor, sea.START_S, sea.HOURS)
        _, first = np.unique(sent.time_s // TABLE_EVERY_S, return_index=True)
        columns = (sent.time_s[first], sent.lon[first], sent.lat[first], sent.speed_kn[first])
        for time_s, lon, lat, speed_kn in zip(*(column.tolist() for column in columns), strict=True):
            where = f"{truth.stamp(time_s)},{lon:.5f},{lat:.5f},{speed_kn:.1f}"
            rows.append((time_s, f"{actor.ship.mmsi},{where},{actor.ship.name}\n"))
    return truth.TABLE_HEADER + "".join(row for _, row in sorted(rows))


def _stream(seed: int, actor: int) -> np.random.Generator:
    """The random numbers of one ship."""
    return np.random.default_rng([seed, 1000 + actor])


def _stations(lat: NDArray[np.float64]) -> list[str]:
    return ["SIM-1" if north else "SIM-2" for north in (lat > 33.0).tolist()]


def _position_lines(actor: Actor, sent: reports.Positions) -> tuple[NDArray[np.int64], list[bytes]]:
    class_a = actor.ship.kind.ais_class == "A"
    columns = (sent.time_s, sent.lon, sent.lat, sent.speed_kn, sent.course_deg, sent.heading_deg)
    told = sentences.positions(
        actor.ship.mmsi, *columns, _stations(sent.lat), sent.status if class_a else None, sent.turning
    )
    return sent.time_s, told


def _static_lines(
    actor: Actor, time_s: NDArray[np.int64], first_group: int
) -> list[tuple[NDArray[np.int64], list[bytes]]]:
    ship = actor.ship
    stations = _stations(actor.course.at(time_s - sea.START_S)[1])
    size = dict(zip(("to_bow", "to_stern", "to_port", "to_starboard"), ship.size_m, strict=True))
    who = {"mmsi": ship.mmsi, "name": ship.name, "call_sign": ship.call_sign, "ship_type": ship.kind.ship_type, **size}
    if ship.kind.ais_class == "A":
        voyage = {"draught": round(ship.kind.draught_m * 10), "destination": ship.destination}
        return [(time_s, sentences.statics_a(who | {"imo": ship.imo}, voyage, time_s, stations, first_group))]
    return [(time_s + part, sentences.statics_b(who, time_s + part, stations, first_group, part)) for part in (0, 1)]


def what_happened(scenes: Sequence[Scene], seed: int) -> str:
    """The truth as JSON text."""
    start = datetime.fromtimestamp(sea.START_S, UTC)
    whole = {
        "simulated": True,
        "notice": "Simulated: no ship, flag or event is real. Country digits 281 to 286 are given to nobody.",
        "generator": "stswatch.sample_ais.generator",
        "generator_version": VERSION,
        "seed": seed,
        "start": truth.stamp(start.timestamp()),
        "end": truth.stamp(start.timestamp() + sea.HOURS * 3600),
        "meetings_within_m": truth.WITHIN_M,
        "meetings_joined_over_min": truth.JOIN_S / 60,
        "meetings_least_min": truth.LEAST_S / 60,
        "meetings_step_s": truth.STEP_S,
        "ships": truth.ships(scenes),
        "shared_mmsi": truth.shared_mmsi(scenes),
        "meetings": truth.meetings(scenes, sea.START_S, sea.HOURS),
        "silences": truth.silences(scenes, sea.START_S, sea.HOURS),
    }
    return json.dumps(whole, indent=1) + "\n"


def write(out: Path, seed: int = SEED) -> tuple[Path, Path, Path]:
    """Writes recording, truth and table into a folder, made if need be; raises OSError where it cannot."""
    scenes = sea.build(seed)
    out.mkdir(parents=True, exist_ok=True)
    paths = out / RECORDING, out / TRUTH, out / TABLE
    paths[0].write_bytes(gzip.compress(recording(scenes, seed), 9, mtime=0))
    paths[1].write_text(what_happened(scenes, seed))
    paths[2].write_text(table(scenes, seed))
    return paths


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the simulated recording, the truth and the table beside it.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--seed", type=int, default=SEED, help="the recording in the project has seed %(default)s")
    given = parser.parse_args(argv)
    for path in write(given.out, given.seed):
        print(path)


if __name__ == "__main__":
    main()
