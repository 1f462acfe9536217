"""Owns: ids that are no MMSI are refused in a sentence, or numbered: the same id has the same number in every file and
order, no two have one, and none is taken for an MMSI.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.reference.mmsi import FIRST_NUMBERED
from stswatch.pipeline import api
from stswatch.pipeline.readers import values
from stswatch.pipeline.readers.source import SourceError

HASHED = ["j2Oz4+HxcgBmC8a==", "vessel_12", "선박-7", "431000001x"]
SMALL = [0, 7, 999, 12_345]


def csv(names, column="mmsi", more=""):
    rows = [f"{name},2025-03-10T12:{at:02d}:00Z,38.25,124.5{more}" for at, name in enumerate(names)]
    return "\n".join([f"{column},time,lat,lon" + (",name" if more else ""), *rows, ""]).encode()


def records(names):
    rows = [
        {"mmsi": n, "time": f"2025-03-10T12:{at:02d}:00Z", "lat": 38.25, "lon": 124.5} for at, n in enumerate(names)
    ]
    return json.dumps(rows).encode()


@pytest.mark.parametrize("names", [HASHED, SMALL])
@pytest.mark.parametrize("form", [csv, records])
def test_a_table_whose_ids_are_no_mmsi_is_refused_with_the_remedy(written, names, form):
    path = written("a.dat", form(names))
    with pytest.raises(SourceError, match=r"a\.dat: what stands in 'mmsi' is no MMSI.*`ids=any`") as collected:
        api.decode(path)
    assert "\n" not in str(collected.value)


@pytest.mark.parametrize("names", [HASHED, SMALL])
@pytest.mark.parametrize("form", [csv, records])
def test_with_the_option_each_id_is_a_vessel_of_its_own_number(written, names, form):
    got = api.decode(written("a.dat", form(names)), ids="any")
    numbers = got.fixes["mmsi"].to_pylist()
    assert len(set(numbers)) == len(names)
    assert min(numbers) >= FIRST_NUMBERED
    assert got.fixes["invalid_reason"].to_pylist() == [None] * len(names)
    collected = dict(zip(got.static_reports["mmsi"].to_pylist(), got.static_reports["name"].to_pylist(), strict=True))
    assert [collected[number] for number in numbers] == [f"id {name}" for name in names]


def test_a_number_is_the_same_in_every_file_form_and_order(written, tmp_path):
    pq.write_table(
        pa.table({"mmsi": pa.array([5, 70], pa.int64()), "time": [1741608000] * 2, "lat": [1.0] * 2, "lon": [2.0] * 2}),
        tmp_path / "a.parquet",
    )
    files = [written("a.csv", csv(["70", "5"])), written("b.csv", csv(["x", "5", "70"])), tmp_path / "a.parquet"]
    files.append(written("c.json", records([70, 5])))
    files.append(written("d.json", records(["5", "70", "x"])))
    numbers = [set(api.decode(file, ids="any").fixes["mmsi"].to_pylist()) for file in files]
    assert numbers[0] == numbers[2] == numbers[3] < numbers[1] == numbers[4]


def test_other_names_of_the_column_are_known_then(written):
    path = written("a.csv", csv(HASHED, "vessel_id"))
    with pytest.raises(SourceError, match=r"no column for mmsi.*'vessel_id'.*`ids=any`"):
        api.decode(path)
    assert api.decode(path, ids="any").fixes.num_rows == len(HASHED)


def test_the_map_can_say_so(written):
    toml = b'ids = "any"\n[columns]\nmmsi = "who"\ntime = "time"\nlat = "lat"\nlon = "lon"\n'
    got = api.decode(written("a.csv", csv(HASHED, "who")), columns=written("map.toml", toml))
    assert got.fixes.num_rows == len(HASHED)


def test_the_name_of_a_vessel_stands_before_her_id(written):
    got = api.decode(written("a.csv", csv(["x1"], more=",ABLE@@")), ids="any")
    assert got.static_reports["name"].to_pylist() == ["ABLE, id x1"]


def test_two_ids_of_one_hash_are_told_apart_whatever_the_order(written, monkeypatch):
    monkeypatch.setattr(values, "_HASHED", 3)
    names = ["a", "b", "c"]
    first, second = written("1.csv", csv(names[:2])), written("2.csv", csv(names[:0:-1]))
    for files in ([first, second], [second, first]):
        rows = api.decode(files, ids="any").static_reports
        collected = set(zip(rows["mmsi"].to_pylist(), rows["name"].to_pylist(), strict=True))
        assert len(collected) == len({number for number, _ in collected}) == 3


@given(st.sets(st.text(min_size=1, max_size=9) | st.integers(0, 10**9).map(str), max_size=40), st.randoms())
def test_no_two_ids_have_one_number(names, rng):
    texts = [name for name in names if not name.endswith((".", "0")) or name.isdigit()]
    numbering = values.numbering_of(rng.sample(texts, len(texts)))
    numbers = [numbering.number(name) for name in texts]
    assert len(set(numbers)) == len(texts)
    assert all(FIRST_NUMBERED <= number < 2**31 for number in numbers)


def test_numbers_beyond_nine_digits_are_no_vessels_without_the_option(written):
    rows = ["431000001", str(FIRST_NUMBERED + 5), "1000000001", "412000001"]
    got = api.decode(written("a.csv", csv(rows)))
    assert got.fixes["invalid_reason"].to_pylist() == [None, "bad_mmsi", None]
    assert got.rejects["reason"].to_pylist() == ["no_mmsi"]


def test_frames_in_memory_are_read_so_too():
    minutes = np.arange(0, 360, 5)
    times = pa.array(1_741_608_000_000_000 + np.tile(minutes, 2) * 60_000_000, pa.timestamp("us", "UTC"))
    n = len(minutes)
    rows = pa.table({
        "mmsi": ["one"] * n + ["two"] * n, "time": times,
        "lon": np.repeat([124.5, 124.5004], n), "lat": np.full(2 * n, 38.25),
    })  # fmt: skip
    with pytest.raises(SourceError, match=r"the table.*`ids=any`"):
        api.detect(rows)
    assert len(api.detect(rows, ids="any")) == 1


def test_mmsi_that_no_state_issues_are_vessels_like_any_other(written):
    numbers = [150_200_001, 100_900_000, 12_345_678, 800_000_000, 999_999_999]
    got = api.decode(written("a.csv", csv(numbers)))
    assert got.fixes["invalid_reason"].to_pylist() == [None] * len(numbers)
