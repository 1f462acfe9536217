"""Owns: parts become a message where they belong together, and only there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.multipart import REACH, REACH_S, SIDE_BY_SIDE, Parts, assemble
from stswatch.pipeline.decode.stamps import NO_TIME


def parts_of(parts, *, total=2, key=None, where=None, offset=None, own_us=None, number=None):
    n = len(parts)
    return Parts(
        np.arange(n) if number is None else np.array(number, np.int64),
        np.arange(n) * 80 if offset is None else np.array(offset, np.int64),
        np.full(n, NO_TIME) if own_us is None else np.array(own_us, np.int64),
        np.full(n, total),
        np.array(parts, np.int64),
        np.full(n, 7) if key is None else np.array(key, np.int64),
        np.zeros(n, np.int64) if where is None else np.array(where, np.int64),
    )


def joined(parts, **columns):
    several = assemble(parts_of(parts, **columns))
    return [rows.tolist() for rows in np.split(several.rows, several.begins[1:])] if len(several.rows) else []


def test_parts_in_order_are_joined():
    assert joined([1, 2, 3], total=3) == [[0, 1, 2]]


def test_parts_of_other_messages_between_them_do_no_harm():
    assert joined([1, 1, 2, 2], key=[1, 2, 2, 1]) == [[0, 3], [1, 2]]
    assert joined([1, 1, 2, 2], where=[1, 2, 2, 1]) == [[0, 3], [1, 2]]


def test_a_lost_or_repeated_part_never_joins_two_messages():
    assert joined([1, 1, 2]) == [[1, 2]]
    assert joined([1, 2, 2]) == [[0, 1]]
    assert joined([1, 3, 2], total=3) == []
    assert joined([1, 3, 2, 3], total=3) == [[0, 2, 3]]
    assert joined([2, 1]) == []


def test_parts_far_apart_are_not_joined():
    assert joined([1, 2], offset=[0, REACH]) == [[0, 1]]
    assert joined([1, 2], offset=[0, REACH + 1]) == []
    assert joined([1, 2], own_us=[1, 1 + REACH_S * 1_000_000]) == [[0, 1]]
    assert joined([1, 2], own_us=[1, 2 + REACH_S * 1_000_000]) == []


def test_orphans_that_follow_one_another_are_a_message_whoever_sent_them_on():
    assert joined([1, 2], where=[1, 2]) == [[0, 1]]
    assert joined([1, 2, 3], where=[1, 2, 3], total=3) == [[0, 1, 2]]
    assert joined([1, 2], where=[1, 2], number=[0, 2]) == []  # a sentence stands between them
    assert joined([1, 2], where=[1, 2], offset=[0, SIDE_BY_SIDE + 1]) == []
    assert joined([1, 2], where=[1, 2], key=[1, 2]) == []
    assert joined([1, 1, 2, 2], where=[1, 2, 1, 3]) == [[0, 2]]  # what belongs to another message is no orphan


def one_by_one(parts: Parts) -> list[list[int]]:
    """The rule of the module, sentence by sentence."""
    begun, found = {}, []
    near = lambda a, b: (  # noqa: E731
        parts.offset[b] - parts.offset[a] <= REACH
        and (NO_TIME in (parts.own_us[a], parts.own_us[b]) or abs(parts.own_us[a] - parts.own_us[b]) <= REACH_S * 10**6)
    )
    for row in range(len(parts.number)):
        key = (parts.alike[row], parts.where[row])
        if parts.part[row] == 1:
            begun[key] = [row]
        elif key in begun and parts.part[row] == len(begun[key]) + 1 and near(begun[key][0], row):
            begun[key].append(row)
            if len(begun[key]) == parts.total[row]:
                found.append(begun.pop(key))
    return found


@given(st.data(), st.integers(0, 60), st.integers(2, 4))
def test_many_at_once_give_what_one_after_the_other_gives(data, n, total):
    some = lambda *values: data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))  # noqa: E731
    parts = parts_of(
        some(*range(1, total + 1)), total=total, key=some(7, 8), where=some(0, 1),
        offset=np.cumsum([0, *some(1, 80, 20_000)])[:n], own_us=some(NO_TIME, 0, 50_000_000, 110_000_001),
        number=2 * np.arange(n),
    )  # fmt: skip
    several = assemble(parts)
    got = [rows.tolist() for rows in np.split(several.rows, several.begins[1:])] if n else []
    assert [rows for rows in got if rows] == sorted(one_by_one(parts))


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_gives_nothing(n):
    assert joined([1] * n) == []
