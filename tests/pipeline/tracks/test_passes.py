"""Owns: a silence that satellites tell of is counted by their passes, and no pass that is missing accuses anybody."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.cells import GRID_ROW, grid_cell
from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.rules import ReceptionRules, hours
from stswatch.pipeline.tracks.fixes import PASS_US, PASSES_BESIDE
from stswatch.pipeline.tracks.unheard import PASS_SPANS, Passes, passes_of
from tests.pipeline import seas
from tests.pipeline.tracks.test_gap_context import some_gaps

RULES = ReceptionRules()
NOON = seas.NOON_US
SEA = (123.0, 36.0)  # open water, 100 km and more from any shore
ONE = 412_000_001

# ------------------------------------------------------------------------------------------------- passes, one by one


def runs(spans, others):
    """The passes in a row of spans, each a list of spans: by others heard in each."""
    found: list[list[int]] = []
    for span in spans:
        if others(span) < RULES.pass_vessels:
            continue
        if found and found[-1][-1] == span - 1 and len(found[-1]) < PASS_SPANS:
            found[-1].append(span)
        else:
            found.append([span])
    return found


def by_hand(gap, end_us, counts):
    """Passes within a gap, before and after it, and how many of these heard the vessel."""
    start, end = round(gap["start_time"].timestamp() * 1e6) // PASS_US, end_us // PASS_US
    resumed = gap["end_time"] is not None
    edge, middle = hours(RULES.edge_h) // PASS_US, (start + end) // 2 if resumed else end

    def asked(side, own, way, spans):
        mask = gap[f"satellite_{side}"]
        heard = {own + way * k for k in range(PASSES_BESIDE) if mask >> k & 1}
        number = {"before": "0", "after": "1"}[side]
        cell = int(grid_cell(gap[f"lon{number}"], gap[f"lat{number}"], RULES.pass_deg))
        near = [cell + row * GRID_ROW + column for row in (-1, 0, 1) for column in (-1, 0, 1)]
        found = runs(spans, lambda span: sum(counts[span, each] for each in near) - (span in heard))
        inner = [one for one in found if all((span - own) * way < 0 for span in one)]
        outer = [one for one in found if all((span - own) * way > 0 for span in one)]
        outer = sorted(outer, key=lambda one: abs(one[0] - own))[: int(RULES.passes_beside)]
        return len(inner), len(outer), sum(any(span in heard for span in one) for one in outer)

    before = asked("before", start, -1, range(start - PASSES_BESIDE + 1, min(middle, start + edge)))
    after = (0, 0, 0)
    if resumed:
        after = asked("after", end, 1, range(max(middle, end - edge), end + PASSES_BESIDE))
    return before[0] + after[0], *before[1:], *after[1:]


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_passes_are_those_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    n = 6
    gaps = some_gaps(seed, n)
    for side in ("before", "after"):
        at = gaps.column_names.index(f"satellite_{side}") if f"satellite_{side}" in gaps.column_names else None
        bits = pa.array(rng.integers(0, 1 << PASSES_BESIDE, n) & rng.integers(0, 1 << PASSES_BESIDE, n))
        name = f"satellite_{side}"
        gaps = gaps.append_column(name, bits) if at is None else gaps.set_column(at, name, bits)
    start_us = seas.micros_of(gaps, "start_time")
    end_us = np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(0))
    end_us = np.where(end_us > 0, end_us, start_us + hours(RULES.edge_h))
    low, high = int(start_us.min()) // PASS_US - 80, int(end_us.max()) // PASS_US + 80
    span = rng.integers(low, high, 4 * (high - low))
    here = gaps["lon0"][0].as_py(), gaps["lat0"][0].as_py()
    lon, lat = (rng.uniform(each - 8, each + 8, len(span)) for each in here)
    cell = grid_cell(lon, lat, RULES.pass_deg)
    vessels = rng.integers(0, 3, len(span))
    counts = defaultdict(int)
    for each in zip(span.tolist(), cell.tolist(), vessels.tolist(), strict=True):
        counts[each[:2]] += each[2]
    table = build("satellite_counts", {"span": span * PASS_US, "cell": cell, "vessels": vessels})
    found = passes_of(gaps, end_us, table, RULES)
    got = zip(found.within, found.before, found.heard_before, found.after, found.heard_after, strict=True)
    asked = np.asarray(gaps["satellite_before"]) | np.asarray(gaps["satellite_after"])
    want = [by_hand(gap, int(until), counts) for gap, until in zip(gaps.to_pylist(), end_us, strict=True)]
    assert [tuple(map(int, each)) for each in got] == [w if a else (0,) * 5 for w, a in zip(want, asked, strict=True)]


few = st.integers(0, 40)


def chance_of(within, before, heard_before, after, heard_after, resumed=True, moved=False, part=1.0):
    passes = Passes(
        *(np.array([k]) for k in (within, before, min(before, heard_before), after, min(after, heard_after)))
    )
    share = passes.share(np.array([resumed]), np.array([moved]), RULES)
    return float(passes.chance(share, RULES, part)[0])


@given(few, few, few, few, few, st.booleans(), st.booleans())
def test_fewer_passes_within_and_fewer_that_heard_it_beside_never_accuse(
    within, before, heard, after, heard_after, resumed, moved
):
    here = chance_of(within, before, heard, after, heard_after, resumed, moved)
    assert chance_of(0, before, heard, after, heard_after, resumed, moved) == pytest.approx(1.0)
    assert chance_of(within + 1, before, heard, after, heard_after, resumed, moved) <= here + 1e-12
    assert chance_of(within, before, heard, after, heard_after, resumed, moved, 0.5) >= here - 1e-12
    if heard:
        assert (
            chance_of(within, before, min(before, heard) - 1 if before else 0, after, heard_after, resumed, moved)
            >= here - 1e-12
        )


# ----------------------------------------------------------------------------------------------------- a sea of passes


def passed(vessels=40, days=4.0, every_min=40.0, seed=1, edge_lon=np.inf):
    """Ships about SEA that satellites hear, nine of ten in each pass; the first of them, ONE, in the midst."""
    rng = np.random.default_rng(seed)
    start = np.arange(0, days * 1440, every_min)
    home = rng.uniform(-1.5, 1.5, (2, vessels))
    home[:, 0] = 0
    ship, nth = np.nonzero(rng.random((vessels, len(start))) < 0.9)
    minute = start[nth] + rng.uniform(0, 8, len(nth))
    drift = 0.002 * np.sin(minute / 200)
    time_us = NOON + np.rint(minute * MINUTE).astype(np.int64)
    lon, lat = SEA[0] + home[0, ship] + drift, SEA[1] + home[1, ship]
    table = seas.fixes(ONE + ship, time_us, lon, lat, 1.5, receiver="satellite")
    table = table.set_column(
        table.column_names.index("msg_type"),
        table.schema.field("msg_type"),
        pa.array(np.ones(table.num_rows)).cast(table.schema.field("msg_type").type),
    )
    return table.filter(pa.array((lon < edge_lon) | (ship == 0)))


def without(table, of, since_h, until_h):
    hour = (seas.micros_of(table, "time") - NOON) / HOUR
    return table.filter(pa.array(~(of(np.asarray(table["mmsi"])) & (hour >= since_h) & (hour < until_h))))


def one(mmsi):
    return mmsi == ONE


def everybody(mmsi):
    return mmsi > 0


def gap_of(table, cuts=()):
    rows = [row for row in seas.tracked(table, cuts)["judged_gaps"].to_pylist() if row["mmsi"] == ONE]
    assert len(rows) == 1
    return rows[0]


def test_one_that_no_pass_hears_while_others_are_heard_in_each_was_silenced():
    gap = gap_of(without(passed(), one, 40, 50))
    assert (gap["receiver"], gap["judgement"]) == ("satellite", "silenced")
    assert gap["passes"] == pytest.approx(15, abs=1)
    assert gap["passes_beside"] == 24
    assert gap["passes_heard"] >= 19


@pytest.mark.parametrize("hours", [7, 20])
def test_when_satellites_fail_nobody_was_silenced(hours):
    rows = seas.tracked(without(passed(), everybody, 40, 40 + hours))["judged_gaps"]
    assert rows.num_rows == 40
    assert "silenced" not in rows["judgement"].to_pylist()


def test_passes_over_others_far_away_tell_nothing_of_whom_none_passed():
    """Half a world away satellites go on; here they fail."""
    away = passed(seed=2)
    away = away.set_column(away.column_names.index("lon"), "lon", pa.array(np.asarray(away["lon"]) - 60))
    away = away.set_column(
        away.column_names.index("mmsi"),
        away.schema.field("mmsi"),
        pa.array(np.asarray(away["mmsi"]) + 1000).cast(away.schema.field("mmsi").type),
    )
    rows = seas.tracked(pa.concat_tables([without(passed(), everybody, 40, 50), away]))["judged_gaps"]
    assert "silenced" not in rows["judgement"].to_pylist()


def test_who_is_at_the_edge_of_what_somebody_cut_out_was_not_silenced():
    """Nobody was ever to the east of it: there it may have been, and come back."""
    gap = gap_of(without(passed(vessels=80, edge_lon=SEA[0] + 0.02), one, 40, 50))
    assert gap["passes"] > 10
    assert gap["silence_chance"] <= RULES.silenced_chance
    assert gap["judgement"] == "left_data"


def test_who_was_heard_in_one_pass_of_three_is_not_silenced_by_ten():
    table = passed()
    mine = np.asarray(table["mmsi"]) == ONE
    third = (seas.micros_of(table, "time") - NOON) // (40 * MINUTE) % 3 == 0
    gap = gap_of(without(table.filter(pa.array(~mine | third)), one, 40, 48))
    assert gap["judgement"] == "unknown"


@pytest.mark.parametrize("cut_h", [3, 11])
def test_judgements_by_passes_do_not_show_where_the_data_are_cut(cut_h):
    table = without(without(passed(), one, 30, 40), lambda mmsi: mmsi > ONE + 30, 50, 57)
    whole, cut = (
        seas.in_order(seas.tracked(table, cuts)["judged_gaps"], ("mmsi", "start_time"))
        for cuts in ((), seas.every(table, cut_h))
    )
    assert whole.num_rows >= 8
    assert cut.combine_chunks().equals(whole.combine_chunks())
