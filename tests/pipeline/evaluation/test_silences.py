"""Judged gaps beside a truth: who is matched with what, and the shares that are printed."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.evaluation import silences
from stswatch.pipeline.evaluation.card import silences_text
from stswatch.pipeline.evaluation.silences import JudgedGaps, calibration, table
from stswatch.sample_ais.simulation import VoyagePlan, simulate
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
    assert found.judgement.tolist() == ["silenced", "left_data"]  # the second one lay outermost of all
    assert found.off.tolist() == [True, True]
    assert sorted(found.log10_unheard.tolist()) == [-90.0, -60.0]
    assert found.spans == pytest.approx(30 * 95 / 2, rel=0.03)


def some(n=4000, seed=3):
    """Gaps of which a tenth are of sets that were off, and the chance of the others is as it is told."""
    rng = np.random.default_rng(seed)
    off = rng.random(n) < 0.1
    unheard = np.where(off, -20.0, np.log10(rng.uniform(0, 1, n)))
    silenced = (off & (rng.random(n) < 0.7)) | (rng.random(n) < 0.01)
    return JudgedGaps(
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
    blind = JudgedGaps(of.judgement, of.chance, of.receiver, of.off, np.full(4000, np.nan), of.near_shore, of.spans)
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


def rows(schema_of, *found):
    """Rows of a table of the flow of which only these columns matter, times in hours from noon."""
    columns = {}
    for field in schema.FLOW[schema_of]:
        values = [row.get(field.name) for row in found]
        if pa.types.is_timestamp(field.type):
            values = [None if h is None else NOON + int(h * HOUR) for h in values]
            columns[field.name] = pa.array(values, pa.int64()).cast(field.type)
        else:
            columns[field.name] = pa.array(values, field.type)
    return pa.table(columns)


def happened(**columns):
    """A table of the truth; floats are hours from noon."""
    hours = {n: [None if h is None else NOON + int(h * HOUR) for h in v] for n, v in columns.items() if n in TIMES}
    return pa.table(columns | {name: pa.array(us, pa.int64()).cast(schema.UTC) for name, us in hours.items()})


TIMES = ("start", "end", "time", "arrives", "leaves")


def test_events_are_found_or_false_by_vessel_and_time():
    found = {
        "track_checks": rows(
            "track_checks",
            {"mmsi": 1, "check_name": "circle", "start_time": 5},
            {"mmsi": 1, "check_name": "circle", "start_time": 90},
            {"mmsi": 2, "check_name": "inland", "start_time": 5},
            {"mmsi": 7, "check_name": "impossible_speed", "start_time": 11},
        ),
        "identity_events": rows(
            "identity_events",
            {"mmsi": 7, "other_mmsi": 8, "kind": "handshake", "first_time": 10},
            {"mmsi": 3, "other_mmsi": 8, "kind": "handshake", "first_time": 10},
            {"mmsi": 3, "kind": "shared_identity", "first_time": 10},
        ),
        "port_calls": rows(
            "port_calls",
            {"mmsi": 1, "port": "A", "shown": "lit", "arrival": 1, "departure": 9},
            {"mmsi": 2, "port": "A", "shown": "lit", "arrival": 1, "departure": 9},
            {"mmsi": 2, "port": "A", "shown": "dark_possible", "arrival": 1, "departure": 9},
        ),
    }
    true = {
        "forged": happened(
            mmsi=[1, 1, 4], start=[4.0, 50, 0], end=[6.0, 60, 9], style=["circle", "smooth", "displaced"]
        ),
        "handshakes": happened(mmsi_a=[8, 5], mmsi_b=[7, 6], time=[9.0, 9.0]),
        "port_calls": happened(
            mmsi=[1, 1, 4], port=["A", "B", "A"], shown=["lit"] * 3, arrives=[0.0, 20, 30], leaves=[8.0, 28, 30.5]
        ),
    }
    heard = seas.fixes([7, 7, 8, 8], NOON + np.array([8.9, 9.1, 8.8, 9.2]) * HOUR, 1.0, 1.0)
    of = {row["event"]: row for row in silences.events(found, 500, heard, true)}
    assert (of["forged courses, any check"]["number"], of["forged courses, any check"]["recall"]) == (2, 0.5)
    assert [of[name]["false_per_1000"] for name in ("circle", "inland", "impossible_speed")] == [2.0, 2.0, 0.0]
    assert (of["handshake"]["number"], of["handshake"]["recall"], of["handshake"]["false_per_1000"]) == (2, 0.5, 2.0)
    near = of["handshake, both heard within 15 min"]
    assert (near["number"], near["recall"]) == (1, 1.0)
    calls = of["port calls, lit"]
    assert (calls["number"], calls["recall"], calls["false_per_1000"]) == (2, 0.5, 2.0)
    most = {row["event"]: row["false_per_1000"] for row in silences.events(found, 500)}
    assert (most["circle"], most["handshake"], most["copied_track"]) == (4.0, 4.0, 0.0)
    text = silences_text({"first": [{"seed": 1, "table": table(some()), "events": list(of.values())}], "second": []})
    assert "| handshake | 2 | 0.50 | 2.00 |" in text


def by_station(table, station):
    """The fixes with the stations that heard them, (n,)."""
    at = table.column_names.index("station")
    return table.set_column(at, table.schema.field(at), pa.array(station.tolist(), pa.string()))


def test_a_gap_by_the_others_knows_whether_the_station_left_out_heard_the_vessel():
    """Two were unheard by the others for hours: one of them by the station left out too."""
    table = fleet(every_min=5)
    hour = (seas.micros_of(table, "time") - NOON) / HOUR
    mmsi = np.asarray(table["mmsi"])
    far = np.isin(mmsi, [ONE, ONE + 1]) & (hour >= 40) & (hour < 48)
    table = by_station(table, np.where(far, "FAR", "NEAR"))
    table = table.filter(pa.array(~(far & (mmsi == ONE))))
    found = silences.held_out(table, schema.empty("static_reports"), "FAR").to_pylist()
    assert [(row["mmsi"], row["heard"]) for row in sorted(found, key=lambda row: row["mmsi"])] == [
        (ONE, False),
        (ONE + 1, True),
    ]


@pytest.mark.soak
@pytest.mark.parametrize("seed", [611])
def test_of_a_simulated_sea_nobody_is_silenced_whom_the_station_left_out_heard(seed):
    """The figures of docs/silence.md; on half of that sea's days."""
    sea = simulate(VoyagePlan(days=7.0), seed)
    found = silences.held_out(sea.fixes, sea.static_reports, "SIM-SHIDAO").to_pandas()
    silenced = found.judgement == schema.SILENCED
    assert found.heard.sum() >= 150
    assert (silenced & ~found.heard).sum() >= 100
    assert (silenced & found.heard).sum() <= 0.01 * silenced.sum()
