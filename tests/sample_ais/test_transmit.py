"""Owns: ships send as often as the standard says, and a slot keeps the first report that anybody received."""

from __future__ import annotations

import numpy as np
import pytest

from stswatch.sample_ais.reception import receivers


@pytest.mark.parametrize(
    ("class_b", "stationary", "speed_kn", "turning", "every_s"),
    [  # ITU-R M.1371-5, annex 1, tables 1 and 2
        (False, True, 0.1, False, 180),
        (False, True, 3.5, False, 10),
        (False, False, 0.0, False, 10),
        (False, False, 13.9, False, 10),
        (False, False, 13.9, True, 10 / 3),
        (False, False, 14.0, False, 6),
        (False, False, 20.0, True, 2),
        (False, False, 25.0, False, 2),
        (True, False, 2.0, False, 180),
        (True, False, 2.1, False, 30),
    ],
)
def test_intervals_are_those_of_the_standard(class_b, stationary, speed_kn, turning, every_s):
    columns = (np.array([value]) for value in (class_b, stationary, speed_kn, turning))
    assert receivers.interval_s(*columns).tolist() == [every_s]


@pytest.mark.parametrize(("every_s", "slot_s"), [(180.0, 60.0), (180.0, 10.0), (30.0, 10.0), (60.0, 60.0)])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.99])
def test_who_sends_less_than_once_a_slot_keeps_its_interval(every_s, slot_s, phase):
    time_s = np.arange(0.0, 86_400, slot_s)
    n = len(time_s)
    keep, slots = receivers.slots(np.zeros(n, np.int64), time_s, np.full(n, every_s), np.full(n, phase), slot_s)
    assert np.unique(np.diff(time_s[keep])).tolist() == [max(every_s, slot_s)]
    assert (slots.sent == 1).all()


@pytest.mark.parametrize(("chance", "every_s"), [(0.05, 10.0), (0.5, 10.0), (0.9, 2.0), (0.3, 60.0)])
def test_the_first_report_received_is_drawn_as_sending_each_one_would(chance, every_s):
    """Share of slots with a report, and which report of the slot it is, against a coin for every report."""
    n, sent = 40_000, int(60 // every_s)
    rng = np.random.default_rng(1)
    time_s = np.zeros(n)
    of = receivers.Slots(np.zeros(n, np.int64), time_s, np.full(n, every_s), np.full(n, sent))
    heard, when_s = receivers.first_received(rng, of, np.full(n, chance), np.zeros(n))
    coins = rng.random((n, sent)) < chance
    assert heard.mean() == pytest.approx(coins.any(axis=1).mean(), abs=0.01)
    first = np.argmax(coins, axis=1)[coins.any(axis=1)]
    assert (when_s[heard] // every_s).mean() == pytest.approx(first.mean(), abs=0.1 + 0.02 * sent)
    assert (when_s[heard] < 66).all()


def test_nothing_is_heard_without_a_chance():
    of = receivers.Slots(np.zeros(9, np.int64), np.zeros(9), np.full(9, 10.0), np.full(9, 6))
    assert not receivers.first_received(np.random.default_rng(1), of, np.zeros(9), np.zeros(9))[0].any()
