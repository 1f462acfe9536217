"""How long 100,000 entries of the log of decisions take into the database: `python -m tests.bench.case_log`."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from stswatch.pipeline.evidence import upkeep
from stswatch.pipeline.store import case_log
from stswatch.pipeline.store.case_log import HEAD, NAME, line_of, sealed
from stswatch.pipeline.store.files import write_json
from tests.pipeline.store import build
from tests.pipeline.store.build import encounter

COUNT, MOST_S = 100_000, 5.0


def main() -> None:
    """Print the times, of the log alone and with the snapshot; raises AssertionError where it takes too long."""
    with TemporaryDirectory() as name:
        data = Path(name)
        build.publish(data, build.output(data, "one", {"encounters": [encounter(1, 4)]}))
        entry, lines = None, []
        for n in range(COUNT):
            body = {"status": "watch", "note": f"note {n} of an analyst, some words long", "revision": 1, "score": 1.0}
            rest = {"case": f"E{n // 3:012d}", "exercise": None, "body": body}
            entry = sealed(entry, "2026-11-29T12:00:00.000Z", "decision", "Ann Lee", rest)
            lines.append(line_of(entry))
        (data / NAME).write_bytes(b"".join(lines))
        write_json(data / HEAD, {"entries": entry.seq, "sha256": entry.sha256})
        start = time.perf_counter()
        assert case_log.verified(data).finding is None
        verified_s = time.perf_counter() - start
        start = time.perf_counter()
        assert upkeep.show(data)
        merged_s = time.perf_counter() - start
        print(f"{COUNT:,} entries: verified in {verified_s:.2f} s, merged into the database in {merged_s:.2f} s")
        assert merged_s < MOST_S


if __name__ == "__main__":
    main()
