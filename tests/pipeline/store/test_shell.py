"""Owns: the views of the lake work in DuckDB's own shell, of another version than ours, or say what lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb_cli
import pytest

from tests.pipeline.store.build import encounter, output, publish
from tests.pipeline.store.test_snapshots import lake_file

pytestmark = pytest.mark.e2e

SHELL = Path(duckdb_cli.__file__).with_name("duckdb")
COUNT = "SELECT count(*) FROM fixes"


def shell(*arguments, **more):
    """What the shell prints, as CSV without a header."""
    command = [str(SHELL), "-no-init", "-csv", "-noheader", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def printed(*arguments, cwd):
    done = shell(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with three positions in two files."""
    folder = tmp_path_factory.mktemp("made")
    files = [lake_file(folder, f"lake/fixes/2023-08-01T00/{k}.parquet", *range(k)) for k in (1, 2)]
    publish(folder, output(folder, "a", {"encounters": [encounter(1, 3)]}), lake={"fixes": files})
    return folder


@pytest.fixture
def data(made, tmp_path):
    """That folder under a name that DuckDB could take for a pattern or a quotation."""
    return shutil.copytree(made, tmp_path / "it's [a] folder", symlinks=True)


@pytest.mark.parametrize("mode", ["-readonly", ""])
@pytest.mark.parametrize("name", ["stswatch.duckdb", "snapshots/000001.duckdb"])
def test_the_views_find_the_lake_from_any_folder(data, name, mode):
    for path in data.rglob("*.duckdb"):
        path.chmod(0o644 if mode == "" else 0o444)
    for cwd in (data, data.parent, Path("/")):
        file = os.path.relpath(data / name, cwd)
        assert printed(*mode.split(), file, "-c", f"{COUNT}; SELECT count(*) FROM flagged_encounters", cwd=cwd) == [
            "3",
            "1",
        ]
    moved = data.parent / "moved"
    data.rename(moved)
    assert printed(*mode.split(), moved / name, "-c", COUNT, cwd="/") == ["3"]


def test_from_a_database_of_ones_own_one_statement_tells_where_the_lake_is(data):
    attach = f"ATTACH '{str(data).replace(chr(39), 2 * chr(39))}/stswatch.duckdb' AS sts (READ_ONLY)"
    search = f"SET file_search_path = '{str(data).replace(chr(39), 2 * chr(39))}'"
    query = "CREATE OR REPLACE TABLE mine AS FROM sts.fixes; SELECT count(*) FROM mine"
    leads = "SELECT count(*) FROM sts.flagged_encounters"
    assert printed("mine.duckdb", "-c", f"{attach}; {leads}; {search}; {query}", cwd=data.parent) == ["1", "3"]
    assert printed("mine.duckdb", "-c", f"{attach}; {query}", cwd=data) == ["3"], "the lake lies in the folder he is in"
    lost = shell("mine.duckdb", "-c", f"{attach}; {query}", cwd=data.parent)
    assert lost.returncode != 0
    assert 'match the pattern "lake/fixes/2023-08-01T00/1.parquet"' in lost.stderr


def test_with_another_folder_for_temporary_files_the_same_statement_helps(data):
    other = "SET temp_directory = '/tmp/other'"
    assert shell("-readonly", data / "stswatch.duckdb", "-c", f"{other}; {COUNT}", cwd="/").returncode != 0
    search = f"SET file_search_path = '{str(data).replace(chr(39), 2 * chr(39))}'"
    assert printed("-readonly", data / "stswatch.duckdb", "-c", f"{other}; {search}; {COUNT}", cwd="/") == ["3"]
    assert printed("-readonly", "stswatch.duckdb", "-c", f"{other}; {COUNT}", cwd=data) == ["3"]


def test_the_file_alone_holds_the_tables_and_says_which_position_file_lacks(data, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    subprocess.run(["cp", data / "stswatch.duckdb", alone], check=True)
    assert printed("-readonly", alone / "stswatch.duckdb", "-c", "SELECT count(*) FROM encounters", cwd="/") == ["1"]
    lacks = shell("-readonly", alone / "stswatch.duckdb", "-c", COUNT, cwd="/")
    assert f"{alone}/lake/fixes/2023-08-01T00/1.parquet" in lacks.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user, which root may")
def test_who_is_not_root_and_does_not_say_readonly_is_refused():
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    with TemporaryDirectory() as folder:  # others may not enter those of pytest
        data = Path(folder)
        data.chmod(0o755)
        publish(data, lake={"fixes": [lake_file(data, "lake/fixes/2023-08-01T00/1.parquet", 1)]})
        assert "Permission denied" in shell(data / "stswatch.duckdb", "-c", "SELECT 1", **nobody).stderr
        assert shell("-readonly", data / "stswatch.duckdb", "-c", COUNT, **nobody).stdout == "1\n"
