"""Judged gaps beside a truth: who is matched with what, and the shares that are printed."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.evaluation import silences
from stswatch.pipeline.evaluation.card import silences_text
from stswatch.pipeline.evaluation.silences import Silences, calibration, table
from tests.pipeline import seas
from tests.pipeline.tracks.test_reception import ONE, fleet, one, without

NOON = seas.NOON_US


def truth(*rows):
    """Rows of (mmsi, start hour, end hour or None, cause, log10_unheard) as simulators give gaps."""
    mmsi, start, end, cause, unheard = zip(*rows, strict=True)
    times = (
        pa.array([None if h is None else NOON + int(h * HOUR) for h in hours]).cast(schema.UTC)
        for hours in (start, end)
    )
    columns = {"mmsi": pa.array(mmsi, pa.int32()), **dict(zip(("start", "end"), times, strict=True))}
    return pa.table(columns | {"cause": pa.array(cause), "log10_unheard": pa.array(unheard, pa.float64())})


def test_gaps_are_matched_with_the_truth_that_covers_them():
    """One was off for eight hours, another for good; a third silence is not in the truth, a fourth ship left."""
    sea = without(without(fleet(every_min=5), one, 40, 48), lambda mmsi: mmsi == ONE + 1, 60, 1000)
    sea = without(without(sea, lambda mmsi: mmsi == ONE + 2, 30, 36), lambda mmsi: mmsi == ONE + 3, 30, 36)
    known = truth(
        (ONE, 39.9, 48.1, "switched_off", -60.0),
        (ONE, 10, 10.5, "out_of_range", -0.1),
        (ONE + 1, 60, None, "equipment", -90.0),
        (ONE + 3, 29, 37, "left", 0.0),
    )
    found = silences.silences(sea, schema.empty("static_reports"), known)
    assert found.judgement.tolist() == ["silenced", "silenced"]
    assert found.off.tolist() == [True, True]
    assert sorted(found.log10_unheard.tolist()) == [-90.0, -60.0]
    assert found.spans == pytest.approx(30 * 95 / 2, rel=0.03)


def some(n=4000, seed=3):
    """Gaps of which a tenth are of sets that were off, and the chance of the others is as it is told."""
    rng = np.random.default_rng(seed)
    off = rng.random(n) < 0.1
    unheard = np.where(off, -20.0, np.log10(rng.uniform(0, 1, n)))
    silenced = (off & (rng.random(n) < 0.7)) | (rng.random(n) < 0.01)
    return Silences(
        np.where(silenced, "silenced", "unknown").astype(object),
        10.0**unheard,
        np.where(rng.random(n) < 0.5, "terrestrial", "satellite").astype(object),
        off,
        unheard,
        rng.random(n) < 0.5,
        40_000.0,
    )


def test_shares_are_those_counted_one_by_one():
    of = some()
    rows = {row["gaps"]: row for row in table(of)}
    silenced = [word == "silenced" for word in of.judgement]
    both = sum(s and o for s, o in zip(silenced, of.off, strict=True))
    assert rows["all"]["precision"] == both / sum(silenced)
    assert rows["all"]["recall"] == both / of.off.sum()
    assert rows["terrestrial"]["number"] + rows["satellite"]["number"] == rows["all"]["number"] == 4000
    share = of.off.sum() / 40_000
    sure = [share / (share + (1 - share) * 10**log) >= 0.99 for log in of.log10_unheard]
    undecided = [
        not yes and share / (share + (1 - share) * 10**log) > 0.01
        for yes, log in zip(sure, of.log10_unheard, strict=True)
    ]
    kept = [not s for s, u in zip(silenced, undecided, strict=True) if u]
    assert rows["all"]["undecided_not_silenced"] == sum(kept) / len(kept)
    assert rows["all"]["oracle_recall"] == 1.0


def test_calibration_tells_each_share_and_a_sea_without_chances_no_oracle():
    rows = calibration(some())
    assert {row["share"] for row in rows} == {0.01, 0.03, 0.1}
    for share in (0.01, 0.03, 0.1):
        of = [row for row in rows if row["share"] == share]
        assert sum(row["number"] * row["off"] for row in of) / sum(row["number"] for row in of) == pytest.approx(
            share, rel=0.02
        )
    of = some()
    blind = Silences(of.judgement, of.chance, of.receiver, of.off, np.full(4000, np.nan), of.near_shore, of.spans)
    assert "oracle_recall" not in table(blind)[0]
    text = silences_text(
        {
            "first": [{"seed": 1, "table": table(of), "calibration": rows}],
            "second": [{"seed": 2, "table": table(blind)}],
        }
    )
    assert "| all | 4,000 |" in text
    assert "second simulator, seed 2" in text
    assert silences_text(None) == ""
