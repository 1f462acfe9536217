"""Owns: other flags, country digits, names and call signs of every ship change no score, through detect; neither does
what lies round a meeting tell who met."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stswatch.geo.reference.mmsi import flag_of
from stswatch.models.context import CONTEXT
from stswatch.models.feature import values
from stswatch.models.features import FEATURES
from stswatch.pipeline import api, schema
from stswatch.sample_ais.simulation import VoyagePlan, simulate
from tests.recording import beginning

WHO = ["name", "call_sign", "imo"]
WHAT = ["ship_type", "length_m"]


def joined(of):
    """Positions with what each ship says of itself beside them."""
    collected = of.static_reports.to_pandas().groupby("mmsi")[[*WHO, *WHAT]].last()
    return of.fixes.to_pandas()[["mmsi", "time", "lon", "lat", "sog_kn"]].join(collected, on="mmsi")


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """The beginning of the recording."""
    return joined(api.decode(beginning(tmp_path_factory.mktemp("sea") / "sea.nmea.gz", 60_000)))


def swapped(sea, seed):
    """The same sea under other flags: each ship gets another number, name, call sign and IMO number."""
    rng = np.random.default_rng(seed)
    ships = np.unique(sea.mmsi)
    digits = rng.choice([273, 352, 412, 431, 440, 445, 538, 636], len(ships))
    others = pd.DataFrame(
        {
            "mmsi": digits * 1_000_000 + rng.permutation(999_999)[: len(ships)],
            "name": [f"OTHER {k}" for k in rng.permutation(len(ships))],
            "call_sign": [f"P{k:05d}" for k in rng.permutation(len(ships))],
            "imo": rng.integers(1_000_000, 9_999_999, len(ships)),
        },
        index=ships,
    )
    return sea.drop(columns=["mmsi", *WHO]).join(others.loc[sea.mmsi].set_index(sea.index)), others.mmsi


def test_who_met_changes_no_feature_and_no_score(sea):
    found = api.detect(sea)
    assert len(found) >= 10
    assert found[["ship_type_a", "length_b_m"]].notna().mean().min() > 0.8  # what they are is known, and may count
    for seed in (1, 2, 3):
        changed, number = swapped(sea, seed)
        again = api.detect(changed)
        pair = np.sort(np.column_stack([found[name].map(number) for name in ("mmsi_a", "mmsi_b")]), axis=1)
        wanted = found.assign(a=pair[:, 0], b=pair[:, 1]).sort_values(["start_time", "a", "b"], ignore_index=True)
        again = again.assign(a=again.mmsi_a, b=again.mmsi_b).sort_values(["start_time", "a", "b"], ignore_index=True)
        assert again[["a", "b", "start_time"]].equals(
            wanted[["a", "b", "start_time"]].astype(again[["a", "b", "start_time"]].dtypes)
        )
        assert (again.score == wanted.score).all()
        np.testing.assert_array_equal(features(again), features(wanted))
        assert len(set(flag_of(np.unique(changed.mmsi)))) >= 5
        assert (again.mmsi_a != wanted.mmsi_a).all()


def test_nor_does_it_in_a_sea_in_which_ships_go_from_port_to_port():
    """There calls, silences and other meetings round each one count."""
    plan = VoyagePlan(days=8.0, background=4, transfers=10, look_alikes=10, trade=10, moored=4, slot_s=600.0)
    ships = joined(simulate(plan, 5))
    found = api.detect(ships)
    points = {name: [] for name in (f.name for f in CONTEXT)}
    for reason in (reason for reasons in found.reasons for reason in reasons):
        points.get(reason["feature"], []).append(reason["points"])
    assert len({*points["trade_calls"]} - {0.0}) >= 2
    assert sum(map(any, points.values())) >= 3, "several of the features that a card may have count"
    changed, number = swapped(ships, 1)
    again = api.detect(changed)
    wanted = found.assign(a=found.mmsi_a.map(number), b=found.mmsi_b.map(number))
    assert sorted(scored(wanted, "a", "b")) == sorted(scored(again, "mmsi_a", "mmsi_b"))


def scored(found, *who):
    """Each pair, the smaller number first, with when it met and its score."""
    pairs = np.sort(found[[*who]].to_numpy(), axis=1).tolist()
    return [
        (*pair, *rest) for pair, rest in zip(pairs, found[["start_time", "score"]].to_numpy().tolist(), strict=True)
    ]


def features(found):
    """Every feature that any card can use, of encounters as detect gives them."""
    return values({name: found[name].tolist() for name in schema.ENCOUNTERS.names if name in found}, FEATURES)
