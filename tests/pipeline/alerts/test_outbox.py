"""Owns: what waits and what was told outlives a kill at any byte, a full disk and years, and nothing waits twice."""

from __future__ import annotations

import os
import resource
import signal
from datetime import timedelta
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.alerts import outbox as module
from stswatch.pipeline.alerts.message import alert
from stswatch.pipeline.alerts.outbox import REMEMBERED, Outbox
from tests.pipeline.alerts.conftest import NOW, change


def some(first, last, at=NOW):
    return [alert(change(f"E{k}"), at, identities=False) for k in range(first, last)]


def waiting(box):
    return box.first(len(box), without=())


def keys(box):
    return [told.key for told in waiting(box)]


def test_what_was_put_waits_in_order_until_it_is_told(tmp_path):
    box = Outbox(tmp_path / "a.jsonl")
    assert box.put(some(0, 3)) == {"E0:1", "E1:1", "E2:1"}
    assert box.put(some(1, 5)) == {"E3:1", "E4:1"}
    box.told(["E1:1", "E3:1"], NOW)
    assert keys(box) == ["E0:1", "E2:1", "E4:1"]
    again = Outbox(tmp_path / "a.jsonl")
    assert waiting(again) == waiting(box)
    assert again.put(some(0, 5)) == set()


def test_the_same_twice_in_one_call_waits_once(tmp_path):
    box = Outbox(tmp_path / "a.jsonl")
    assert box.put(some(0, 1) + some(0, 1)) == {"E0:1"}
    assert keys(box) == ["E0:1"]


def test_a_file_cut_at_any_byte_holds_what_was_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    box = Outbox(path)
    box.put(some(0, 2))
    box.told(["E0:1"], NOW)
    box.put(some(2, 3))
    whole = path.read_bytes()
    expected = [[], ["E0:1"], ["E0:1", "E1:1"], ["E1:1"], ["E1:1", "E2:1"]]
    assert whole.count(b"\n") == len(expected) - 1
    ends = [k for k in range(len(whole)) if whole[k : k + 1] == b"\n"]
    for cut in {*range(0, len(whole), 17), *ends, *(k + 1 for k in ends)}:
        path.write_bytes(whole[:cut])
        again = Outbox(path)
        assert keys(again) == expected[whole[:cut].count(b"\n")]
        again.put(some(7, 8))
        again.close()
        assert keys(Outbox(path)) == [*expected[whole[:cut].count(b"\n")], "E7:1"]


def test_lines_that_a_power_cut_spoiled_are_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    Outbox(path).put(some(0, 1))
    with path.open("ab") as file:
        file.write(bytes(30) + b"\n7\n")
    box = Outbox(path)
    box.put(some(1, 2))
    assert keys(Outbox(path)) == ["E0:1", "E1:1"]


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=120))
def test_any_order_of_putting_and_telling(tmp_path_factory, steps):
    """Against the plain answer: a list of what waits and a set of what is known."""
    path = tmp_path_factory.mktemp("box") / "a.jsonl"
    box, waiting, known = Outbox(path), [], set()
    for k, tell in steps:
        key = f"E{k}:1"
        if tell and key in waiting:
            box.told([key], NOW)
            waiting.remove(key)
        elif not tell:
            assert box.put(some(k, k + 1)) == {key} - known
            waiting += [key] if key not in known else []
            known.add(key)
    assert keys(box) == keys(Outbox(path)) == waiting
    box.close()


def test_the_file_stays_small_and_still_knows_what_was_told(tmp_path):
    path, box = tmp_path / "a.jsonl", Outbox(tmp_path / "a.jsonl")
    for day in range(400):
        now = NOW + timedelta(days=day)
        new = [alert(change(f"E{day}-{k}"), now, identities=False) for k in range(40)]
        box.put(new)
        box.told([told.key for told in new[1:]], now)
    box.put(new)
    assert len(box) == 400  # nothing that waits is ever dropped
    again = Outbox(path)
    assert keys(again) == keys(box)
    assert again.put(new) == set()
    remembered = 40 * (REMEMBERED.days + 1) + 400
    assert path.read_bytes().count(b"\n") <= 2 * remembered + module._LINES
    assert not list(tmp_path.glob("*.part"))


def test_a_key_is_known_for_as_long_as_it_may_be_offered(tmp_path):
    """An encounter open for 30 days is offered two days more."""
    box, first = Outbox(tmp_path / "a.jsonl"), some(0, 1)
    box.put(first)
    box.told(["E0:1"], NOW)
    last = NOW + timedelta(days=33)
    for k in range(1, 3 * module._LINES, 500):
        box.put(some(k, k + 500, last))
        box.told([f"E{k}:1"], last)
    assert box.put(first) == set()
    assert Outbox(tmp_path / "a.jsonl").put(first) == set()


def in_a_child(work, *words):
    """Run in a process of its own; gives its exit code, negative for a signal."""
    process = get_context("fork").Process(target=work, args=words)
    process.start()
    process.join()
    return process.exitcode


def die_after_putting(path):
    Outbox(path).put(some(0, 5))
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_between_putting_and_delivering(tmp_path):
    assert in_a_child(die_after_putting, tmp_path / "a.jsonl") == -signal.SIGKILL
    assert keys(Outbox(tmp_path / "a.jsonl")) == [f"E{k}:1" for k in range(5)]


def fill_the_disk(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    box = Outbox(path)
    box.put(some(0, 2))
    full = path.stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    for _ in range(2):
        with pytest.raises(OSError, match="File too large"):
            box.put(some(1, 4))
    assert keys(box) == ["E0:1", "E1:1"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert box.put(some(1, 4)) == {"E2:1", "E3:1"}


def test_a_disk_that_fills_loses_nothing_and_takes_the_same_again(tmp_path):
    assert in_a_child(fill_the_disk, tmp_path / "a.jsonl") == 0
    assert keys(Outbox(tmp_path / "a.jsonl")) == [f"E{k}:1" for k in range(4)]
