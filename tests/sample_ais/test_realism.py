"""Owns: a single report of a simulated set can hardly be told from a real one, by what a set fills in itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docs import simulated_and_real as beside
from stswatch.sample_ais import feed
from stswatch.sample_ais.simulation import VoyagePlan, simulate

REAL = Path(os.environ.get("STSWATCH_REAL_DATA", "."))
MOST_AUC = 0.72


def test_sentences_hold_what_was_drawn():
    plan = VoyagePlan(days=0.1, background=12, transfers=0, look_alikes=0, trade=2, moored=20, slot_s=10.0)
    sea = simulate(plan, 1)
    collected = beside.reports(line.decode() for line in feed.lines(sea))
    drawn = sea.more["fields"].to_pandas()
    assert set(collected.msg_type) <= set(drawn.msg_type)
    assert set(collected[collected.msg_type != 18].turn.astype(int)) <= set(drawn.turn)
    assert collected.second.between(0, 60).all()
    assert collected.time_out.nunique() == 8


@pytest.mark.real
@pytest.mark.e2e  # trees on thousands of reports of an hour
def test_trees_hardly_tell_reports_of_either_class_apart(capsys):
    if not (REAL / beside.AISHUB).exists():
        pytest.skip("no AISHub sample in STSWATCH_REAL_DATA")
    real, simulated = beside.real_reports(REAL), beside.simulated_reports()
    with capsys.disabled():
        print("\n" + beside.giveaways(real, simulated))
    parts = beside.by_class(real, simulated)
    assert min(len(collected) for pair in parts.values() for collected in pair) > 500
    assert {name: auc for name, pair in parts.items() if (auc := beside.parted(*pair)) > MOST_AUC} == {}
