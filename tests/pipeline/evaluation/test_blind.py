"""Owns: other flags, country digits, names and call signs of every ship change no score, through detect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stswatch.geo.reference.mmsi import flag_of
from stswatch.models.feature import values
from stswatch.models.features import FEATURES
from stswatch.pipeline import api, schema
from tests.recording import beginning

WHO = ["name", "call_sign", "imo"]
WHAT = ["ship_type", "length_m"]


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """The beginning of the recording as positions with what each ship says of itself beside them."""
    decoded = api.decode(beginning(tmp_path_factory.mktemp("sea") / "sea.nmea.gz", 60_000))
    told = decoded.static_reports.to_pandas().groupby("mmsi")[[*WHO, *WHAT]].last()
    return decoded.fixes.to_pandas()[["mmsi", "time", "lon", "lat", "sog_kn"]].join(told, on="mmsi")


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


def features(found):
    """Every feature that any card can use, of encounters as detect gives them."""
    return values({name: found[name].tolist() for name in schema.ENCOUNTERS.names if name in found}, FEATURES)
