"""Owns: who could act on a case and by what right; a provision is conditions, shown or not or unknown, no verdict."""

from __future__ import annotations

from datetime import timedelta

from stswatch.pipeline import schema
from stswatch.pipeline.evidence.decisions import decide, record
from stswatch.pipeline.store import case_queries, case_referrals
from tests.pipeline.evidence.cases.conftest import LEAD, call, tables, vessel
from tests.pipeline.evidence.cases.test_decisions import NOW, WAIT, assess, refer
from tests.pipeline.store import build
from tests.pipeline.store.build import at, encounter

FIXES = "lake/fixes/2023-08-01T00/a.parquet"


def published(data, key, lake=(), **more):
    build.publish(data, build.output(data, key, tables(**more)), lake={"fixes": list(lake)})


def conditions(data, provision):
    rows = case_queries.of_cases(data, "provision_conditions", LEAD)
    return {row["condition"]: row["state"] for row in rows if row["provision"] == provision}


def engaged(data):
    return sorted({tuple(row["provisions"]) for row in case_queries.of_cases(data, "referral_queue", LEAD)})


def test_conditions_are_shown_not_shown_or_unknown(data):
    sts = conditions(data, "UNSCR 2375 11")
    assert list(sts.values()) == ["shown", "unknown", "not shown"]
    assert conditions(data, "UNSCR 2397 5") == {
        "refined petroleum, above 500,000 barrels a year": "unknown",
        "to the DPRK": "shown",
    }
    assert conditions(data, "UNSCR 2371 8")["from the DPRK"] == "unknown"
    vessels = [vessel(241502000, "GR"), vessel(311000222, "KP")]
    published(data, "kp", vessels=vessels, port_calls=[call(311000222, "nampo", 8, 15, "dark_possible")])
    assert list(conditions(data, "UNSCR 2375 11").values()) == ["unknown", "unknown", "shown"]
    published(data, "other", port_calls=[call(311000222, "dalian", 8, 15)])
    assert conditions(data, "UNSCR 2397 5")["to the DPRK"] == "not shown"


def test_a_provision_is_possibly_engaged_by_no_place_alone(data):
    assess(data)
    assert engaged(data) == [("UNSCR 2397 5",)], "2375 11 asks for a flag that is not shown"
    published(data, "none", port_calls=[])
    assert engaged(data) == [()], "though it lies off Nampo"


def test_who_could_act_and_by_what_right(data, shown, monkeypatch):
    position = dict.fromkeys(schema.FIXES.names)
    position |= {"receiver": "terrestrial", "source": "s", "offset": 0, "length": 1}
    fixes = [position | {"mmsi": mmsi, "time": at(20), "lon": 122.5, "lat": 37.9} for mmsi in (241502000, 311000222)]
    build.write(data / FIXES, fixes, schema.FIXES)
    close = encounter(1, 4, port="nampo", distance_to_shore_km=5.0)
    published(data, "close", [FIXES], encounters=[close])
    assert case_queries.of_cases(data, "referral_queue") == []
    assess(data)
    rows = case_queries.of_cases(data, "referral_queue", LEAD)
    found = {(row["recipient"], row["capacity"]) for row in rows}
    assert {
        ("GR", "flag"),
        ("BS", "flag"),
        ("CN", "port"),
        ("ECC", "cell"),
        ("1718", "body"),
        ("MSMT", "body"),
    } <= found
    assert "KP" not in {row["recipient"] for row in rows}, "though it is coastal State and has ports in reach"
    port = next(row for row in rows if row["recipient"] == "CN")
    assert (port["last_time"], port["last_lon"], port["psi"]) == (at(20), 122.5, False)
    assert at(20) < port["deadline"] < at(32)
    assert port["hours_left"] < 0 < port["age_h"]
    assert [each["earliest"] for each in port["ports"]] == sorted(each["earliest"] for each in port["ports"])
    assert len(port["ports"]) == 8
    psi = case_queries.of_cases(data, "psi_queue", LEAD)
    assert {row["recipient"] for row in psi} == {row["recipient"] for row in rows if row["psi"]} >= {"GR", "ECC"}
    assert build.rows(data, "SELECT count(*) AS n FROM referral_queue")[0]["n"] == len(rows)
    # a way by sea takes long: it is not looked for again while no later position is known
    before = build.rows(data, "FROM ports_in_reach ORDER BY ALL")
    monkeypatch.setattr(case_referrals, "_reached", None)
    refer(data, NOW + WAIT)
    published(data, "close", [FIXES], encounters=[close])
    assert build.rows(data, "FROM ports_in_reach ORDER BY ALL") == before != []
    decide(data, LEAD, "cleared", "Ann Lee", "crew change", now=NOW + 2 * WAIT)
    assert build.rows(data, "FROM ports_in_reach") == []


def test_what_became_of_a_referral_stands_in_the_queue(data):
    assess(data)
    refer(data, NOW + WAIT, ("GR", "a coast guard"))
    record(data, LEAD, "acknowledged", "Ann", "by mail", "GR", now=NOW + WAIT + timedelta(hours=1))
    record(data, LEAD, "outcome", "Ann", "inspected", "GR", "inconclusive", now=NOW + WAIT + timedelta(hours=9))
    rows = {row["recipient"]: row for row in case_queries.of_cases(data, "referral_queue", LEAD)}
    assert (rows["GR"]["sent"], rows["GR"]["outcome"]) == (NOW + WAIT, "inconclusive")
    assert rows["GR"]["acknowledged"] - rows["GR"]["sent"] == timedelta(hours=1)
    assert (rows["a coast guard"]["capacity"], rows["a coast guard"]["sent"]) == ("other", NOW + WAIT)
    assert rows["ECC"]["sent"] is None
