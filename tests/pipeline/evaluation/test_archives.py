"""Owns: leads of a real archive are counted at a cut-off, a known pair is ranked, vessel-days are time watched."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stswatch.models.ranking import scores
from stswatch.pipeline import api, schema
from stswatch.pipeline.evaluation.evaluate import on_archive
from stswatch.pipeline.evaluation.seas import Archive, vessel_days
from tests.pipeline import seas

NO_STATIC_REPORTS = schema.STATIC_REPORTS.empty_table()


@pytest.fixture(scope="module")
def fixes():
    """Three pairs at a place each, together for 2, 4 and 6 hours, 100, 200 and 300 m apart, far from any port."""
    parts = []
    for k, hours in enumerate((2, 4, 6)):
        east = np.zeros(hours * 6 + 1)
        parts += [seas.vessel(10 * k + v, east + v * 100.0 * (k + 1), 0, lon=-30.0 + k, sog_kn=0.1) for v in (1, 2)]
    return pa.concat_tables(parts)


def durations(rows):
    return {"long": np.asarray(rows["duration_min"]), "near": -np.asarray(rows["median_distance_m"])}


def test_what_reaches_the_cut_off_is_counted_and_the_known_pair_ranked(fixes):
    archive = Archive("sea", fixes, NO_STATIC_REPORTS, (11, 12))
    collected = on_archive(archive, durations, {"long": 240.0, "near": -1000.0})
    assert collected["encounters"] == 3
    assert collected["pair"] == {"mmsi": [11, 12], "encounters": 1}
    assert collected["by"]["long"]["passing"] == 2
    assert collected["by"]["near"]["passing"] == 3
    assert (collected["by"]["long"]["rank"], collected["by"]["near"]["rank"]) == (2, 2)
    assert collected["by"]["long"]["per_1000_vessel_days"] == pytest.approx(2 / 6 * 1000)


def test_equal_scores_share_their_rank(fixes):
    collected = on_archive(
        Archive("sea", fixes, NO_STATIC_REPORTS, (1, 2)), lambda rows: {"same": np.zeros(3)}, {"same": 0.0}
    )
    assert collected["by"]["same"]["rank"] == 2


def test_a_pair_that_did_not_meet_has_no_rank(fixes):
    collected = on_archive(Archive("sea", fixes, NO_STATIC_REPORTS, (1, 12)), durations, {"long": 0.0, "near": 0.0})
    assert collected["pair"]["encounters"] == 0
    assert "rank" not in collected["by"]["long"]


def test_vessel_days_are_days_on_which_one_was_heard(fixes):
    assert vessel_days(fixes) == 6
    at = fixes.schema.get_field_index("time")
    later = fixes.set_column(at, fixes.schema.field(at), pc.add(fixes["time"], timedelta(days=3)))
    assert vessel_days(pa.concat_tables([fixes, later.slice(0, 1), later.slice(1, 1)])) == 7
    assert vessel_days(fixes.slice(0, 0)) == 0
    assert vessel_days(fixes.take(pa.array(np.random.default_rng(1).permutation(fixes.num_rows)))) == vessel_days(fixes)


@pytest.mark.real
def test_the_lightering_of_the_gulf_is_found_and_ranked(real):
    """241502000 with 311000222, 12 h at 65 m: among the few encounters of twelve days it is first by any measure."""
    decoded = api.decode(real / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz")
    archive = Archive("gulf", decoded.fixes, decoded.static_reports, (241502000, 311000222))
    collected = on_archive(archive, scores, dict.fromkeys(scores_of_nothing(), 0.0))
    assert collected["pair"]["encounters"] == 1
    assert {of["rank"] for of in collected["by"].values()} == {1.0}
    assert 300 < collected["vessel_days"] < 700


def scores_of_nothing():
    return scores(schema.ENCOUNTERS.empty_table().append_column("starboard", pa.array([], pa.bool_())))
