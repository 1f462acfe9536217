"""Owns: a scorecard is symmetric, blind to who met, exact in its sum, monotone as declared, refused where it is bad."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.models.feature import floats
from stswatch.models.features import NEAR_PORT_KM, NEAR_SHORE_KM
from stswatch.models.scorecard import BASE, NAMES, ScorecardError, chosen, load
from stswatch.pipeline import schema
from stswatch.pipeline.store.encounter_context import beside_schema
from tests.models.drawn import MEETING, MEETINGS, USED, columns, meeting, swapped

REAL = os.environ.get("STSWATCH_REAL_DATA")
CARDS = {name: chosen(name) for name in NAMES}
CARD = CARDS["rules"]
by_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)


def score(**given):
    return float(CARD.score(meeting(**given))[0][0])


@by_card
@given(rows=MEETINGS)
def test_swapping_the_vessels_changes_nothing(card, rows):
    given_columns, changed = columns(rows), swapped(columns(rows))
    for one, other in zip(card.score(given_columns), card.score(changed), strict=True):
        assert one.tobytes() == other.tobytes()
    assert card.reasons(given_columns).to_pylist() == card.reasons(changed).to_pylist()


@by_card
@given(rows=MEETINGS, data=st.data())
def test_who_met_changes_nothing(card, rows, data):
    n = len(rows)
    who = {
        name: data.draw(st.lists(kind, min_size=n, max_size=n))
        for names, kind in (
            (("mmsi_a", "mmsi_b", "imo_a", "imo_b"), st.integers(0, 999_999_999)),
            (
                ("flag_a", "flag_b", "name_a", "name_b", "track_a", "track_b", "listed_a", "decision"),
                st.text(),
            ),
        )
        for name in names
    }
    assert card.reasons(columns(rows)).to_pylist() == card.reasons(columns(rows, **who)).to_pylist()


@by_card
@given(rows=MEETINGS)
def test_contributions_add_up_exactly(card, rows):
    total, contributions = card.score(columns(rows))
    assert contributions.shape == (len(rows), len(card.steps) + 1) == (len(rows), len(card.parts))
    assert (contributions.sum(axis=1) == total).all()
    assert (contributions[:, ::-1].sum(axis=1) == total).all()
    assert [sum(r["points"] for r in row) for row in card.reasons(columns(rows)).to_pylist()] == total.tolist()


@by_card
@given(data=st.data())
def test_monotone_as_declared(card, data):
    """One feature moved its way, all else equal, never lowers the score; each feature can change it."""
    feature = data.draw(st.sampled_from([s for s in card.steps if s.feature.monotone]))
    value = sorted(data.draw(st.lists(st.floats(0, 1e5), min_size=2, max_size=2)))
    low, high = feature.at(np.array(value))
    assert (high - low) * feature.feature.monotone >= 0
    assert len(set(feature.points)) > 1


def test_what_the_domain_demands():
    """Longer up to 12 h, nearer, slower and in a reported area raise it; a port lowers it."""
    assert score(duration_min=40) < score() < score(duration_min=300) < score(duration_min=720)
    assert score(duration_min=720) == score(duration_min=7200)
    assert score(median_distance_m=400) < score() < score(median_distance_m=50)
    assert score(median_speed_b_kn=4.5) < score(median_speed_b_kn=2.5) < score()
    assert score(distance_to_port_km=5) < score(distance_to_port_km=15) < score()
    assert score(zones=["chodo", "korea_bay"]) > score()


@by_card
@given(row=MEETING, port_km=st.none() | st.floats(0, 500), shore_km=st.floats(0, 500))
def test_near_a_port_or_the_shore_nothing_is_remote(card, row, port_km, shore_km):
    """By a port, by the shore or at a quay, distances give no points for a meeting, however far all else is."""
    row |= {"distance_to_port_km": port_km, "distance_to_shore_km": shore_km}
    given_points = {r["feature"]: r["points"] for r in card.reasons(columns([row])).to_pylist()[0]}
    points = [given_points.get(name, 0.0) for name in ("distance_to_port_km", "distance_to_shore_km")]
    if shore_km <= NEAR_SHORE_KM or (port_km is not None and port_km <= NEAR_PORT_KM):
        assert max(points) <= 0


@by_card
@given(row=MEETING)
def test_a_silence_that_is_not_judged_gives_no_points(card, row):
    """Whoever was silent beside a meeting, its score is that of the same meeting with nobody silent, or less."""
    silent = [row | {"gap_a": a, "gap_b": b} for a in (False, True) for b in (False, True)]
    heard, *others = card.score(columns(silent))[0].tolist()
    assert max(others) <= heard
    texts = [r["text"] for r in card.reasons(columns(silent[1:])).to_pylist()[0] if r["feature"] == "dark_beside"]
    assert all("not judged" in text and text.endswith("no points for or against") for text in texts)


@by_card
@given(row=MEETING, data=st.data())
def test_what_is_not_known_gives_no_points(card, row, data):
    names = [name for name in USED if name not in ("duration_min", "within_min", "zones", "gap_a", "gap_b")]
    gone = data.draw(st.lists(st.sampled_from(names), unique=True))
    for reason in card.reasons(columns([row | dict.fromkeys(gone)])).to_pylist()[0]:
        assert reason["points"] == 0 or reason["value"] is not None or of_silence(card, reason)
        assert reason["value"] is not None or "no points" in reason["text"] or of_silence(card, reason)


def of_silence(card, reason):
    """Whether it is of a silence that is not judged, and gives as much as none, or the intercept."""
    steps = {s.feature.name: s for s in card.steps}.get(reason["feature"])
    return steps is None or (steps.feature.silence and reason["points"] <= min(steps.points[0], 0))


def test_the_trained_card_reads_as_sentences_of_the_domain():
    """Each row says what was measured and which way that speaks; none says how it was learned."""
    card, near = CARDS["trained"], meeting(median_distance_m=41.0, ship_type_b=80)
    texts = {r["feature"]: r["text"] for r in card.reasons(near).to_pylist()[0]}
    assert texts["median_distance_m"] == "half of the time no more than 41 m apart: as near as two hulls side by side"
    assert texts["cargo_carriers"].startswith("2 of 2 vessels say that they carry cargo or oil: ")
    assert not any("learn" in text or "train" in text for text in (*texts.values(), *(s.reason for s in card.steps)))


def test_a_zone_that_is_context_is_never_scored():
    assert score(zones=["yellow_sea"]) == score(zones=[])
    assert score(zones=["yellow_sea", "chodo"]) == score(zones=["chodo"])


def test_kinds_of_other_zones_may_be_given():
    own = meeting(zones=["my_zone"]) | {"zone_kinds": [["reported_transfer_area"]]}
    assert CARD.score(own)[0][0] == score(zones=["chodo"])
    assert score(zones=["my_zone"]) == score(zones=[])


def test_the_cut_off_parts_a_lightering_from_a_brush_near_a_port():
    """11.7 h at 62 m and 1 kn far from port is a lead in no zone; 35 min at 450 m and 4 kn is none."""
    cut_off = CARD.cut_off.score
    assert score(duration_min=704, median_distance_m=62) >= cut_off
    brush = {"duration_min": 35, "median_distance_m": 450, "median_speed_a_kn": 4, "median_speed_b_kn": 4}
    assert score(**brush, distance_to_port_km=8) < cut_off
    assert score(**brush, zones=["chodo"]) < cut_off


@by_card
@given(rows=MEETINGS)
def test_reasons_fit_the_schema_and_come_largest_first(card, rows):
    found = card.reasons(columns(rows)).to_pylist()
    pa.array(found, schema.ENCOUNTERS.field("reasons").type).validate(full=True)
    for reasons in found:
        sizes = [abs(r["points"]) for r in reasons[:-1]]
        assert sizes == sorted(sizes, reverse=True)
        assert reasons[-1]["feature"] == BASE
        assert {r["feature"] for r in reasons} == set(card.parts)


def test_missing_values_get_their_points():
    nothing = dict.fromkeys(("median_distance_m", "median_speed_a_kn", "median_speed_b_kn", "distance_to_port_km"))
    total, contributions = CARD.score(meeting(**nothing))
    assert np.isfinite(total).all()
    assert contributions[0, [CARD.parts.index(n) for n in ("median_distance_m", "speed_kn")]].tolist() == [
        0,
        0,
    ]
    by_name = {r["feature"]: r for r in CARD.reasons(meeting(**nothing)).to_pylist()[0]}
    assert by_name["speed_kn"]["value"] is None
    assert score(median_speed_a_kn=None, median_speed_b_kn=4.5) == score(median_speed_b_kn=4.5)


def test_a_column_that_is_not_there_is_an_error():
    without = meeting()
    del without["duration_min"]
    with pytest.raises(KeyError, match="duration_min"):
        CARD.score(without)


@by_card
@settings(max_examples=20)
@given(rows=MEETINGS)
def test_arrow_tables_numpy_and_lists_agree(card, rows):
    lists = columns(rows)
    fields = [pa.field(name, schema.ENCOUNTERS.field(name).type) for name in USED]
    table = pa.table(lists, schema=pa.schema([*fields, *beside_schema()]))
    kinds = ((field.name, field.type) for field in table.schema)
    numbers = [name for name, of in kinds if not (pa.types.is_list(of) or pa.types.is_string(of))]
    arrays = {name: floats(lists, name) for name in numbers}
    arrays["zones"] = np.empty(len(rows), object)
    arrays["zones"][:] = lists["zones"]
    assert card.reasons(table).to_pylist() == card.reasons(lists).to_pylist() == card.reasons(arrays).to_pylist()
    sliced = pa.concat_tables([table, table]).slice(1)
    assert card.score(sliced)[0].tolist() == (card.score(table)[0].tolist() * 2)[1:]


def test_no_meetings_no_scores():
    total, contributions = CARD.score(schema.ENCOUNTERS.empty_table())
    assert (total.shape, contributions.shape) == ((0,), (0, len(CARD.parts)))
    assert CARD.reasons(schema.ENCOUNTERS.empty_table()).to_pylist() == []


def test_a_million_meetings_take_seconds():
    n, rng = 1_000_000, np.random.default_rng(1)
    many = {name: rng.uniform(0, 500, n) for name in USED if name != "zones"}
    many["zones"] = pa.array([["chodo", "korea_bay"], [], ["yellow_sea"], []] * (n // 4))
    begun = time.process_time()
    assert len(CARD.score(many)[0]) == n
    assert time.process_time() - begun < 5


def test_the_model_id_follows_the_content(tmp_path):
    path = tmp_path / "card.json"
    path.write_bytes((Path(__file__).parents[2] / "models" / "rules.json").read_bytes())
    assert load(path).model_id == CARD.model_id
    path.write_text(path.read_text().replace("1.75", "2.0"))
    assert load(path).model_id != CARD.model_id
    assert CARD.model_id.startswith(CARD.id + "@")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda card: card["features"]["zone"].update(points=[2.0, 0.0]), "zone.*never do other than rise"),
        (lambda card: card["features"]["speed_kn"].update(points=[1.0, 0.0]), "2 points for 3 edges"),
        (lambda card: card["features"]["speed_kn"].update(edges=[3, 2, 4]), "do not ascend"),
        (lambda card: card["features"]["speed_kn"].pop("missing"), "missing"),
        (lambda card: card["features"].update(flag={}), "no feature flag"),
        (lambda card: card.update(intercept=0.1), "multiples of 2\\^-40"),
        (lambda card: card.update(intercept=4096), "points add up to"),
        (
            lambda card: card["features"]["dark_beside"].update(missing=0.5),
            "dark_beside.*may give no points",
        ),
        (lambda card: card.update(cut_off={"score": None}), "cut_off: score None"),
        (lambda card: card.update(cut_off={"score": float("nan")}), "cut_off: score nan"),
        (lambda card: card.update(cut_off=3), "keys of models/rules.json"),
        (lambda card: card.pop("id"), "keys of models/rules.json"),
        (lambda card: card.update(features=[]), "no feature"),
    ],
)
def test_a_bad_scorecard_is_refused_in_one_sentence(tmp_path, change, complaint):
    card = json.loads((Path(__file__).parents[2] / "models" / "rules.json").read_text())
    change(card)
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card))
    with pytest.raises(ScorecardError, match=complaint) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_a_card_without_a_cut_off_has_that_of_cards_before(tmp_path):
    card = json.loads((Path(__file__).parents[2] / "models" / "rules.json").read_text())
    path = tmp_path / "card.json"
    del card["cut_off"]
    path.write_text(json.dumps(card))
    assert load(path).cut_off.score == 0.0
    assert CARDS["trained"].cut_off.score != CARDS["rules"].cut_off.score


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[1, 2]", b"3", None])
def test_what_is_no_scorecard_is_refused(tmp_path, content):
    path = tmp_path / "card.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScorecardError, match=r"card\.json"):
        load(path)


@pytest.mark.real
@pytest.mark.skipif(REAL is None, reason="STSWATCH_REAL_DATA names no folder of real data")
def test_most_real_meetings_at_sea_pass_the_cut_off_without_a_zone():
    """11,681 real meetings (Global Fishing Watch), none in a zone, darkness and ports not known."""
    rows = pd.read_csv(Path(str(REAL)) / "truth" / "gfw_miller2018_encounter-events.csv.gz")
    unknown = [None] * len(rows)
    total, _ = CARD.score(
        {
            "duration_min": rows.duration_hr * 60,
            "median_distance_m": rows.median_distance_km * 1000,
            "median_speed_a_kn": rows.median_speed_knots,
            "median_speed_b_kn": unknown,
            "zones": unknown,
            "distance_to_port_km": unknown,
            "distance_to_shore_km": unknown,
            "gap_a": unknown,
            "gap_b": unknown,
            "observed_share": unknown,
        }
    )
    assert len(total) > 10_000
    assert 0.5 < (total >= CARD.cut_off.score).mean() < 0.95
