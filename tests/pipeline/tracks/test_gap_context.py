"""Owns: what lies beside a gap, told by a vessel at a time: outages, gaps that go with it, gaps before it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.rules import ReceptionRules, hours, minutes
from stswatch.pipeline.tracks.unheard import own_gaps_before, silent_together
from tests.pipeline import seas
from tests.pipeline.tracks.test_reception import NOON, ONE, fleet, gaps_of, one, without

RULES = ReceptionRules()


def some_gaps(seed: int, n: int) -> pa.Table:
    """Gaps near each other in time and place, a few without an end."""
    rng = np.random.default_rng(seed)
    start_us = NOON + rng.integers(0, 8 * 60, n) * MINUTE
    end_us = start_us + rng.integers(120, 600, n) * MINUTE
    open_ends = rng.random(n) < 0.2
    places = {name: np.round(rng.uniform(120, 122, n), 3) for name in ("lon0", "lon1", "lat0", "lat1")}
    ends = {name: pa.array(places[name] - 90, mask=open_ends) for name in ("lon1", "lat1")}
    begun, over = (pa.array(us, pa.int64(), mask=mask) for us, mask in ((start_us, None), (end_us, open_ends)))
    return pa.table(
        {
            "mmsi": pa.array(ONE + rng.integers(0, 4, n), pa.int32()),
            "start_time": begun.cast(pa.timestamp("us", "UTC")),
            "end_time": over.cast(pa.timestamp("us", "UTC")),
            "lon0": places["lon0"] - 90,
            "lat0": places["lat0"] - 90,
            **ends,
        }
    )


def rows_of(gaps: pa.Table) -> list[dict]:
    rows = gaps.to_pylist()
    for row in rows:
        for name in ("start_time", "end_time"):
            row[name] = None if row[name] is None else round(row[name].timestamp() * 1e6)
    return rows


def near(a, b, names) -> bool:
    """Whether two gaps lie in the same or the next step and cell in some columns."""
    steps = {"start_time": minutes(RULES.together_min), "end_time": minutes(RULES.together_min)}
    at = [
        [None if row[name] is None else row[name] // steps.get(name, RULES.together_deg) for name in names]
        for row in (a, b)
    ]
    return all((x is None and y is None) or (None not in (x, y) and abs(x - y) <= 1) for x, y in zip(*at, strict=True))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_gaps_together_are_those_counted_two_by_two(seed, n):
    gaps = some_gaps(seed, n)
    rows = rows_of(gaps)
    found = silent_together(gaps, gaps, RULES)
    step = minutes(RULES.together_min)
    for k, row in enumerate(rows):
        others = rows[:k] + rows[k + 1 :]
        last = (
            row["start_time"] // step * step + hours(RULES.edge_h)
            if row["end_time"] is None
            else row["end_time"] // step * step
        )
        last = (last + hours(RULES.together_after_h)) // step
        known = [o for o in others if o["end_time"] is not None and o["end_time"] // step <= last]
        assert found.whole[k] == sum(near(row, o, ("start_time", "end_time", "lon0", "lat0")) for o in others)
        assert found.begin[k] == max(
            0, sum(near(row, o, ("start_time", "lon0", "lat0")) for o in known) - (row["end_time"] is None)
        )
        ended = sum(near(row, o, ("end_time", "lon1", "lat1")) for o in known)
        assert found.end[k] == (0 if row["end_time"] is None else ended)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_gaps_before_are_those_of_the_same_number_that_had_ended(seed, n):
    gaps = some_gaps(seed, n)
    rows = rows_of(gaps)
    found = own_gaps_before(gaps, gaps)
    for k, row in enumerate(rows):
        mine = [
            o["end_time"] for o in rows if o["mmsi"] == row["mmsi"] and (o["end_time"] or 1 << 62) <= row["start_time"]
        ]
        assert found["gaps_before"][k] == len(mine)
        since = found["since_gap_h"][k].as_py()
        assert since == (pytest.approx((row["start_time"] - max(mine)) / HOUR) if mine else None)


def test_a_gap_that_follows_one_at_the_same_place_shows_so():
    table = without(without(fleet(every_min=5), one, 30, 35), one, 41, 49)
    first, second = sorted(gaps_of(table), key=lambda row: row["start_time"])
    assert (first["gaps_before"], first["since_gap_h"], first["since_gap_km"]) == (0, None, None)
    assert (second["gaps_before"], second["since_gap_km"]) == (1, 0.0)
    assert second["since_gap_h"] == pytest.approx(6, abs=0.2)
    assert [row["judgement"] for row in (first, second)] == ["silenced", "silenced"]


@pytest.mark.parametrize("cut_h", [None, 9])
def test_two_more_that_fall_silent_with_it_are_a_receivers_whenever_they_return(cut_h):
    table = without(fleet(every_min=5), one, 40, 48)
    for k, back_h in ((1, 44), (2, 52)):
        table = without(table, lambda mmsi, k=k: mmsi == ONE + k, 40, back_h)
    (gap,) = gaps_of(table, seas.every(table, cut_h) if cut_h else ())
    assert (gap["silent_together"], gap["began_together"], gap["ended_together"]) == (0, 2, 0)
    assert gap["judgement"] == "not_received"


@pytest.mark.parametrize("cut_h", [None, 7])
def test_a_gap_in_an_outage_of_its_kind_of_receiver_is_not_silenced(cut_h):
    """Half of the ships are heard by satellite all the time; all terrestrial receivers fail for five hours."""
    ground = fleet(every_min=5)
    space = seas.fixes(
        np.asarray(ground["mmsi"]) + 1000,
        seas.micros_of(ground, "time") + 7 * MINUTE,
        np.asarray(ground["lon"]) + 0.01,
        np.asarray(ground["lat"]),
        0.5,
        "satellite",
    )
    table = pa.concat_tables([without(ground, lambda mmsi: mmsi > 0, 40, 45), space])
    found = seas.tracked(table, seas.every(table, cut_h) if cut_h else ())
    assert found["outages"]["receiver"].to_pylist() == ["terrestrial"]
    judged = found["judged_gaps"]
    assert judged.num_rows == 30
    assert "silenced" not in judged["judgement"].to_pylist()
    assert min(judged["in_outage_min"].to_pylist()) > 4.5 * 60
