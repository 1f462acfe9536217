"""Owns: view encounter_context: what lies round each meeting agrees with plain loops over the tables beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules
from stswatch.pipeline.store import ddl, encounter_context
from tests.pipeline.store.build import encounter, output, publish, rows

RULES = ContextRules(before_d=6.0, after_d=3.0, silence_h=10.0, loitering_h=12.0)
DAY = datetime(2023, 8, 1, tzinfo=UTC)
TRACK = "2023-08-01T00:00:00Z"
SHIPS = (1, 2, 3)
hours_of = st.integers(0, 400)
TABLES = ("encounters", "gaps", "port_calls", "loitering", "identity_events", "track_checks", "vessels")


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def filled(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A row of a stored table: what is not given is null, or nothing of its kind where it may not be null."""
    row = {}
    for field in schema.STORED[name]:
        nothing: Any = None
        if not field.nullable:
            kinds = ((pa.types.is_string, ""), (pa.types.is_boolean, False), (pa.types.is_timestamp, DAY))
            nothing = next((value for fits, value in kinds if fits(field.type)), None)
            nothing = [] if pa.types.is_list(field.type) else 0 if nothing is None else nothing
        row[field.name] = given.get(field.name, nothing)
    return row


@st.composite
def seas(draw) -> dict[str, list[dict[str, Any]]]:
    """A few meetings of three vessels with all that may lie round them, on whole hours so that edges touch."""

    def span() -> tuple[datetime, datetime]:
        start = draw(hours_of)
        return at(start), at(start + draw(st.integers(1, 60)))

    def some(make) -> list[dict[str, Any]]:
        return [make(number) for number in range(draw(st.integers(0, 6)))]

    def meeting(number: int) -> dict[str, Any]:
        a, b = sorted(draw(st.permutations(SHIPS))[:2])
        start, end = span()
        status = draw(st.sampled_from(["current", "provisional", "retracted", "superseded"]))
        kind = draw(st.sampled_from(["lit", "lit", "one_dark"]))
        return {
            "id": f"E{number}",
            "revision": 1,
            "status": status,
            "kind": kind,
            "mmsi_a": a,
            "mmsi_b": b,
            "track_a": f"{a}@{TRACK}",
            "track_b": f"{b}@{TRACK}",
            "start_time": start,
            "end_time": end,
        }

    def gap(number: int) -> dict[str, Any]:
        start, end = span()
        return {
            "mmsi": draw(st.sampled_from(SHIPS)),
            "track_start": draw(st.sampled_from([DAY, DAY, at(1)])),
            "start_time": start,
            "end_time": draw(st.sampled_from([end, end, None])),
            "judgement": draw(st.sampled_from(["silenced", "not_received", "unknown"])),
            "p_off": draw(st.sampled_from([None, 0.25, 0.5, 0.75])),
        }

    def call(number: int) -> dict[str, Any]:
        arrival, departure = span()
        dark = draw(st.booleans())
        return {
            "mmsi": draw(st.sampled_from(SHIPS)),
            "shown": "dark_possible" if dark else "lit",
            "port": f"P{number}",
            "trade": draw(st.booleans()),
            "arrival": arrival,
            "departure": departure,
            "may_score": dark and draw(st.booleans()),
            "gap_start": arrival - timedelta(hours=2) if dark else None,
            "gap_end": departure + timedelta(hours=2) if dark else None,
            "spare_h": float(number) if dark else None,
            "draught_m_before": draw(st.sampled_from([None, 4.0, 6.5])),
            "draught_m_after": draw(st.sampled_from([None, 4.0, 6.5])),
            "destination_after": draw(st.sampled_from([None, "DALIAN"])),
        }

    def wait(number: int) -> dict[str, Any]:
        start, end = span()
        return {"mmsi": draw(st.sampled_from(SHIPS)), "start_time": start, "end_time": end}

    def event(number: int) -> dict[str, Any]:
        first, last = span()
        other = draw(st.sampled_from([None, *SHIPS]))
        found = {"mmsi": draw(st.sampled_from(SHIPS)), "other_mmsi": other, "first_time": first, "last_time": last}
        return found | {"candidate": draw(st.booleans()), "kind": f"k{number}"}

    def check(number: int) -> dict[str, Any]:
        return wait(number) | {"interference": draw(st.booleans()), "check_name": f"c{number}"}

    def vessel(mmsi: int) -> dict[str, Any]:
        first, last = span()
        return {"mmsi": mmsi, "first_seen": first, "last_seen": last}

    found = {"encounters": some(meeting), "gaps": some(gap), "port_calls": some(call), "loitering": some(wait)}
    found |= {"identity_events": some(event), "track_checks": some(check)}
    found["vessels"] = [vessel(mmsi) for mmsi in draw(st.sets(st.sampled_from(SHIPS)))]
    return {name: [filled(name, row) for row in of] for name, of in found.items()}


def asked(sea: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of the view over these tables."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name in TABLES:
            db.execute(ddl.create_table(name, schema.STORED[name]))
            db.register("given", pa.Table.from_pylist(sea[name], schema=schema.STORED[name]))
            db.execute(f"INSERT INTO {name} FROM given")
        found = db.sql(encounter_context.context_query(RULES)).to_arrow_table()
    assert found.schema.names == encounter_context.context_schema().names
    assert found.schema.types == encounter_context.context_schema().types
    return found.to_pylist()


def by_loops(sea: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The same rows by the words of the columns, a meeting, a vessel and an event at a time."""
    before, after = timedelta(days=RULES.before_d), timedelta(days=RULES.after_d)
    silence, wait = timedelta(hours=RULES.silence_h), timedelta(hours=RULES.loitering_h)
    living = [row for row in sea["encounters"] if row["status"] in ("current", "provisional")]
    found = []
    for row in living:
        s, e = row["start_time"], row["end_time"]
        for v, w in ("ab", "ba"):
            mmsi, other = row[f"mmsi_{v}"], row[f"mmsi_{w}"]
            mine = {name: [r for r in sea[name] if r["mmsi"] == mmsi] for name in TABLES[1:]}
            one = {"id": row["id"], "revision": 1, "mmsi": mmsi, "other_mmsi": other}
            vessel = next(iter(mine["vessels"]), None)
            one["known_before_d"] = vessel and clipped((s - vessel["first_seen"]) / timedelta(days=1), RULES.before_d)
            one["known_after_d"] = vessel and clipped((vessel["last_seen"] - e) / timedelta(days=1), RULES.after_d)
            gaps = [(g["start_time"], g["end_time"] or at(9e6), g) for g in mine["gaps"] if g["track_start"] == DAY]
            one["off_before"] = greatest(g for first, last, g in gaps if first < s and last >= s - silence)
            one["off_inside"] = greatest(g for first, last, g in gaps if first < e and last > s)
            one["off_after"] = greatest(g for first, last, g in gaps if last > e and first <= e + silence)
            heard = [c for c in mine["port_calls"] if c["shown"] != "dark_possible"]
            ends = [c for c in heard if c["arrival"] <= s and c["departure"] >= s - before]
            begins = [c for c in heard if c["departure"] >= e and c["arrival"] <= e + after]
            last_call = max(ends, key=lambda c: (c["departure"], c["arrival"], c["port"]), default=None)
            next_call = min(begins, key=lambda c: (c["arrival"], c["departure"], c["port"]), default=None)
            one["last_port"] = last_call and last_call["port"]
            one["last_port_trade"] = last_call and last_call["trade"]
            one["since_call_h"] = last_call and clipped((s - last_call["departure"]) / timedelta(hours=1))
            one["next_port"] = next_call and next_call["port"]
            one["next_port_trade"] = next_call and next_call["trade"]
            one["to_call_h"] = next_call and clipped((next_call["arrival"] - e) / timedelta(hours=1))
            draughts = (next_call or {}).get("draught_m_before"), (last_call or {}).get("draught_m_after")
            one["draught_change_m"] = None if None in draughts else round(draughts[0] - draughts[1], 1)
            one["bound_for"] = last_call and last_call["destination_after"]
            dark = [c for c in mine["port_calls"] if c["may_score"]]
            dark = [c for c in dark if c["gap_start"] < e + after and c["gap_end"] > s - before]
            one["dark_call_before_h"] = max((c["spare_h"] for c in dark if c["gap_start"] < s), default=0.0)
            one["dark_call_after_h"] = max((c["spare_h"] for c in dark if c["gap_end"] > e), default=0.0)
            one["loitered_before_h"] = sum(shared_h(r, s - wait, s) for r in mine["loitering"])
            one["loitered_after_h"] = sum(shared_h(r, e, e + wait) for r in mine["loitering"])
            met = [r for r in living if r["id"] != row["id"] and r["kind"] == "lit" and mmsi in pair(r)]
            earlier = [r for r in met if s - before < r["end_time"] <= s]
            one["meetings_before"] = len(earlier)
            one["meetings_after"] = sum(e <= r["start_time"] < e + after for r in met)
            one["partners_before"] = len({who for r in earlier for who in pair(r) if who != mmsi})
            one["same_before"] = sum(other in pair(r) for r in earlier)
            events = [r for r in sea["identity_events"] if mmsi in (r["mmsi"], r["other_mmsi"]) and not r["candidate"]]
            one["identity_events"] = sum(r["first_time"] < e + after and r["last_time"] > s - before for r in events)
            checks = [r for r in mine["track_checks"] if not r["interference"]]
            one["track_checks"] = sum(r["start_time"] < e + after and r["end_time"] > s - before for r in checks)
            found.append(one)
    return sorted(found, key=lambda one: (one["id"], one["mmsi"]))


def pair(row: dict[str, Any]) -> tuple[int, int]:
    return row["mmsi_a"], row["mmsi_b"]


def clipped(value: float, most: float = 1e9) -> float:
    return min(max(value, 0.0), most)


def greatest(gaps: Any) -> float | None:
    found = list(gaps)
    return max((g["p_off"] for g in found if g["judgement"] == "silenced" and g["p_off"]), default=None) if found else 0


def shared_h(row: dict[str, Any], first: datetime, last: datetime) -> float:
    both = min(row["end_time"], last) - max(row["start_time"], first)
    return max(both / timedelta(hours=1), 0.0)


@settings(max_examples=30)
@given(seas())
def test_what_lies_round_a_meeting_agrees_with_plain_loops(sea):
    found, wanted = asked(sea), by_loops(sea)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_nothing_is_known_where_nothing_was_heard_and_nothing_counts_as_silence(tmp_path):
    publish(tmp_path, output(tmp_path, "one", {"encounters": [encounter(1, 4)]}))
    first, second = rows(tmp_path, f"FROM {encounter_context.CONTEXT} ORDER BY mmsi")
    assert (first["mmsi"], second["mmsi"]) == (241502000, 311000222)
    assert [first[name] for name in ("known_before_d", "last_port", "since_call_h", "draught_change_m")] == [None] * 4
    assert first["off_before"] == first["off_inside"] == first["off_after"] == 0
    assert first["meetings_before"] == first["identity_events"] == 0


def test_what_was_withdrawn_is_no_meeting(tmp_path):
    kept = {"encounters": [encounter(1, 4), encounter(6, 9)]}
    publish(tmp_path, output(tmp_path, "one", kept))
    assert [r["same_before"] for r in rows(tmp_path, f"FROM {encounter_context.CONTEXT} ORDER BY id, mmsi")] == [
        0,
        0,
        1,
        1,
    ]
    publish(tmp_path, output(tmp_path, "two", {"encounters": [encounter(6, 9)]}))
    assert [r["same_before"] for r in rows(tmp_path, f"FROM {encounter_context.CONTEXT}")] == [0, 0]
