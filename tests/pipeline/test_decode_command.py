"""Owns: `stswatch decode` as people use it: pipes, files, rejects, errors, memory; and that a run needs no pyais."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pyarrow as pa
import pytest

from stswatch.pipeline import api, cli
from stswatch.pipeline.decode.decoded_fields import columns_of
from tests.pipeline.decode.captures import SINGLE, capture, sentence, tagged

pytestmark = pytest.mark.e2e

LINES = 3_000
MIB = 1 << 20


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("captures") / "a.nmea"
    path.write_bytes(capture(3, LINES))
    return path


def run(capfd, *words):
    """Call the command in this process; gives its exit code, standard output and standard error."""
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capfd.readouterr()


def test_messages_go_to_standard_output_and_one_line_to_standard_error(file, capfd):
    code, out, err = run(capfd, "decode", file, "--to", "jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {line["msg_type"] for line in lines} == {1, 4, 5, 8, 18, 24}
    assert err.count("\n") == 1
    assert f" sentences: {len(lines):,} messages, " in err
    assert " checksum" in err


def test_rejects_are_counted_and_written(file, tmp_path, capfd):
    code, out, err = run(
        capfd, "decode", file, "--to", "jsonl", "--out", tmp_path / "m", "--rejects", tmp_path / "r", "--types", "5"
    )
    assert (code, out) == (0, "")
    assert {json.loads(line)["msg_type"] for line in (tmp_path / "m").open()} == {5}
    rejects = [json.loads(line) for line in (tmp_path / "r").open()]
    assert (
        f" {len((tmp_path / 'm').read_bytes().splitlines()):,} of the types asked for, {len(rejects):,} rejected ("
        in err
    )
    text = file.read_bytes()
    for row in rejects:
        line = text[row["offset"] : row["offset"] + row["length"]]
        assert b"\n" not in line
        assert len(line) == row["length"] > 0
    assert len({row["reason"] for row in rejects}) >= 4


def test_a_folder_gets_a_file_for_each_capture(file, tmp_path, capfd):
    (tmp_path / "in").mkdir()
    for name in ("x.nmea", "y.nmea"):
        (tmp_path / "in" / name).write_bytes(sentence(*SINGLE[0]))
    code, *_ = run(capfd, "decode", tmp_path / "in", "--to", "csv", "--out", f"{tmp_path}/out/")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x.nmea.csv", "y.nmea.csv"]


def test_the_same_sentence_is_decoded_whatever_is_packed_round_it(tmp_path, capfd):
    import gzip

    path = tmp_path / "a.nmea.gz"
    path.write_bytes(gzip.compress(tagged(sentence(*SINGLE[0]), 1_600_000_000, b"S9")))
    _, out, _ = run(capfd, "decode", path, "--to", "jsonl")
    row = json.loads(out)
    assert (row["time"], row["station"], row["mmsi"]) == ("2020-09-13T12:26:40.000000Z", "S9", 227006760)


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["--to", "parquet"], "name a file with --out"),
        (["--to", "csv", "--types", "0-3"], "message types from 1 to 28"),
        (["--to", "csv", "--types", "29"], "message types from 1 to 28"),
        (["--to", "csv", "--types", "5-x"], "message types from 1 to 28"),
        (["--to", "xml"], "invalid choice"),
    ],
)
def test_what_cannot_be_is_said(file, words, printed, capfd):
    code, out, err = run(capfd, "decode", file, *words)
    assert code != 0
    assert (out, printed in err) == ("", True)


def test_what_is_no_nmea_is_one_sentence_and_nothing_is_written(file, tmp_path, capfd):
    table = tmp_path / "table.csv"
    table.write_text("mmsi,time,lon,lat\n1,2020-01-01T00:00:00Z,0,0\n")
    code, out, err = run(capfd, "decode", file, table, "--to", "csv")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "table.csv: holds no NMEA sentence" in err


def test_a_reader_that_has_seen_enough_ends_it_quietly(file):
    command = [sys.executable, "-m", "stswatch.pipeline.cli", "decode", str(file), str(file), "--to", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        printed = process.stderr.read()
        assert (process.wait(), printed) == (0, b"")


# Runs a command, then says how much memory that needed at most, bytes.
MEASURED = "import sys; from stswatch.pipeline import cli; from tests.peak import peak_bytes; \
cli.main(sys.argv[1:]); print(peak_bytes())"


def test_memory_does_not_grow_with_the_capture(tmp_path):
    """A quarter of a million messages take no more memory than a few windows of them."""
    lines = [tagged(sentence(*SINGLE[at % 5]), 1_600_000_000 + at) for at in range(20_000)]
    peaks = []
    for times in (3, 12):
        path = tmp_path / "big.nmea"
        path.write_bytes((b"\n".join(lines) + b"\n") * times)
        words = [sys.executable, "-c", MEASURED, "decode", path, "--to", "parquet", "--out", tmp_path / "o"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 150 * MIB, peaks


def test_stopped_by_hand_it_leaves_nothing_half_written(tmp_path):
    path, out = tmp_path / "big.nmea", tmp_path / "out" / "m.csv"
    path.write_bytes((tagged(sentence(*SINGLE[0]), 1_600_000_000) + b"\n") * 1_500_000)
    command = [sys.executable, "-m", "stswatch.pipeline.cli", "decode", str(path), "--to", "csv", "--out", str(out)]
    # what runs in the background of a shell is deaf to Ctrl-C, and so would be what it starts
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        while process.poll() is None and not list(tmp_path.glob("out/.*")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read()) == (130, "stswatch: stopped\n")
    assert list(out.parent.iterdir()) == []


# ------------------------------------------------------------------ notebooks


def test_a_notebook_gets_tables(file):
    tables = list(api.messages(file, types=[1, 5]))
    whole = pa.concat_tables(tables)
    assert whole.schema.equals(columns_of([1, 5]))
    assert set(whole["msg_type"].to_pylist()) == {1, 5}
    assert pa.concat_tables(api.messages([file, file], types=[1, 5])).num_rows == 2 * whole.num_rows


# ------------------------------------------------------------------ a run and pyais


@pytest.fixture(scope="module")
def without_pyais(tmp_path_factory):
    """The environment of a process, and of all that it starts, in which pyais cannot be imported."""
    folder = tmp_path_factory.mktemp("poison")
    (folder / "pyais").mkdir()
    (folder / "pyais" / "__init__.py").write_text("raise ImportError('somebody imports pyais')\n")
    return os.environ | {"PYTHONPATH": str(folder)}


def in_fresh_process(environment, *words):
    script = (
        "import sys; from stswatch.pipeline import cli; code = cli.main(sys.argv[1:]);"
        " print('pyais' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], env=environment, capture_output=True, text=True
    )


def test_a_run_over_nmea_imports_no_pyais_in_any_process(file, tmp_path, without_pyais):
    done = in_fresh_process(without_pyais, "run", file, "--data", tmp_path, "--area", "world", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("False\n")
    assert api.counts(tmp_path)["vessels"] > 0


def test_nor_does_decoding_of_any_type(file, without_pyais):
    done = in_fresh_process(without_pyais, "decode", file, "--to", "jsonl")
    assert (done.returncode, done.stderr[-6:]) == (0, "False\n")
    assert {json.loads(line)["msg_type"] for line in done.stdout.splitlines()} >= {1, 5, 8}


def test_the_guard_would_see_it(without_pyais):
    words = [sys.executable, "-c", "import pyais"]
    assert b"somebody imports pyais" in subprocess.run(words, env=without_pyais, capture_output=True).stderr
