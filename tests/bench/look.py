"""What one look of a watch costs: without a row, and the whole by how many slow vessels there are in the world.

    python -m tests.bench.look [--vessels 1000 10000 20000 30000] [--write]

Seas as dense as the coast of the United States, nine of ten vessels lying still, of 10,000 vessels each and side by
side for more; eight hours are finalized before. CPU time of the looking process, the median of five looks, and what
that process takes of memory at most, Python, Beam and the states included. `--write` puts the tables into
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa

from stswatch.geo.reference.zones import area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, micros
from stswatch.pipeline.flow import slices
from stswatch.pipeline.flow.engine import Embedded
from stswatch.pipeline.flow.slices import Committed
from stswatch.pipeline.live.provisional import Provisional
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, InMemory, look_ahead
from stswatch.pipeline.store.loader import Output
from stswatch.pipeline.store.states import StateFiles
from tests.bench.run import put, table
from tests.peak import peak_bytes
from tests.pipeline import seas
from tests.simulators.density import START_S, block
from tests.simulators.traffic import Sea, sea

BEGIN, END = "<!-- look bench -->", "<!-- end of look -->"
FINALIZED_H = 8  # longer than any leg is kept
OF_A_SEA = 10_000
SINCE_MIN = (5, 30, 55)  # after the last finalized hour
NONE = schema.empty("static_reports")
LAST = Committed(Output("last", {}), {})  # the slice with the states to begin from


def world(vessels: int) -> list[Sea]:
    """Seas with so many vessels in all."""
    return [sea(k, min(OF_A_SEA, vessels - first)) for k, first in enumerate(range(0, vessels, OF_A_SEA))]


def heard(of: list[Sea], hour: int) -> pa.Table:
    """The fixes of an hour, schema.FIXES, in order of time."""
    parts = []
    for k, each in enumerate(of):
        rows = block(each, k, hour, 3600)
        mmsi = np.asarray(rows["mmsi"]) + k * OF_A_SEA
        parts.append(seas.fixes(mmsi, micros(rows, "time"), rows["lon"], rows["lat"], np.asarray(rows["sog_kn"])))
    return pa.concat_tables(parts).sort_by("time").combine_chunks()


def prepare(folder: Path, vessels: int) -> None:
    """Finalize hours, and leave the states after them as a slice leaves them."""
    of, engine = world(vessels), InMemory(Rules())
    for hour in range(FINALIZED_H):
        engine.slice({"fixes": heard(of, hour), "static_reports": NONE}, START_S * SECOND + (hour + 1) * HOUR)
    state = LAST.folder(folder) / "state"
    state.mkdir(parents=True)
    for step in (step for step in STEPS if step.state):
        StateFiles(state, Rules().events_fingerprint()).write(step.name, 0, engine._states[step.name, 0])


def looks(folder: Path, vessels: int) -> list[str]:
    """Look at the hour that follows; a row of figures."""
    fixes, until_us = heard(world(vessels), FINALIZED_H), START_S * SECOND + FINALIZED_H * HOUR
    watch = Provisional(folder, Rules(), area("world"), MINUTE)
    watch.move_to(until_us, LAST, 1)
    begin, took_s = 0, []
    for since_min in SINCE_MIN:
        now_us = until_us + since_min * MINUTE
        end = int(np.searchsorted(micros(fixes, "time"), now_us))
        watch.recent.add(fixes.slice(begin, end - begin), NONE, "unknown", now_us)
        found, _ = watch.look(now_us)
        took_s.append(cpu_s(lambda at_us=now_us: watch.look(at_us), 5))
        begin = end
    peak = peak_bytes() / 1e6
    return [f"{vessels:,}", f"{found.num_rows:,}", *(f"{s:.2f}" for s in took_s), f"{peak:,.0f}"]


def by_vessels(vessels: int) -> list[str]:
    """A row of figures, from two processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for call in (prepare, looks):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                row = pool.submit(call, Path(folder) / "slice", vessels).result()
    return row


def cpu_s(call: Callable[[], object], times: int) -> float:
    """The median CPU time of a call, seconds."""
    took = []
    for _ in range(times):
        began_s = time.process_time()
        call()
        took.append(time.process_time() - began_s)
    return float(np.median(took))


def of_nothing() -> list[list[str]]:
    """The steps without a row, and one transform of Beam that does nothing."""
    lake, now_us = {"fixes": schema.empty("fixes"), "static_reports": NONE}, START_S * SECOND
    states = slices.none_yet(STEPS)
    nothing = Embedded(lambda p: p | beam.Impulse() | beam.Map(len))
    calls = {
        "a look": lambda: look_ahead(STEPS, states, lake, now_us, Rules()),
        "a pipeline of Beam that does nothing": nothing.run,
    }
    for call in calls.values():
        cpu_s(call, 10)
    return [[name, f"{1000 * cpu_s(call, 100):.1f}"] for name, call in calls.items()]


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vessels", type=int, nargs="+", default=[1000, 10_000, 20_000, 30_000])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    given = parser.parse_args()
    overhead = table(["without a row", "CPU ms"], of_nothing())
    print(overhead, flush=True)
    head = ["vessels", "encounters", *(f"CPU s, {m} min after an hour" for m in SINCE_MIN), "memory at most, MB"]
    text = f"{overhead}\n\n{table(head, [by_vessels(vessels) for vessels in given.vessels])}"
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
