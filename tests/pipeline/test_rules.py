"""Rules: one home for each deciding number; a file changes what it names and nothing else."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline import rule_files, rules
from stswatch.pipeline.rule_files import RulesError, load
from stswatch.pipeline.rules import Rules

NAMES = [name for name, *_ in rule_files.rows()]
TIED = {  # to each other
    *("vessel.thin_interval_min", "proximity.observed_within_min", "vessel.track_memory_d"),
    *("vessel.gap_terrestrial_h", "vessel.gap_satellite_h"),
}


def test_every_rule_has_unit_reason_and_a_default_above_nought():
    assert len(set(NAMES)) == len(NAMES) >= 20
    for name, default, unit, reason in rule_files.rows():
        assert unit
        assert len(reason) > 20, name
        assert name.startswith("lead.") if default is None else default > 0
    fields = [
        f"{s.name}.{f.name}" for s in dataclasses.fields(Rules) for f in dataclasses.fields(getattr(Rules, s.name))
    ]
    assert fields == NAMES


numbers = st.floats(1e-3, 1e6) | st.integers(1, 10**6)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted({*NAMES} - TIED)), numbers, min_size=1))
def test_a_file_changes_what_it_names_and_nothing_else(tmp_path, changes):
    path = tmp_path / "rules.toml"
    path.write_text("\n".join(f"{name} = {value!r}" for name, value in changes.items()))
    got = json.loads(load(path).to_json())
    flat = {f"{section}.{name}": value for section, values in got.items() for name, value in values.items()}
    assert flat == {name: changes.get(name, default) for name, default, *_ in rule_files.rows()}
    assert all(isinstance(value, float) for name, value in flat.items() if name in changes or name != "lead.min_score")


def test_the_fingerprint_is_that_of_the_values(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[vessel]\nslow_kn = 5\n")
    assert load(path) == Rules()
    assert load(path).fingerprint() == Rules().fingerprint()
    path.write_text("[vessel]\nslow_kn = 5.5\n")
    assert load(path).fingerprint() != Rules().fingerprint()
    path.write_text("")
    assert load(path) == Rules()


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (
            "[ship]\nslow_kn = 1",
            r"no section \[ship\]; the sections are clock, vessel, stays, identity, check",
        ),
        ("slow_kn = 1", r"no section \[slow_kn\]"),
        ("vessel = 3", r"no section \[vessel\]"),
        ("[vessel]\nslow = 1", r"\[vessel\] has no rule slow; it has .*slow_kn"),
        ('[vessel]\nslow_kn = "fast"', "slow_kn = 'fast'; a number above 0"),
        ("[vessel]\nslow_kn = true", "slow_kn = True"),
        ("[vessel]\nslow_kn = 0", "slow_kn = 0;"),
        ("[vessel]\nslow_kn = -1", "slow_kn = -1"),
        ("[vessel]\nslow_kn = nan", "slow_kn = nan"),
        ("[vessel]\nslow_kn = inf", "slow_kn = inf"),
        ("[vessel", "not a TOML file of rules .*stswatch rules"),
        ("__init__ = 3", r"no section \[__init__\]"),
        ("[fingerprint]", r"no section \[fingerprint\]"),
        ("[to_json]\nx = 1", r"no section \[to_json\]"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_expected(tmp_path, content, printed):
    path = tmp_path / "rules.toml"
    path.write_text(content)
    with pytest.raises(RulesError, match=printed) as collected:
        load(path)
    assert str(collected.value).startswith(str(path))
    assert "\n" not in str(collected.value)


def test_a_score_may_be_below_nought(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[lead]\nmin_score = -3")
    assert load(path).lead.min_score == -3.0
    assert load(path).vessel == Rules().vessel


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(RulesError, match=r"none\.toml: cannot be read .*give the path"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("[vessel]\nthin_interval_min = 25", "at most twice"),
        ("[proximity]\nobserved_within_min = 5", "at most twice"),
        ("[vessel]\ntrack_memory_d = 0.1", "must outlast"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(tmp_path, text, printed):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(RulesError, match=printed):
        load(path)


def test_the_lag_reaches_over_every_leg():
    given = Rules()
    assert given.lag_us >= rules.hours(given.vessel.gap_satellite_h)
    longer = dataclasses.replace(given, vessel=dataclasses.replace(given.vessel, gap_terrestrial_h=48.0))
    assert longer.lag_us > rules.hours(48)


def test_times_are_whole_microseconds():
    assert (rules.minutes(1.5), rules.hours(0.5), rules.days(1)) == (90_000_000, 1_800_000_000, 86_400_000_000)
    assert isinstance(rules.minutes(1 / 3), int)
    assert math.isclose(rules.minutes(1 / 3), 20_000_000)


def test_the_rules_of_a_run_come_back_and_what_its_version_did_not_know_keeps_its_default():
    changed = dataclasses.replace(Rules(), proximity=dataclasses.replace(Rules().proximity, distance_m=250.0))
    assert rule_files.from_json(changed.to_json()) == changed
    collected = json.loads(changed.to_json())
    del collected["proximity"]["still_kn"], collected["lead"]
    collected["proximity"]["gone"] = collected["other"] = 1.0
    assert rule_files.from_json(json.dumps(collected)) == changed
