"""Owns: finalizing one more hour reads no more files, however many hours were finalized before."""

from __future__ import annotations

import sys

import pytest

from tests.bench import history

SOURCES = 2
_opened: list[str] | None = None


def _note(event, arguments):
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)  # for good, but idle where nobody counts


def opened_by_an_hour(data, hours):
    """The files that Python opens for the third hour more; the first in a process reads what there is."""
    global _opened
    history.build(data, hours, SOURCES)
    for more in range(2):
        history.another_hour(data, hours + more, SOURCES)
    _opened = []
    try:
        finalized = history.another_hour(data, hours + 2, SOURCES)
        found = [path for path in _opened if path.startswith(str(data))]
    finally:
        _opened = None
    assert len(finalized.outputs) == hours + 3
    return found


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """For a day and for four days."""
    return [opened_by_an_hour(tmp_path_factory.mktemp("data"), hours) for hours in (24, 96)]


def test_an_hour_reads_no_more_after_four_days_than_after_one(opened):
    few, many = (len(paths) for paths in opened)
    assert few >= 10, "what is counted is what is read"
    assert many <= 1.2 * few


def test_nothing_of_what_was_finalized_before_is_read_again(opened):
    _, paths = opened
    assert sum("/lake/" in path for path in paths) <= 16 * SOURCES
