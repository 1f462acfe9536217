"""What a whole run costs, on generated seas as dense as a real coast, beside two programs of DuckDB on the same rows.

One sorts them, which is the floor. The other is what one would write instead of this program: slow vessels on a grid of
ten minutes, joined with each other. It samples, takes a vessel for where it last was, and tells of each pair the span
and the least of the sampled distances; ports, silences, medians, a score and evidence it has not.

    python -m tests.bench.run [--millions 1 4 16] [--workers 1] [--write]

Each figure comes from a fresh process; CPU seconds and memory are summed over the process and its children, read every
50 ms. `--write` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from stswatch.pipeline.steps import STEPS
from tests.pipeline.flow import archive
from tests.simulators.density import density

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- make bench -->", "<!-- end -->"
FLOOR = """
import duckdb, sys
db = duckdb.connect()
db.execute("SET threads = 1")
rows = "SELECT mmsi, time, lon, lat, sog_kn FROM read_parquet(?)"
db.execute(f"CREATE TABLE sorted AS {rows} ORDER BY mmsi, time", [sys.argv[1]])
"""
SELF_JOIN = """
import duckdb, sys
db = duckdb.connect()
db.execute("SET threads = 1")
db.execute('''
    CREATE TABLE grid AS SELECT mmsi, time_bucket(INTERVAL 10 MINUTES, time) AS moment, arg_max(lon, time) AS lon,
        arg_max(lat, time) AS lat, floor(arg_max(lon, time) / 0.02) AS x, floor(arg_max(lat, time) / 0.01) AS y
    FROM read_parquet(?) WHERE sog_kn < 5 GROUP BY ALL''', [sys.argv[1]])
db.execute('''
    CREATE TABLE near AS SELECT a.mmsi AS mmsi_a, b.mmsi AS mmsi_b, a.moment AS moment,
        111195 * sqrt(((a.lon - b.lon) * cos(radians(a.lat))) ** 2 + (a.lat - b.lat) ** 2) AS distance_m
    FROM grid a, (SELECT * EXCLUDE (x, y), x + dx AS x, y + dy AS y FROM grid, range(-1, 2) i(dx), range(-1, 2) j(dy)) b
    WHERE a.moment = b.moment AND a.x = b.x AND a.y = b.y AND a.mmsi < b.mmsi AND distance_m <= 500''')
db.execute('''
    CREATE TABLE meetings AS
        SELECT mmsi_a, mmsi_b, min(moment) AS first, max(moment) AS last, min(distance_m) AS least_m
    FROM (SELECT *, moment - INTERVAL 10 MINUTES * row_number() OVER (PARTITION BY mmsi_a, mmsi_b ORDER BY moment)
        AS interval_of FROM near) GROUP BY mmsi_a, mmsi_b, interval_of''')
"""


@dataclass(frozen=True)
class Cost:
    """What one command cost."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(*command: str) -> Cost:
    """Run a command to its end and say what it cost. Raises CalledProcessError where it fails.

    Python keeps its bytecode, as it does for everybody who runs the program more than once.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=kept) as process:
        seen = _Seen()
        watch = threading.Thread(target=seen.watch, args=(process.pid,))
        watch.start()
        _, printed = process.communicate()
        watch.join()
    wall_s = time.monotonic() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=printed)
    return Cost(wall_s, sum(seen.cpu_s.values()), seen.peak / 1e6)


class _Seen:
    """What was seen of a process and its children: most memory at once, CPU seconds of each."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.cpu_s: dict[int, float] = {}

    def watch(self, pid: int) -> None:
        """Look until the process has ended."""
        try:
            main = psutil.Process(pid)
            while main.is_running() and main.status() != psutil.STATUS_ZOMBIE:
                self.peak = max(self.peak, sum(self._look(p) for p in (main, *main.children(recursive=True))))
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            pass

    def _look(self, process: psutil.Process) -> int:
        try:
            times = process.cpu_times()
            self.cpu_s[process.pid] = times.user + times.system
            return int(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0


def per_step(data: Path) -> dict[str, float]:
    """CPU seconds in each step, as the catalogue has them by slice; reading, state and writing included."""
    spent = dict.fromkeys((step.name for step in STEPS), 0.0)
    for collected in archive.manifests(data).values():
        for name, cpu_s in collected["cpu_s"].items():
            spent[name] += cpu_s
    return spent


def row(millions: float, workers: int, folder: Path) -> tuple[list[str], list[str]]:
    """One row of each table."""
    positions = round(millions * 1e6)
    sea, data = folder / "sea", folder / "data"
    density(positions, 1, sea)
    command = [sys.executable, "-m", "stswatch.pipeline.cli", "run", str(sea), "--data", str(data), "--area", "world"]
    run = measure(*command, "--quiet", "--workers", str(workers))
    floor = measure(sys.executable, "-c", FLOOR, str(sea / "*.parquet"))
    joined = measure(sys.executable, "-c", SELF_JOIN, str(sea / "*.parquet"))
    nothing = measure(sys.executable, "-c", "import stswatch.pipeline.flow.run")
    spent = per_step(data)
    shutil.rmtree(sea)
    shutil.rmtree(data)
    each_us = 1e6 / positions
    whole = [
        f"{millions:g}",
        str(workers),
        f"{run.wall_s:.1f}",
        f"{run.cpu_s:.1f}",
        f"{run.cpu_s * each_us:.2f}",
        f"{(run.cpu_s - nothing.cpu_s) * each_us:.2f}",
        f"{run.peak_mb:,.0f}",
        f"{floor.cpu_s * each_us:.2f}",
        f"{run.cpu_s / floor.cpu_s:.1f}",
        f"{joined.cpu_s * each_us:.2f}",
        f"{run.cpu_s / joined.cpu_s:.1f}",
    ]
    return whole, [f"{millions:g}", *(f"{cpu_s * each_us:.3f}" for cpu_s in spent.values())]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def put(begin: str, text: str, end: str) -> None:
    """Put a text between two marks of docs/benchmarks.md."""
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 4, 16])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    given = parser.parse_args()
    wholes, steps = [], []
    for millions in given.millions:
        for workers in given.workers:
            with tempfile.TemporaryDirectory() as folder:
                whole, step = row(millions, workers, Path(folder))
            print(whole, step, flush=True)
            wholes.append(whole)
            if workers == 1:
                steps.append(step)
    head = ["million positions", "workers", "wall s", "CPU s", "CPU µs a position", "less start", "peak MB"]
    text = "\n".join(
        [
            f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
            "",
            table([*head, "DuckDB sort, µs", "ratio", "DuckDB self-join, µs", "ratio"], wholes),
            "",
            "CPU microseconds a position in each step, with one worker:",
            "",
            table(["million positions", *(step.name for step in STEPS)], steps),
        ]
    )
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
