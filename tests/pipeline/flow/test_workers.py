"""Owns: calls side by side: results in the order given; a failure is told when none of the others runs any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stswatch.pipeline.flow import workers

pytestmark = pytest.mark.e2e


def wrote(path: str, after_s: float, fails: bool = False) -> str:
    """A call that takes a while; leaves a file."""
    time.sleep(after_s)
    if fails:
        raise ArithmeticError(path)
    Path(path).touch()
    return path


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_the_order_given(count, tmp_path):
    paths = [str(tmp_path / str(k)) for k in range(4)]
    calls = [(wrote, path, after_s) for path, after_s in zip(paths, (0.2, 0.0, 0.1, 0.0), strict=True)]
    assert list(workers.each(count, calls)) == paths


def test_several_workers_are_other_processes_and_one_is_this_one():
    assert set(workers.each(1, [(os.getpid,)] * 3)) == {os.getpid()}
    assert os.getpid() not in set(workers.each(2, [(os.getpid,)] * 3))


def test_meanwhile_something_else_is_done(tmp_path):
    with workers.handed_out(2, [(wrote, str(tmp_path / "a"), 0.5)]) as results:
        assert not (tmp_path / "a").exists()
        assert [result() for result in results] == [str(tmp_path / "a")]


@pytest.mark.parametrize("count", [1, 2])
def test_when_a_failure_is_told_nothing_runs_any_more(count, tmp_path):
    paths = [str(tmp_path / str(k)) for k in range(9)]
    calls = [(wrote, path, 0.15, k == 1) for k, path in enumerate(paths)]
    with pytest.raises(ArithmeticError, match=paths[1]):
        list(workers.each(count, calls))
    there = sorted(tmp_path.iterdir())
    time.sleep(0.5)
    assert sorted(tmp_path.iterdir()) == there
    assert len(there) < 8, "what had not begun did not begin"


def test_what_fails_meanwhile_stops_the_calls_too(tmp_path):
    calls = [(wrote, str(tmp_path / str(k)), 0.2) for k in range(9)]
    with pytest.raises(ArithmeticError, match="meanwhile"), workers.handed_out(2, calls):
        raise ArithmeticError("meanwhile")
    there = sorted(tmp_path.iterdir())
    time.sleep(0.4)
    assert sorted(tmp_path.iterdir()) == there
    assert len(there) < 8
