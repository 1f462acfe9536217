"""Owns: the published tables follow from the outputs given, however and however often they are loaded."""

from __future__ import annotations

import random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.reference.zones import AreaError
from stswatch.pipeline import schema
from stswatch.pipeline.store import ddl, loader
from stswatch.pipeline.store.database import StoreError, connect
from tests.pipeline.store import build
from tests.pipeline.store.build import at, encounter, everything, gap, output, publish, rows


def cover(hour, fixes, cell=7):
    return {"cell": cell, "hour": at(hour), "receiver": "terrestrial", "fixes": fixes, "vessels": 1}


def berth(hour, pairs, port="KRPUS"):
    return {"port": port, "part": "harbour", "hour": at(hour), "pairs": pairs}


def vessel(mmsi=241502000, first=0.0, last=1.0, fixes=10, **printed):
    row = {"mmsi": mmsi, "flag": "GR", "first_seen": at(first), "last_seen": at(last), "fixes": fixes}
    for name, (value, hour) in printed.items():
        row |= {name: value, f"{name}_time": at(hour)}
    return row


def outage(first, last, receiver="all"):
    row = {"receiver": receiver, "start_time": at(first), "end_time": at(last), "minutes": (last - first) * 60}
    return row | {"vessels_before": 9, "vessels_after": 8}


def a_day(data, key="day-1"):
    tables = {
        "encounters": [encounter(1, 3), encounter(5, 6)],
        "gaps": [gap(2), gap(4, judgement="silenced")],
        "coverage": [cover(0, 5), cover(1, 6)],
        "vessels": [vessel(name=("ALPHA", 1))],
        "port_pair_counts": [berth(0, 3)],
        "outages": [outage(2.5, 3)],
    }
    return output(data, key, tables)


def test_nothing_at_all_still_publishes_every_table_and_view(tmp_path):
    publish(tmp_path)
    tables = everything(tmp_path)
    assert len(tables.pop("runs")) == 1
    assert tables == {name: [] for name in schema.STORED if name != "runs"}
    for view in ("flagged_encounters", *schema.LAKE):
        assert rows(tmp_path, f"SELECT * FROM {view}") == []


def test_loading_twice_changes_nothing(tmp_path):
    day = a_day(tmp_path)
    publish(tmp_path, day)
    once = everything(tmp_path)
    publish(tmp_path, day)
    assert everything(tmp_path) == once
    assert {name: len(found) for name, found in once.items()} == {
        "runs": 1,
        "sources": 0,
        "vessels": 1,
        "encounters": 2,
        "gaps": 2,
        "coverage": 2,
        "outages": 1,
        "event_revisions": 3,
        "long_absences": 0,
        "reject_counts": 0,
        "port_pair_counts": 1,
        **dict.fromkeys(
            ("port_calls", "loitering", "dark_meetings", "identity_events", "identity_values", "track_checks"), 0
        ),
        **dict.fromkeys(
            ("decisions", "observations", "exercise_decisions", "exercise_observations", "ports_in_reach"), 0
        ),
    }


def test_an_output_already_loaded_is_not_read_again(tmp_path):
    day = a_day(tmp_path)
    publish(tmp_path, day)
    once = everything(tmp_path)
    for paths in day.files.values():
        for path in paths:
            (tmp_path / path).unlink()
    publish(tmp_path, day)
    assert everything(tmp_path) == once


def test_stored_rows_are_the_rows_of_the_files(tmp_path):
    day = a_day(tmp_path)
    publish(tmp_path, day)
    for name in ("encounters", "gaps", "coverage", "vessels", "port_pair_counts"):
        given_rows = pq.read_table(tmp_path / day.files[name][0]).to_pylist()
        with connect(tmp_path) as db:
            columns = ddl.columns(given_rows[0])
            stored = db.sql(f"SELECT {columns} FROM {name}").to_arrow_table().to_pylist()
        for row in given_rows:
            row.update({"run_id": "run-1"} if "run_id" in row else {})
        assert stored == given_rows


def test_a_replaced_output_loses_what_it_gave(tmp_path):
    first = a_day(tmp_path)
    other = {"gaps": [gap(9)], "coverage": [cover(0, 2)], "port_pair_counts": [berth(5, 1)]}
    publish(tmp_path, first, output(tmp_path, "open-1", {"coverage": [cover(0, 100)], "gaps": [gap(8)]}))
    publish(tmp_path, first, output(tmp_path, "open-2", other))
    hours = {row["hour"]: row["fixes"] for row in rows(tmp_path, "SELECT * FROM coverage")}
    assert hours == {at(0): 7, at(1): 6}
    assert [row["start_time"] for row in rows(tmp_path, "SELECT * FROM gaps")] == [at(2), at(4), at(9)]
    publish(tmp_path, output(tmp_path, "open-3", other))
    assert rows(tmp_path, "SELECT * FROM vessels") == []
    assert [row["pairs"] for row in rows(tmp_path, "SELECT * FROM port_pair_counts")] == [1]


def test_sources_and_rejects_are_those_given_last(tmp_path):
    source = dict.fromkeys(schema.SOURCES.names, 1)
    texts = {"source": "ab", "sha256": "abc", "path": "x.nmea", "member": None, "format": "nmea", "clock": "tag block"}
    texts |= {"receiver": "satellite", "licence": None, "ingest_day": None, "columns": None}
    sources = pa.Table.from_pylist([source | texts | {"first_time": at(0), "last_time": None}], schema.SOURCES)
    counts = pa.table({"source": ["ab"], "reason": ["checksum"], "count": [3]})
    loader.load(tmp_path, build.run(), [], loader.Beside(sources, counts, {}), at(30))
    assert rows(tmp_path, "SELECT * FROM sources") == sources.to_pylist()
    assert rows(tmp_path, "SELECT * FROM reject_counts") == counts.to_pylist()


def test_each_run_is_one_row_with_its_rules(tmp_path):
    publish(tmp_path, run_id="run-1")
    publish(tmp_path, run_id="run-2", min_score=2.0)
    publish(tmp_path, run_id="run-2", min_score=3.0)
    found = {row["run_id"]: row for row in rows(tmp_path, "SELECT * FROM runs")}
    assert set(found) == {"run-1", "run-2"}
    given_last = build.run(min_score=3.0).rules
    assert (found["run-2"]["rules"], found["run-2"]["rules_fingerprint"]) == (
        given_last.to_json(),
        given_last.fingerprint(),
    )
    assert found["run-2"]["finished"] == at(30)


keys = st.tuples(st.integers(0, 3), st.integers(0, 3))
amounts = st.lists(st.tuples(keys, st.integers(1, 10**12)), max_size=30)


@settings(max_examples=settings.default.max_examples // 3)  # each publishes
@given(amounts, st.randoms(use_true_random=False))
def test_rows_of_one_key_add_up_however_they_are_spread(tmp_path_factory, given_rows, chance):
    data = tmp_path_factory.mktemp("data")
    spread = [[] for _ in range(4)]
    for (hour, cell), fixes in given_rows:
        chance.choice(spread).append((hour, cell, fixes))
    files = [
        {
            "coverage": [cover(hour, fixes, cell) for hour, cell, fixes in part],
            "port_pair_counts": [berth(hour, fixes, str(cell)) for hour, cell, fixes in part],
        }
        for part in spread
    ]
    publish(data, output(data, "a", *files[:2]), output(data, "b", *files[2:]))
    sums = {}
    for (hour, cell), fixes in given_rows:
        sums[hour, cell] = sums.get((hour, cell), 0) + fixes
    covered = rows(data, "SELECT * FROM coverage")
    assert len(covered) == len(sums)
    assert {(r["hour"], r["cell"]): r["fixes"] for r in covered} == {(at(h), c): n for (h, c), n in sums.items()}
    assert sum(r["vessels"] for r in covered) == len(given_rows)
    berths = rows(data, "SELECT * FROM port_pair_counts")
    assert len(berths) == len(sums)
    assert {(r["hour"], int(r["port"])): r["pairs"] for r in berths} == {(at(h), c): n for (h, c), n in sums.items()}


def test_a_vessel_keeps_what_it_said_last_whatever_the_order_of_the_slices(tmp_path):
    parts = [
        vessel(first=2, last=4, fixes=10, name=("OLD", 3), imo=(9074729, 3)),
        vessel(first=5, last=9, fixes=5, name=("NEW", 8), draught_m=(7.5, 6)),
        vessel(first=1, last=8, fixes=1, name=("ALSO", 8), destination=("NAMPO", 7)),
        vessel(mmsi=311000222, name=("B", 1)),
    ]
    for turn in range(3):
        random.Random(turn).shuffle(parts)
        data = tmp_path / str(turn)
        publish(data, *(output(data, str(i), {"vessels": [part]}) for i, part in enumerate(parts)))
        found = rows(data, "SELECT * FROM vessels")
        assert [row["mmsi"] for row in found] == [241502000, 311000222]
        merged = found[0]
        assert (merged["first_seen"], merged["last_seen"], merged["fixes"]) == (at(1), at(9), 16)
        assert (merged["name"], merged["name_time"]) == ("NEW", at(8))
        assert (merged["imo"], merged["imo_time"], merged["draught_m"]) == (9074729, at(3), 7.5)
        assert (merged["destination"], merged["call_sign"], merged["call_sign_time"]) == ("NAMPO", None, None)


def failing(*_, **__):
    raise RuntimeError("the machine failed here")


@pytest.mark.parametrize(("module", "name"), [("revisions", "revise"), ("publish", "_fill"), ("publish", "_lead_to")])
def test_a_failure_half_way_leaves_what_was_published_and_is_made_good_by_the_next_load(
    tmp_path, monkeypatch, module, name
):
    first = a_day(tmp_path)
    publish(tmp_path, first)
    before = everything(tmp_path)
    second = output(tmp_path, "day-2", {"gaps": [gap(20)], "encounters": [encounter(1, 4)]})
    with monkeypatch.context() as patch:
        patch.setattr(getattr(loader, module), name, failing)
        with pytest.raises(RuntimeError, match="failed here"):
            publish(tmp_path, first, second, run_id="run-2")
    assert everything(tmp_path) == before
    publish(tmp_path, first, second, run_id="run-2")
    clean = tmp_path / "clean"
    publish(clean, a_day(clean))
    second = output(clean, "day-2", {"gaps": [gap(20)], "encounters": [encounter(1, 4)]})
    publish(clean, a_day(clean), second, run_id="run-2")
    assert everything(tmp_path) == everything(clean)
    assert len(rows(tmp_path, "SELECT * FROM gaps")) == 3


def test_what_cannot_be_loaded_is_said_in_one_sentence(tmp_path):
    day = a_day(tmp_path)
    publish(tmp_path, day)
    before = everything(tmp_path)
    with pytest.raises(StoreError, match=r"gone\.parquet.*run again"):
        publish(tmp_path, day, loader.Output("day-2", {"gaps": ["events/gone.parquet"]}))
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(StoreError, match=r"torn\.parquet.*run again"):
        publish(tmp_path, day, loader.Output("day-2", {"gaps": ["torn.parquet"]}))
    with pytest.raises(StoreError, match=r"no table \['legs'\]"):
        publish(tmp_path, day, loader.Output("day-2", {"legs": ["legs.parquet"]}))
    with pytest.raises(StoreError, match="must be unique"):
        publish(tmp_path, day, day)
    with pytest.raises(StoreError, match=r"lake/gone\.parquet.*run again"):
        publish(tmp_path, day, lake={"fixes": ["lake/gone.parquet"]})
    with pytest.raises(AreaError):
        publish(tmp_path, day, area="no/such/area.geojson")
    assert everything(tmp_path) == before


def test_a_row_against_the_schema_is_a_defect_and_is_not_stored(tmp_path):
    loose = pa.schema([field.with_nullable(True) for field in schema.JUDGED_GAPS])
    build.write(tmp_path / "loose.parquet", [gap(1, mmsi=None)], loose)
    with pytest.raises(duckdb.ConstraintException):
        publish(tmp_path, loader.Output("a", {"gaps": ["loose.parquet"]}))
    with pytest.raises(StoreError, match=r"holds no stswatch\.duckdb"):
        connect(tmp_path)


def test_a_gap_says_how_much_of_it_lies_in_outages(tmp_path):
    """Of all receivers or of its own kind; what both tell counts once; what is open goes on for ever."""
    gaps = [
        gap(0, end_time=at(4)),
        gap(1, end_time=at(4), receiver="satellite"),
        gap(3),
        gap(8, end_time=at(9)),
    ]
    collected = [outage(2, 3), outage(1.5, 3.5, "satellite"), outage(6, 7), outage(0.5, 1, "terrestrial")]
    publish(tmp_path, output(tmp_path, "a", {"gaps": gaps, "outages": collected}))
    found = rows(tmp_path, "SELECT outage_min FROM gaps ORDER BY start_time")
    assert [row["outage_min"] for row in found] == [90.0, 120.0, 60.0, 0.0]


def test_the_gaps_beside_an_encounter_are_those_of_its_tracks_near_it_in_time(tmp_path):
    name = f"{241502000:09d}@2023-08-01T00:00:00Z"
    gaps = [gap(3, end_time=at(6)), gap(1, end_time=at(2)), gap(3.4, end_time=at(9), track_start=at(1)), gap(3.6)]
    met = encounter(2.2, 3.2, track_a=name, gap_a=True)
    publish(tmp_path, output(tmp_path, "a", {"gaps": gaps, "encounters": [met]}))
    found = rows(tmp_path, "SELECT id, mmsi, start_time FROM gaps_beside ORDER BY start_time")
    assert [(row["id"], row["start_time"]) for row in found] == [
        (met["id"], at(1)),
        (met["id"], at(3)),
        (met["id"], at(3.6)),
    ]
