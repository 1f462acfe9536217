"""Owns: what lies beside a gap, told by a vessel at a time: outages, gaps that go with it, gaps before it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.rules import ReceptionRules, hours, minutes
from stswatch.pipeline.tracks.coverage import in_outages_min
from stswatch.pipeline.tracks.gaps import own_gaps_before
from stswatch.pipeline.tracks.reception import judged
from stswatch.pipeline.tracks.ship_hours import Counts, added
from stswatch.pipeline.tracks.unheard import silent_together
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


def some_outages(rng, n):
    """Outages of all that can fail, at any time of the gaps of some_gaps."""
    whole = [("all", None), ("terrestrial", None), ("satellite", None), ("station", "S0"), ("station", "S1")]
    whole += [("region", f"N{lat:02d}E{lon:03d}") for lon in (30, 31) for lat in (30, 31)]
    of = [whole[k] for k in rng.integers(0, len(whole), n)]
    start_us = NOON + rng.integers(-120, 20 * 60, n) * MINUTE
    end_us = start_us + rng.integers(10, 400, n) * MINUTE
    columns = {"receiver": [each[0] for each in of], "name": [each[1] for each in of]}
    columns |= {"start_time": start_us, "end_time": end_us, "minutes": (end_us - start_us) / MINUTE}
    rest = dict.fromkeys(("vessels_before", "vessels_after"), np.full(n, 9))
    return build("outages", columns | rest | dict.fromkeys(("lon", "lat"), np.full(n, np.nan)))


def placed(rng, n):
    """Gaps of some_gaps with the stations of their ends, and up to when they are judged."""
    gaps = some_gaps(int(rng.integers(0, 10**6)), n)
    for side in "01":
        gaps = gaps.append_column(f"station{side}", pa.array(rng.choice(["S0", "S1", "S2"], n)))
    gaps = gaps.append_column("receiver", pa.array(rng.choice(["terrestrial", "satellite"], n)))
    open_us = np.asarray(gaps["start_time"].cast(pa.int64())) + hours(RULES.edge_h)
    return gaps, np.asarray(pc.coalesce(gaps["end_time"].cast(pa.int64()), pa.array(open_us)))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(0, 25))
def test_what_lies_in_outages_is_counted_minute_by_minute(seed, n, m):
    rng = np.random.default_rng(seed)
    gaps, end_us = placed(rng, n)
    outages = some_outages(rng, m)
    found = in_outages_min(gaps, end_us, outages, RULES)
    for k, gap in enumerate(gaps.to_pylist()):
        out = set()
        for row in outages.to_pylist():
            since, upto = (round(row[name].timestamp() * 1e6) for name in ("start_time", "end_time"))
            places = [(gap["lon0"], gap["lat0"]), (gap["lon1"], gap["lat1"])]
            degrees = [f"N{int(lat):02d}E{int(lon):03d}" for lon, lat in places if lon is not None]
            own = {
                "region": row["name"] in degrees,
                "station": row["name"] in (gap["station0"], gap["station1"]),
                "all": True,
            }.get(row["receiver"], row["receiver"] == gap["receiver"])
            if own and upto <= end_us[k] + hours(RULES.together_after_h):
                start = round(gap["start_time"].timestamp() * 1e6)
                out |= set(range(max(since, start) // MINUTE, min(upto, int(end_us[k])) // MINUTE))
        assert found[k] == pytest.approx(len(out))


def test_no_outage_accuses_whatever_it_is_of():
    table = fleet(every_min=5)
    for k in range(8):
        table = without(table, lambda mmsi, k=k: mmsi == ONE + k, 30 + 3 * k, 36 + 4 * k)
    given_rows = seas.tracked(table)
    gaps, counts = given_rows["gaps"], Counts(added([given_rows["ship_hours"]]), RULES)
    until_us = int(seas.micros_of(table, "time").max())
    plain = judged(gaps, counts, until_us, RULES)["judgement"].to_pylist()
    assert plain.count("silenced") >= 3
    saved = 0
    for seed in range(30):
        outages = some_outages(np.random.default_rng(seed), 12)
        late = pa.array(seas.micros_of(outages, "start_time") + 32 * HOUR).cast(pa.timestamp("us", "UTC"))
        ends = pa.array(seas.micros_of(outages, "end_time") + 36 * HOUR).cast(pa.timestamp("us", "UTC"))
        outages = outages.set_column(outages.column_names.index("start_time"), outages.schema.field("start_time"), late)
        outages = outages.set_column(outages.column_names.index("end_time"), outages.schema.field("end_time"), ends)
        found = judged(gaps, counts, until_us, RULES, outages=outages)["judgement"].to_pylist()
        for before, after in zip(plain, found, strict=True):
            assert before == after or (before, after) == ("silenced", "not_received")
        saved += plain.count("silenced") - found.count("silenced")
    assert saved > 0


@pytest.mark.parametrize("cut_h", [None, 7])
def test_a_gap_in_an_outage_of_its_station_is_not_silenced(cut_h):
    """Twenty ships are heard by one station, ten by another; the first one fails for five hours."""
    table = fleet(every_min=5)
    near = np.asarray(table["mmsi"]) < ONE + 20
    at = table.column_names.index("station")
    names = pa.array(np.where(near, "NEAR", "FAR").tolist())
    table = without(table.set_column(at, table.schema.field(at), names), lambda mmsi: mmsi < ONE + 20, 40, 45)
    found = seas.tracked(table, seas.every(table, cut_h) if cut_h else ())
    assert [(row["receiver"], row["name"]) for row in found["outages"].to_pylist()] == [("station", "NEAR")]
    rows = found["judged_gaps"]
    assert rows.num_rows == 20
    assert "silenced" not in rows["judgement"].to_pylist()
    assert min(rows["in_outage_min"].to_pylist()) > 4.5 * 60
