"""Owns: whoever decides and is killed at any moment finds the entry once when it is given again, and the log fits."""

from __future__ import annotations

import random
import time
from contextlib import closing

import pytest

from stswatch.pipeline import faults
from stswatch.pipeline.store import case_log
from tests.pipeline.evidence.cases.conftest import LEAD
from tests.pipeline.flow.commands import Commands
from tests.pipeline.store import build

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    with closing(Commands(tmp_path_factory.mktemp("commands"))) as commands:
        yield commands


def words(data, number):
    return ("decide", LEAD, "--status", "watch", "--by", "Ann Lee", "--note", f"look {number}", "--data", data)


def again_and_again(commands, data, times, rng):
    """Decide so many times, each time killed once, and given again."""
    began = time.monotonic()
    assert commands(*words(data, 0)).code == 0
    lasts_s = time.monotonic() - began
    for number in range(1, times + 1):
        done = commands(*words(data, number), kill_after_s=rng.uniform(0, lasts_s))
        assert done.killed or done.code == 0
        log = case_log.verified(data)
        assert log.finding is None
        assert len(log.entries) in (number, number + 1)
        assert build.rows(data, "SELECT count(*) AS n FROM encounters") == [{"n": 1}], "the snapshot opens"
        assert commands(*words(data, number)).code == 0
    log = case_log.verified(data)
    assert (log.finding, log.torn) == (None, b"")
    assert [entry.body["note"] for entry in log.entries] == [f"look {n}" for n in range(times + 1)]
    shown = build.rows(data, "SELECT seq, sha256 FROM decisions ORDER BY seq")
    assert [(row["seq"], row["sha256"]) for row in shown] == [(e.seq, e.sha256) for e in log.entries]


def test_killed_at_random_moments(commands, data):
    again_and_again(commands, data, 5, random.Random(23))


@pytest.mark.soak
def test_killed_at_many_random_moments(commands, data):
    again_and_again(commands, data, 50, random.Random())


def test_killed_at_each_point(commands, data):
    points = [*faults.OF_A_CASE, *(point for point in faults.POINTS if point.startswith("snapshot_"))]
    for number, point in enumerate(points):
        assert commands(*words(data, number), fault=point).killed, point
        assert len(case_log.verified(data).entries) == number + 1, "it is on the disk before anything else"
        assert case_log.verified(data).finding is None
        assert commands(*words(data, number)).code == 0
    assert [entry.seq for entry in case_log.read(data).entries] == list(range(1, len(points) + 1))
    assert build.rows(data, "SELECT max(seq) AS n FROM decisions") == [{"n": len(points)}]


def test_many_at_once_lose_nothing(data):
    from subprocess import Popen
    from sys import executable

    started = [Popen([executable, "-m", "stswatch.pipeline.cli", *map(str, words(data, n))]) for n in range(4)]
    assert [each.wait() for each in started] == [0] * 4
    log = case_log.verified(data)
    assert (log.finding, sorted(e.body["note"] for e in log.entries)) == (None, [f"look {n}" for n in range(4)])
    assert build.rows(data, "SELECT count(*) AS n FROM decisions") == [{"n": 4}]
