"""Owns: a unit that the name of a column betrays is converted and said, and a column in an unknown one is not read."""

import time

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline.readers.column_names import HEADERS, UNITS, named_unit, recognise
from stswatch.pipeline.readers.columns import decode_memory
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.readers.gather import together

NAMED = {  # a header of speed, latitude, longitude, course, draught -> a row of 12.5 kn, 38.25, 124.5, 123.4, 9.5 m
    "speed_x10,lat,lon,cog_x10,draught_dm": "125,38.25,124.5,1234,95",
    "sog_dkn,lat_1e7,lon_1e7,cog,draught": "125,382500000,1245000000,123.4,9.5",
    "speed (1/10 knot),latE6,lonE6,course (1/10 deg),draught (1/10 m)": "125,38250000,124500000,1234,95",
    "speed_ms,lat (1/10000 min),lon (1/10000 min),cog,draft_cm": f"{12.5 / 1.94384449:.6f},22950000,74700000,123.4,950",
    "SOG [km/h],lat_dd,lon_dd,cog_deg,draught (m)": f"{12.5 * 1.852},38.25,124.5,123.4,9.5",
    "sog_knots,lat,lon,cog,draught": "12.5,38.25,124.5,123.4,9.5",
}


def whole(path, **printed):
    source = open_source(path, **printed)
    return source, together(batch for chunk in chunks(source) for batch in read(chunk))


@pytest.mark.parametrize("header", NAMED)
def test_units_in_names_are_converted(written, header):
    text = f"mmsi,time,{header}\n431000001,1741608000,{NAMED[header]}\n"
    _, got = whole(written("a.csv", text.encode()))
    (row,), (printed,) = got.fixes.to_pylist(), got.static_reports.to_pylist()
    found = [row["sog_kn"], row["lat"], row["lon"], row["cog_deg"], printed["draught_m"]]
    np.testing.assert_allclose(found, [12.5, 38.25, 124.5, 123.4, 9.5], rtol=1e-6)


def test_what_was_taken_and_what_not_is_said(written):
    text = b"MMSI,time,lat,lon,speed_x10,Cargo,heading\n431000001,1741608000,1,2,125,7,3\n"
    source, _ = whole(written("a.csv", text))
    assert source.columns == (
        "mmsi = MMSI, lon = lon, lat = lat, sog_kn = speed_x10 times 0.1, heading_deg = heading, time = time;"
        " not read: Cargo"
    )


def test_a_speed_in_a_unit_that_is_not_known_is_not_read(written):
    source, got = whole(written("a.csv", b"mmsi,time,lat,lon,speed_warp\n431000001,1741608000,1,2,125\n"))
    assert got.fixes["sog_kn"].to_pylist() == [None]
    assert source.columns.endswith("not read: speed_warp")


def test_what_the_map_says_of_a_unit_goes_before_the_name(written):
    text = b"mmsi,time,lat,lon,speed_x10\n431000001,1741608000,1,2,125\n"
    for factor, speed in (("0.01", 1.25), ('"1/10 knot"', 12.5), ('"m/s"', 242.98)):
        toml = written("map.toml", f"[factors]\nsog_kn = {factor}\n".encode())
        got = whole(written("a.csv", text), columns=toml)[1].fixes["sog_kn"].to_pylist()
        assert got == pytest.approx([speed], rel=1e-4) if speed < 102 else got == [None]
    with pytest.raises(SourceError, match=r"sog_kn = 'warp' is no unit that is known; give a number, or one of \"kn\""):
        whole(written("a.csv", text), columns=written("map.toml", b'[factors]\nsog_kn = "warp"\n'))


TENTHS = [3, 4, 2, 120, 131, 125, 0, 1023, 118, 117] * 5
WHOLE = [0, 1, 12, 11, 10, 999, 1023, 511, 8] * 5  # with codes for what is not known


@pytest.mark.parametrize(("speeds", "refused"), [(TENTHS, True), (WHOLE, False), ([x / 10 for x in TENTHS], False)])
def test_whole_numbers_that_are_no_speeds_in_knots_are_asked_about(written, speeds, refused):
    rows = [f"431000001,{1741608000 + 60 * k},38.25,124.5,{speed}" for k, speed in enumerate(speeds)]
    path = written("a.csv", "\n".join(["mmsi,time,lat,lon,speed", *rows, ""]).encode())
    if not refused:
        assert whole(path)[1].fixes.num_rows == len(speeds)
        return
    with pytest.raises(SourceError, match="column 'speed' holds whole numbers such as 120, and no speed"):
        open_source(path)
    toml = written("map.toml", b'[factors]\nsog_kn = "1/10 kn"\n')
    assert whole(path, columns=toml)[1].fixes["sog_kn"].to_pylist()[:4] == pytest.approx([0.3, 0.4, 0.2, 12.0])


def test_memory_tables_obey_the_same_names():
    rows = {"mmsi": [431000001], "time": [1741608000], "lat_1e7": [382500000], "lon_1e7": [1245000000]}
    (row,) = decode_memory(pa.table({**rows, "speed_x10": [125]})).fixes.to_pylist()
    assert (row["lat"], row["lon"], row["sog_kn"]) == (38.25, 124.5, 12.5)


def test_no_name_that_is_known_betrays_a_unit():
    names = [(name, ours) for ours, theirs in HEADERS.items() for name in theirs]
    assert all(named_unit(name, ours, HEADERS) in (None, 1.0) for name, ours in names)
    assert len(UNITS) >= 11


def test_names_of_any_length_and_number_are_looked_through_at_once():
    """A header may hold one name of a megabyte, or ten thousand."""
    many = [f"speed_{n}" for n in range(10_000)]
    begun = time.process_time()
    for header in (["sog" + "x1" * 500_000], many, [f"{name}{'a' * 50}" for name in many]):
        assert "sog_kn" not in recognise(header)
    assert time.process_time() - begun < 10
