"""How long the dark step takes over many silences of one sea, and how long the place of a pair.

    python -m tests.bench.dark [--gaps 20000] [--days 30]

All gaps are judged silenced and of log-normal length, in a sea of 600 by 600 km: the worst that the step can be given.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from stswatch.pipeline.meetings.reach import by_sea, longest, regions
from tests.peak import peak_bytes
from tests.pipeline.meetings.test_dark import found, traffic
from tests.pipeline.meetings.test_reach import STAY_H, meetings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gaps", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=30)
    given = parser.parse_args()
    judged = traffic(given.gaps, 1, given.days)
    started = time.process_time()
    rows = found(judged)
    print(
        f"{given.gaps} gaps: {time.process_time() - started:.1f} s, {peak_bytes() / 1e6:.0f} MB, {rows.num_rows} rows, "
        f"{rows.num_rows - rows['stay_water_h'].null_count} of them by sea"
    )
    some = meetings(min(given.gaps, 200), 2)[0]
    corners = regions(some, longest(some), STAY_H)
    by_sea(some.taken(slice(1)), (corners[0][0], corners[1][0]), STAY_H)  # reads the coast
    took_s = []
    for k in range(len(some)):
        started = time.process_time()
        by_sea(some.taken(slice(k, k + 1)), (corners[0][k], corners[1][k]), STAY_H)
        took_s.append(time.process_time() - started)
    least, most = 1000 * np.median(took_s), 1000 * np.max(took_s)
    print(f"by sea, ends anywhere: {1000 * np.mean(took_s):.0f} ms each, {least:.0f} in the median, {most:.0f} at most")
    pairs = meetings(given.gaps, 2)[0]
    started = time.process_time()
    longest(pairs)
    print(f"pairs that met: {1e6 * (time.process_time() - started) / len(pairs):.0f} us each")
    other = np.random.default_rng(3).permutation(len(pairs))
    strangers = type(pairs)(
        *(
            np.stack([axis[..., 0], axis[..., other, 1]], axis=-1)
            for axis in (pairs.start_h, pairs.end_h, pairs.start, pairs.end, pairs.speed_kmh)
        )
    )
    started = time.process_time()
    longest(strangers)
    print(f"any two: {1e6 * (time.process_time() - started) / len(pairs):.0f} us each")


if __name__ == "__main__":
    main()
