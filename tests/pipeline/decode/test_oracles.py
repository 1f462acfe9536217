"""Owns: every field of every real message of the twelve types is what pyais says, and where it is not, why."""

from collections import Counter

import pytest

from tests.pipeline.decode.payloads import captures, payloads, rows
from tests.pipeline.decode.reference import COLUMNAR, collected, raw

# What the captures hold that pyais reads otherwise, see reference.py: numbers and names that end before their bits do.
MEANT = {
    (1, "radio"): 7,
    (21, "name_ext"): 1,
    (21, "full_name"): 1,
    (27, "lon"): 3,
    (27, "lat"): 1,
    (27, "speed"): 2,
    (27, "course"): 1,
}
FLOORS = {
    1: 65_000,
    2: 1_900,
    3: 9_000,
    4: 4_000,
    5: 2_700,
    9: 40,
    11: 40,
    18: 1_600,
    19: 100,
    21: 400,
    24: 500,
    27: 200,
}


@pytest.fixture(scope="module")
def everything(real):
    return [payload for path in captures(real) for payload in payloads(path)]


def test_every_field_of_every_capture_is_that_of_pyais(everything):
    found, ours = rows(everything)
    seen, meant = Counter(), Counter()
    for row, (payload, fill) in enumerate(everything):
        theirs = collected(payload, fill)
        assert (found.code[row] == 0) == (theirs is not None), payload
        if theirs is None or theirs["msg_type"] not in COLUMNAR:
            assert row not in ours
            continue
        assert ours[row] == theirs, payload
        seen[theirs["msg_type"]] += 1
        as_pyais_says = raw(payload, fill).asdict(enum_as_int=True)
        meant.update((theirs["msg_type"], name) for name in theirs if theirs[name] != as_pyais_says[name])
    assert meant == MEANT
    assert all(seen[kind] >= floor for kind, floor in FLOORS.items()), seen
