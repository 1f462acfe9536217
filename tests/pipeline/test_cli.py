"""The command: what it prints of a real run, what its help promises, and one clear sentence for whatever is amiss."""

from __future__ import annotations

import argparse
import ast
import builtins
import gzip
import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api, cli, rule_files, schema
from tests.recording import RECORDING

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = list(cli.COMMANDS)
WITHOUT_DATA = {"areas", "simulate", "train", "evaluate", "decode"}
HEADER = b"mmsi,timestamp,lon,lat\n"
ROWS = b"".join(b"%d,2024-01-01T%02d:00:00Z,%d.0,1.0\n" % (201000001 + k, h, k) for h in range(6) for k in range(3))


def command(*words):
    """The command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "stswatch.pipeline.cli", *map(str, words)], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The data folder of a run over the recording, and what that run said."""
    data = tmp_path_factory.mktemp("watched") / "data"
    done = command("run", RECORDING, "--data", data)
    assert done.returncode == 0, done.stderr
    return data, done


# ----------------------------------------------------------------------------- what answers at once, and what it needs

# What takes longer to import than a list of leads to be worked out: whoever asks for it has to need it.
SLOW = ("pandas", "scipy", "shapely", "matplotlib", "apache_beam", "pyarrow.parquet", "pyarrow.compute", "asyncio")
ANSWER = f"""
import sys
from stswatch.pipeline import cli
code = cli.main(sys.argv[1:])
print(*(name for name in {SLOW} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def cpu_s(script, *words):
    """The least of the CPU time that a process takes three times, start and end included, and what it said last."""
    least_s = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        least_s = min(least_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least_s, done.stderr.split()


@pytest.mark.parametrize(
    ("words", "data", "base"), [(("leads",), True, "duckdb, pyarrow"), (("rules",), False, "numpy")]
)
def test_what_is_asked_often_is_answered_at_once(watched, words, data, base):
    """In less than twice what the libraries take that it cannot do without: some 0.4 CPU s for the leads."""
    floor_s, _ = cpu_s(f"import {base}")
    took_s, slow = cpu_s(ANSWER, *words, *(("--data", watched[0]) if data else ()))
    assert slow == []
    assert took_s < 2 * floor_s + 0.2


# ------------------------------------------------------------------------------------------------ a run and its leads


def listed(text: str) -> list[tuple[float, str]]:
    """Score and id of each lead of a printed table."""
    return [(float(score), name) for score, name in re.findall(r"^(-?\d+\.\d)\s+(E[0-9a-f]+)\s", text, re.M)]


def test_a_run_says_what_it_read_and_found_and_where_the_database_lies(watched):
    data, done = watched
    with closing(api.connect(data)) as db:
        sentences, rejects = db.execute("SELECT sum(sentences), sum(rejects) FROM sources").fetchall()[0]
    counts = api.counts(data)
    assert (
        f"{RECORDING.name}: {sentences:,} sentences: {sentences - rejects:,} used, {rejects:,} rejected" in done.stdout
    )
    assert f"{counts['vessels']:,} vessels, {counts['current_encounters']:,} encounters" in done.stdout
    assert f"{counts['flagged_encounters']:,} leads in area dprk" in done.stdout
    assert f"database: {data / 'stswatch.duckdb'}" in done.stdout
    assert (data / "stswatch.duckdb").exists()
    assert sentences > 50_000
    assert len(listed(done.stdout)) == min(10, counts["flagged_encounters"]) >= 5


def test_every_event_of_a_run_has_one_revision_that_holds(watched):
    """But port calls that a silence only left time for."""
    with closing(api.connect(watched[0])) as db:
        for name, by in schema.TABLES.revised.items():
            column, left_out = by.but or ("true", None)
            events = db.execute(f"SELECT count(*) FROM {name} WHERE {column} IS DISTINCT FROM $1", [left_out])
            (stored,) = events.fetchall()[0]
            query = "SELECT count(*), count(DISTINCT id), max(revision) FROM current_events WHERE table_name = $1"
            current, ids, last = db.execute(query, [name]).fetchall()[0]
            assert (current, ids, last) == (stored, stored, 1 if stored else None), name


def test_a_run_tells_how_far_it_is_on_standard_error(watched):
    _, done = watched
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["reading", "watching", "loading"]
    assert "100 %" in lines[1]


def test_leads_are_ranked_and_each_is_explained(watched, say):
    data, _ = watched
    code, out, err = say("leads", "--data", data, "--limit", 1000)
    found = listed(out)
    assert (code, err) == (0, "")
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)
    assert len({name for _, name in found}) == len(found) == api.counts(data)["flagged_encounters"] >= 7
    assert "not a finding" in out
    for score, name in found[:10]:
        explained(data, say, score, name)


def explained(data, say, score, name):
    """The explanation of a lead: measured words, points that add up, nothing that accuses."""
    code, out, err = say("explain", name, "--data", data)
    assert (code, err) == (0, "")
    total = float(re.search(r"score ([+-]\d+\.\d\d) \(a lead from [+-]\d+\.\d\d\), the sum of", out)[1])
    points = [float(p) for p in re.findall(r"^  ([+-]\d+\.\d\d)  \S", out, re.M)]
    assert len(points) >= 5
    assert sum(points) == pytest.approx(total, abs=0.005 * (len(points) + 1)), "each is shown to a hundredth"
    row = api.encounter(data, name)
    assert (total, score) == (round(row["score"], 2), round(row["score"], 1))
    for part in (
        f"{row['mmsi_a']:09d}",
        f"{row['mmsi_b']:09d}",
        row["run_id"],
        "UTC",
        "not a finding",
        "self-reported",
    ):
        assert part in out
    assert not re.search(r"illicit|guilty|violat|illegal|smuggl|suspici", out, re.I)


def test_fewer_leads_are_the_first_and_say_how_many_there_are(watched, say):
    data, _ = watched
    every = listed(say("leads", "--data", data, "--limit", 1000)[1])
    out = say("leads", "--data", data, "--limit", 3)[1]
    assert listed(out) == every[:3]
    assert f"3 of {len(every)} leads" in out


def test_the_beginning_of_an_id_is_enough(watched, say):
    data, done = watched
    name = listed(done.stdout)[0][1]
    assert say("explain", name[:7], "--data", data) == say("explain", name, "--data", data)


def test_what_a_command_proposes_works(watched, say):
    data, done = watched
    proposed = re.search(r"stswatch (explain \S+ --data \S+)$", done.stdout, re.M)[1]
    assert say(*shlex.split(proposed))[0] == 0
    assert str(data) in proposed


def test_rules_prints_every_rule_with_its_unit_and_reason(say):
    code, out, _ = say("rules")
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert len(lines) == len(rule_files.rows()) >= 20
    for name, default, unit, reason in rule_files.rows():
        assert lines[name].split()[0] == rule_files.shown(default)
        assert unit in lines[name]
        assert reason in lines[name]


def test_rules_of_a_folder_are_those_of_its_run(written, tmp_path, say):
    other = written("rules.toml", b"[encounter]\nmin_duration_min = 45\n[lead]\nmin_score = -1.5\n")
    assert say("run", written("a.csv", HEADER + ROWS), "--data", tmp_path / "d", "--rules", other)[0] == 0
    out = say("rules", "--data", tmp_path / "d")[1]
    assert re.search(r"^encounter\.min_duration_min +45 min .*\(default 30\)$", out, re.M)
    assert re.search(r"^lead\.min_score +-1\.5 log-odds .*\(default card's\)$", out, re.M)
    assert out.count("(default") == 2


def test_quiet_prints_nothing(written, tmp_path, say):
    assert say("run", written("a.csv", HEADER + ROWS), "--data", tmp_path / "d", "--quiet") == (0, "", "")
    assert (tmp_path / "d" / "stswatch.duckdb").exists()


def test_no_lead_is_said(written, tmp_path, say):
    out = say("run", written("a.csv", HEADER + ROWS), "--data", tmp_path / "d")[1]
    assert "3 vessels, 0 encounters" in out
    assert "no leads" in out
    assert "no leads" in say("leads", "--data", tmp_path / "d")[1]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_error(unbuffered):
    """As in `stswatch rules | head -1`: the output is closed, whether it is written line by line or at the end."""
    words = [sys.executable, "-m", "stswatch.pipeline.cli", "rules"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 0


# ------------------------------------------------------------------------------------------------ help


def subparsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    (action,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    yield from action.choices.items()


def test_every_command_has_help_with_an_example_that_parses():
    found = dict(subparsers())
    assert list(found) == COMMANDS
    assert {"run", "leads", "explain", "rules"} <= set(found)
    for name, parser in found.items():
        example = re.fullmatch(r"example: stswatch (.+)", parser.epilog)[1]
        given = cli.parser().parse_args(shlex.split(example))
        assert example.startswith(f"{name} ")
        if name not in WITHOUT_DATA:
            assert "--data" in example
            assert given.data == "DIR"
        assert parser.description.endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_data_and_the_example_and_explains_every_option(name, say):
    code, out, err = say(name, "--help")
    assert (code, err) == (0, "")
    assert ("--data" in out) == (name not in WITHOUT_DATA)
    assert f"example: stswatch {name} " in out
    parser = dict(subparsers())[name]
    assert all(action.help for action in parser._actions)


def test_help_lists_the_commands(say):
    out = say("--help")[1]
    assert all(re.search(rf"^    {name} +\w", out, re.M) for name in COMMANDS)
    assert "not a finding" in out
    assert re.fullmatch(r"stswatch \d+\.\d+\.\d+\n", say("--version")[1])


# ------------------------------------------------------------------------------------------------ bad input


@pytest.fixture
def written(tmp_path):
    """Write a file; gives its path."""

    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def one_sentence(code, out, err, *words):
    """No success, no output, no traceback; after progress at most one sentence, with all of these words."""
    assert code not in (0, None)
    assert out == ""
    assert "Traceback" not in err
    assert "while running" not in err
    lines = [line for line in err.splitlines() if not re.match(r"reading|watching|loading", line)]
    if code == 2:  # argparse shows the usage before
        lines = lines[-1:]
    assert len(lines) == 1
    assert lines[0].startswith("stswatch")
    for word in words:
        assert word in lines[0]


UNTIMED = b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\n"
FILES = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (HEADER, "no usable position"),
    "nobody.csv": (HEADER + b"x,2024-01-01T00:00:00Z,1,1\n", "no usable position"),
    "nowhere.csv": (HEADER + b"201000001,2024-01-01T00:00:00Z,181,91\n", "give an archive with positions"),
    "binary.dat": (bytes(range(256)) * 40, "neither text nor Parquet"),
    "cut.zip": (b"PK\x03\x04" + bytes(100), "fetch the file again"),
    "cut.csv.gz": (gzip.compress(HEADER + ROWS * 500, mtime=0)[:-30], "fetch the file again"),
    "cut.nmea.gz": (RECORDING.read_bytes()[:200_000], "fetch the file again"),
    "columns.csv": (b"ship,when,lat,lon\n1,2,3,4\n", "--columns"),
    "letter.txt": (b"Dear friend\nall is well\n", "--format"),
    "broken.parquet": (b"PAR1" + bytes(500), "fetch the file again"),
    "untimed.nmea": (UNTIMED, "--start-time"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_used_is_named_with_a_remedy(name, written, tmp_path, say):
    content, remedy = FILES[name]
    one_sentence(*say("run", written(name, content), "--data", tmp_path / "data"), name, remedy)
    assert not (tmp_path / "data" / "stswatch.duckdb").exists()


def test_a_good_file_beside_a_bad_one_does_not_hide_it(written, tmp_path, say):
    good, bad = written("good.csv", HEADER + ROWS), written("cut.csv.gz", FILES["cut.csv.gz"][0])
    one_sentence(*say("run", good, bad, "--data", tmp_path / "d"), "cut.csv.gz", "fetch the file again")
    one_sentence(*say("run", good, tmp_path / "no.csv", "--data", tmp_path / "d"), "no.csv", "check the path")


def test_a_folder_without_files_is_named(tmp_path, say):
    (tmp_path / "nothing").mkdir()
    one_sentence(*say("run", tmp_path / "nothing", "--data", tmp_path / "d"), "nothing", "give AIS archives")


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--format", "carrier", ["carrier", "nmea"]),
        ("--area", "mars", ["mars", "dprk"]),
        ("--area", b"not json", ["option.file", "GeoJSON"]),
        ("--area", b'{"type": "Point", "coordinates": [1, 2]}', ["option.file", "Point", "Polygon"]),
        ("--rules", b"[vessel]\nslow = 3\n", ["option.file", "slow", "slow_kn"]),
        ("--rules", b"[vessel]\nslow_kn = -3\n", ["option.file", "slow_kn", "above 0"]),
        ("--rules", b"[ship]\nslow_kn = 3\n", ["option.file", "[ship]", "proximity"]),
        ("--rules", b"slow_kn: 3", ["option.file", "stswatch rules"]),
        ("--rules", b"\xff\xfe\x00", ["option.file", "TOML"]),
        ("--rules", "none.toml", ["none.toml", "give the path"]),
        ("--scorecard", "none.json", ["none.json", "give the path", "rules", "trained"]),
        ("--scorecard", b"duration_h = 3", ["option.file", "not JSON", "models/rules.json"]),
        ("--scorecard", b"\xff\xfe\x00", ["option.file", "not JSON"]),
        ("--scorecard", b"[1, 2]", ["option.file", "models/rules.json"]),
        ("--scorecard", b'{"features": {"flag": {}}}', ["option.file", "models/rules.json"]),
        ("--columns", "none.toml", ["none.toml", "check the path"]),
        ("--columns", b'[columns]\nmmsi = "ID"\ntime = "timestamp"\nlon = "lon"\nlat = "lat"\n', ["'ID'", "a.csv"]),
        ("--start-time", "2024-01-31T12:00:00", ["2024-01-31T12:00:00", "no zone", "Z"]),
        ("--start-time", "soon", ["soon", "2024-01-31T12:00:00Z"]),
        ("--workers", "0", ["--workers", "whole number"]),
        ("--memory", "much", ["--memory", "512M"]),
        ("--memory", "10M", ["--memory", "512M"]),
        ("--slice-hours", "48", ["--slice-hours", "24"]),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_a_remedy(option, content, words, written, tmp_path, say):
    value = written("option.file", content) if isinstance(content, bytes) else content
    printed = say("run", written("a.csv", HEADER + ROWS), "--data", tmp_path / "data", option, value)
    one_sentence(*printed, *words)
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_is_none_is_named(written, tmp_path, say):
    file = written("a.csv", HEADER + ROWS)
    one_sentence(*say("run", file, "--data", file), "a.csv", "another with --data")
    one_sentence(*say("run", file, "--data", file / "in"), "a.csv", "another with --data")


@pytest.mark.parametrize("words", [("leads",), ("explain", "E1"), ("rules",)])
def test_a_folder_without_a_database_is_named(words, written, tmp_path, say):
    one_sentence(*say(*words, "--data", tmp_path / "none"), "none", "stswatch run")
    one_sentence(*say(*words, "--data", tmp_path), str(tmp_path), "stswatch run")
    written("stswatch.duckdb", b"no database at all" * 1000)
    one_sentence(*say(*words, "--data", tmp_path), "stswatch.duckdb", "run again")


def test_an_id_that_is_none_or_several_is_said(watched, say):
    data, _ = watched
    one_sentence(*say("explain", "Enone", "--data", data), "Enone", "stswatch leads")
    one_sentence(*say("explain", "E", "--data", data), "several", "give more of the id")


@pytest.mark.parametrize("words", [(), ("run",), ("explain", "E1", "E2"), ("sail",), ("leads", "--limit", "x")])
def test_words_that_are_no_command_show_the_usage(words, say):
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert err.startswith("usage: stswatch")


def test_a_truncated_file_in_a_process_of_its_own(written, tmp_path):
    done = command("run", written("cut.nmea.gz", FILES["cut.nmea.gz"][0]), "--data", tmp_path / "d")
    one_sentence(done.returncode, done.stdout, done.stderr, "cut.nmea.gz", "fetch the file again")


def test_a_missing_file_in_a_process_of_its_own(tmp_path):
    done = command("run", tmp_path / "no.csv", "--data", tmp_path / "d")
    one_sentence(done.returncode, done.stdout, done.stderr, "no.csv", "check the path")


def test_a_program_that_errs_is_not_blamed_on_the_user(say, monkeypatch):
    """Only expected errors and the system's words on files are shown without the traceback."""

    def raising(error):
        def areas(*given):
            raise error

        monkeypatch.setattr("stswatch.pipeline.api.areas", areas)
        return say("areas")

    one_sentence(*raising(rule_files.RulesError("rules.toml: no `such`; give `ids=any`")), "no `such`; give --ids any")
    one_sentence(*raising(PermissionError(13, "Permission denied", "a.csv")), "a.csv: Permission denied")
    for error in (ValueError("invalid literal for int()"), KeyError("mmsi")):
        with pytest.raises(type(error)):
            raising(error)


def test_every_error_of_the_project_is_expected_but_a_signal():
    unexpected, expected = set(), set()
    for room in ("geo", "models", "pipeline", "sample_ais"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.ClassDef):
                    continue
                bases = {ast.unparse(base) for base in node.bases}
                if any(issubclass(getattr(builtins, base, object), BaseException) for base in bases):
                    (expected if "StswatchError" in bases else unexpected).add(node.name)
    assert unexpected == {"Ended"}  # ends the program as Ctrl-C does
    assert len(expected) >= 20


def test_rows_of_stray_clocks_are_no_error(tmp_path, say):
    """The year 1 and the year 9999 are dates too, and silence between is one slice."""
    years = ["0001-01-01T12:00:00", "2024-01-01T00:00:00", "2024-01-01T00:10:00", "9999-12-31T23:59:59"]
    rows = pa.table({"mmsi": [201000001] * 4, "timestamp": years, "lon": [1.0] * 4, "lat": [1.0] * 4})
    pq.write_table(rows, tmp_path / "stray.parquet")
    assert say("run", tmp_path / "stray.parquet", "--data", tmp_path / "d", "--quiet") == (0, "", "")
    assert len(list((tmp_path / "d" / "slices").iterdir())) <= 6


def test_simulate_writes_a_sea_that_run_takes(say, tmp_path):
    sea, data = tmp_path / "sea", tmp_path / "data"
    few = ("--transfers", 1, "--look-alikes", 1, "--background", 2, "--days", 0.5)
    code, out, err = say("simulate", "--out", sea, "--seed", 5, "--scenario", "lit", "--scenario", "bunkering", *few)
    assert (code, err) == (0, "")
    files = [Path(line) for line in out.splitlines()]
    assert {file.name for file in files} == {file.name for file in sea.iterdir()}
    assert len(files) == 5
    assert say("run", files[0], "--data", data, "--area", "world", "--quiet")[0] == 0
    assert api.counts(data)["vessels"] >= 2


def test_simulate_says_which_scenarios_there_are(say, tmp_path):
    code, out, err = say("simulate", "--out", tmp_path / "sea", "--scenario", "smuggling")
    assert (code, out) == (1, "")
    assert "no scenario or family 'smuggling'; there are lit, " in err
    assert not (tmp_path / "sea").exists()
