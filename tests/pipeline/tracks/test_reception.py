"""Silences judged by what was heard of others; above all: absence of data never makes one look more like a set off."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.cells import grid_cell
from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.rules import ReceptionRules
from stswatch.pipeline.tracks.gaps import ways
from stswatch.pipeline.tracks.ship_hours import added
from stswatch.pipeline.tracks.unheard import Moments, OwnHearing, silence_chance, unheard
from tests.pipeline import seas

RULES = ReceptionRules()
NOON = seas.NOON_US
SEA = (123.0, 36.0)  # open water, 100 km and more from any shore
ONE = 412_000_001

# ---------------------------------------------------------------------------------------------------------- ship-hours


def by_hand(fixes: pa.Table, until_us: int) -> dict[tuple[int, int], list[int]]:
    """(hour, cell) -> vessels heard, vessels not heard: one vessel and one hour after the other."""
    found: dict[tuple[int, int], list[int]] = {}
    rows = seas.in_order(fixes, ("mmsi", "time")).select(["mmsi", "time", "lon", "lat"]).to_pydict()
    time_us = [round(t.timestamp() * 1e6) for t in rows["time"]]

    def count(hour, lon, lat, missed):
        found.setdefault((hour, int(grid_cell(lon, lat, RULES.cell_deg))), [0, 0])[missed] += 1

    for mmsi in sorted(set(rows["mmsi"])):
        at = [k for k, who in enumerate(rows["mmsi"]) if who == mmsi]
        for n, k in enumerate(at):
            hour = time_us[k] // HOUR
            before = at[n - 1] if n else None
            if before is None or time_us[before] // HOUR != hour:
                count(hour, rows["lon"][k], rows["lat"][k], 0)
            if before is not None and time_us[k] - time_us[before] <= RULES.bracket_h * HOUR:
                for between in range(time_us[before] // HOUR + 1, hour):
                    part = (between * HOUR + HOUR / 2 - time_us[before]) / (time_us[k] - time_us[before])
                    lon, lat = (rows[c][before] + part * (rows[c][k] - rows[c][before]) for c in ("lon", "lat"))
                    count(between, lon, lat, 1)
        if until_us - time_us[at[-1]] <= RULES.bracket_h * HOUR:
            for after in range(time_us[at[-1]] // HOUR + 1, until_us // HOUR):
                count(after, rows["lon"][at[-1]], rows["lat"][at[-1]], 1)
    return found


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([None, 13, 24]))
def test_ship_hours_are_those_counted_by_hand_wherever_the_data_are_cut(seed, cut_h):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    time_us = NOON + np.sort(rng.choice(90 * 60, n, replace=False)) * MINUTE
    mmsi = ONE + rng.integers(0, 3, n)
    drift = (time_us - NOON) / HOUR * 0.02
    table = seas.fixes(mmsi, time_us, SEA[0] + 0.3 * (mmsi - ONE) + drift, SEA[1] + drift, 3.0)
    found = seas.tracked(table, seas.every(table, cut_h) if cut_h else ())["ship_hours"]
    rows = added([found.combine_chunks()]).to_pydict()
    got = {
        (round(hour.timestamp()) // 3600, cell): [heard, missed]
        for hour, cell, heard, missed in zip(*rows.values(), strict=True)
    }
    assert got == by_hand(table, int(time_us.max()))


# ---------------------------------------------------------------------------------------------- the chance of a silence

counts = st.integers(0, 60)
hours = st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=12)


def chance_of(listed, own=1.0, known=True, heard_h=0.0, missed_h=0.0, beside=1.0, weak=False):
    columns = (np.array(column) for column in zip(*listed, strict=True))
    gap, spans = np.zeros(len(listed), np.int64), np.full(len(listed), 6)
    moments = Moments(gap, spans, *columns, known=np.full(len(listed), known))
    hearing = OwnHearing(*(np.array([value]) for value in (own, heard_h, missed_h, beside, beside, weak)))
    return float(silence_chance(moments, hearing, RULES)[0])


@given(st.floats(0.6, 80), st.floats(0.6, 80), st.integers(0, 40))
def test_not_heard_so_often_is_the_mean_over_what_the_share_may_be(a, b, times):
    p = (np.arange(200_000) + 0.5) / 200_000
    weight = p ** (a - 1) * (1 - p) ** (b - 1)
    want = np.sum(weight * (1 - p) ** times) / np.sum(weight)
    got = unheard(np.array([a]), np.array([b]), np.array([float(times)]))[0]
    assert got == pytest.approx(want, rel=0.05, abs=1e-6)


@given(hours)
def test_where_nobody_was_nothing_is_told(listed):
    empty = [(0, 0, lately, missed) for _, _, lately, missed in listed]
    assert chance_of(empty) == 1.0
    assert chance_of([(heard, missed, 0, 0) for heard, missed, _, _ in listed]) == 1.0
    assert chance_of(listed, known=False) == 1.0


@given(hours, st.integers(1, 12))
def test_hours_without_others_never_make_a_silence_rarer(listed, more):
    assert chance_of(listed + [(0, 0, 0, 0)] * more) == pytest.approx(chance_of(listed))


@given(hours, st.data())
def test_whoever_is_missed_excuses(listed, data):
    at = data.draw(st.integers(0, len(listed) - 1))
    heard, missed, lately, lately_missed = listed[at]
    moved = data.draw(st.integers(0, heard))
    worse = list(listed)
    worse[at] = (heard - moved, missed + moved, lately, lately_missed)
    assert chance_of(worse) >= chance_of(listed) - 1e-12


@given(hours, st.floats(0.5, 1), st.floats(0.5, 1))
def test_a_vessel_that_is_heard_less_is_more_easily_silent(listed, one, other):
    low, high = sorted((one, other))
    assert chance_of(listed, low) >= chance_of(listed, high) - 1e-12


@given(hours, st.integers(0, 168), st.integers(0, 60), st.floats(0, 1))
def test_who_was_missed_for_hours_or_beside_the_gap_is_more_easily_silent(listed, heard_h, missed_h, beside):
    """Own hours count for the vessel only as far as it was heard in them, and only where it was heard beside."""
    steady = chance_of(listed, 1.0, True, heard_h + missed_h, 0, beside)
    assert chance_of(listed, 1.0, True, heard_h, missed_h, beside) >= steady - 1e-12
    assert chance_of(listed, 1.0, True, heard_h, missed_h, beside / 2) >= chance_of(
        listed, 1.0, True, heard_h, missed_h, beside
    ) * (1 - 1e-9)


@given(hours)
def test_who_was_not_heard_beside_the_gap_may_be_out_of_reach_however_well_it_was_heard_for_a_week(listed):
    assert chance_of(listed, 1.0, True, 168, 0, beside=0.0) > 0.02


@given(hours)
def test_more_hours_than_are_independent_count_as_so_many(listed):
    """The same hour many times over is no better evidence than it is for the hours that count as independent."""
    many = [listed[0]] * 48
    few = [listed[0]] * int(RULES.independent_h)
    assert chance_of(many) == pytest.approx(chance_of(few))


# ------------------------------------------------------------------------------------------------------- whole silences


def fleet(vessels=30, hours=96.0, every_min=10, spread_deg=0.3, seed=1):
    """Ships that lie and drift about SEA, each heard every ten minutes; the first of them is ONE."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, hours * 60, every_min)
    mmsi, minutes = np.repeat(ONE + np.arange(vessels), len(times)), np.tile(times, vessels)
    minutes = minutes + rng.uniform(0, every_min, vessels)[mmsi - ONE]
    home = rng.uniform(-spread_deg, spread_deg, (2, vessels))[:, mmsi - ONE]
    home[:, mmsi == ONE] = 0
    time_us = NOON + np.rint(minutes * MINUTE).astype(np.int64)
    return seas.fixes(mmsi, time_us, SEA[0] + home[0], SEA[1] + home[1], 0.5)


def without(table, of, since_h, until_h):
    """The same fixes without those of some vessels in a span of hours after noon."""
    hour = (seas.micros_of(table, "time") - NOON) / HOUR
    gone = of(np.asarray(table["mmsi"])) & (hour >= since_h) & (hour < until_h)
    return table.filter(pa.array(~gone))


def gaps_of(table, cuts=()):
    """The gaps of ONE as judged."""
    rows = seas.tracked(table, cuts)["judged_gaps"].to_pylist()
    return [row for row in rows if row["mmsi"] == ONE]


def one(mmsi):
    return mmsi == ONE


def everybody(mmsi):
    return mmsi > 0


def test_one_that_falls_silent_among_thirty_that_are_heard_was_silenced():
    (gap,) = gaps_of(without(fleet(every_min=5), one, 40, 48))
    assert gap["judgement"] == "silenced"
    assert gap["silence_chance"] < RULES.silenced_chance
    assert gap["p_off"] > 0.9
    assert (gap["judged_h"], gap["others_missed_h"]) == (8, 0)
    assert gap["others_heard_h"] == pytest.approx(8 * 29, rel=0.05)
    assert gap["silent_together"] == 0


def test_where_it_falls_silent_for_good_it_is_judged_by_its_first_hours():
    (gap,) = gaps_of(without(fleet(every_min=5), one, 40, 1000))
    assert (gap["ending"], gap["judgement"]) == ("open", "silenced")
    assert gap["judged_h"] == int(RULES.edge_h)


@pytest.mark.parametrize(("since_h", "word"), [(36, "unknown"), (30, "silenced"), (37, "silenced")])
def test_a_silence_of_whole_days_may_be_of_the_archive(since_h, word):
    (gap,) = gaps_of(without(fleet(every_min=5), one, since_h, since_h + 24))  # the fleet is heard from noon on
    assert gap["judgement"] == word


@pytest.mark.parametrize("vessels", [1, 2, 3])
def test_where_few_others_are_nothing_is_known(vessels):
    (gap,) = gaps_of(without(fleet(vessels), one, 40, 48))
    assert (gap["judgement"], gap["silence_chance"], gap["p_off"]) == ("unknown", None, None)


@pytest.mark.parametrize("hours", [3, 8, 20])
def test_when_nobody_is_heard_nobody_was_silenced(hours):
    """A receiver that fails, as long as it may be: no vessel can be told from any other."""
    given = seas.tracked(without(fleet(), everybody, 40, 40 + hours))["judged_gaps"]
    assert given.num_rows == 30
    assert set(given["judgement"].to_pylist()) == {"not_received"}


def test_at_the_end_of_the_data_nobody_is_accused_of_what_came_after():
    """All but one are heard no more, and then the data end: who was heard last is not known to have been there."""
    table = without(fleet(hours=60.0), lambda mmsi: mmsi < ONE + 29, 50, 60)
    given = seas.tracked(table)["judged_gaps"]
    assert given.num_rows == 29
    assert "silenced" not in given["judgement"].to_pylist()


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_taking_data_away_silences_nobody(seed):
    """What a receiver misses in a span, everywhere or in a part of the sea: who is lost with others is not silenced."""
    rng = np.random.default_rng(seed)
    table = fleet(vessels=16, hours=72.0, every_min=20)
    hour = (seas.micros_of(table, "time") - NOON) / HOUR
    lon = np.asarray(table["lon"]) - SEA[0]
    since, lasts, edge = rng.uniform(30, 50), rng.uniform(2.5, 15), rng.uniform(-0.3, 0.05)
    gone = (hour > since) & (hour < since + lasts) & (lon > edge)
    given = seas.tracked(table.filter(pa.array(~gone)))["judged_gaps"]
    silenced = given.filter(pa.array(np.asarray(given["judgement"].to_pylist()) == "silenced"))
    assert silenced.num_rows == 0


@pytest.mark.parametrize(("later_min", "word"), [(4, "not_received"), (90, "silenced")])
def test_two_that_fall_silent_and_return_together_have_one_cause(later_min, word):
    """A receiver that only these two were heard by cannot be told from two sets that are switched off at once."""
    table = without(fleet(every_min=5), one, 40, 48)
    table = without(table, lambda mmsi: mmsi == ONE + 1, 40 + later_min / 60, 48 + later_min / 60)
    (gap,) = gaps_of(table)
    assert (gap["silent_together"], gap["judgement"]) == (int(later_min < 10), word)


@pytest.mark.parametrize("every_min", [5, 60])
def test_who_was_hardly_heard_before_and_after_was_not_silenced(every_min):
    """Others are heard all the time; one that was heard once an hour may be out of reach of what they are heard by."""
    hour = np.arange(0, 96, every_min / 60)
    thin = seas.fixes(ONE, NOON + np.rint(hour * HOUR).astype(np.int64), *SEA, 0.1)
    others = fleet().filter(pa.array(np.asarray(fleet()["mmsi"]) != ONE))
    (gap,) = gaps_of(without(pa.concat_tables([others, thin]), one, 40, 48))
    assert gap["heard_before"] == gap["heard_after"] == (24 if every_min == 5 else 2)
    assert gap["judgement"] == ("silenced" if every_min == 5 else "unknown")


def test_one_that_leaves_where_anybody_was_ever_heard_left_the_data():
    """The others lie to its west; it sails east until nobody hears it."""
    others = fleet(vessels=20, spread_deg=0.1).filter(pa.array(np.asarray(fleet(vessels=20)["mmsi"]) != ONE))
    hours = np.arange(0, 46, 1 / 6)
    going = seas.fixes(
        ONE, NOON + np.rint(hours * HOUR).astype(np.int64), SEA[0] + np.maximum(hours - 40, 0) * 0.1, SEA[1]
    )
    (gap,) = gaps_of(pa.concat_tables([others, going]))
    assert gap["judgement"] == "left_data"


def test_who_goes_up_a_river_that_no_coast_shows_was_not_silenced():
    """At the mouth of the Mississippi, where a box of positions ends: the others lie off it, to the south."""
    east, south = -89.265 - SEA[0], 29.0 - SEA[1]
    others = fleet(vessels=25, spread_deg=0.15)
    table = pa.concat_tables([others.filter(pa.array(np.asarray(others["mmsi"]) != ONE)), others.slice(0, 576)])
    table = table.set_column(table.column_names.index("lon"), "lon", pa.array(np.asarray(table["lon"]) + east))
    lat = np.where(np.asarray(table["mmsi"]) == ONE, 29.19, np.asarray(table["lat"]) + south)
    table = table.set_column(table.column_names.index("lat"), "lat", pa.array(lat))
    kn = np.where(np.asarray(table["mmsi"]) == ONE, 6.0, 0.5).astype(np.float32)
    table = table.set_column(table.column_names.index("sog_kn"), "sog_kn", pa.array(kn))
    (gap,) = gaps_of(without(table, one, 40, 70))
    assert gap["judged_h"] >= 20
    assert gap["judgement"] == "unknown"


def test_ways_keep_to_the_time_there_is():
    """Every way begins and ends where it must, and none is faster than detours are; the farthest is just as fast."""
    start, end, resumed = np.zeros(3, np.int64), np.full(3, 3 * HOUR), np.array([True, True, False])
    last_m = np.array([0.0, 20_000.0, 0.0]), np.array([0.0, -15_000.0, 0.0])
    each, at = np.repeat(np.arange(3), 181), np.tile(np.arange(181) * MINUTE, 3)
    farthest = np.zeros(3)
    for way in ways(start, end, last_m, resumed, RULES):
        east, north = (side.reshape(3, -1) for side in way.at(each, at))
        assert np.abs([east[:, 0], north[:, 0]]).max() < 1e-6
        assert np.abs(np.array([east, north])[:, :2, -1] - np.array(last_m)[:, :2]).max() < 1e-6
        step_kn = np.hypot(np.diff(east), np.diff(north)) / 1852 * 60
        assert step_kn.max() <= RULES.detour_kn * 1.001
        farthest = np.maximum(farthest, np.hypot(east, north).max(axis=1))
    assert farthest[[0, 2]] / 1852 == pytest.approx(np.array([1.5, 3]) * RULES.detour_kn, rel=0.02)


@pytest.mark.parametrize("hours", [5, 11])
def test_judgements_do_not_show_where_the_data_are_cut(hours):
    table = without(without(fleet(vessels=20), one, 40, 48), lambda mmsi: mmsi > ONE + 12, 60, 66)
    whole, cut = (
        seas.in_order(seas.tracked(table, cuts)["judged_gaps"], ("mmsi", "start_time"))
        for cuts in ((), seas.every(table, hours))
    )
    assert whole.num_rows >= 8
    assert cut.combine_chunks().equals(whole.combine_chunks())
