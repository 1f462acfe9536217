"""Seas for the tests of the steps: tables of fixes, runs of them over the table of steps, results side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Tables, concat
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import LOST, STEPS, InMemory, Step
from stswatch.pipeline.store.encounter_context import context_of
from tests.simulators import fleet as simulated

NOON_US = 1_709_294_400 * SECOND  # 2024-03-01T12:00Z
EAST_M = 6_378_137.0 * np.pi / 180  # a degree along the equator, WGS 84
NORTH_M = 110_574.27  # a degree of latitude at the equator, WGS 84
REAL = os.environ.get("STSWATCH_REAL_DATA")
needs_real = pytest.mark.skipif(REAL is None, reason="STSWATCH_REAL_DATA names no folder of real data")


def fixes(mmsi, time_us, lon, lat, sog_kn=None, receiver="terrestrial", heading_deg=-1) -> pa.Table:
    """Valid fixes as schema.FIXES; every argument a scalar or (n,), speed nan or None, heading -1 where not sent."""
    speed = np.nan if sog_kn is None else np.asarray(sog_kn, float)
    columns = np.broadcast_arrays(mmsi, np.asarray(time_us, np.int64), lon, lat, speed, receiver, heading_deg)
    mmsi, time_us, lon, lat, speed, receiver, heading = (np.atleast_1d(c).copy() for c in columns)
    n = len(mmsi)
    collected = {
        "mmsi": pa.array(mmsi.astype(np.int32)),
        "time": pa.array(time_us).cast(schema.UTC),
        "lon": pa.array(lon, pa.float64()),
        "lat": pa.array(lat, pa.float64()),
        "sog_kn": pa.array(speed.astype(np.float32), from_pandas=True),
        "heading_deg": pa.array(heading, pa.int16(), mask=heading < 0),
        "receiver": pa.array(receiver.tolist(), pa.string()),
        "source": pa.array(["0" * 16] * n),
        "offset": pa.array(np.arange(n)),
        "length": pa.array(np.ones(n, np.int32)),
    }
    rest = {f.name: pa.nulls(n, f.type) for f in schema.FIXES if f.name not in collected}
    return pa.table({f.name: (collected | rest)[f.name] for f in schema.FIXES}, schema=schema.FIXES)


def vessel(mmsi, east_m, north_m, every_s=600.0, sog_kn=None, start_us=NOON_US, lon=0.0, heading_deg=-1) -> pa.Table:
    """Fixes at even intervals, metres east of a longitude and north of the equator at each."""
    east_m, north_m = np.broadcast_arrays(np.asarray(east_m, float), np.asarray(north_m, float))
    time_us = start_us + np.rint(np.arange(len(east_m)) * every_s * SECOND).astype(np.int64)
    where = (lon + east_m / EAST_M + 180) % 360 - 180
    return fixes(mmsi, time_us, where, north_m / NORTH_M, sog_kn, heading_deg=heading_deg)


def of_frame(frame: pd.DataFrame) -> pa.Table:
    """Fixes from a frame of mmsi, time, lon, lat, sog_kn and perhaps heading_deg, such as the oracle takes."""
    time_us = frame.time.dt.tz_convert(None).astype("datetime64[us]").astype("int64")
    heading = frame.heading_deg.fillna(-1).astype(int) if "heading_deg" in frame else -1
    return fixes(frame.mmsi.to_numpy(), time_us.to_numpy(), frame.lon, frame.lat, frame.sog_kn, heading_deg=heading)


def with_context(found: Tables) -> pa.Table:
    """Encounters of tables of the flow with what lies round them, as a card sees both."""
    columns = context_of(found, Rules().context)
    columns = {name: columns[name] for name in columns.schema.names}
    return pa.table({**{name: found["encounters"][name] for name in found["encounters"].schema.names}, **columns})


def frame_of(table: pa.Table) -> pd.DataFrame:
    """The columns of fixes that the oracle takes."""
    return table.select(["mmsi", "time", "lon", "lat", "sog_kn", "heading_deg"]).to_pandas()


@cache
def fleet(**options: Any) -> pa.Table:
    """Fixes of the simulated fleet; options as in tests.simulators.fleet."""
    t = simulated.fleet(**options)
    mmsi, time_us = t["mmsi"].to_numpy(), micros_of(t, "time")
    return fixes(mmsi, time_us, t["lon"], t["lat"], t["sog_kn"], heading_deg=_headings(mmsi, time_us))


def _headings(mmsi: np.ndarray, time_us: np.ndarray) -> np.ndarray:
    """A heading for each fix that turns by and by; none of every fourth vessel, nor now and then."""
    heading = (mmsi * 40 + time_us // MINUTE // (20 + mmsi % 50)) % 360
    return np.where((mmsi % 4 == 0) | (time_us // SECOND % 7 == 0), -1, heading)


@cache
def gulf() -> pd.DataFrame:
    """The real positions of the Gulf of Mexico, 2023-08-01 to 12."""
    rows = pd.read_csv(Path(str(REAL)) / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz")
    return rows.assign(time=pd.to_datetime(rows.timestamp, utc=True)).rename(columns={"sog": "sog_kn"})


@cache
def noaa() -> pd.DataFrame:
    """Half an hour of the real coasts of the United States, 2022-01-03."""
    rows = pd.read_csv(Path(str(REAL)) / "decoded" / "noaa_2022-01-03_99999.csv.gz")
    time = pd.to_datetime(rows.BaseDateTime, utc=True)
    frame = pd.DataFrame({"mmsi": rows.MMSI, "time": time, "lon": rows.LON, "lat": rows.LAT, "sog_kn": rows.SOG})
    heading = rows.Heading.where(rows.Heading < 360)
    return frame.assign(sog_kn=frame.sog_kn.where(frame.sog_kn < 102.3), heading_deg=heading)


def long(*values: object) -> object:
    """Parameters of a test that takes too long for every day: `make soak` has them."""
    return pytest.param(*values, marks=pytest.mark.soak)


def micros_of(table: pa.Table, name: str) -> np.ndarray:
    """A timestamp column as int64 microseconds."""
    return np.asarray(table[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))


def every(table: pa.Table, hours: float) -> list[int]:
    """Cuts through fixes at whole multiples of some hours of UTC."""
    time_us, span = micros_of(table, "time"), round(hours * HOUR)
    return list(range((int(time_us.min()) // span + 1) * span, int(time_us.max()) + 1, span))


def reports(sea: pa.Table, n: int = 600) -> pa.Table:
    """Static reports at odd times: values that change, two values at one time, some not told."""
    rng = np.random.default_rng(5)
    low, high = micros_of(sea, "time").min(), micros_of(sea, "time").max()

    def some(values: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
        return pa.array(values, kind, mask=rng.random(n) < 0.3)

    collected = {
        "mmsi": rng.choice(np.unique(sea["mmsi"].to_numpy()), n).astype(np.int32),
        "time": pa.array(rng.integers(low // HOUR, high // HOUR, n) * HOUR).cast(schema.UTC),
        "name": some(np.array([f"SHIP {k}" for k in rng.integers(0, 4, n)])),
        "draught_m": some(rng.integers(30, 90, n) / 10, pa.float32()),
        "ship_type": some(rng.choice([30, 52, 70, 80], n), pa.int16()),
        "length_m": some(rng.choice([20.0, 90.0, 180.0], n), pa.float32()),
        "source": pa.array(["0" * 16] * n),
        "offset": np.arange(n),
        "length": pa.array(np.ones(n, np.int32)),
    }
    columns = [
        pa.array(collected[f.name]) if f.name in collected else pa.nulls(n, f.type) for f in schema.STATIC_REPORTS
    ]
    return pa.table(columns, schema=schema.STATIC_REPORTS)


def run(
    table: pa.Table,
    cuts: Sequence[int] = (),
    shards: int = 1,
    rules: Rules | None = None,
    reports: pa.Table | None = None,
    steps: tuple[Step, ...] = STEPS,
    lost: pa.Table | None = None,
) -> Tables:
    """Fixes (and static reports) over the table of steps, one slice between every two cuts; all rows given.

    lost: spans of which something is damaged, schema.LOST_SPANS.
    """
    engine = InMemory(rules=rules or Rules(), shards=shards, steps=steps)
    end = int(micros_of(table, "time").max())
    given: dict[str, list[pa.Table]] = {}
    for low, high in zip([-(1 << 62), *cuts], [*cuts, 1 << 62], strict=True):
        final = high == 1 << 62
        lake = {"fixes": _between(table, low, high)}
        if reports is not None:
            lake["static_reports"] = _between(reports, low, high)
        if lost is not None:
            lake[LOST] = _between(lost, low, high, "start")
        for name, rows in engine.slice(lake, min(high, max(end, low)), final).items():
            given.setdefault(name, []).append(rows)
    return {name: concat(parts, parts[0].schema) for name, parts in given.items()}


def tracked(table: pa.Table, cuts: Sequence[int] = (), **how: Any) -> Tables:
    """Fixes over the vessel, coverage and reception steps alone."""
    return run(table, cuts, steps=STEPS[:3], **how)


def _between(table: pa.Table, low: int, high: int, name: str = "time") -> pa.Table:
    time_us = micros_of(table, name)
    return table.filter(pa.array((time_us >= low) & (time_us < high)))


MEETINGS = tuple(step for step in STEPS if step.name not in ("calls", "compare"))  # all that encounters depend on


def meetings(table: pa.Table, cuts: Sequence[int] = (), shards: int = 1, **how: Any) -> Tables:
    """Fixes over the steps of MEETINGS: each call of a step costs milliseconds, whatever comes of it."""
    return run(table, cuts, shards, steps=MEETINGS, **how)


def encounters(table: pa.Table, rules: Rules | None = None, **how: Any) -> pd.DataFrame:
    """The encounters of some fixes, in order of pair and time."""
    return in_order(meetings(table, rules=rules, **how)["encounters"], ENCOUNTER_KEY).to_pandas()


def at_least(minutes: float, rules: Rules | None = None) -> Rules:
    """Rules by which an encounter counts from so many minutes."""
    rules = rules or Rules()
    return replace(rules, encounter=replace(rules.encounter, min_duration_min=minutes))


def unthinned(rules: Rules | None = None) -> Rules:
    """Rules that thin no stay."""
    rules = rules or Rules()
    return replace(rules, vessel=replace(rules.vessel, thin_tolerance_m=1e-6))


def uncounted(rules: Rules | None = None) -> Rules:
    """Rules by which nobody lies still at berth, so that every pair is measured and none counted."""
    rules = rules or Rules()
    return replace(rules, proximity=replace(rules.proximity, still_kn=0.0))


ENCOUNTER_KEY = ("mmsi_a", "track_a", "mmsi_b", "track_b", "start_time")


def in_order(rows: pa.Table, key: Iterable[str]) -> pa.Table:
    """Rows sorted by some columns, in one chunk."""
    return rows.sort_by([(name, "ascending") for name in key]).combine_chunks()


def canonical(given: Tables) -> Tables:
    """What must be the same however the input is cut: every column of it, in one order."""
    return {
        "encounters": in_order(given["encounters"].drop_columns(["run_id"]), ENCOUNTER_KEY),
        "gaps": in_order(given["judged_gaps"], ("mmsi", "track_start", "start_time", "ending")),
        "port_calls": in_order(given["port_calls"], ("mmsi", "track_start", "arrival", "shown", "port")),
        "loitering": in_order(given["loitering"], ("mmsi", "track_start", "start_time")),
        "coverage": added(given["coverage"], "cell", "hour", "receiver"),
        "outages": in_order(given["outages"], ("start_time", "receiver", "name")),
        "port_pair_counts": added(given["port_pair_counts"], "port", "part", "hour"),
        "identity_events": in_order(given["identity_events"], schema.IDENTITY_EVENTS.names[:7]),
        "identity_values": _spans(given["identity_values"]),
        "track_checks": in_order(given["track_checks"], ("mmsi", "track_start", "check_name", "start_time")),
        "vessels": pa.Table.from_pandas(latest(_epoch(given["vessels"]).to_pandas())),
    }


@cache
def whole(**options: Any) -> Tables:
    """What the simulated fleet gives in one slice; options as in `fleet`."""
    return canonical(run(fleet(**options)))


def _epoch(rows: pa.Table) -> pa.Table:
    """Times as numbers, which pandas merges without a word about time zones."""
    kinds = {f.name: pa.int64() if pa.types.is_timestamp(f.type) else f.type for f in rows.schema}
    return rows.cast(pa.schema(kinds.items()))


def added(rows: pa.Table, *key: str) -> pa.Table:
    """The sums of all other columns by key."""
    others = [name for name in rows.column_names if name not in key]
    return in_order(rows.group_by(list(key)).aggregate([(name, "sum") for name in others]), key)


def _spans(rows: pa.Table) -> pa.Table:
    """The first and last time of each value of each vessel."""
    key = ["mmsi", "field", "value"]
    return in_order(rows.group_by(key).aggregate([("first_seen", "min"), ("last_seen", "max")]), key)


def latest(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per vessel: least first_seen, greatest last_seen, fixes added, of each word the one told last."""
    groups = rows.groupby("mmsi")
    merged = groups.agg(flag=("flag", "first"), first=("first_seen", "min"), last=("last_seen", "max"))
    merged["fixes"] = groups.fixes.sum()
    for name in (c.removesuffix("_time") for c in rows if c.endswith("_time")):
        collected = rows.dropna(subset=f"{name}_time").sort_values(["mmsi", f"{name}_time", name])
        final = collected.groupby("mmsi")[[name, f"{name}_time"]].last()
        merged = merged.join(final)
    # a number that is missing somewhere makes a column of floats: then all are
    numbers = merged.select_dtypes("number").columns
    return merged.astype(dict.fromkeys(numbers, float)).reset_index()


def assert_same(left: Tables, right: Tables) -> None:
    """Fail on the first table that differs, and say in which column and by how much."""
    for name, rows in left.items():
        other = right[name]
        assert rows.num_rows == other.num_rows, f"{name}: {rows.num_rows} and {other.num_rows} rows"
        for column in rows.column_names:
            if not rows[column].equals(other[column]):
                a, b = rows[column].to_pylist(), other[column].to_pylist()
                first = next((k for k in range(len(a)) if a[k] != b[k]), 0)
                where = {k: rows[k][first].as_py() for k in rows.column_names[:4]}
                raise AssertionError(f"{name}.{column}: {a[first]} and {b[first]} at {where}")


def open_across(found: pa.Table, cuts: Iterable[int]) -> list[int]:
    """How many encounters each cut goes through."""
    start, end = micros_of(found, "start_time"), micros_of(found, "end_time")
    return [int(((start < cut) & (end > cut)).sum()) for cut in cuts]
