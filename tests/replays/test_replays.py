"""Owns: scripts of published cases are simulated plainly, near where they were, and found where both were heard."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.replays import play
from tests.replays.scripts import SCRIPTS

FARTHEST_KM = 40.0  # published positions are off by 20 to 150 km


@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=[script.name for script in SCRIPTS])
def test_a_script_is_played_near_its_place_by_ships_that_nobody_takes_for_real_ones(number):
    script = SCRIPTS[number]
    assert play.off_km(script) <= FARTHEST_KM
    assert script.source
    assert script.estimated
    actors = play.scene(script, number, (0, 1)).actors
    assert all(actor.ship.name.startswith("SIM ") for actor in actors)
    assert {actor.ship.mmsi // 1_000_000 for actor in actors} <= set(range(281, 287))
    meets_s, parts_s = actors[1].acts[0]
    for actor in actors:
        (quiet,) = actor.quiets
        assert 0 < quiet.start_s < meets_s < parts_s < quiet.end_s < 86_400 * play.PLAN.days


def test_what_was_missed_is_named_by_what_is_known_of_its_silences():
    none = {name: pd.DataFrame() for name in play.QUERIES} | {"absence": pd.DataFrame({"days": []})}
    gap = {"ending": ["resumed"], "judgement": ["not_received"], "judged_h": [3], "duration_h": [49.0]}
    assert play.outcome(none | {"gap": pd.DataFrame(gap)}) == "missed; not received, 3 of 49 h judged"
    away = {"gap": pd.DataFrame(gap | {"ending": ["track_ended"]}), "absence": pd.DataFrame({"days": [10.2]})}
    assert play.outcome(none | away) == "missed; absent for 10 d"
    pair = {"absent pair": pd.DataFrame({"mmsi_a": [1]})}
    assert play.outcome(none | away | pair) == "one_dark, candidate of dark_absences"


@pytest.mark.soak
def test_where_both_are_heard_each_script_is_an_encounter(tmp_path):
    played, _ = play.play((), tmp_path)
    assert [row.script.name for row in played if not len(row.found["encounter"])] == []
