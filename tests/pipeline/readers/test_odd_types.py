"""Owns: a column of Parquet of whatever type is read or missing or refused in a sentence, whichever column it is."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.readers.source import SourceError

COUNT = 60
GOOD = {
    "mmsi": pa.array([311000111, 241000222] * (COUNT // 2)),
    "time": pa.array([1_741_608_000_000_000 + 180_000_000 * (k // 2) for k in range(COUNT)], pa.timestamp("us", "UTC")),
    "lon": pa.array([124.9] * COUNT),
    "lat": pa.array([38.5, 38.50054] * (COUNT // 2)),
    "sog": pa.array([0.1] * COUNT),
    "status": pa.array(["Moored"] * COUNT),
    "name": pa.array(["CALM", "STAR"] * (COUNT // 2)),
    "receiver": pa.array(["terrestrial"] * COUNT),
}


def of(one, other, kind=None):
    return pa.array([one, other] * (COUNT // 2), kind)


ODD = {
    "list": of([1], None),
    "struct": of({"a": 1}, {"a": None}),
    "map": of([("a", 1)], [], pa.map_(pa.string(), pa.int64())),
    "fixed list": of([1, 2], [3, 4], pa.list_(pa.int64(), 2)),
    "bytes": of(b"\xff\x1b[2J", b"\xc3"),
    "few bytes": of(b"\xff\xfe", b"ab", pa.binary(2)),
    "bytes as words": of(b"\xff\xfe ", b" \xc3").view(pa.string()),
    "null": pa.nulls(COUNT),
    "bool": of(True, False),
    "large": of(2**63 - 1, -(2**63)),
    "unsigned": of(2**64 - 1, 0, pa.uint64()),
    "small": of(-128, 127, pa.int8()),
    "nan": of(np.nan, np.inf),
    "huge": of(1e308, -1e308),
    "half": of(np.float16(65504), np.float16(-1), pa.float16()),
    "single": of(3e38, 311000111.0, pa.float32()),
    "decimal": of(Decimal("9" * 30), Decimal(1), pa.decimal128(38, 0)),
    "wide decimal": of(Decimal("9" * 60), None, pa.decimal256(76, 0)),
    "date": of(2**31 - 1, -(2**31), pa.int32()).view(pa.date32()),
    "time": of(2**62, -(2**62), pa.timestamp("us")),
    "nanoseconds": of(2**62, -(2**62), pa.timestamp("ns")),
    "milliseconds": of(2**40, 2**62, pa.timestamp("ms")),
    "time of day": of(0, 86_399_999_999, pa.time64("us")),
    "duration": of(0, 2**62, pa.duration("us")),
    "codes": of("A", "B").dictionary_encode(),
    "codes of bytes": of(b"\xff", b"B").dictionary_encode(),
    "view": of("A", None, pa.string_view()),
    "many letters": of("A", "B", pa.large_string()),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "kind"), list(product(GOOD, ODD)), ids=lambda one: one)
def test_every_column_of_every_type(name, kind, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(GOOD | {name: ODD[kind]}), path)
    found, refused = None, str(path)
    try:
        found = api.decode(path)
    except SourceError as error:
        refused = str(error)
    assert str(path) in refused
    if found is not None:
        assert found.fixes.num_rows + found.rejects.num_rows >= COUNT // 2
