"""Owns: what a vessel claims to be, tracks alive at once, and parts of tracks that may be false."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, concat
from stswatch.pipeline.reported import CLAIMS, claims
from stswatch.pipeline.rules import IdentityRules
from stswatch.pipeline.tracks.checks.table import TRACK_CHECKS
from tests.pipeline import seas

DAY = 24 * HOUR


def reports(rows):
    """Static reports of (MMSI, microseconds, name)."""
    if not rows:
        return schema.empty("static_reports")
    mmsi, time_us, name = zip(*rows, strict=True)
    collected = {
        "mmsi": pa.array(mmsi, pa.int32()),
        "time": pa.array(time_us, pa.int64()).cast(schema.UTC),
        "name": name,
    }
    columns = [collected.get(f.name, pa.nulls(len(rows), f.type)) for f in schema.STATIC_REPORTS]
    return pa.table([c if isinstance(c, pa.Array) else pa.array(c) for c in columns], names=schema.STATIC_REPORTS.names)


def test_changes_are_those_that_a_plain_loop_finds_however_the_data_are_cut():
    rng = np.random.default_rng(3)
    rows = sorted((int(rng.integers(1, 5)), int(t) * HOUR, f"N{rng.integers(3)}") for t in rng.choice(900, 300, False))
    expected, last = [], {}
    for mmsi, time_us, name in sorted(rows, key=lambda row: (row[1], row[0])):
        before = last.get(mmsi)
        if before and before[1] != name and time_us - before[0] <= 7 * DAY:
            expected.append((mmsi, time_us, before[1], name))
        last[mmsi] = (time_us, name)
    assert len(expected) > 100
    for cuts in ([], [300 * HOUR], [97 * HOUR, 98 * HOUR, 700 * HOUR]):
        state, found, spans = CLAIMS.empty_table(), [], []
        for low, high in zip([0, *cuts], [*cuts, 901 * HOUR], strict=True):
            part = [row for row in rows if low <= row[1] < high]
            got = claims(reports(part), state, high, IdentityRules())
            state, found, spans = got.latest, [*found, got.changes], [*spans, got.values]
        changes = concat(found, schema.IDENTITY_EVENTS).to_pylist()
        collected = sorted(
            (r["mmsi"], round(r["first_time"].timestamp() * 1e6), r["old_value"], r["new_value"]) for r in changes
        )
        assert collected == sorted(expected)
        values = concat(spans, schema.IDENTITY_VALUES).to_pandas()
        first = values.groupby(["mmsi", "value"]).first_seen.min()
        assert {key: round(t.timestamp() * 1e6) for key, t in first.items()} == {
            (mmsi, name): min(t for m, t, n in rows if (m, n) == (mmsi, name)) for mmsi, _, name in rows
        }


def test_two_hulls_under_one_number_are_one_identity_and_no_false_course():
    two = [
        seas.vessel(7, 60_000.0 * k + 100.0 * np.arange(40), 0, 600.0, 1.0, seas.NOON_US + k * MINUTE) for k in (0, 1)
    ]
    for cuts in ([], [seas.NOON_US + HOUR]):
        found = seas.run(pa.concat_tables(two), cuts)
        kinds = found["identity_events"]["kind"].to_pylist()
        assert kinds.count("shared_identity") > 60
        assert kinds.count("position_jump") == 1
        assert found["track_checks"].num_rows == 0


def test_a_course_shown_elsewhere_is_a_part_of_its_own():
    east = np.where((np.arange(60) > 20) & (np.arange(60) < 40), 80_000.0, 0.0) + 50.0 * np.arange(60)
    sea = seas.vessel(7, east, 0, 600.0, 0.2)
    for cuts in ([], [seas.NOON_US + 4 * HOUR]):
        rows = seas.run(sea, cuts)["track_checks"].to_pylist()
        assert [(row["check_name"], round(row["measured"])) for row in rows] == [("impossible_speed", 80)]


def test_circles_and_lines_drawn_to_the_metre_are_found_and_what_ships_do_is_not():
    rng = np.random.default_rng(1)
    at_s = 300.0 * np.arange(96) + rng.integers(-40, 40, 96)
    noise = rng.normal(0, 6, (2, 96))
    drawn = {
        1: (900 * np.sin(at_s / 300), 900 * np.cos(at_s / 300)),
        2: (4.0 * at_s, 3.0 * at_s),
        3: (4.0 * at_s + noise[0], 3.0 * at_s + noise[1]),
        4: (900 * np.sin(at_s / 9000), 900 * np.cos(at_s / 9000)),
    }
    start_us = seas.NOON_US + np.rint(at_s * SECOND).astype(np.int64)
    sea = pa.concat_tables(
        [seas.fixes(m, start_us, x / seas.EAST_M, y / seas.NORTH_M, 8.0) for m, (x, y) in drawn.items()]
    )
    for cuts in ([], seas.every(sea, 1)):
        found = seas.run(sea, cuts)["track_checks"].to_pandas()
        assert set(zip(found.mmsi, found.check_name, strict=True)) == {(1, "circle"), (2, "generated_track")}


def test_a_course_that_was_sailed_before_is_a_copy_and_its_reverse_is_none():
    rng = np.random.default_rng(2)
    speed = np.repeat(rng.uniform(3, 8, 24), 6)
    east = np.cumsum(speed * 300.0)
    north = np.cumsum(np.repeat(rng.uniform(-3, 3, 24), 6) * 300.0)
    later = seas.NOON_US + 2 * DAY
    sea = pa.concat_tables(
        [
            seas.vessel(1, east, north, 300.0, 10.0),
            seas.vessel(2, east + 3, north - 2, 300.0, 10.0, later),
            seas.vessel(3, east[::-1], north[::-1], 300.0, 10.0, later + DAY),
        ]
    )
    for cuts in ([], seas.every(sea, 7)):
        found = seas.run(sea, cuts)["track_checks"].to_pandas()
        found = found[found.check_name == "copied_track"]
        assert set(zip(found.mmsi, found.other_mmsi, strict=True)) == {(2, 1)}


def collected(fixes, **columns):
    """The same fixes with other values in some columns, each one for all or (n,)."""
    for name, values in columns.items():
        kind = schema.FIXES.field(name)
        values = values if isinstance(values, list | np.ndarray) else [values] * fixes.num_rows
        fixes = fixes.set_column(fixes.column_names.index(name), kind, pa.array(values, kind.type))
    return fixes


def rows_of(sea, name):
    """The vessels of which a check has rows, however the data are cut and into however many shards."""
    found = [seas.run(sea, *how)["track_checks"].to_pandas() for how in (([], 1), (seas.every(sea, 3), 5))]
    chosen = [each[each.check_name == name].reset_index(drop=True) for each in found]
    assert chosen[0].equals(chosen[1])
    return sorted(set(chosen[0].mmsi))


def fleet(n, **columns):
    """Vessels 1 to n at anchor around one place, a report every five minutes for six hours."""
    still = np.zeros(73)
    ships = [seas.vessel(k, 3_000.0 * k + still, still, 300.0, 0.1, seas.NOON_US) for k in range(1, n + 1)]
    return collected(pa.concat_tables(ships), **columns)


def test_a_station_cannot_hear_what_lies_far_beyond_all_others_that_it_hears():
    far = seas.vessel(99, 600_000.0 + np.zeros(73), 0.0, 300.0, 0.1, seas.NOON_US)
    near = collected(seas.vessel(98, 300_000.0 + np.zeros(73), 0.0, 300.0, 0.1, seas.NOON_US), station="A")
    for stations, wanted in (("A", [99]), ("B", []), (None, [])):
        sea = pa.concat_tables([fleet(24, station="A"), near, collected(far, station=stations)])
        assert rows_of(sea, "heard_where") == wanted
    few = pa.concat_tables([fleet(12, station="A"), collected(far, station="A")])
    assert rows_of(few, "heard_where") == []
    network = [seas.vessel(k, 60_000.0 * k + np.zeros(73), 0.0, 300.0, 0.1, seas.NOON_US) for k in range(1, 25)]
    assert rows_of(collected(pa.concat_tables([*network, far]), station="A"), "heard_where") == []


def state(fixes, radio, second):
    """Fixes of type 1 with this communication state and UTC second."""
    return collected(fixes, msg_type=1, radio=radio, utc_second=second)


def test_states_and_seconds_that_no_transponder_sends_count_where_others_send_theirs():
    drawn = seas.vessel(99, 0.0, 2_000.0 + np.zeros(73), 307.0, 0.1, seas.NOON_US)
    n = 24 * 73
    usual = state(fleet(24), [2 << 14 | k % 2250 for k in range(n)], [k * 7 % 60 for k in range(n)])
    no_slot, noon = 4 << 14 | 2_250, 1 << 14 | 3 << 9
    for radio, second, wanted in ((0, 5, [99]), (no_slot, 5, [99]), (0, None, []), (noon, 0, [99]), (2 << 14, 5, [])):
        sea = pa.concat_tables([usual, state(drawn, radio, second)])
        assert rows_of(sea, "sentence_fields") == wanted
    moving_on = state(drawn, 0, [k % 60 for k in range(73)])  # some old sets send zero states
    assert rows_of(pa.concat_tables([usual, moving_on]), "sentence_fields") == []
    each_minute = seas.vessel(99, 0.0, 2_000.0 + np.zeros(73), 300.0, 0.1, seas.NOON_US)
    assert rows_of(pa.concat_tables([usual, state(each_minute, 0, 5)]), "sentence_fields") == []
    converted = state(fleet(24), 0, 5)
    assert rows_of(pa.concat_tables([converted, state(drawn, 0, 5)]), "sentence_fields") == []
    assert rows_of(pa.concat_tables([fleet(24), state(drawn, 0, 5)]), "sentence_fields") == []


def test_who_hops_far_inland_is_on_land_and_who_sails_there_is_not():
    at_us = seas.NOON_US + 5 * MINUTE * np.arange(40)
    inland = (np.arange(40) > 15) & (np.arange(40) < 30)
    hops = seas.fixes(1, at_us, np.where(inland, 126.7, 124.5), np.where(inland, 38.75, 38.0), 0.1)
    at_sea = seas.fixes(2, at_us, np.where(inland, 123.0, 124.5), 38.0 + np.zeros(40), 0.1)
    river = seas.fixes(3, at_us, 126.7 + 0.01 * np.arange(40), 38.75 + np.zeros(40), 6.0)
    assert rows_of(pa.concat_tables([hops, at_sea, river]), "inland") == [1]
    assert rows_of(pa.concat_tables([hops, at_sea, river]), "impossible_speed") == [1, 2]


def test_each_check_has_a_name_and_a_unit():
    assert len({check.name for check in TRACK_CHECKS}) == len(TRACK_CHECKS) >= 5
    assert all(check.measures and check.unit for check in TRACK_CHECKS)


def swapped(every_min, apart_m, kn=(10.0, 10.0), silent_set=False, gap_min=0.0):
    """Two vessels that sail north beside each other, and go on under each other's number after an hour and a half."""
    at_min = np.arange(0.0, 180.0, every_min)
    at_min = at_min[np.abs(at_min - 91) >= gap_min / 2]
    time_us = seas.NOON_US + np.rint(at_min * MINUTE).astype(np.int64)
    parts = []
    for hull in (0, 1):
        mmsi = np.where(at_min > 91, 2 - hull, 1 + hull)
        lon, lat = hull * apart_m / seas.EAST_M, kn[hull] * 30.8667 * at_min / seas.NORTH_M
        sent_kn = np.where((at_min == 90) & (hull == 0) & silent_set, 0.0, kn[hull])
        parts.append(seas.fixes(mmsi, time_us, lon, lat, sent_kn))
    return pa.concat_tables(parts)


SWAPS = {
    "near": swapped(5, 2_000.0),
    "far": swapped(5, 60_000.0),
    "ten kilometres from report to report": swapped(32, 30_000.0),
    "a silence of fifty minutes": swapped(5, 40_000.0, gap_min=50.0),
    "one lies still": swapped(5, 20_000.0, (0.0, 10.0)),
    "a report that tells a speed of zero": swapped(5, 20_000.0, silent_set=True),
}
NONE = {
    "within noise": swapped(5, 30.0, (0.0, 0.0)),
    "nearer than they sail in a silence": swapped(5, 3_000.0, gap_min=50.0),
    "a silence of two hours": swapped(5, 40_000.0, gap_min=130.0),
}


@pytest.mark.parametrize("name", [*SWAPS, *NONE])
def test_two_numbers_that_change_places_are_seen_where_their_speeds_do_not_explain_it(name):
    sea = (SWAPS | NONE)[name]
    for cuts in ([], seas.every(sea, 1)):
        events = seas.run(sea, cuts)["identity_events"].to_pandas()
        events = events[events.kind == "handshake"]
        assert list(zip(events.mmsi, events.other_mmsi, strict=True)) == ([(1, 2)] if name in SWAPS else [])


def test_a_number_that_goes_back_to_an_old_track_of_its_own_changes_places_too():
    before = seas.vessel(1, 0.0, 60_000.0 + np.zeros(20), 300.0, 0.1, seas.NOON_US - 4 * HOUR)
    away = seas.vessel(1, 0.0, np.zeros(20), 300.0, 0.1, seas.NOON_US - 2 * HOUR)
    still = swapped(5, 60_000.0, (0.0, 0.0))
    for first in ([], [before, away]):
        events = seas.run(pa.concat_tables([*first, still]))["identity_events"].to_pandas()
        assert list(events[events.kind == "handshake"].other_mmsi) == [2]


def test_ships_that_meet_pass_and_stray_do_not_change_places():
    at_us = seas.NOON_US + 5 * MINUTE * np.arange(36)
    north = 308.667 * 5 * np.arange(36)
    stray = np.where(np.arange(36) == 18, 55_000.0, 0.0)
    meets = seas.fixes(2, at_us, 0.001, (2 * north[18] - north) / seas.NORTH_M, 10.0)
    strays = seas.fixes(3, at_us, 0.002, (north + stray) / seas.NORTH_M, 10.0)
    sea = pa.concat_tables([seas.fixes(1, at_us, 0.0, north / seas.NORTH_M, 10.0), meets, strays])
    assert "handshake" not in seas.run(sea)["identity_events"]["kind"].to_pylist()


def test_reports_that_come_late_are_no_change_of_places():
    """Two ships in line, each with one report that is told a quarter of an hour late: there and back again."""
    at_us = seas.NOON_US + 5 * MINUTE * np.arange(36)
    north = 1_543.3 * np.arange(36)
    late = np.where(np.arange(36) == 18, np.roll(north, 3), north)
    early = np.where(np.arange(36) == 18, np.roll(north, -3), north)
    ahead = 3 * 1_543.3
    first = seas.fixes(1, at_us, 0.0, (ahead + late) / seas.NORTH_M, 10.0)
    second = seas.fixes(2, at_us + MINUTE, 0.0, early / seas.NORTH_M, 10.0)
    for cuts in ([], seas.every(first, 1)):
        events = seas.run(pa.concat_tables([first, second]), cuts)["identity_events"]
        assert "handshake" not in events["kind"].to_pylist()
