"""Owns: arrival never runs backwards, no clock that jumps leads it astray; a recording is its own clock."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.spool.clock import AGREEING, JUMP_US, STAYED_US, Clock, RecordedClock
from tests.pipeline.decode.captures import sentence, tagged
from tests.pipeline.spool.spools import NOON_US, POSITION, collected

YEARS_US = 10 * 365 * 86_400_000_000


class Machine:
    """A wall clock and a monotonic one, and what was told of them."""

    def __init__(self) -> None:
        self.wall_us, self.passed_us = NOON_US, 5_000_000
        self.printed: list[str] = []
        self.clock = Clock(self.printed.append, lambda: self.wall_us, lambda: self.passed_us)

    def pass_us(self, passed_us: int) -> int:
        self.wall_us += passed_us
        self.passed_us += passed_us
        return self.clock.now_us()


@given(st.lists(st.tuples(st.integers(0, 2 * STAYED_US), st.integers(-YEARS_US, YEARS_US)), max_size=30))
def test_it_never_runs_backwards(steps):
    machine = Machine()
    before_us = machine.clock.now_us()
    for passed_us, jump_us in steps:
        machine.wall_us += jump_us
        now_us = machine.pass_us(passed_us)
        assert now_us >= before_us
        assert now_us % 1000 == 0
        before_us = now_us


def test_small_corrections_are_followed_without_a_word():
    machine = Machine()
    machine.wall_us += 40_000_000
    assert machine.pass_us(1_000_000) == NOON_US + 41_000_000
    machine.wall_us -= 40_000_000
    assert machine.pass_us(1_000_000) == NOON_US + 41_000_000, "it stands until the wall clock has come so far"
    assert machine.pass_us(60_000_000) == NOON_US + 62_000_000
    assert machine.printed == []


@pytest.mark.parametrize("jump_us", [YEARS_US, 2 * JUMP_US, -2 * JUMP_US, -YEARS_US])
def test_a_jump_is_said_once_and_not_followed(jump_us):
    machine = Machine()
    machine.wall_us += jump_us
    for minute in range(1, 10):
        assert machine.pass_us(60_000_000) == NOON_US + minute * 60_000_000
    assert len(machine.printed) == 1
    assert ("forward" if jump_us > 0 else "back") in machine.printed[0]
    machine.wall_us -= jump_us
    assert machine.pass_us(0) == NOON_US + 9 * 60_000_000
    assert len(machine.printed) == 1


def test_a_jump_forward_that_stays_is_followed_after_ten_minutes():
    machine = Machine()
    machine.wall_us += 3_600_000_000
    machine.pass_us(0)
    assert machine.pass_us(STAYED_US - 1000) < NOON_US + STAYED_US
    assert machine.pass_us(1000) == NOON_US + STAYED_US + 3_600_000_000
    assert len(machine.printed) == 2


def test_a_jump_back_is_never_followed():
    machine = Machine()
    machine.wall_us -= 3_600_000_000
    machine.pass_us(0)
    assert machine.pass_us(10 * STAYED_US) == NOON_US + 10 * STAYED_US
    assert len(machine.printed) == 1
    assert "do not run backwards" in machine.printed[0]


def test_a_new_start_goes_on_from_what_the_spool_holds():
    machine = Machine()
    machine.clock.not_before(NOON_US - 1_000_000)
    assert (machine.pass_us(0), machine.printed) == (NOON_US, [])
    machine.clock.not_before(NOON_US + YEARS_US)
    assert machine.pass_us(1_000_000) == NOON_US + YEARS_US + 1_000_000
    assert len(machine.printed) == 1
    assert "2035-11-23" in machine.printed[0]


def test_a_clock_far_ahead_of_the_machines_says_what_to_do():
    machine = Machine()
    assert machine.clock.trouble() is None
    machine.clock.not_before(NOON_US + YEARS_US)
    assert "h ahead of this machine's clock" in machine.clock.trouble()
    assert "start it with another `data`" in machine.clock.trouble()
    machine.wall_us += YEARS_US
    assert machine.clock.trouble() is None
    assert RecordedClock().trouble() is None


def test_the_machines_own_clock_is_the_time():
    assert abs(Clock().now_us() - time.time() * 1e6) < 2e6


@given(st.lists(st.integers(1, 86_400), min_size=1, max_size=40), st.data())
def test_a_recording_gives_each_line_the_latest_time_told(times, data):
    """However it is cut, so that a replay at any speed gives the same arrivals."""
    text = [collected([each]) for each in times]
    clock, found = RecordedClock(), []
    while text:
        taken = data.draw(st.integers(1, len(text)))
        lines, text = b"".join(text[:taken]), text[taken:]
        marks = clock.marks(lines)
        starts = [at for at in range(len(lines)) if at == 0 or lines[at - 1] == 10]
        found += [max(marks[i][1] for i in range(len(marks)) if marks[i][0] <= start) for start in starts]
    assert found == [max(times[: i + 1]) * 1_000_000 for i in range(len(times))]
    assert clock.now_us() == max(times) * 1_000_000


DAY_S = 86_400


@given(st.lists(st.integers(1, 40).map(lambda n: n * DAY_S // 2), min_size=1, max_size=40), st.data())
def test_a_jump_counts_once_several_lines_in_a_row_tell_it_however_they_are_cut(times, data):
    text = [collected([each]) for each in times]
    clock, found = RecordedClock(), []
    while text:
        taken = data.draw(st.integers(1, len(text)))
        lines, text = text[:taken], text[taken:]
        marks = clock.marks(b"".join(lines))
        starts = np.cumsum([0, *map(len, lines[:-1])])
        found += [max(marks[i][1] for i in range(len(marks)) if marks[i][0] <= start) for start in starts]
    assert found == [each * 1_000_000 for each in one_by_one(times)]


def one_by_one(times):
    """The plain rule."""
    last, row, found = times[0], [], []
    for each in times:
        if each - last <= DAY_S:
            last, row = max(last, each), []
        else:
            row = [*(row if row and abs(each - row[-1]) <= DAY_S else []), each]
            if len(row) == AGREEING:
                last, row = max(row), []
        found.append(last)
    return found


def test_one_line_decades_ahead_moves_no_arrival():
    clock = RecordedClock()
    clock.marks(collected([1_700_000_000, 1_700_000_010, 2_600_000_000, 2_600_000_000, 1_700_000_020]))
    assert clock.now_us() == 1_700_000_020_000_000
    assert clock.marks(collected([1_700_900_000] * 4))[-1][1] == clock.now_us() == 1_700_900_000_000_000


ONE = sentence(POSITION)
WAYS = {  # in which a recording tells the time of a line, here 1,700,000,000 s
    "tag block": tagged(ONE, 1_700_000_000, b"S"),
    "coast guard": ONE + b",r003669987,1700000000",
    "gatehouse": b"$PGHP,1,2023,11,14,22,13,20,0,231,45,992190934,1,2B*5B\n" + ONE,
    "epoch before": b"1700000000 " + ONE,
    "ISO before": b"2023-11-14 22:13:20 " + ONE,
    "aisstream": b'{"MetaData": {"time_utc": "2023-11-14 22:13:20.000456 +0000 UTC"}}',
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("together", [True, False])
def test_each_way_to_tell_the_time_is_heard(way, together):
    clock, lines = RecordedClock(), (WAYS[way] + b"\n").splitlines(keepends=True)
    for piece in [b"".join(lines)] if together else lines:
        found = clock.marks(piece)
    assert found[-1][1] == clock.now_us() == 1_700_000_000_000_000
    assert found[-1][0] in (0, len(lines[0]))


def test_what_tells_no_time_tells_no_arrival():
    clock = RecordedClock()
    broken = tagged(ONE, 9).replace(b"c:9", b"c:8")
    lines = b"\n".join([b"!AIVDM,c:5*00", b"c:7", tagged(ONE, None, b"S"), broken, b'{"time_utc": 5}', b"\xff"]) + b"\n"
    assert clock.marks(lines) == [(0, 0)]
    clock.not_before(3_000_000)
    earlier = tagged(ONE, 2) + b"\n"
    assert clock.marks(earlier + tagged(ONE, 4, b"S") + b"\n") == [(0, 3_000_000), (len(earlier), 4_000_000)]
