"""CSV and Parquet: the same rows whatever the file, its cut and its column names; dirty rows are counted, not lost."""

import gzip
import os
import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import Chunk
from tests.pipeline.readers.gather import same, together

REAL = os.environ.get("STSWATCH_REAL_DATA", "")
real = [pytest.mark.real, pytest.mark.skipif(not REAL, reason="STSWATCH_REAL_DATA names no folder")]
HEADER = b"mmsi,timestamp,lat,lon,sog,cog,name\n"
MAP = """
receiver = "satellite"
delimiter = ";"
[columns]
mmsi = "Ship ID"
time = "Seen"
lon = "X"
lat = "Y"
draught_m = "T"
[time]
format = "%d/%m/%Y %H:%M:%S"
zone = "Asia/Seoul"
"""


def whole(path, **options):
    source = open_source(path, **options)
    return together(batch for chunk in chunks(source) for batch in read(chunk))


def rubbish(seed: int, rows: int) -> bytes:
    rng = random.Random(seed)
    lines = []
    for at in range(rows):
        name = rng.choice(
            [b"", b"ABLE", b'"A, B"', b'"SAID ""YES"""', b'5" GUN', b"CH\xd3-DO", "초도".encode(), b'"OPEN']
        )
        mmsi = rng.choice([b"431000%03d" % (at % 50)] * 20 + [b"", b"x", b"4.5", b"99999999999", b"0"])
        time = rng.choice([b"2023-08-01 00:%02d:%02d" % (at // 60 % 60, at % 60)] * 20 + [b"", b"never", b"1690848000"])
        lat = rng.choice([b"28.5", b" 28.25 ", b"91", b"", b"N/A", b"28,5"])
        lines.append(b",".join([mmsi, time, lat, b"-90.1", b"3.2", b"511", name]))
        lines += [rng.choice([b"", b"a,b", b",,,,,,,,,"])] * (rng.random() < 0.05)
    return HEADER + rng.choice([b"\n", b"\r\n"]).join(lines) + rng.choice([b"", b"\n"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_cut_of_a_dirty_csv_gives_the_same_fixes_and_rejects(written, seed, data):
    text = rubbish(seed, 300)
    source = open_source(written("a.csv", text))
    once = together(read(Chunk(source, 0, len(text))))
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12))), len(text)]
    cut = together(batch for a, b in pairwise(edges) for batch in read(Chunk(source, a, b)))
    assert cut.fixes.equals(once.fixes)
    assert cut.rejects.equals(once.rejects)
    filled = sum(1 for line in text.split(b"\n")[1:] if line.strip(b"\r"))
    assert once.sentences == filled == once.fixes.num_rows + once.rejects.num_rows


def test_the_evidence_of_a_row_is_its_bytes(written):
    text = rubbish(3, 300)
    got = whole(written("a.csv", text))
    for row in got.fixes.to_pylist():
        assert text[row["offset"] : row["offset"] + row["length"]].startswith(b"%d," % row["mmsi"])
    lines = {(row["offset"], row["length"]) for table in (got.fixes, got.rejects) for row in table.to_pylist()}
    assert all(text[offset - 1 : offset] == b"\n" and b"\n" not in text[offset : offset + n] for offset, n in lines)


def test_names_that_are_not_utf8_are_kept(written):
    got = whole(written("a.csv", HEADER + b"431000001,2023-08-01 00:00:00,1,2,,,CH\xd3-DO\n"))
    assert got.static_reports["name"].to_pylist() == ["CHÓ-DO"]


@pytest.mark.parametrize(
    "time",
    [
        "2023-08-01T00:00:00",
        "2023-08-01 00:00:00Z",
        "2023-08-01T09:00:00+09:00",
        "1690848000",
        "1690848000000",
        "20230801_000000",
    ],
)
def test_every_usual_way_to_write_a_time_is_read(written, time):
    got = whole(written("a.csv", HEADER + f"431000001,{time},1,2,,,\n".encode()))
    assert got.fixes["time"].to_pylist() == [datetime(2023, 8, 1, tzinfo=UTC)]


def test_a_column_map_names_columns_zone_and_receiver(written):
    toml = written("map.toml", MAP.encode())
    got = whole(
        written(
            "a.csv",
            b"T;Ship ID;Seen;X;Y\n4,5;431000001;01/08/2023 09:00:00;2;1\n7.5;431000001;01/08/2023 09:01:00;2;1\n",
        ),
        columns=toml,
    )
    assert got.fixes["time"].to_pylist() == [datetime(2023, 8, 1, 0, minute, tzinfo=UTC) for minute in (0, 1)]
    assert got.fixes["receiver"].to_pylist() == ["satellite"] * 2
    assert got.static_reports["draught_m"].to_pylist() == [7.5]


def test_static_reports_are_given_where_they_begin_and_end_to_say_the_same(written):
    names = [b"A", b"A", b"@@@", b"B", b"B", b"A"]
    lines = [b"431000001,2023-08-01 00:00:0%d,1,2,,,%s" % (at, name) for at, name in enumerate(names)]
    got = whole(written("a.csv", HEADER + b"\n".join(lines)))
    assert got.static_reports["name"].to_pylist() == ["A", "A", "B", "B", "A"]


def test_static_reports_are_given_anew_each_day(written):
    """Days after the last change too it is known that a vessel still says the same."""
    hours = range(0, 60, 6)
    lines = [b"431000001,2023-08-%02d %02d:00:00,1,2,,,A" % (1 + h // 24, h % 24) for h in hours]
    got = whole(written("a.csv", HEADER + b"\n".join(lines)))
    assert [t.strftime("%d %H") for t in got.static_reports["time"].to_pylist()] == ["01 00", "02 00", "03 00", "03 06"]


def arrow_table(n: int) -> pa.Table:
    rng = np.random.default_rng(5)
    time_us = 1_690_848_000_000_000 + np.arange(n) * 1_000_000
    return pa.table({
        "mmsi": pa.array(431_000_000 + rng.integers(0, 50, n)),
        "timestamp": pa.array(time_us, pa.timestamp("us")),
        "lat": rng.uniform(-80, 80, n).round(6), "lon": rng.uniform(-180, 180, n).round(6),
        "sog": pa.array(rng.uniform(0, 20, n).round(1), mask=rng.random(n) < 0.1),
        "name": rng.choice(["A", "B", ""], n),
    })  # fmt: skip


def test_parquet_gives_what_csv_gives_and_is_cut_by_row_groups(tmp_path):
    rows = arrow_table(1000)
    pq.write_table(rows, tmp_path / "a.parquet", row_group_size=150)
    pacsv.write_csv(rows, tmp_path / "a.csv")
    source = open_source(tmp_path / "a.parquet")
    cut = chunks(source, 1)
    assert [(c.start, c.end) for c in cut] == [(at, min(at + 150, 1000)) for at in range(0, 1000, 150)]
    parquet = together(batch for chunk in reversed(cut) for batch in read(chunk))
    csv = whole(tmp_path / "a.csv")
    assert parquet.fixes["offset"].to_pylist() == list(range(1000))
    names = [n for n in csv.fixes.column_names if n not in ("source", "offset", "length")]
    assert parquet.fixes.select(names).equals(csv.fixes.select(names))


@pytest.mark.parametrize("kind", ["timestamp[ms]", "timestamp[ns, tz=UTC]", "int64", "string", "dictionary"])
def test_parquet_of_other_types_gives_the_same(tmp_path, kind):
    rows = arrow_table(100)
    times = rows["timestamp"]
    other = {
        "timestamp[ms]": times.cast(pa.timestamp("ms")),
        "timestamp[ns, tz=UTC]": times.cast(pa.timestamp("ns", "UTC")),
        "int64": pa.chunked_array([times.cast(pa.int64()).to_numpy() // 1_000_000]),
        "string": times.cast(pa.string()),
        "dictionary": times.cast(pa.string()).dictionary_encode(),
    }[kind]
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows.set_column(1, "timestamp", other), tmp_path / "b.parquet")
    assert same(whole(tmp_path / "a.parquet"), whole(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("name", "format", "rows", "vessels"),
    [
        pytest.param("gulf_mexico_2023-08-01_to_12.csv.gz", "columns", 29_332, 0, marks=real),
        pytest.param("noaa_2022-01-03_99999.csv.gz", "marinecadastre", 99_999, 10_000, marks=real),
    ],
)
def test_real_archives_are_recognised_and_read_whole(name, format, rows, vessels):
    path = Path(REAL, "decoded", name)
    got = whole(path)
    assert open_source(path).format == format
    assert got.fixes.num_rows + got.rejects.num_rows == rows
    assert got.fixes.num_rows > 0.99 * rows
    assert got.static_reports.num_rows >= vessels
    text = gzip.decompress(path.read_bytes())
    header = text.split(b"\n", 1)[0].decode().lower().split(",")
    for row in got.fixes.slice(0, 50).to_pylist():
        fields = text[row["offset"] : row["offset"] + row["length"]].decode().split(",")
        assert row["mmsi"] == int(fields[0])
        assert (row["lat"], row["lon"]) == (float(fields[header.index("lat")]), float(fields[header.index("lon")]))
