"""Parts become a message where they belong together, and only there."""

import numpy as np

from stswatch.pipeline.decode.multipart import REACH, REACH_S, assemble
from stswatch.pipeline.decode.stamps import NO_TIME


def joined(parts, *, total=2, key=None, offset=None, own_us=None):
    n = len(parts)
    return assemble(
        range(n),
        np.arange(n) * 80 if offset is None else np.array(offset),
        np.full(n, NO_TIME) if own_us is None else np.array(own_us),
        np.full(n, total),
        np.array(parts),
        [(b"7",)] * n if key is None else key,
    )


def test_parts_in_order_are_joined():
    assert joined([1, 2, 3], total=3) == [[0, 1, 2]]


def test_parts_of_other_messages_between_them_do_no_harm():
    assert joined([1, 1, 2, 2], key=[(b"A",), (b"B",), (b"B",), (b"A",)]) == [[1, 2], [0, 3]]


def test_a_lost_part_never_joins_two_messages():
    assert joined([1, 1, 2]) == [[1, 2]]
    assert joined([1, 3, 2], total=3) == []
    assert joined([2, 1]) == []


def test_parts_far_apart_are_not_joined():
    assert joined([1, 2], offset=[0, REACH]) == [[0, 1]]
    assert joined([1, 2], offset=[0, REACH + 1]) == []
    assert joined([1, 2], own_us=[1, 1 + REACH_S * 1_000_000]) == [[0, 1]]
    assert joined([1, 2], own_us=[1, 2 + REACH_S * 1_000_000]) == []
