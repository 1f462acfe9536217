"""Owns: parts become a message where they belong together, and only there; where it could be others, none."""

from dataclasses import replace
from itertools import combinations, pairwise, permutations

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
    assert joined([1, 1, 2]) == []
    assert joined([1, 2, 2]) == []
    assert joined([1, 1, 2], offset=[0, SIDE_BY_SIDE, SIDE_BY_SIDE + 81]) == [[1, 2]]
    assert joined([1, 1, 2], own_us=[0, 30 * 10**6, 30 * 10**6]) == [[1, 2]]
    assert joined([1, 2, 1, 2]) == [[0, 1], [2, 3]]
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


SAME_TWICE = {"same": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("parts", "columns", "expected", "ambiguous"),
    [
        ([1, 1, 2, 2], {}, [], [0, 1, 2, 3]),
        ([1, 1, 2, 2], SAME_TWICE, [[1, 2]], []),  # two stations heard the same
        ([1, 1, 2, 2], {"same": [0, 0, 1, 2]}, [], [1, 2, 3]),
        ([1, 1, 2, 2], {"station": [1, 2, 1, 2]}, [[0, 2], [1, 3]], []),
        ([1, 1, 2, 2], {"station": [1, 2, 2, 1]}, [[0, 3], [1, 2]], []),
        ([1, 2, 2], {"station": [1, -1, 2]}, [[0, 1]], []),
        ([1, 1, 2, 2], {"station": [1, 2, -1, -1]}, [], [0, 1, 2, 3]),  # of which station?
        ([1, 1, 2, 2], {"station": [1, 2, -1, -1], "where": [7, 8, 7, 8]}, [[0, 2], [1, 3]], []),  # the group tells
        ([1, 2], {"station": [-1, 1]}, [[0, 1]], []),
        ([1, 2], {"station": [1, 2]}, [], []),
        ([1, 1, 2, 1, 2], {}, [[3, 4]], [0, 1, 2]),  # begun after a last part: nothing is open
        ([1, 2, 1, 2, 3], {"total": 3}, [], [0, 1, 2, 3, 4]),
        ([1, 2, 1, 3, 2, 3], {"total": 3}, [], [0, 1, 2, 4, 5]),
    ],
)
def test_what_could_belong_to_two_messages_belongs_to_none(parts, columns, expected, ambiguous):
    same = columns.get("same", range(len(parts)))
    given = parts_of(parts, **{name: value for name, value in columns.items() if name not in ("same", "station")})
    if "station" in columns:
        given = replace(given, station=np.array(columns["station"]))
    several = assemble(given, lambda one, other: same[one] != same[other])
    got = [rows.tolist() for rows in np.split(several.rows, several.begins[1:])] if len(several.rows) else []
    assert (got, several.ambiguous.tolist()) == (expected, ambiguous)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 2)), max_size=9))
def test_of_all_ways_to_join_them_each_gives_the_message(parts):
    """All ways in which parts of one id and sender can be joined: no message is made that one of them lacks."""
    payload = [(part, which) for part, which in parts]
    several = assemble(parts_of([part for part, _ in parts]), lambda one, other: payload[one] != payload[other])
    made = [(payload[rows[0]], payload[rows[1]]) for rows in np.split(several.rows, several.begins[1:]) if len(rows)]
    for start, end in rounds([part for part, _ in parts]):
        ways = fullest(payload[start:end])
        inside = [message for rows, message in zip(np.split(several.rows, several.begins[1:]), made, strict=False)
                  if start <= rows[0] < end]  # fmt: skip
        for message in inside:
            assert all(message in way for way in ways)
        if len({frozenset(way) for way in ways}) == 1 and len({frozenset(ways[0])}) == len(ways[0]) == 1:
            assert inside == ways[0]


def rounds(parts):
    """Stretches in which nothing begun before is waited for: a new message after a last part begins one."""
    edges = [0, *(at for at in range(1, len(parts)) if (parts[at - 1], parts[at]) == (2, 1)), len(parts)]
    return list(pairwise(edges))


def fullest(payload):
    """Every way to join as many pairs as can be, each way as the messages that it gives."""
    firsts = [at for at, (part, _) in enumerate(payload) if part == 1]
    ways = [[]]
    for size in range(1, len(firsts) + 1):
        seconds = [at for at, (part, _) in enumerate(payload) if part == 2]
        more = [
            [(payload[a], payload[b]) for a, b in zip(some, others, strict=True)]
            for some in combinations(firsts, size)
            for others in permutations(seconds, size)
            if all(a < b for a, b in zip(some, others, strict=True))
        ]
        ways = more or ways
    return ways


def one_by_one(parts: Parts) -> list[list[int]]:
    """The rule of the module, sentence by sentence, without what is ambiguous."""
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
def test_many_at_once_give_what_one_after_the_other_gives_where_all_are_alike(data, n, total):
    some = lambda *values: data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))  # noqa: E731
    parts = parts_of(
        some(*range(1, total + 1)), total=total, key=some(7, 8), where=some(0, 1),
        offset=np.cumsum([0, *some(1, 80, 20_000)])[:n], own_us=some(NO_TIME, 0, 50_000_000, 110_000_001),
        number=2 * np.arange(n),
    )  # fmt: skip
    several = assemble(parts, lambda one, other: False)
    got = [rows.tolist() for rows in np.split(several.rows, several.begins[1:])] if n else []
    assert not len(several.ambiguous)
    assert [rows for rows in got if rows] == sorted(one_by_one(parts))


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_gives_nothing(n):
    assert joined([1] * n) == []
