"""Owns: what the dark step gives of waits and silences, however they are cut; that no common cause makes a lead."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stswatch.geo.coordinates.plane import in_space_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN, destination
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, build, concat, micros
from stswatch.pipeline.meetings import dark as step
from stswatch.pipeline.meetings.dark import dark, settled_us
from stswatch.pipeline.meetings.fitting import (
    DarkSpans,
    Pool,
    Surroundings,
    between_km,
    courses_off,
    distance,
    no_course,
)
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas

RULES = Rules()
EARTH = pyproj.Geod(ellps="WGS84")
BEGIN = seas.NOON_US // (24 * HOUR) * 24 * HOUR
DAY_H = 24
DAYS = 40
LON, LAT = 123.0, 35.0  # the Yellow Sea, far from land
ORDER = [(name, "ascending") for name in ("start_time", "mmsi_a", "mmsi_b", "gap_start_b")]


def gaps(mmsi, start_h, end_h, place, after, judgement="silenced", **more):
    """Judged gaps (n,): hours from BEGIN, longitudes and latitudes before and after; more: other columns."""
    n = len(mmsi)
    time = {
        name: BEGIN + np.rint(np.asarray(h) * 3600).astype(np.int64) * 1_000_000
        for name, h in (("start_time", start_h), ("end_time", end_h))
    }
    columns = {"mmsi": np.asarray(mmsi), "track_start": np.full(n, BEGIN), **time}
    columns |= dict(zip(("lon0", "lat0", "lon1", "lat1"), (*place, *after), strict=True))
    columns |= {"receiver": ["terrestrial"] * n, "ending": ["resumed"] * n, **more}
    columns["judgement"] = [judgement] * n if isinstance(judgement, str) else list(judgement)
    for field in schema.JUDGED_GAPS:
        if field.name not in columns:
            kind = pa.int64() if pa.types.is_integer(field.type) else field.type
            columns[field.name] = pa.nulls(n, kind) if field.nullable else pa.array(np.zeros(n), kind)
    return build("judged_gaps", columns)


def traffic(n, seed, days=DAYS, judgement="silenced"):
    """Silences of as many vessels all over a sea, at any time of these days, that met nobody on purpose."""
    rng = np.random.default_rng(seed)
    long_h = np.clip(rng.lognormal(np.log(8.0), 0.6, n), 2.5, 60.0)
    start_h = rng.uniform(0, days * DAY_H - long_h)
    lon, lat = LON + rng.uniform(-3, 3, n), LAT + rng.uniform(-2.5, 2.5, n)
    way_m = long_h * 12 * 1852 * rng.uniform(0, 0.8, n)
    after = destination(lon, lat, rng.uniform(0, 360, n), way_m)
    mmsi = 412_000_000 + np.arange(n)
    return gaps(mmsi, start_h, start_h + long_h, (lon, lat), after, judgement, **steered(rng, n))


def steered(rng, n):
    """Any courses and speeds that reports can tell, in tenths, or none."""
    most = {"cog0_deg": 360, "cog1_deg": 360, "sog0_kn": 9, "sog1_kn": 9}
    return {name: pa.array(rng.uniform(0, high, n).round(1), mask=rng.random(n) < 0.2) for name, high in most.items()}


def wait(start_h=600.0, end_h=612.0, mmsi=273_000_001, lon=LON, lat=LAT, drift_km=0.0):
    """One vessel that loitered."""
    columns = {"mmsi": [mmsi], "track_start": np.array([BEGIN]), "lon": [lon], "lat": [lat], "zones": [[]]}
    times = {"start_time": start_h, "end_time": end_h}
    columns |= {name: np.array([BEGIN + int(at_h * HOUR)]) for name, at_h in times.items()}
    columns |= {"port": ["x"], "drift_km": [drift_km]}
    for field in schema.LOITERING:
        if field.name not in columns:
            columns[field.name] = np.zeros(1, bool if field.type == pa.bool_() else float)
    return build("loitering", columns)


def guest(mmsi=445_000_001, start_h=602.0, end_h=611.0, km=20.0, **more):
    """A silenced gap of one vessel that began and ended so near the place of the wait, long enough to lie beside it."""
    places = [destination(LON, LAT, bearing, km * 1000) for bearing in (80.0, 200.0)]
    return gaps([mmsi], [start_h], [end_h], *([np.atleast_1d(axis) for axis in place] for place in places), **more)


def heard(days=DAYS, silent=()):
    """Somebody was heard in every hour of these days but some."""
    minute = BEGIN + np.array([h for h in range(days * DAY_H) if h not in silent]) * HOUR
    same = dict.fromkeys(("minute", "first", "last"), minute)
    return build("reporting", {"receiver": ["all"] * len(minute), "vessels": np.ones(len(minute), np.int64), **same})


def found(judged, waits=None, reporting=None, outages=None, rules=RULES):
    """All rows, of one slice that is the last."""
    tables = {"judged_gaps": judged, "loitering": waits or schema.empty("loitering"), "reporting": reporting or heard()}
    tables["outages"] = outages or schema.empty("outages")
    state = {name: kind.empty_table() for name, kind in step.STATE.items()}
    rows = dark(state, Batch(tables, BEGIN + DAYS * DAY_H * HOUR, final=True), rules).rows["dark_meetings"]
    return rows.sort_by(ORDER)


def plain(judged, *more):
    return concat([judged, *more], schema.JUDGED_GAPS)


def test_a_vessel_that_waited_and_another_that_fell_silent_near_it_are_a_lead():
    rows = found(plain(traffic(20, 1), guest()), wait()).to_pylist()
    (row,) = [row for row in rows if row["kind"] == "one_dark"]
    assert (row["kind"], row["mmsi_a"], row["mmsi_b"], row["lead"]) == ("one_dark", 273_000_001, 445_000_001, True)
    assert row["expected_by_accident"] < 0.05
    assert row["shifts"] >= 20
    assert row["stay_h"] == pytest.approx(9 - 2 * 20 / 22.224, abs=0.02)
    assert row["least_speed_kn"] == pytest.approx(40 / 7 / 1.852, abs=0.02)
    assert (row["region"], row["over_water"]) == (None, True)
    assert row["stay_water_h"] == pytest.approx(row["stay_h"], abs=0.01)


@pytest.mark.parametrize(("turn", "over_water", "lead"), [(0.0, False, False), (-180.0, None, True)])
def test_who_had_no_time_to_go_round_the_land_is_no_lead(turn, over_water, lead):
    """On the other side of Korea; on the other side of the Earth nobody knows the ways by sea."""
    silent = gaps([445_000_001], [596.0], [634.0], ([125.0 + turn], [38.5]), ([125.0 + turn], [38.4]))
    rows = found(plain(traffic(20, 1), silent), wait(598.0, 632.0, lon=129.0 + turn, lat=38.8)).to_pylist()
    (row,) = [row for row in rows if row["mmsi_b"] == 445_000_001]
    assert (row["kind"], row["over_water"], row["lead"]) == ("one_dark", over_water, lead)
    assert row["stay_h"] > RULES.dark.stay_h  # on the straight way
    assert over_water is None or row["stay_water_h"] < 0


def test_two_silences_are_worked_out_by_sea_where_that_is_rare_by_accident():
    """Where it is not, all stays as straight ways have it; a region by sea is never the larger one."""
    judged = plain(traffic(200, 6), guest(), guest(mmsi=440_000_001, km=30.0))
    never = dataclasses.replace(RULES, dark=dataclasses.replace(RULES.dark, water_chance=-1.0))
    keys = ["gap_start_b", "mmsi_b", "mmsi_a"]
    found_by = (found(judged, rules=rules).to_pandas() for rules in (RULES, never))
    by_sea, straight = (rows.sort_values(keys, ignore_index=True) for rows in found_by)
    assert list(by_sea.mmsi_b) == list(straight.mmsi_b)
    asked = (by_sea.chance_by_accident <= RULES.dark.water_chance).to_numpy(bool)
    assert 0 < asked.sum() < len(asked)
    assert (by_sea.over_water[asked] == True).all()  # noqa: E712
    assert by_sea.over_water[~asked].isna().all()
    assert straight.over_water.isna().all()
    assert by_sea[~asked].drop(columns="over_water").equals(straight[~asked].drop(columns="over_water"))
    assert (by_sea.region_km2 <= straight.region_km2 * 1.001).all()


def test_forty_silences_that_fit_one_wait_are_one_row_that_is_no_lead():
    many = traffic(1500, 2)
    rows = [row for row in found(plain(many, guest()), wait(570.0, 640.0)).to_pylist() if row["kind"] == "one_dark"]
    assert len(rows) == 1
    assert rows[0]["rivals"] > 5
    assert not rows[0]["lead"]


@pytest.mark.parametrize("judgement", ["not_received", "unknown", "left_data"])
def test_a_silence_that_was_not_judged_silenced_gives_no_lead(judgement):
    silent = guest()
    place = silent.column_names.index("judgement")
    silent = silent.set_column(place, silent.schema.field(place), pa.array([judgement]))
    assert not any(found(plain(traffic(20, 1), silent), wait())["lead"].to_pylist())


def test_under_seven_days_of_data_nothing_is_scored():
    """Nor where nobody was heard on the days that are looked back at: no data raise no darkness."""
    for reporting in (heard(silent=set(range(590 - 5 * DAY_H))), heard(silent=set(range(0, 600, 3)))):
        rows = found(plain(traffic(20, 1), guest()), wait(), reporting).to_pylist()
        (row,) = [row for row in rows if row["kind"] == "one_dark"]
        assert row["score"] is None
        assert not row["lead"]


@pytest.mark.parametrize(("receiver", "leads"), [("all", 0), ("terrestrial", 0), ("satellite", 1)])
def test_an_outage_of_a_day_gives_no_lead(receiver, leads):
    """One of all receivers, or of the kind that heard the vessel: that of another kind explains nothing."""
    start, end = (np.array([BEGIN + h * HOUR]) for h in (600, 624))
    places = {"name": [None], "lon": [None], "lat": [None]}
    outage = places | {"receiver": [receiver], "start_time": start, "end_time": end, "minutes": [1440.0]}
    outages = build("outages", outage | {"vessels_before": [9], "vessels_after": [9]})
    assert sum(found(plain(traffic(20, 1), guest()), wait(), outages=outages)["lead"].to_pylist()) == leads


def test_a_storm_that_sends_a_fleet_to_anchor_silent_gives_no_lead():
    rng = np.random.default_rng(3)
    fleet = [guest(445_000_001 + k, 602 + rng.uniform(0, 0.8), 611 + rng.uniform(0, 3), 20 + k) for k in range(6)]
    rows = found(plain(traffic(20, 1), *fleet), wait())
    assert rows.num_rows > 0
    assert not any(rows["lead"].to_pylist())
    assert max(rows["lost_together"].to_pylist()) == 5


def test_two_silences_that_fit_are_a_candidate_with_a_region_and_never_a_lead():
    two = guest(mmsi=440_000_001, km=30.0)
    rows = [row for row in found(plain(traffic(20, 1), guest(), two)).to_pylist() if row["mmsi_b"] == 445_000_001]
    (row,) = [row for row in rows if row["mmsi_a"] == 440_000_001]
    assert (row["kind"], row["lead"]) == ("both_dark", False)
    assert row["region_km2"] > 100
    assert len(row["region"]) > 500


def test_a_silence_has_three_partners_at_most():
    rows = found(traffic(700, 5)).to_pandas()
    ends = np.concatenate([rows[[f"mmsi_{v}", f"gap_start_{v}"]].astype(str).agg("|".join, axis=1) for v in "ab"])
    assert len(rows) > 100
    assert np.unique(ends, return_counts=True)[1].max() <= RULES.dark.partners_most
    assert not rows.lead.any()


@pytest.mark.parametrize("every_h", [67])
def test_cuts_do_not_show(every_h):
    """Rows come when nothing can change them, and are those of one slice."""
    judged, waits = plain(traffic(200, 6), guest()), concat([wait(), wait(300.0, 330.0, 273_000_002)], schema.LOITERING)
    whole, reporting = found(judged, waits), heard()
    judging = round((RULES.reception.bracket_h + RULES.reception.edge_h) * HOUR)
    arrival = {
        "judged_gaps": micros(judged, "end_time") + judging,
        "loitering": micros(waits, "end_time") + RULES.lag_us,
        "reporting": micros(reporting, "minute"),
    }
    tables = {"judged_gaps": judged, "loitering": waits, "reporting": reporting}
    state, parts, before = {name: kind.empty_table() for name, kind in step.STATE.items()}, [], BEGIN - 1
    for watermark in [*range(BEGIN, BEGIN + DAYS * DAY_H * HOUR, every_h * HOUR), BEGIN + DAYS * DAY_H * HOUR]:
        last = watermark == BEGIN + DAYS * DAY_H * HOUR
        new = {name: (at > before) & ((at <= watermark) | last) for name, at in arrival.items()}
        batch = {name: tables[name].filter(pa.array(keep)) for name, keep in new.items()}
        result = dark(state, Batch(batch, watermark, final=last), RULES)
        late = micros(result.rows["dark_meetings"], "end_time") > watermark - settled_us(RULES) + 7 * DAY_H * HOUR
        assert last or not late.any()
        state, before = result.state, watermark
        parts.append(result.rows["dark_meetings"])
    assert concat(parts, schema.DARK_MEETINGS).sort_by(ORDER).equals(whole)
    assert whole.num_rows > 10
    assert set(whole["kind"].to_pylist()) == {"one_dark", "both_dark"}


def waiting(n, seed):
    """Waits that met nobody, all over the sea of `traffic`, and all of its silences."""
    rng = np.random.default_rng(seed)
    rules = dataclasses.replace(RULES, dark=dataclasses.replace(RULES.dark, fits_enough=1e9))
    table = step._ended(traffic(1200, 7), rules)
    every_h = np.asarray(BEGIN / HOUR + np.arange(DAYS * DAY_H), np.float64)
    around = Surroundings(DarkSpans.of_gaps(table, rules), table, every_h, schema.empty("outages"), rules)
    start_h = BEGIN / HOUR + rng.uniform(30 * DAY_H, 38 * DAY_H, n)
    place = in_space_km(LON + rng.uniform(-4, 4, n), LAT + rng.uniform(-3.5, 3.5, n)).T
    end_h = start_h + rng.uniform(3, 12, n)
    here = DarkSpans(np.arange(n), start_h, end_h, place, place, np.zeros(n), np.ones(n, bool), no_course(n))
    return here, around


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 60), st.floats(0, 3))
def test_a_silence_fits_a_wait_where_both_have_time_for_the_stay_and_no_other_does(seed, drift_km, spread_deg):
    """Held against each by itself; near the edge, where a hair decides, neither is asked for."""
    rng = np.random.default_rng(seed)
    n, kmh, stay_h = 60, RULES.stays.dark_speed_kn * KMH_PER_KN, RULES.dark.stay_h
    start_h, place = rng.uniform(0, 20, n), in_space_km(*(at + rng.uniform(-0.2, 0.2, n) for at in (LON, LAT))).T
    slack_km = rng.uniform(0, drift_km / 2 + 1e-9, n)
    end_h, unknown = start_h + rng.uniform(1, 14, n), no_course(n)
    waits = DarkSpans(np.arange(n), start_h, end_h, place, place, slack_km, np.ones(n, bool), unknown)
    begin_h = rng.uniform(0, 24, n)
    begin, end = (in_space_km(*(at + rng.uniform(-spread_deg, spread_deg, n) for at in (LON, LAT))).T for _ in "01")
    silences = DarkSpans(
        n + np.arange(n), begin_h, begin_h + rng.uniform(2, 20, n), begin, end, np.zeros(n), np.zeros(n, bool), unknown
    )
    found = np.zeros((n, n), bool)
    for row, silence, _ in Pool(silences, np.ones(n, bool), RULES).fitting(waits, np.zeros(1)):
        found[row, silence] = True
    for k in range(n):
        one = waits.taken(np.full(n, k))
        come_h, go_h = (
            np.maximum(between_km(one.start, at) - one.slack_km, 0) / kmh for at in (silences.start, silences.end)
        )
        from_h = np.maximum(one.start_h, silences.start_h + come_h)
        left_h = np.minimum(one.end_h, silences.end_h - go_h) - from_h - stay_h
        way_h = between_km(silences.start, silences.end) / kmh  # who spent all of it under way lay nowhere
        left_h = np.minimum(left_h, silences.end_h - silences.start_h - way_h - stay_h)
        sure = np.abs(left_h) > 0.001
        assert (found[k] == (left_h > 0))[sure].all()


def test_as_many_fit_by_accident_as_other_days_say():
    """Of waits that met nobody: by tenths of the mean, the share with a partner is 1 - exp(-mean), within chance."""
    waits, around = waiting(600, 8)
    pool = around.pool(silenced=True)
    mean, _, shifts = around.by_accident(waits, np.zeros(len(waits)), pool)
    fits = np.bincount(np.concatenate([row for row, _, _ in pool.fitting(waits, np.zeros(1))]), minlength=len(waits))
    assert shifts.min() >= 20
    assert fits.sum() == pytest.approx(mean.sum(), rel=0.15)
    for tenth in np.array_split(np.argsort(mean), 10):
        chance = -np.expm1(-mean[tenth])
        low, high = stats.binom.interval(0.995, len(tenth), chance.mean())  # ten tenths are looked at
        assert low <= (fits[tenth] > 0).sum() <= high


def test_as_near_a_one_fits_by_accident_as_often_as_is_told():
    """Of waits that met nobody the share whose nearest silence has a chance of x and less is x, within chance.

    It is less where fewer have any: as many as 1 - exp(-mean).
    """
    waits, around = waiting(1000, 9)
    pool = around.pool(silenced=True)
    row, silence = (np.concatenate(part) for part in list(zip(*pool.fitting(waits, np.zeros(1)), strict=True))[:2])
    far = distance(waits.taken(row), around.spans.taken(silence), around.rules)
    nearest = np.full(len(waits), -1.0)  # of what nothing fits
    np.maximum.at(nearest, row, 0)
    order = np.lexsort((-far, row))
    nearest[row[order]] = far[order]
    mean, nearer, _ = around.by_accident(waits, nearest, pool)
    chance = np.where(nearest >= 0, -np.expm1(-nearer), 1.0)
    for x in (0.05, 0.1, 0.2, 0.4):
        low, high = stats.binom.interval(0.995, len(waits), np.minimum(x, -np.expm1(-mean)).mean())
        assert low <= (chance <= x).sum() <= high


def courses(n, seed, slack_km=0.0):
    """Silences anywhere that steer anywhere, the places of waits up to 1,000 km off, and the silences as GAPS."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.choice([0.0, 179.9, -179.9, 123.0], n) + rng.uniform(-0.3, 0.3, n), rng.uniform(-75, 75, n)
    begin, end = (destination(lon, lat, rng.uniform(0, 360, n), 10 ** rng.uniform(2, 6, n)) for _ in "01")
    long_h = rng.uniform(2, 60, n)
    silent = gaps(np.arange(n) + 1, np.zeros(n), long_h, begin, end, **steered(rng, n))
    place, start_h = in_space_km(lon, lat).T, np.full(n, BEGIN / HOUR)
    slack = np.full(n, slack_km)
    waits = DarkSpans(-1 - np.arange(n), start_h, start_h + long_h, place, place, slack, np.ones(n, bool), no_course(n))
    return waits, silent, (lon, lat)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 3.0, 40.0]))
def test_how_far_a_course_is_off_the_way_is_as_geodesics_have_it(seed, slack_km):
    """Across the date line too; none where no course was sent, of who is slow, or so near that it says little."""
    waits, silent, place = courses(50, seed, slack_km)
    found = courses_off(waits, DarkSpans.of_gaps(step._ended(silent, RULES), RULES), RULES)
    for k, deg in enumerate(found):
        lon, lat, cog, kn = (
            np.asarray(silent[of].fill_null(np.nan)) for of in (f"lon{k}", f"lat{k}", f"cog{k}_deg", f"sog{k}_kn")
        )
        to_deg, _, away_m = EARTH.inv(lon, lat, *place)
        off = np.abs((to_deg + 180 * k - cog + 180) % 360 - 180)
        least_m = 1000 * max(slack_km, RULES.dark.course_km)
        counts = (kn >= RULES.dark.course_kn) & (away_m >= least_m) & ~np.isnan(cog)
        sure = np.abs(away_m - least_m) > 100
        assert (counts == ~np.isnan(deg))[sure].all()
        assert np.abs(deg - off)[counts & sure].max(initial=0) < 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_who_tells_no_course_is_as_near_as_who_steers_abeam_and_never_nearer(seed):
    waits, silent, _ = courses(50, seed)
    with_course = DarkSpans.of_gaps(step._ended(silent, RULES), RULES)
    off = np.stack(courses_off(waits, with_course, RULES))
    silent_on_it = dataclasses.replace(with_course, course=no_course(len(with_course)))
    far, none = (distance(waits, of, RULES) for of in (with_course, silent_on_it))
    assert none == pytest.approx(far - np.log1p(np.where(np.isnan(off), 90, off) / 10).sum(axis=0) + 2 * np.log(10))
    assert (none >= far)[(np.isnan(off) | (off <= 90)).all(axis=0)].all()
    assert (none <= far)[(np.isnan(off) | (off >= 90)).all(axis=0)].all()
    two = dataclasses.replace(waits, waits=np.zeros(len(with_course), bool))
    assert distance(two, with_course, RULES) == pytest.approx(
        none - 2 * np.log(10)
    )  # of two silences the place is not known


@pytest.mark.parametrize(
    ("kn", "km", "drift_km", "known"),
    [(2, 20, 0, 1), (1.9, 20, 0, 0), (None, 20, 0, 0), (9, 0.9, 0, 0), (9, 1.1, 0, 1), (9, 20, 41, 0), (9, 20, 39, 1)],
)
def test_of_two_at_one_place_who_comes_for_the_wait_and_leaves_it_is_named(kn, km, drift_km, known):
    """Where the courses count; where they do not neither is nearer, and the smaller number is named."""
    speeds = {f"sog{k}_kn": pa.array([kn], pa.float64()) for k in (0, 1)}
    # lost to the east of it, found to the south-south-west
    comes = guest(445_000_009, km=km, cog0_deg=[260.0], cog1_deg=[205.0], **speeds)
    passes = guest(445_000_001, km=km, cog0_deg=[80.0], cog1_deg=[110.0], **speeds)
    rows = found(plain(comes, passes), wait(drift_km=drift_km)).to_pylist()
    (row,) = [row for row in rows if row["kind"] == "one_dark"]
    off = row["course_off_before_deg"], row["course_off_after_deg"]
    assert (row["mmsi_b"], row["rivals"]) == (445_000_009 if known else 445_000_001, 1)
    assert off == ((pytest.approx(0.2, abs=0.3), pytest.approx(5.0, abs=0.3)) if known else (None, None))


def test_the_nearest_of_many_silences_is_the_one_that_is_named():
    rows = found(plain(traffic(4000, 2), guest(km=3.0)), wait(598.0, 616.0)).to_pylist()
    (row,) = [row for row in rows if row["kind"] == "one_dark"]
    assert (row["mmsi_b"], row["rivals"] > 0) == (445_000_001, True)
    assert row["nearer_by_accident"] < 0.05 < row["expected_by_accident"]
