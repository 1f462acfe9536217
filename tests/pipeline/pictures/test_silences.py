"""Owns: what is said of the silences of an encounter, and of how often its vessels met, follows from the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stswatch.pipeline import api, words
from stswatch.pipeline.pictures import page

BEGIN = datetime(2025, 3, 10, tzinfo=UTC)
A, B, C = 431000101, 431000103, 431000105
METRE = 1 / 111_000


def rows(mmsi, from_min, to_min, east_m=0.0, every_min=5, sog="0.1", start=BEGIN):
    """Lines of CSV of a ship that lies east of a place."""
    times = (start + timedelta(minutes=k) for k in range(from_min, to_min + 1, every_min))
    return [f"{mmsi},{time:%Y-%m-%dT%H:%M:%SZ},36.10007,{124.20013 + east_m * METRE:.5f},{sog}" for time in times]


def collected(tmp_path, *lines, header="mmsi,time,lat,lon,sog"):
    """The first encounter of an archive as `api.encounter` gives it."""
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *(line for part in lines for line in part)]) + "\n")
    data = tmp_path / "data"
    api.run(path, data, area="world")
    with api.connect(data) as db:
        first = db.sql("SELECT id FROM encounters ORDER BY start_time, mmsi_a, mmsi_b LIMIT 1").fetchall()[0][0]
    return api.encounter(data, first)


def test_a_ship_that_is_received_again_is_not_said_to_be_gone(tmp_path):
    row = collected(tmp_path, rows(A, 0, 720), rows(B, 60, 240, 60), rows(B, 365, 480, 60), rows(C, 0, 720, 40_000))
    assert (row["start_censored"], row["end_censored"]) == (True, True)
    text = words.explanation(row)
    assert (
        f"began and ended it: {B} was not received before in these data; {B} was next received 2 h 5 min later." in text
    )
    assert "not received beyond" not in text
    assert (
        f"Silent in or beside it: {B} from 2025-03-10 04:00 to 2025-03-10 06:05 UTC (2 h 5 min), not known whether"
        in text
    )
    assert f"{B} was next received 2 h 5 min later" in " ".join(page.notes_of(row, {}))


def test_the_end_of_the_data_is_said_with_the_time_until_then(tmp_path):
    row = collected(tmp_path, rows(A, 0, 720), rows(B, 0, 240, 60))
    text = words.explanation(row)
    assert f"{A} and {B} were not received before: the data begin there" in text
    assert f"{B} was not received in the 8 h until the data end." in text


def test_data_that_end_with_the_meeting_are_said_to_end_there(tmp_path):
    row = collected(tmp_path, rows(A, 0, 240), rows(B, 0, 240, 60))
    assert f"{A} and {B} were received until the data end" in words.explanation(row)


def test_a_ship_that_was_heard_last_shortly_before_the_data_end_says_so(tmp_path):
    row = collected(tmp_path, rows(A, 0, 300), rows(B, 0, 240, 60))
    assert f"{B} was not received in the 1 h until the data end" in words.explanation(row)


@pytest.mark.parametrize("sent", ["", "102.3"])
def test_a_speed_that_was_not_sent_is_not_told_as_a_number(tmp_path, sent):
    row = collected(tmp_path, rows(A, 0, 240, sog=sent), rows(B, 0, 240, 60))
    assert (row["median_speed_a_kn"], row["median_speed_b_kn"]) == (None, 0.1)
    assert f"{A}: no speed was sent; {B}: median speed 0.1 kn;" in words.explanation(row)
    assert page.vessel_lines(row, "a")[2].endswith(", no speed was sent")
    assert page.vessel_lines(row, "b")[2].endswith(", median speed 0.1 kn")


def test_an_archive_without_speeds_says_so_once(tmp_path):
    row = collected(tmp_path, rows(A, 0, 240, sog=""), rows(B, 0, 240, 60, sog=""))
    text = words.explanation(row)
    assert "No speed was sent; " in text
    assert "0.0 kn;" not in text
    assert "made 0.0 kn" not in text


def test_how_often_they_met_is_counted_in_the_folder(tmp_path):
    again = BEGIN + timedelta(days=2)
    row = collected(
        tmp_path,
        rows(A, 0, 240),
        rows(B, 0, 240, 60),
        rows(A, 0, 240, start=again),
        rows(B, 0, 240, 60, start=again),
        rows(C, 0, 240, -80, start=again),
    )
    assert row["met"] == {"pair": 2, A: 1, B: 1}
    printed = f"these two met 2 times in these data; {A} met 1 other vessel in these data"
    assert printed in words.explanation(row)
    assert page.vessel_lines(row, "a")[3] == "met 1 other vessel in these data"
    assert "these two met 2 times in these data" in page.measured(row)


def test_a_type_of_ship_is_said_in_words(tmp_path):
    header = "mmsi,time,lat,lon,sog,shiptype"
    lines = [[f"{line},{kind}" for line in part] for part, kind in ((rows(A, 0, 90), 80), (rows(B, 0, 90, 60), 52))]
    row = collected(tmp_path, *lines, header=header)
    assert "tanker (80)" in words.explanation(row)
    assert "tug (52)" in page.vessel_lines(row, "b")[1]


def fleet_unheard(first_min, last_min, until_min=720):
    """Two ships side by side and twenty others, of whom nobody is heard for a while."""
    whom = [(A, 0.0), (B, 60.0), *((431000200 + k, 3_000.0 * (k + 1)) for k in range(20))]
    spans = ((0, first_min), (last_min, until_min))
    return [rows(mmsi, first, last, east_m) for mmsi, east_m in whom for first, last in spans]


def test_a_silence_that_is_an_outage_is_said_to_be_none_of_theirs(tmp_path):
    row = collected(tmp_path, *fleet_unheard(300, 450))
    text = words.explanation(row)
    printed = "The whole feed heard nobody from 2025-03-10 05:00 to 2025-03-10 07:30 UTC (2 h 30 min): an outage, "
    assert printed + "no silence of theirs." in text
    assert "Silent in or beside it" not in text
    assert printed in " ".join(page.notes_of(row, {}))
    with api.connect(tmp_path / "data") as db:
        assert db.sql("SELECT DISTINCT outage_min FROM gaps").fetchall() == [(150.0,)]
        assert db.sql("SELECT receiver, minutes FROM outages").fetchall() == [("all", 150.0)]


def test_a_silence_longer_than_the_outage_stays_a_silence(tmp_path):
    lines = fleet_unheard(300, 450)
    lines[3] = [line for line in lines[3] if line.split(",")[1] >= "2025-03-10T11:00"]
    text = words.explanation(collected(tmp_path, *lines))
    assert "(2 h 30 min): an outage." in text
    span = "from 2025-03-10 05:00 to 2025-03-10 11:00 UTC (6 h, 2 h 30 min of it in an outage)"
    assert f"Silent in or beside it: {B} {span}" in text


def test_an_outage_of_a_degree_is_said_where_others_are_heard_elsewhere(tmp_path):
    text = words.explanation(collected(tmp_path, *fleet_unheard(300, 450), rows(431000300, 0, 720, 90_000)))
    span = "from 2025-03-10 05:00 to 2025-03-10 07:30 UTC (2 h 30 min)"
    assert f"Nobody was heard in the degree N36E124 {span}: an outage there." in text
    assert "Silent in or beside it" not in text


def test_where_others_are_heard_a_silence_is_no_outage(tmp_path):
    lines = fleet_unheard(300, 450)
    lines.append(rows(431000300, 0, 720, 70_000))
    text = words.explanation(collected(tmp_path, *lines))
    assert "outage" not in text
    span = "from 2025-03-10 05:00 to 2025-03-10 07:30 UTC (2 h 30 min)"
    heard = "not received: others then and there were heard in 35 of 53 ship-hours."
    assert f"{A} and {B} {span}, {heard}" in text


def test_two_numbers_at_the_same_coordinates_are_remarked(tmp_path):
    row = collected(tmp_path, rows(A, 0, 240), rows(B, 0, 240))
    printed = "(2 ± 20 m in the median for 4 h) they are possibly one hull: two transponders, or one registered twice."
    assert printed in words.explanation(row)
    assert printed in " ".join(page.notes_of(row, {}))
    assert "possibly one hull" not in words.explanation(row | {"possibly_one_hull": False})
