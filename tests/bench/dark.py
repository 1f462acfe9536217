"""How long the dark step takes over many silences of one sea, and how long the place of a pair.

    python -m tests.bench.dark [--gaps 20000] [--days 30]

All gaps are judged silenced and of log-normal length, in a sea of 600 by 600 km: the worst that the step can be given.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from stswatch.pipeline.meetings.reach import longest
from tests.peak import peak_bytes
from tests.pipeline.meetings.test_dark import found, traffic
from tests.pipeline.meetings.test_reach import meetings


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
        f"{given.gaps} gaps: {time.process_time() - started:.1f} s, {peak_bytes() / 1e6:.0f} MB, {rows.num_rows} rows"
    )
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
