"""Owns: views meeting_groups and transfer_chains: they agree with plain loops, whatever the order, at a low cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules, Rules
from stswatch.pipeline.store import views
from tests.pipeline.store.build import encounter, output, publish, rows

VIEWS = (views.GROUPS, views.CHAINS)
RULES = ContextRules(chain_d=1.0, after_d=2.0)
DAY = datetime(2023, 8, 1, tzinfo=UTC)
CALL = ("port", "trade", "arrival")
MEETING = ("id", "status", "kind", *(f"{name}_{v}" for name in ("mmsi", "track") for v in "ab"))
READ = {  # table -> the columns that the views read
    "encounters": (*MEETING, "start_time", "end_time", "possibly_one_hull"),
    "port_calls": ("mmsi", "shown", *CALL, "departure"),
}
Sea = dict[str, list[dict[str, Any]]]


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


@st.composite
def seas(draw: Any) -> Sea:
    """Meetings of six numbers, some with two tracks, and their port calls, on whole hours so that edges touch."""
    tracks = st.sampled_from(["2023-08-01T00:00:00Z"] * 3 + ["2023-08-01T01:00:00Z"])
    hours = st.integers(0, draw(st.sampled_from([12, 90])))

    def meeting(number: int) -> dict[str, Any]:
        a, b = sorted(draw(st.permutations(range(1, 7)))[:2])
        start = draw(hours)
        return {
            "id": f"E{number}",
            "status": draw(st.sampled_from(["current"] * 4 + ["provisional", "retracted", "superseded"])),
            "kind": draw(st.sampled_from(["lit"] * 6 + ["one_dark"])),
            "mmsi_a": a,
            "mmsi_b": b,
            "track_a": f"{a}@{draw(tracks)}",
            "track_b": f"{b}@{draw(tracks)}",
            "start_time": at(start),
            "end_time": at(start + draw(st.integers(1, 8))),
            "possibly_one_hull": draw(st.sampled_from([False] * 5 + [True])),
        }

    def call(number: int) -> dict[str, Any]:
        arrival = draw(hours)
        return {
            "mmsi": draw(st.integers(1, 6)),
            "shown": draw(st.sampled_from(["lit", "partly_dark", "dark_possible"])),
            "port": f"P{number}",
            "trade": draw(st.booleans()),
            "arrival": at(arrival),
            "departure": at(arrival + draw(st.integers(1, 20))),
        }

    names = draw(st.permutations(range(draw(st.integers(0, 10)))))
    found = {"encounters": [meeting(name) for name in names]}
    found["port_calls"] = [call(number) for number in range(draw(st.integers(0, 5)))]
    return found


@contextmanager
def database(tables: Mapping[str, pa.Table], rules: ContextRules = RULES) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with these tables and the views."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            db.register("given", table)
            db.execute(f"CREATE TABLE {name} AS FROM given")
        for view in VIEWS:
            db.execute(f"CREATE VIEW {view} AS {views.queries(Rules(context=rules))[view]}")
        yield db


def asked(sea: Sea) -> dict[str, list[dict[str, Any]]]:
    """The rows of both views over these tables, whose columns are those that they say they have."""
    tables = {}
    for name, columns in READ.items():
        fields = pa.schema([schema.STORED[name].field(column) for column in columns])
        tables[name] = pa.Table.from_pylist(sea[name], schema=fields)
    found = {}
    with database(tables) as db:
        for view in VIEWS:
            fields = views.schemas()[view]
            rows = db.sql(f"FROM {view}").to_arrow_table()
            assert (rows.schema.names, rows.schema.types) == (fields.names, fields.types)
            assert all(field.nullable or rows[field.name].null_count == 0 for field in fields)
            found[view] = rows.to_pylist()
    return found


def that_hold(sea: Sea) -> list[dict[str, Any]]:
    lit = [row for row in sea["encounters"] if row["kind"] == "lit" and row["status"] in ("current", "provisional")]
    return sorted(lit, key=lambda row: (row["start_time"], row["id"]))


def groups_by_loops(sea: Sea) -> list[dict[str, Any]]:
    """Groups by the words of their columns: pairs of meetings are joined until nothing changes."""
    meetings = that_hold(sea)
    group = {row["id"]: {row["id"]} for row in meetings}
    for one in meetings:
        for other in meetings:
            shared = {one["track_a"], one["track_b"]} & {other["track_a"], other["track_b"]}
            if shared and one["start_time"] < other["end_time"] and other["start_time"] < one["end_time"]:
                both = group[one["id"]] | group[other["id"]]
                group |= dict.fromkeys(both, both)
    found = []
    for ids in {frozenset(ids) for ids in group.values()}:
        members = [row for row in meetings if row["id"] in ids]
        mmsi = {row[f"mmsi_{v}"] for row in members for v in "ab"}
        hulls = len(mmsi) - len({row["mmsi_b"] for row in members if row["possibly_one_hull"]})
        if hulls >= 3:
            found.append(
                {
                    "group_id": "G" + members[0]["id"][1:],
                    "meetings": len(members),
                    "hulls": hulls,
                    "start_time": members[0]["start_time"],
                    "end_time": max(row["end_time"] for row in members),
                    "members": [row["id"] for row in members],
                    "mmsi": sorted(mmsi),
                }
            )
    return sorted(found, key=lambda row: (row["start_time"], row["group_id"]))


def chains_by_loops(sea: Sea) -> list[dict[str, Any]]:
    """Chains by the words of their columns: each pair of meetings, and each of the two vessels of the first."""
    meetings = that_hold(sea)
    one_hull = {(row["mmsi_a"], row["mmsi_b"]) for row in meetings if row["possibly_one_hull"]}
    apart = [row for row in meetings if not row["possibly_one_hull"]]
    found = []
    for first in apart:
        for v, w in ("ab", "ba"):
            via, source = first[f"mmsi_{v}"], first[f"mmsi_{w}"]
            own = [row for row in apart if via in (row["mmsi_a"], row["mmsi_b"])]
            own.sort(key=lambda row: (row["start_time"], row["end_time"], row["id"]))
            for second in own:
                x, y = "ab" if second["mmsi_a"] == via else "ba"
                to, wait = second[f"mmsi_{y}"], second["start_time"] - first["end_time"]
                if not timedelta(0) <= wait <= timedelta(days=RULES.chain_d):
                    continue
                if to == source or (min(to, source), max(to, source)) in one_hull:
                    continue
                row = {"first_id": first["id"], "second_id": second["id"], "from_mmsi": source, "via_mmsi": via}
                row |= {"to_mmsi": to, "start_time": first["start_time"], "end_time": second["end_time"]}
                row |= {"between_d": wait / timedelta(days=1)}
                row |= {"meetings_between": own.index(second) - own.index(first) - 1}
                row |= {"same_track": first[f"track_{v}"] == second[f"track_{x}"]}
                found.append(row | next_call(sea, "via", via, second) | next_call(sea, "to", to, second))
    names = ("start_time", "first_id", "end_time", "second_id", "via_mmsi")
    return sorted(found, key=lambda row: [row[name] for name in names])


def next_call(sea: Sea, who: str, mmsi: int, second: dict[str, Any]) -> dict[str, Any]:
    """What is said of the next call of one vessel."""
    latest = second["end_time"] + timedelta(days=RULES.after_d)
    calls = [
        call
        for call in sea["port_calls"]
        if call["mmsi"] == mmsi and call["shown"] != "dark_possible"
        if call["departure"] >= second["end_time"] and call["arrival"] <= latest
    ]
    call = min(calls, key=lambda call: (call["arrival"], call["departure"], call["port"]), default={})
    return {f"{who}_{name if name != 'trade' else 'port_trade'}": call.get(name) for name in CALL}


@settings(max_examples=60)
@given(seas())
def test_groups_and_chains_agree_with_plain_loops_in_any_order_of_rows(sea):
    assert asked(sea) == {views.GROUPS: groups_by_loops(sea), views.CHAINS: chains_by_loops(sea)}


def test_who_meets_two_at_once_makes_a_group_and_one_after_the_other_a_chain(tmp_path):
    meetings = [encounter(1, 4), encounter(3, 6, mmsi_b=412000001), encounter(30, 33, mmsi_b=412000002)]
    publish(tmp_path, output(tmp_path, "one", {"encounters": meetings}))
    (group,) = rows(tmp_path, f"FROM {views.GROUPS}")
    assert (group["group_id"], group["meetings"], group["hulls"]) == ("G" + meetings[0]["id"][1:], 2, 3)
    chains = rows(tmp_path, f"FROM {views.CHAINS}")
    assert [(row["from_mmsi"], row["to_mmsi"]) for row in chains] == [(311000222, 412000002), (412000001, 412000002)]
    assert {row["via_mmsi"] for row in chains} == {241502000}
    assert [row["meetings_between"] for row in chains] == [1, 0]


def test_what_was_withdrawn_is_in_no_group(tmp_path):
    kept = {"encounters": [encounter(1, 4), encounter(3, 6, mmsi_b=412000001)]}
    publish(tmp_path, output(tmp_path, "one", kept))
    publish(tmp_path, output(tmp_path, "two", {"encounters": [encounter(1, 4)]}))
    assert rows(tmp_path, f"SELECT count(*) AS n FROM {views.GROUPS}") == [{"n": 0}]


def test_two_numbers_of_one_hull_beside_another_are_no_group():
    meetings = [
        {"id": "E1", "mmsi_a": 1, "mmsi_b": 2, "possibly_one_hull": True},
        {"id": "E2", "mmsi_a": 1, "mmsi_b": 3},
        {"id": "E3", "mmsi_a": 2, "mmsi_b": 3},
    ]
    alike = {"kind": "lit", "status": "current", "start_time": at(1), "end_time": at(4), "possibly_one_hull": False}
    sea = [alike | {f"track_{v}": f"{row[f'mmsi_{v}']}@x" for v in "ab"} | row for row in meetings]
    assert asked({"encounters": sea, "port_calls": []})[views.GROUPS] == []
    assert asked({"encounters": [row | alike for row in sea], "port_calls": []})[views.GROUPS] != []


def crowded(n: int) -> pa.Table:
    """Meetings in three months, a tenth with one of twenty vessels that meet many; the last ones follow in one row."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(1, 3000, (2, n))
    a = np.where(rng.random(n) < 0.1, rng.integers(1, 20, n), a)
    start_h, length_h = rng.uniform(0, 90 * 24, n), rng.lognormal(np.log(4), 0.8, n)
    row = np.arange(n - n // 20, n)
    a[row], b[row], start_h[row], length_h[row] = 10_000 + row, 10_001 + row, (row - row[0]) / 20, 0.08
    b += a == b
    low, high = np.minimum(a, b), np.maximum(a, b)
    start_us = (start_h * 3.6e9).astype(np.int64) + int(DAY.timestamp() * 1e6)
    columns = {"id": [f"E{name:012x}" for name in rng.permutation(n)], "kind": ["lit"] * n, "status": ["current"] * n}
    columns |= {"mmsi_a": low.astype(np.int32), "mmsi_b": high.astype(np.int32)}
    columns |= {"track_a": [f"{mmsi}@x" for mmsi in low], "track_b": [f"{mmsi}@x" for mmsi in high]}
    times = {"start_time": start_us, "end_time": start_us + (length_h * 3.6e9).astype(np.int64)}
    columns |= {name: pa.array(us, schema.UTC) for name, us in times.items()}
    return pa.table(columns | {"possibly_one_hull": np.zeros(n, bool)})


@pytest.mark.parametrize(("view", "most_s"), [(views.GROUPS, 10.0), (views.CHAINS, 30.0)])
def test_a_hundred_thousand_meetings_take_seconds(view, most_s):
    calls = pa.Table.from_pylist([], schema=schema.STORED["port_calls"])
    with database({"encounters": crowded(100_000), "port_calls": calls}, ContextRules()) as db:
        before_s = time.process_time()
        (count,) = db.execute(f"SELECT count(*) FROM {view}").fetchall()[0]
        assert time.process_time() - before_s < most_s
    assert count > 10_000
