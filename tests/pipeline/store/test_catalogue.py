"""Owns: the catalogue is whole or named, after a kill, with a flipped bit anywhere, and read while it is written."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.store.catalogue import NAME, TABLES, Catalogue, CatalogueError
from stswatch.pipeline.store.files import DamagedFile
from tests.pipeline.damage import flip

FLIPS = 150


def as_it_is(key, collected):
    return collected


def everything(catalogue):
    return {table: list(catalogue.every(table, as_it_is).items()) for table in TABLES}


@pytest.fixture
def kept(tmp_path):
    """A folder with a catalogue at rest, of rows small and large; gives it and what it holds."""
    rng = random.Random(1)
    with Catalogue.open(tmp_path) as catalogue:
        for table in TABLES:
            catalogue.put(table, {f"{table}-{k}": {"n": k, "text": "ab" * rng.randrange(3000)} for k in range(20)})
            catalogue.delete(table, [f"{table}-{k}" for k in range(0, 20, 5)])
        found = everything(catalogue)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]
    return tmp_path, found


def seen(data):
    """What a folder's catalogue holds, damaged rows left out; or the sentence about it."""
    try:
        with Catalogue.open(data) as catalogue:
            return everything(catalogue)
    except CatalogueError as error:
        return str(error)


def test_no_flip_anywhere_is_read_over(kept):
    data, whole = kept
    path, rng, named, rows = data / NAME, random.Random(2), 0, 0
    good = path.read_bytes()
    for _ in range(FLIPS):
        flip(path, rng)
        found = seen(data)
        if isinstance(found, str):
            named += 1
            assert str(path) in found
            assert "run again with all archives" in found
        else:
            for table in TABLES:
                damaged = {key for key, collected in found[table] if isinstance(collected, DamagedFile)}
                rows += len(damaged)
                assert [row for row in whole[table] if row[0] not in damaged] == [
                    row for row in found[table] if row[0] not in damaged
                ]
        for left in data.iterdir():
            left.unlink()
        path.write_bytes(good)
    assert rows > 0.5 * FLIPS, "most of it are rows that are named by themselves"
    assert named >= 2
    assert seen(data) == whole


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 5000, -4096, -1])
def test_cut_off_it_is_named(kept, size):
    data, _ = kept
    (data / "lake" / "fixes").mkdir(parents=True)
    path = data / NAME
    path.write_bytes(path.read_bytes()[:size])
    assert str(path) in seen(data)


def test_a_row_that_is_gone_or_was_altered_by_other_means_is_missed(kept):
    """As by a page of an older state: every page is whole, and rows are others than were written."""
    data, _ = kept
    with Catalogue.open(data) as catalogue:
        catalogue._connection.execute("DROP TRIGGER slices_delete")
        catalogue._connection.execute("DELETE FROM slices WHERE key = 'slices-3'")
    assert "its tables are others" in seen(data)
    with Catalogue.open(data, verify=False) as catalogue:
        catalogue._connection.execute("UPDATE sums SET n = n + 1 WHERE name = 'chunks'")
        with pytest.raises(CatalogueError, match="others"):
            catalogue.verify()


@pytest.mark.parametrize("version", [0, 2])
def test_of_another_version_it_is_refused_with_what_to_do(kept, version):
    data, _ = kept
    with Catalogue.open(data) as catalogue:
        catalogue._connection.execute(f"PRAGMA user_version = {version}")
    assert "of another version of stswatch" in seen(data)
    with pytest.raises(CatalogueError, match=r"of another version .+ run again with all archives"):
        Catalogue.read(data)


steps = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "undo"]), st.sampled_from(TABLES), st.integers(0, 5), st.integers()),
    max_size=40,
)


@given(steps)
def test_any_order_of_writing_is_a_dictionary_for_each_table(tmp_path_factory, given_steps):
    data = tmp_path_factory.mktemp("any")
    plain = {table: {} for table in TABLES}
    with Catalogue.open(data) as catalogue:
        for what, table, k, value in given_steps:
            if what == "put":
                catalogue.put(table, {str(k): [value]}, durable=False)
                plain[table][str(k)] = [value]
            elif what == "delete":
                catalogue.delete(table, [str(k)], durable=False)
                plain[table].pop(str(k), None)
            else:
                with suppress(ZeroDivisionError), catalogue.transaction(durable=False):
                    catalogue.put(table, {str(k): None})
                    catalogue.put(table, {"other": 1 / 0})
        assert everything(catalogue) == {table: list(rows.items()) for table, rows in plain.items()}
    with Catalogue.open(data) as again:
        assert everything(again) == {table: list(rows.items()) for table, rows in plain.items()}


CHILD = """
import sys
import tempfile
from pathlib import Path
from stswatch.pipeline.store.catalogue import Catalogue
catalogue = Catalogue.open(Path(sys.argv[1]))
for k in range(100_000):
    catalogue.put("slices", {str(k): k, f"beside {k}": "x" * 500}, durable=k % 2 == 0)
    print(k, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_it_holds_all_that_was_committed_and_no_half(seed, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    until_k = random.Random(seed).randrange(300)
    for line in child.stdout:
        if int(line) == until_k:
            break
    child.send_signal(signal.SIGKILL)
    rest = child.communicate()[0].split()
    most = int(rest[-1]) if rest else until_k
    with Catalogue.open(tmp_path) as catalogue:
        found = catalogue.every("slices", as_it_is)
    numbers = [key for key in found if not key.startswith("beside")]
    assert len(found) == 2 * len(numbers)
    assert len(numbers) - (most + 1) in (0, 1)
    assert numbers == [str(k) for k in range(len(numbers))]


def test_others_read_while_one_writes_and_two_may_write(tmp_path):
    with Catalogue.open(tmp_path) as one, Catalogue.open(tmp_path, verify=False) as other:
        with one.transaction():
            one.put("sources", {"a": 1})
            with Catalogue.read(tmp_path) as reader:
                assert reader.keys("sources") == []
        assert other.keys("sources") == ["a"]
        writing = [
            threading.Thread(target=lambda c=c, t=t: [c.put(t, {str(k): k}, durable=False) for k in range(200)])
            for c, t in ((one, "alerts"), (other, "requests"), (one, "slices"))
        ]
        for thread in writing:
            thread.start()
        for thread in writing:
            thread.join()
        assert {table: len(one.keys(table)) for table in ("alerts", "requests", "slices")} == {
            "alerts": 200,
            "requests": 200,
            "slices": 200,
        }
    assert not isinstance(seen(tmp_path), str)


def test_what_was_read_is_not_parsed_again_unless_it_is_another(tmp_path):
    parsed = []

    def noted(key, collected):
        parsed.append(key)
        return collected

    with Catalogue.open(tmp_path) as catalogue:
        catalogue.put("slices", {"a": 1, "b": 2})
        catalogue.every("slices", noted)
        known = catalogue.known
    with Catalogue.open(tmp_path, known) as catalogue:
        catalogue.put("slices", {"b": 3, "c": 4})
        catalogue.delete("slices", ["a"])
        assert catalogue.every("slices", noted) == {"b": 3, "c": 4}
    assert parsed == ["a", "b", "b", "c"]


def read_by_nobody(data):
    """Read it as a user who may not write into the folder."""
    os.setgid(65534)
    os.setuid(65534)
    with Catalogue.read(data) as catalogue:
        os._exit(0 if catalogue.keys("sources") == ["a"] else 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_at_rest_is_read_by_who_may_not_write_into_it():
    data = tempfile.mkdtemp()
    try:
        with Catalogue.open(Path(data)) as catalogue:
            catalogue.put("sources", {"a": 1})
        os.chmod(data, 0o755)
        os.chmod(os.path.join(data, NAME), 0o644)
        process = get_context("fork").Process(target=read_by_nobody, args=(Path(data),))
        process.start()
        process.join()
        assert process.exitcode == 0
    finally:
        shutil.rmtree(data)


def test_a_row_of_another_table_is_not_taken_for_one(tmp_path):
    with Catalogue.open(tmp_path) as catalogue:
        catalogue.put("slices", {"a": {"files": 1}})
        with pytest.raises(DamagedFile, match="its row a in slices is none"):
            catalogue.one("slices", "a", lambda key, collected: collected["checksums"])
        content = json.dumps({"files": 2}).encode()
        catalogue._connection.execute("UPDATE slices SET content = ?", [content])
        with pytest.raises(DamagedFile, match="the checksum of its row a in slices"):
            catalogue.one("slices", "a", as_it_is)
