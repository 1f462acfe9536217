"""Owns: what `stswatch status` and `reconcile` say is what is so, in words that a watch officer understands."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from stswatch.pipeline.alerts.delivery import Delivery
from stswatch.pipeline.live import reconcile
from stswatch.pipeline.live.health import Health, status_text
from stswatch.pipeline.sources.kinds import parse_all
from stswatch.pipeline.store.files import write_json
from tests.pipeline.live.test_health import ROOF, SLICE, T_US, S


def collected(tmp_path, sources=(ROOF,), alerts=(), report=SLICE, **other):
    """What `status.read` gives of a watch."""
    health = Health(
        tmp_path / "data", lambda: T_US + 2 * S, 5, sources=lambda: {s.name: s for s in sources}, alerts=lambda: alerts
    )
    if report is not None:
        health.slice_done(report)
    return health.state() | {"runs": True} | other


def test_a_watch_that_runs(tmp_path):
    floor = Delivery("floor", "example.org", 3, 9, 0.0, None)
    log = Delivery("log", "told.jsonl", 1, 0, 30.0, "told.jsonl cannot be written (No space left on device)")
    printed = status_text(collected(tmp_path, alerts=(floor, log))).splitlines()
    assert printed[0].startswith("a watch runs since 20")
    assert printed[1:] == [
        "arrival 2025-03-10 09:46:42 UTC; shown up to 2.0 s before that, a slice took 0.2 s;"
        " finalized up to 2025-03-10 08:46 UTC",
        "read: 100 sentences (3 checksum rejected), 70 positions, 20 static reports, 2.2 % of it late;"
        " the spool takes 0 bytes",
        "since the last finalized hour: vessels 40, encounters that still run 5, provisional leads 1",
        "source roof (tcp://roof:10110): connected, 100 lines, heard 2 s before, lost and found again 2 x",
        "alerts to floor: delivered 9, waiting 3",
        "alerts to log: delivered 0, waiting 1 (told.jsonl cannot be written (No space left on device))",
        "nothing is amiss",
    ]


def test_a_watch_that_is_over(tmp_path):
    ended = collected(tmp_path, runs=False, ended="2025-03-10T10:00:00.000Z", started="2025-03-09T10:00:00.000Z")
    assert status_text(ended).startswith(
        "no watch runs; the last ran from 2025-03-09 10:00 UTC to 2025-03-10 10:00 UTC. How it stood then:\n"
    )
    killed = collected(tmp_path, runs=False, written="2025-03-10T10:00:00.000Z", started="2025-03-09T10:00:00.000Z")
    assert "was not ended, but broke off after 2025-03-10 10:00 UTC" in status_text(killed)


def test_a_watch_that_has_just_begun_and_one_with_trouble(tmp_path):
    lost = replace(ROOF, connected=False, trouble="Connection refused", since_us=T_US - 300 * S)
    printed = status_text(collected(tmp_path, (lost, replace(ROOF, name="pipe", ended=True)), report=None))
    assert "no slice is finished yet" in printed
    assert "source roof (tcp://roof:10110): not connected" in printed
    assert "source pipe (tcp://roof:10110): has ended" in printed
    assert printed.endswith("amiss: roof: not connected for 5 min (Connection refused)")


def test_what_a_watch_begins_with():
    addresses = parse_all(["roof=tcp://127.0.0.1:10110", "-"])
    printed = reconcile.begun(addresses, "watch", "127.0.0.1:9257")
    assert printed == (
        "watching roof from tcp://127.0.0.1:10110; stdin from -; data: watch;"
        " health: http://127.0.0.1:9257/healthz; Ctrl-C ends it"
    )
    assert "health" not in reconcile.begun(addresses, "watch", "none")


# What a watch needs and the question how it stands does not. `email` comes with importlib.metadata.
NOT_FOR_STATUS = ("numpy", "pandas", "pyarrow", "duckdb", "scipy", "shapely", "apache_beam", "asyncio", "email")
ANSWER = f"""
import sys
from stswatch.pipeline import cli
code = cli.main(sys.argv[1:])
print(*(name for name in {NOT_FOR_STATUS} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def test_the_status_is_read_without_a_library(tmp_path):
    write_json(tmp_path / "live" / "status.json", collected(tmp_path))
    command = [sys.executable, "-c", ANSWER, "status", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("no watch runs; "), done.stderr
    assert done.stderr.split() == []
