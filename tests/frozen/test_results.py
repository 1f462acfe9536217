"""Owns: the same input gives the same encounters in every version, renamed columns aside.

Where a change is meant to alter events, `tests/frozen/results.py` says how they are written anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.frozen import results

pytestmark = pytest.mark.e2e

KEPT = results.kept()
SIMULATED = dict(results.simulated())
REAL = dict(results.real(Path(os.environ.get("STSWATCH_REAL_DATA", "."))))


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_inputs_give_the_encounters_they_gave(name):
    found = SIMULATED[name]()
    assert [row for row in found if row not in KEPT[name]] == []
    assert found == KEPT[name]


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_inputs_give_the_encounters_they_gave(name):
    assert REAL[name]() == KEPT[name]


def test_what_is_kept_is_not_nothing():
    assert set(KEPT) == set(SIMULATED) | set(REAL)
    assert sum(len(rows) for rows in KEPT.values()) >= 150
    assert all(len(KEPT[name]) >= 15 for name in SIMULATED)
