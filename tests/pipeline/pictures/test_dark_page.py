"""A dark meeting as it is drawn: what was heard as lines, silences as dots, the region hatched, no way invented."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import shapely

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.meetings.reach import GapGroups, longest, regions, to_wkb
from stswatch.pipeline.pictures import dark_page, style
from stswatch.pipeline.pictures.courses import CourseError
from stswatch.pipeline.pictures.projection import Sheet
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.times import utc
from tests.pipeline import seas

RULES = Rules()
A, B = 273_000_001, 412_000_002
NOON = seas.NOON_US
SOUTH_NM = 30.0


def fixes(mmsi, hours, lat, silent=(0.0, 0.0)):
    """Reports of a ship every ten minutes at a longitude of the Yellow Sea, none within its silence."""
    hour = np.arange(*hours, 1 / 6)
    hour = hour[(hour <= silent[0]) | (hour >= silent[1])]
    return seas.fixes(np.full(len(hour), mmsi), NOON + np.rint(hour * 60).astype(np.int64) * MINUTE, 123.5, lat, 3.0)


def meeting(**more):
    """Two that were silent from 10:00 to 20:00 and from 11:00 to 22:00, 30 nautical miles apart."""
    lat = [36.0, 36.0 + SOUTH_NM / 60]
    start_h, end_h = ([[NOON / HOUR + h for h in each]] for each in ((10, 11), (20, 22)))
    of = GapGroups.of(start_h, end_h, ([[123.5] * 2], [lat]), ([[123.5] * 2], [lat]), RULES.stays.dark_speed_kn)
    best = longest(of)
    region = to_wkb(*regions(of, best, RULES.dark.stay_h))[0]
    row = {"id": "D0", "lead": False, "kind": "both_dark", "lon": best.lon[0], "lat": best.lat[0], "region": region}
    row |= {"mmsi_a": A, "mmsi_b": B, "stay_h": best.stay_h[0], "least_speed_kn": 3.0, "rivals": 1, "port": None}
    row |= {"chance_by_accident": 0.02, "start_time": at(12), "end_time": at(19)}
    row |= {"gap_start_a": at(10), "gap_end_a": at(20), "gap_start_b": at(11), "gap_end_b": at(22)}
    run = {"code_version": "0", "run_id": "r", "rules_fingerprint": "f" * 64}
    return row | {"vessels": {}, "run": run} | more


def at(hour):
    """A time so long after noon."""
    return utc(NOON + int(hour * HOUR))


def sea(lat_b=36.0 + SOUTH_NM / 60):
    """The reports of both."""
    return pa.concat_tables([fixes(A, (0, 30), 36.0, (10, 20)), fixes(B, (0, 30), lat_b, (11, 22))])


def drawn(row, table):
    """The parties and the map as they are drawn."""
    sheet = Sheet(row["lon"], row["lat"])
    hands = zip("ab", (style.A, style.B), strict=True)
    return [dark_page._party(row, v, hand, table, sheet, RULES) for v, hand in hands], sheet


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_meeting_gives_the_same_bytes(suffix):
    first, again = (dark_page.render(meeting(), sea(), RULES, suffix) for _ in range(2))
    assert first == again
    assert len(first) > 10_000


def test_what_belongs_to_a_dark_meeting_is_drawn_and_no_way_through_a_silence():
    svg = dark_page.render(meeting(), sea(), RULES, ".svg").decode()
    for name in ("A-heard", "B-heard", "A-silent", "B-silent", "A-reach", "B-reach", "region", "place"):
        assert f'id="{name}"' in svg
    waiting = meeting(kind="one_dark", gap_start_a=None, gap_end_a=None, region=None)
    svg = dark_page.render(waiting, sea(), RULES, ".svg").decode()
    assert "A-silent" not in svg
    assert 'id="region"' not in svg


def test_the_region_lies_within_the_reach_of_each_silence():
    """And each reach is that of an ellipse: from one end to the place and on to the other in the time that is left."""
    row = meeting()
    parties, sheet = drawn(row, sea())
    (corners,) = dark_page._region(row, sheet)
    region = shapely.Polygon(corners)
    for party in parties:
        reach = shapely.Polygon(party.reach)
        assert region.difference(reach.buffer(200)).area < 0.001 * region.area
        ends = party.xy[np.isin(party.time_us, party.gap_us)]
        way_nm = np.hypot(*(party.reach[:, None] - ends).T).sum(axis=0) / M_PER_NM
        spare_h = (party.gap_us[1] - party.gap_us[0]) / HOUR - RULES.dark.stay_h
        assert way_nm == pytest.approx(spare_h * RULES.stays.dark_speed_kn, rel=0.01)


def test_every_part_of_a_region_by_sea_is_drawn():
    boxes = [shapely.box(x, 36.2, x + 0.2, 36.4) for x in (123.0, 123.4)]
    row = meeting(region=shapely.to_wkb(shapely.MultiPolygon(boxes)))
    svg = dark_page.render(row, sea(), RULES, ".svg").decode()
    assert svg.count('id="region"') == svg.count('id="region-1"') == 1


def test_it_is_not_drawn_where_the_lake_lacks_the_end_of_a_silence():
    table = sea().filter(pa.array(np.asarray(sea()["mmsi"]) == A))
    with pytest.raises(CourseError, match="D0: the lake lacks a position at the end of a silence"):
        dark_page.render(meeting(), table, RULES, ".png")


def test_names_are_shown_as_they_can_be_read():
    vessel = dict.fromkeys(schema.STORED["vessels"].names) | {"mmsi": A, "name": "EVER\x1b[2J SO"}
    assert b"\x1b" not in dark_page.render(meeting(vessels={A: vessel}), sea(), RULES, ".svg")


def test_a_reach_that_leaves_the_map_is_said_to():
    faster = dataclasses.replace(RULES, stays=dataclasses.replace(RULES.stays, dark_speed_kn=30.0))
    with style.look():
        assert dark_page.render(meeting(), sea(), faster, ".png") != dark_page.render(meeting(), sea(), RULES, ".png")
