"""Owns: the log of decisions loses nothing, and whatever is changed in it is found and named."""

from __future__ import annotations

import json
import resource
import signal
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.store import case_log
from stswatch.pipeline.store.case_log import HEAD, NAME, TORN

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
HOSTILE = "line one\nline two \x1b[2J \u202e \udce9 " + "x" * 50


def write(data, count, first=0):
    for n in range(first, first + count):
        with case_log.appending(data) as log:
            log.append("dissent", f"reader {n}", "E1", None, {"note": HOSTILE, "n": n}, NOW + timedelta(minutes=n))


def numbers(log):
    return [entry.body["n"] for entry in log.entries if entry.kind != TORN]


def test_entries_come_back_in_order_and_sealed(tmp_path):
    assert case_log.verified(tmp_path).entries == ()
    write(tmp_path, 5)
    log = case_log.verified(tmp_path)
    assert (numbers(log), log.finding, log.torn) == ([0, 1, 2, 3, 4], None, b"")
    assert [entry.seq for entry in log.entries] == [1, 2, 3, 4, 5]
    assert log.entries[0].previous_sha256 == case_log.FIRST
    text = (tmp_path / NAME).read_bytes()
    assert text.isascii()
    assert text.count(b"\n") == 5, "whatever a note holds, it is one line"
    assert json.loads((tmp_path / HEAD).read_text()) == {"entries": 5, "sha256": log.head}


def damaged(change):
    def test(tmp_path):
        write(tmp_path, 6)
        path = tmp_path / NAME
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
        return case_log.verified(tmp_path).finding

    return test


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"reader 2", b"reader 7"), *lines[3:]], "line 3 is no entry"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 holds entry 4 where entry 3 belongs"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 holds entry 2"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3 holds entry 2"),
        (lambda lines: lines[:4], "entries 5 to 6 are gone"),
        (lambda lines: [*lines[:5], lines[5][:40]], "what stands behind entry 5 is not entry 6"),
        (lambda lines: [*lines[:5], lines[5].replace(b"reader", b"writer")], "what stands behind entry 5"),
        (lambda lines: [*lines[:1], b"\n", *lines[1:]], "line 2 is no entry"),
        (lambda lines: [], "entries 1 to 6 are gone"),
    ],
)
def test_a_change_is_named_and_nothing_is_sealed_onto_it(tmp_path, change, named):
    assert named in damaged(change)(tmp_path)
    with pytest.raises(case_log.CaseLogError, match="put the file back"), case_log.appending(tmp_path):
        pass


@given(st.data())
def test_any_flipped_bit_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    write(folder, 3)
    path = folder / NAME
    text = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(text))
    assert case_log.verified(folder).finding is not None


def test_an_entry_written_anew_is_another_than_a_head_noted_elsewhere(tmp_path):
    write(tmp_path, 3)
    noted = (3, case_log.read(tmp_path).head)
    for name in (NAME, HEAD):
        (tmp_path / name).unlink()
    write(tmp_path, 4, first=10)  # a log that fits in itself
    assert case_log.verified(tmp_path).finding is None
    assert "entry 3 is another" in case_log.verified(tmp_path, [noted]).finding


@given(st.integers(1, 400), st.integers(0, 400))
def test_a_write_that_was_cut_off_stays_and_is_named(tmp_path_factory, cut, again):
    """Cut anywhere, and cut once more while that is put right: no entry before it is lost, and the log fits."""
    folder = tmp_path_factory.mktemp("torn")
    write(folder, 2)
    path, head = folder / NAME, (folder / HEAD).read_bytes()
    whole = path.read_bytes()
    write(folder, 1, first=2)
    third = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + third[: min(cut, len(third))])
    (folder / HEAD).write_bytes(head)
    assert numbers(case_log.verified(folder)) == ([0, 1, 2] if cut >= len(third) - 1 else [0, 1])
    before = path.read_bytes()
    write(folder, 1, first=3)
    if again:
        path.write_bytes(path.read_bytes()[: max(len(before), path.stat().st_size - again)])
        (folder / HEAD).write_bytes(head)
        write(folder, 1, first=3)
    log = case_log.verified(folder)
    assert (log.finding, log.torn) == (None, b"")
    assert path.read_bytes().startswith(before)
    assert set(numbers(log)) >= {0, 1, 3}
    assert numbers(log)[:2] == [0, 1]
    torn = [entry.body["bytes"] for entry in log.entries if entry.kind == TORN]
    assert bool(torn) or cut >= len(third) - 1


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path):
    write(tmp_path, 2)
    before = (tmp_path / NAME).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        with pytest.raises(OSError, match="File too large"), case_log.appending(tmp_path) as log:
            log.append("dissent", "A", "E1", None, {"note": "x" * 500}, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / NAME).read_bytes() == before
    write(tmp_path, 1, first=2)
    assert numbers(case_log.verified(tmp_path)) == [0, 1, 2]
