"""A simulated sea as its station network delivers it, NMEA with tag blocks, and its truth as JSON and Parquet."""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stswatch.sample_ais import plan
from stswatch.sample_ais.fleet.motion import Floats, Ints
from stswatch.sample_ais.plan import Simulated
from stswatch.sample_ais.reception import encode
from stswatch.sample_ais.scenes.voyages import VoyagePlan
from stswatch.sample_ais.simulation import simulate
from stswatch.sample_ais.truth import UNDEFINED

BLOCK = 100_000  # reports encoded at a time
BROKEN = 0.0005  # share of lines that come a second time with a wrong character, which their checksum tells
NOTICE = "Simulated: no ship, flag or event is real. Country digits 281 to 286 are given to nobody."
TRUTH_TABLES = ("ships", "meetings", "gaps")
MORE_TABLES = ("voyages", "port_calls", "outages", "handshakes", "forged")  # of a sea of weeks
TABLE_HEADER = "mmsi,time,lon,lat,sog_kn,name\n"  # of positions as CSV


def lines(sea: Simulated) -> list[bytes]:
    """All sentences in the order in which they were delivered, without line ends; never raises.

    They hold each row of `fixes` and of `static_reports` once. Some come again broken, to be rejected.
    """
    order, text = [np.empty(0)], []
    fields, etas = sea.more.get("fields"), sea.more.get("etas")
    for arrived, line in (*_position_lines(sea.fixes, fields), *_static_lines(sea.static_reports, etas)):
        order.append(arrived)
        text += line
    at = np.argsort(np.concatenate(order), kind="stable").tolist()
    return _with_broken(np.random.default_rng([sea.seed, 8]), [text[k] for k in at])


def _position_lines(fixes: pa.Table, fields: pa.Table | None) -> Iterator[tuple[Floats, list[bytes]]]:
    arrival = np.maximum.accumulate(_seconds(fixes))  # rows are in order of arrival: none comes before one above it
    for b in (False, True):
        rows = np.flatnonzero((fixes["msg_type"].to_numpy() == 18) == b)
        for low in range(0, len(rows), BLOCK):
            at = rows[low : low + BLOCK]
            yield arrival[at], _positions(fixes.take(at), b, fields.take(at) if fields is not None else None)


def _positions(fixes: pa.Table, b: bool, fields: pa.Table | None) -> list[bytes]:
    lon, lat, speed_kn, course_deg, heading_deg = (
        _numbers(fixes[name]) for name in ("lon", "lat", "sog_kn", "cog_deg", "heading_deg")
    )
    status = None if b else np.nan_to_num(_numbers(fixes["status"]), nan=UNDEFINED).astype(np.int64)
    turning = fixes["msg_type"].to_numpy() == 3
    stations = fixes["station"].to_pylist()
    mmsi, time_s = fixes["mmsi"].to_numpy(), _seconds(fixes)
    more = None if fields is None else {name: fields[name].to_numpy() for name in fields.column_names}
    return encode.positions(mmsi, time_s, lon, lat, speed_kn, course_deg, heading_deg, stations, status, turning, more)


def _static_lines(reports: pa.Table, etas: pa.Table | None) -> Iterator[tuple[Floats, list[bytes]]]:
    kind = reports["msg_type"].to_numpy()
    named = reports["name"].is_valid().to_numpy()
    group = 1
    for part, rows in enumerate((np.flatnonzero(kind == 5), np.flatnonzero((kind == 24) & named))):
        of = reports.take(rows)
        eta = etas["eta"].take(rows) if etas is not None else None
        yield _seconds(of).astype(np.float64), _statics(of, None if part == 0 else 0, group, eta)
        group += len(rows)
    of = reports.take(np.flatnonzero((kind == 24) & ~named))
    yield _seconds(of).astype(np.float64), _statics(of, 1, group)


def _statics(of: pa.Table, part: int | None, group: int, eta: pa.ChunkedArray | None = None) -> list[bytes]:
    if not len(of):
        return []
    zero = {"imo": 0, "ship_type": 0, "to_bow_m": 0, "to_stern_m": 0, "to_port_m": 0, "to_starboard_m": 0}
    who: dict[str, Any] = {
        name.removesuffix("_m"): of[name].fill_null(value).to_numpy().astype(np.int64) for name, value in zero.items()
    }
    who["mmsi"] = of["mmsi"].to_numpy()
    who |= {name: of[name].fill_null("").to_pylist() for name in ("name", "call_sign")}
    stations, time_s = ["SIM-NET"] * len(of), _seconds(of)
    if part is not None:
        return encode.statics_b(who, time_s, stations, group, part)
    draught = np.round(of["draught_m"].fill_null(0.0).to_numpy() * 10).astype(np.int64)
    voyage = {"draught": draught, "destination": of["destination"].fill_null("").to_pylist()}
    if eta is not None:
        parts = {"month": pc.month, "day": pc.day, "hour": pc.hour, "minute": pc.minute}
        unset = {"month": 0, "day": 0, "hour": 24, "minute": 60}
        voyage |= {name: part(eta).fill_null(unset[name]).to_numpy() for name, part in parts.items()}
    return encode.statics_a(who, voyage, time_s, stations, group)


def _seconds(table: pa.Table) -> Ints:
    return np.asarray(table["time"].cast(pa.int64()).to_numpy() // 1_000_000)


def _numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _with_broken(rng: np.random.Generator, text: list[bytes]) -> list[bytes]:
    """The lines, some of them followed by a copy with one character of the payload wrong."""
    out = list(text)
    for k in sorted(np.flatnonzero(rng.random(len(text)) < BROKEN).tolist(), reverse=True):
        line = text[k]
        at = line.index(b"!AIVDM") + 20
        other = b"1" if line[at : at + 1] != b"1" else b"2"
        out.insert(k + 1, line[:at] + other + line[at + 1 :])
    return out


def table(sea: Simulated, every_s: int = 3600) -> str:
    """Positions as CSV text for examples: of each MMSI the first one received in so many seconds, in order of time."""
    names = dict(zip(sea.ships["mmsi"].to_pylist(), sea.ships["name"].to_pylist(), strict=True))
    fixes = sea.fixes.filter(pc.is_valid(sea.fixes["lon"]))
    mmsi, time_s = fixes["mmsi"].to_numpy(), _seconds(fixes)
    order = np.lexsort((mmsi, time_s))
    _, first = np.unique(np.column_stack([mmsi, time_s // every_s])[order], axis=0, return_index=True)
    rows = order[np.sort(first)]
    columns = (time_s[rows], mmsi[rows], *(_numbers(fixes[name])[rows] for name in ("lon", "lat", "sog_kn")))
    entries = zip(*(column.tolist() for column in columns), strict=True)
    text = [f"{m},{stamp(t)},{lon:.5f},{lat:.5f},{speed:.1f},{names[m]}\n" for t, m, lon, lat, speed in entries]
    return TABLE_HEADER + "".join(text)


def what_happened(sea: Simulated) -> str:
    """The truth as JSON text."""
    whole = {
        "simulated": True,
        "notice": NOTICE,
        "generator": "stswatch.sample_ais.simulation",
        "seed": sea.seed,
        "plan": asdict(sea.plan),
        "start": stamp(sea.plan.start_s),
        "end": stamp(sea.plan.start_s + sea.plan.days * 86_400),
        "meetings_within_m": plan.WITHIN_M,
        "meetings_joined_over_min": plan.JOIN_S / 60,
        "meetings_least_min": plan.LEAST_S / 60,
        "vessel_days": sea.vessel_days,
        **{name: [_plain(row) for row in getattr(sea, name).to_pylist()] for name in TRUTH_TABLES},
        **{name: [_plain(row) for row in sea.more[name].to_pylist()] for name in MORE_TABLES if sea.more},
    }
    return json.dumps(whole, indent=1) + "\n"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with times as ISO 8601 and numbers as they are told: degrees to 1e-4, the rest to a tenth."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if hasattr(value, "timestamp"):
            out[name] = stamp(value.timestamp())
        elif isinstance(value, float):
            out[name] = round(value, 4 if name in ("lon", "lat") else 2 if name == "seen_share" else 1)
        else:
            out[name] = value
    return out


def stamp(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601, whole seconds; never raises within the years that datetime knows.

    >>> stamp(1_741_564_800)
    '2025-03-10T00:00:00Z'
    """
    return datetime.fromtimestamp(round(time_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(out: Path, sea: Simulated, name: str = "simulated", tables: bool = True) -> list[Path]:
    """Writes the recording, the truth and, if wanted, its tables into a folder, made if need be; returns the files.

    Raises OSError where it cannot.
    """
    out.mkdir(parents=True, exist_ok=True)
    recording, truth = out / f"{name}.nmea.gz", out / f"{name}.truth.json"
    recording.write_bytes(gzip.compress(b"\n".join(lines(sea)) + b"\n", 9, mtime=0))
    truth.write_text(what_happened(sea))
    files = [recording, truth]
    for table in TRUTH_TABLES if tables else ():
        files.append(out / f"{name}.{table}.parquet")
        pq.write_table(getattr(sea, table), files[-1], compression="zstd")
    for table in MORE_TABLES if tables and sea.more else ():
        files.append(out / f"{name}.{table}.parquet")
        pq.write_table(sea.more[table], files[-1], compression="zstd")
    return files


# ---- The recording of 48 hours from the Gulf of Tonkin to Peter the Great Bay: its plan, and how it is written again
#     python -m stswatch.sample_ais.feed --out sample_ais
#
# Stations deliver at most one position of a ship in 90 s, and one static report in half an hour.

NAME = "simulated_48h"
SEED = 6
PLAN = VoyagePlan(
    start_s=1_741_564_800,  # 2025-03-10T00:00Z
    days=2.0,
    background=30,
    transfers=20,
    look_alikes=38,
    in_zones=0.65,
    trade=5,
    moored=12,
    slot_s=90.0,
    static_s=1800.0,
)


def write_sample(out: Path) -> list[Path]:
    """Writes recording, truth and table into a folder, made if need be; raises OSError where it cannot."""
    sea = simulate(PLAN, SEED)
    files = [*write(out, sea, NAME, tables=False), out / f"{NAME}.csv"]
    files[-1].write_text(table(sea))
    return files


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the recording of 48 hours, the truth and the table beside it.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    for path in write_sample(parser.parse_args(argv).out):
        print(path)


if __name__ == "__main__":
    main()
