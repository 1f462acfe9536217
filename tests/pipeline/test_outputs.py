"""Owns: what is no file is left as it is, refused or filled; what cannot be written or was stopped is one sentence."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stswatch.pipeline import api, terminal
from stswatch.pipeline.readers.source import SourceError
from tests.hostile import corpus
from tests.pipeline.decode.captures import sentence
from tests.pipeline.spool.spools import POSITION

pytestmark = pytest.mark.e2e

STSWATCH = (sys.executable, "-m", "stswatch.pipeline.cli")


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "a.nmea"
    path.write_bytes(sentence(POSITION) + b"\n")
    return path


def test_a_full_device_stays_one_and_is_said(tmp_path, capture):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    done = subprocess.run(
        [*STSWATCH, "decode", capture, "--to", "jsonl", "--out", full], capture_output=True, text=True
    )
    assert (done.returncode, full.is_symlink()) == (1, True)
    assert done.stderr == "stswatch: standard output: the disk is full (No space left on device); make room on it\n"


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("asked", [["rules"], ["areas"], ["--version"], ["--help"], ["run", "--help"]], ids=" ".join)
def test_what_cannot_be_printed_is_said(asked, buffered):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {} if buffered else {"PYTHONUNBUFFERED": "1"}
    with open("/dev/full", "w") as full:
        done = subprocess.run([*STSWATCH, *asked], stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr == "stswatch: standard output: the disk is full (No space left on device); make room on it\n"


def test_what_a_run_found_cannot_be_printed(tmp_path):
    """The run itself is done by then."""
    (tmp_path / "good.csv").write_bytes(corpus.table(corpus.rows()))
    data = ("--data", str(tmp_path / "data"))
    run = ("run", str(tmp_path / "good.csv"), *data, "--area", "world", "--scorecard", "rules")
    for asked in (run, ("leads", *data), ("explain", *data)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*STSWATCH, *asked], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1, asked
        assert done.stderr.splitlines()[-1].startswith("stswatch: standard output: the disk is full"), asked
    assert len(api.leads(tmp_path / "data", 10)) == 1


@pytest.mark.parametrize("closed", [True, False])
def test_nothing_on_standard_input_is_said(closed, tmp_path):
    words = [*STSWATCH, "stream", "-", "--data", tmp_path, "--health", "none"]
    shell = ["sh", "-c", f'exec "$@" {"<&-" if closed else "</dev/null"}', "sh"]
    done = subprocess.run([*shell, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    last = "stswatch: stdin: nothing was received; see that what sends runs, and that its output leads here"
    assert done.stderr.splitlines()[-1] == last


def test_a_pipe_is_filled_and_stays_one(tmp_path, capture):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    api.write_messages(capture, to="jsonl", out=pipe)
    reader.join(10)
    assert got[0].count(b"\n") == 1
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("call", [api.decode, lambda path: list(api.messages(path))])
def test_a_pipe_to_read_is_refused_at_once(tmp_path, call):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"pipe: is a pipe or a device, which cannot be read twice; save what"):
        call(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"^-: standard input cannot be read twice"):
        call(Path("-"))


INTERRUPTED = """
import os, signal, sys, threading
from stswatch.pipeline import api, cli
from stswatch.pipeline.store import database
number = signal.Signals[sys.argv[1]]

def leads(*_):
    with database.open_file(sys.argv[2]) as db:
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        db.execute("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b").fetchall()

api.one_snapshot = leads
sys.exit(cli.main(["leads"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_a_query_ends_it(number, tmp_path):
    """DuckDB waits for its threads without a look at signals every second time; the query would take an hour."""
    for _ in range(3):
        command = [sys.executable, "-c", INTERRUPTED, number.name, str(tmp_path / "a.duckdb")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "stswatch: stopped\n")
    assert terminal.interrupt_behind(ValueError("of another kind")) is None


READING = """
import os, signal, sys
import duckdb, pyarrow as pa
from stswatch.pipeline import api, cli
number, place = signal.Signals[sys.argv[1]], sys.argv[2]

def interrupt():
    os.kill(os.getpid(), number)
    for _ in range(1000):  # Python looks for signals between two of its instructions
        pass

class Table:
    def __arrow_c_stream__(self, requested_schema=None):
        interrupt()

def batches():
    interrupt()
    yield pa.record_batch({"a": [1]})

def leads(*_):
    rows = Table() if place == "schema" else pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    with duckdb.connect() as db:
        db.execute("SELECT * FROM rows").fetchall()

api.one_snapshot = leads
sys.exit(cli.main(["leads"]))
"""


@pytest.mark.parametrize("place", ["schema", "rows"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_duckdb_reads_a_table_is_known_as_that(number, place):
    """DuckDB calls Python for it, and makes an error of its own of whatever that raises."""
    done = subprocess.run([sys.executable, "-c", READING, number.name, place], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "stswatch: stopped\n")
