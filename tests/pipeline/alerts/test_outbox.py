"""Owns: what waits and what was told outlives a kill, a damaged row, a full disk and years, and nothing waits twice."""

from __future__ import annotations

import os
import resource
import signal
from datetime import timedelta
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.alerts import delivery as module
from stswatch.pipeline.alerts.alert import alert
from stswatch.pipeline.alerts.delivery import REMEMBERED, Outbox
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline.alerts.conftest import NOW, change


def opened(folder, name="a"):
    return Outbox(Catalogue.open(folder), name)


def some(first, last, at=NOW):
    return [alert(change(f"E{k}"), at, identities=False) for k in range(first, last)]


def waiting(box):
    return box.first(len(box), without=())


def keys(box):
    return [collected.key for collected in waiting(box)]


def test_what_was_put_waits_in_order_until_it_is_told(tmp_path):
    box = opened(tmp_path)
    assert box.put(some(0, 3)) == {"E0:1", "E1:1", "E2:1"}
    assert box.put(some(1, 5)) == {"E3:1", "E4:1"}
    box.delivered(["E1:1", "E3:1"], NOW)
    assert keys(box) == ["E0:1", "E2:1", "E4:1"]
    again = opened(tmp_path)
    assert waiting(again) == waiting(box)
    assert again.put(some(0, 5)) == set()


def test_the_same_twice_in_one_call_waits_once(tmp_path):
    box = opened(tmp_path)
    assert box.put(some(0, 1) + some(0, 1)) == {"E0:1"}
    assert keys(box) == ["E0:1"]


def test_a_row_that_is_damaged_is_passed_over_and_taken_again(tmp_path):
    box = opened(tmp_path)
    box.put(some(0, 3))
    box.delivered(["E2:1"], NOW)
    content = "UPDATE alerts SET content = replace(content, 'E1', 'E8') WHERE key = 'a/E1:1'"
    box._catalogue._connection.execute(content)
    again = opened(tmp_path)
    assert keys(again) == ["E0:1"]
    assert again.put(some(0, 3)) == {"E1:1"}
    assert keys(opened(tmp_path)) == ["E0:1", "E1:1"]


def test_destinations_do_not_share_what_waits(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path, "b")
    one.put(some(0, 2))
    other.put(some(1, 4))
    one.delivered(["E1:1"], NOW)
    assert (keys(opened(tmp_path)), keys(opened(tmp_path, "b"))) == (["E0:1"], ["E1:1", "E2:1", "E3:1"])
    with Catalogue.open(tmp_path) as catalogue:
        assert module.waiting(catalogue) == {"a": 1, "b": 3}


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40))
def test_any_order_of_putting_and_telling(tmp_path_factory, steps):
    """Against the plain answer: a list of what waits and a set of what is known."""
    path = tmp_path_factory.mktemp("box")
    box, waiting, known = opened(path), [], set()
    for k, tell in steps:
        key = f"E{k}:1"
        if tell and key in waiting:
            box.delivered([key], NOW)
            waiting.remove(key)
        elif not tell:
            assert box.put(some(k, k + 1)) == {key} - known
            waiting += [key] if key not in known else []
            known.add(key)
    assert keys(box) == keys(opened(path)) == waiting
    box._catalogue.close()


def test_the_file_stays_small_and_still_knows_what_was_told(tmp_path):
    box = opened(tmp_path)
    for day in range(120):
        now = NOW + timedelta(days=day)
        new = [alert(change(f"E{day}-{k}"), now, identities=False) for k in range(40)]
        box.put(new)
        box.delivered([collected.key for collected in new[1:]], now)
    box.put(new)
    assert len(box) == 120  # nothing that waits is ever dropped
    again = opened(tmp_path)
    assert keys(again) == keys(box)
    assert again.put(new) == set()
    remembered = 40 * (REMEMBERED.days + 1) + 120
    assert len(again._catalogue.keys("alerts")) <= remembered + module._FORGET_EVERY


def test_a_key_is_known_for_as_long_as_it_may_be_offered(tmp_path):
    """An encounter open for 30 days is offered two days more."""
    box, first = opened(tmp_path), some(0, 1)
    box.put(first)
    box.delivered(["E0:1"], NOW)
    last = NOW + timedelta(days=33)
    for k in range(1, 3 * module._FORGET_EVERY, 500):
        box.put(some(k, k + 500, last))
        box.delivered([f"E{n}:1" for n in range(k, k + 500)], last)
    assert box.put(first) == set()
    assert opened(tmp_path).put(first) == set()


def in_a_child(work, *words):
    """Run in a process of its own; gives its exit code, negative for a signal."""
    process = get_context("fork").Process(target=work, args=words)
    process.start()
    process.join()
    return process.exitcode


def die_after_putting(path):
    opened(path).put(some(0, 5))
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_between_putting_and_delivering(tmp_path):
    assert in_a_child(die_after_putting, tmp_path) == -signal.SIGKILL
    assert keys(opened(tmp_path)) == [f"E{k}:1" for k in range(5)]


def fill_the_disk(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    box = opened(path)
    box.put(some(0, 2))
    full = (path / "catalogue.sqlite-wal").stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    for _ in range(2):
        with pytest.raises(OSError, match=r"File too large"):
            box.put(some(1, 4))
    assert keys(box) == ["E0:1", "E1:1"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert box.put(some(1, 4)) == {"E2:1", "E3:1"}


def test_a_disk_that_fills_loses_nothing_and_takes_the_same_again(tmp_path):
    assert in_a_child(fill_the_disk, tmp_path) == 0
    assert keys(opened(tmp_path)) == [f"E{k}:1" for k in range(4)]
