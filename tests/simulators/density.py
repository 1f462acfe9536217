"""A generated sea as dense as a real coast, for benchmarks: any number of positions, written as Parquet.

python -m tests.simulators.density --positions 1000000 --out /tmp/sea --seed 1

Every vessel's place is a function of the time, so tracks go on from block to block and the memory needed does
not grow with the number of positions. traffic.py says in which record its numbers were measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.sample_ais.fleet.motion import Floats, shift, swing
from tests.simulators.traffic import FIRST_MMSI, Sea, sea

START_S = 1_640_995_200  # 2022-01-01T00:00Z
VESSELS = 10_600
BLOCK_S = 21_600  # six hours: about 1.5 million positions in memory at a time
ROWS_PER_FILE = 2_000_000

# interval between reports and share of the vessels; MarineCadastre keeps at most one a minute
INTERVALS = ((70, 0.30), (180, 0.40), (360, 0.30))
RECEIVED = 0.88  # of the reports due at those intervals: 9.4 a vessel in 24 minutes remain
DARK_DAYS = 0.03  # share of vessel days with a silence of 3 to 8 h (not measured: the record is too short)
WITH_HEADING = 0.48

SCHEMA = pa.schema(
    [
        ("mmsi", pa.int32()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("sog_kn", pa.float32()),
        ("cog_deg", pa.float32()),
        ("heading_deg", pa.int16()),
        ("status", pa.int8()),
    ]
)


def density(
    positions: int,
    seed: int,
    out: Path,
    rows_per_file: int = ROWS_PER_FILE,
    vessels: int = VESSELS,
    received: float = RECEIVED,
) -> list[Path]:
    """Writes that many positions of a generated sea, in order of time, and returns the files in that order.

    Args:
        positions: how many; 10,600 vessels send about 6 million a day, so the span of time grows with it.
        seed: the same seed gives the same sea, and a shorter run is the beginning of a longer one.
        out: folder to write into, made if need be.
        rows_per_file: most rows in one file.
        vessels: how many vessels there are.
        received: share of their reports that was received, above 0; a smaller one spreads the positions over more time.

    Raises ValueError where positions, rows_per_file or vessels is below 1, OSError where it cannot write.
    """
    if min(positions, rows_per_file, vessels) < 1:
        raise ValueError(
            f"positions {positions}, rows_per_file {rows_per_file}, vessels {vessels}: each must be 1 or more"
        )
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    waiting, left = SCHEMA.empty_table(), positions
    for block in blocks(sea(seed, vessels), seed, received=received):
        waiting = pa.concat_tables([waiting, block.slice(0, left)])
        left -= min(left, len(block))
        while len(waiting) >= rows_per_file or (left == 0 and len(waiting)):
            paths.append(out / f"positions_{len(paths):04d}.parquet")
            pq.write_table(waiting.slice(0, rows_per_file), paths[-1], compression="zstd")
            waiting = waiting.slice(rows_per_file)
        if left == 0:
            break
    return paths


def blocks(of: Sea, seed: int, block_s: int = BLOCK_S, received: float = RECEIVED) -> Iterator[pa.Table]:
    """The positions of a sea block after block, without end, each in order of time."""
    number = 0
    while True:
        yield block(of, seed, number, block_s, received)
        number += 1


def block(of: Sea, seed: int, number: int, block_s: int = BLOCK_S, received: float = RECEIVED) -> pa.Table:
    """The positions of one span of `block_s` seconds; never raises."""
    rng = np.random.default_rng([seed, 2, number])
    vessel, time_s = _due(rng, of, seed, number * block_s, (number + 1) * block_s, received)
    east_m, north_m, speed_kn, course_deg = of.motion(vessel, time_s)
    noise_m = rng.normal(0, 1.5, (2, len(vessel)))  # moored antennas: 2 m in the median
    lon, lat = shift(of.lon[vessel], of.lat[vessel], east_m + noise_m[0], north_m + noise_m[1])
    shown_kn = np.abs(speed_kn + rng.normal(0, 0.06, len(vessel)))
    course = np.where(speed_kn > 0.3, course_deg + rng.normal(0, 1, len(vessel)), rng.uniform(0, 360, len(vessel)))
    return _table(of, vessel, time_s, lon, lat, shown_kn, course % 360)


def _due(
    rng: np.random.Generator, of: Sea, seed: int, start_s: int, end_s: int, received: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vessel and time (n,) of the reports received in [start, end), in order of time."""
    found = []
    first_share = 0.0
    for every_s, share in INTERVALS:
        mine = np.flatnonzero((of.habit >= first_share) & (of.habit < first_share + share))
        first_share += share
        slot_s = np.arange(start_s - start_s % every_s, end_s + every_s, every_s)
        phase_s = np.floor(of.phase[mine] * every_s).astype(np.int64)
        time_s = slot_s[None, :] + phase_s[:, None]
        time_s = time_s + rng.integers(0, max(1, every_s // 10), time_s.shape)
        keep = (rng.random(time_s.shape) < received) & (time_s >= start_s) & (time_s < end_s)
        found.append((np.broadcast_to(mine[:, None], time_s.shape)[keep], time_s[keep]))
    vessel, time_s = (np.concatenate([f[k] for f in found]) for k in (0, 1))
    lit = ~_dark(seed, vessel, time_s, len(of.lon))
    vessel, time_s = vessel[lit], time_s[lit]
    order = np.argsort(time_s * len(of.lon) + vessel)
    return vessel[order], time_s[order]


def _dark(seed: int, vessel: NDArray[np.int64], time_s: NDArray[np.int64], vessels: int) -> NDArray[np.bool_]:
    """Whether a vessel is in its silence of the day; one draw a vessel and day, the same in every block."""
    dark = np.zeros(len(vessel), dtype=np.bool_)
    day = time_s // 86_400
    for d in np.unique(day).tolist():
        draw = np.random.default_rng([seed, 3, d]).random((3, vessels))
        hours = 3 + 5 * draw[1]
        start_h = draw[2] * (24 - hours)
        hour = time_s / 3600 - 24 * d
        within = (hour > start_h[vessel]) & (hour < (start_h + hours)[vessel])
        dark |= (day == d) & (draw[0] < DARK_DAYS)[vessel] & within
    return dark


def _table(
    of: Sea,
    vessel: NDArray[np.int64],
    time_s: NDArray[np.int64],
    lon: Floats,
    lat: Floats,
    sog: Floats,
    cog: Floats,
) -> pa.Table:
    no_heading = of.phase[vessel] > WITH_HEADING
    columns = [
        (FIRST_MMSI + vessel).astype(np.int32),
        pa.array((START_S + time_s) * 1_000_000).cast(SCHEMA.field("time").type),
        np.round(wrap_lon(lon), 5),  # MarineCadastre rounds to 1e-5
        np.round(lat, 5),
        np.round(sog, 1).astype(np.float32),
        (np.round(cog, 1) % 360).astype(np.float32),
        pa.array(np.round(cog).astype(np.int16) % 360, mask=no_heading),
        np.where(sog < 0.5, 5, 0).astype(np.int8),
    ]
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=SCHEMA)


def crowd(
    vessels: int = 200,
    days: float = 5.0,
    seed: int = 1,
    radius_m: float = 250.0,
    every_s: int = 180,
    centre: tuple[float, float] = (-93.0, 27.5),
) -> pa.Table:
    """Vessels at anchor for days in one circle far from any port, all within reach of each other.

    Args:
        vessels: how many.
        days: for how long.
        seed: the same seed gives the same table.
        radius_m: of the circle of their anchors; at 250 m all pairs are within 500 m but for their swinging.
        every_s: interval between reports.
        centre: lon, lat in degrees.

    Returns the columns of `density`, in order of time. Never raises.
    """
    rng = np.random.default_rng([seed, 4])
    out_m, bearing = radius_m * np.sqrt(rng.random(vessels)), rng.uniform(0, 2 * np.pi, vessels)
    lon, lat = shift(*centre, out_m * np.sin(bearing), out_m * np.cos(bearing))
    slot_s = np.arange(0, int(days * 86_400) - every_s, every_s)
    parts = []
    for k in range(vessels):
        time_s = slot_s + int(rng.integers(0, every_s))
        course = swing(rng, float(lon[k]), float(lat[k]), 0.0, days * 86_400, rng.uniform(20, 60))
        noisy = shift(*course.at(time_s), *rng.normal(0, 3, (2, len(time_s))))
        speed_kn, bearing_deg = course.speed_and_bearing(time_s)
        parts.append(np.column_stack([np.full(len(time_s), k), time_s, *noisy, speed_kn, bearing_deg]))
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1]))]
    vessel, time_s = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    still = Sea.at_rest(lon, lat)
    return _table(still, vessel, time_s, *rows[:, 2:].T)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a generated sea as dense as a real coast, for benchmarks.")
    parser.add_argument("--positions", type=int, required=True, help="how many positions")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    given = parser.parse_args(argv)
    for path in density(given.positions, given.seed, given.out):
        print(path)


if __name__ == "__main__":
    main()
