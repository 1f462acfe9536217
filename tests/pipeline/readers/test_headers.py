"""Owns: what may stand before the names of columns, and what is said where they are not known."""

import tomllib

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.readers.source import SourceError

ROWS = ["431000001,2025-03-10T12:00:00Z,38.25,124.5", "431000002,2025-03-10T12:01:00Z,38.5,124.75"]
NAMES = "mmsi,time,lat,lon"
BEFORE = {
    "nothing": [],
    "comments of #": ["# from a receiver, at sea", "#", "# mmsi is the number; time is UTC"],
    "comments of //": ["// a, b, c, d"],
    "comments of %": ["% made 2025-03-10, by hand"],
    "comments of ;": ["; made 2025-03-10"],
    "blank lines": ["", "   ", ""],
    "what Excel writes": ["sep=,"],
    "what Excel writes, in quotes": ['"sep=,"'],
    "all of it": ["sep=,", "", "# mmsi, time", "", "// x"],
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_what_stands_before_the_names_is_passed_over(written, before, end, bom):
    content = (bom + end.join([*BEFORE[before], NAMES, *ROWS, ""])).encode()
    path = written("a.csv", content)
    got = api.decode(path)
    assert got.fixes["mmsi"].to_pylist() == [431000001, 431000002]
    assert got.rejects.num_rows == 0
    for row, line in zip(got.fixes.to_pylist(), ROWS, strict=True):
        assert content[row["offset"] : row["offset"] + row["length"]].decode() == line


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_names_may_stand_in_a_comment_or_in_quotes(written, delimiter):
    rows = [row.replace(",", delimiter) for row in ROWS]
    for head in ("# " + NAMES, "%" + NAMES, ",".join(f'"{name}"' for name in NAMES.split(","))):
        got = api.decode(written("a.csv", "\n".join(["# export", head.replace(",", delimiter), *rows]).encode()))
        assert got.fixes["lon"].to_pylist() == [124.5, 124.75]


def test_a_first_column_without_a_name_is_no_comment(written):
    got = api.decode(written("a.csv", b";mmsi;time;lat;lon\n0;431000001;2025-03-10T12:00:00Z;38.25;124.5\n"))
    assert got.fixes["mmsi"].to_pylist() == [431000001]


@pytest.mark.parametrize("separator", [";", "\t", "|", "~"])
def test_the_separator_that_excel_is_told_holds(written, separator):
    body = "\n".join([NAMES.replace(",", separator), *(row.replace(",", separator) for row in ROWS)])
    got = api.decode(written("a.csv", f"sep={separator}\n{body}\n".encode()))
    assert got.fixes.num_rows == 2


def test_commas_within_quotes_are_no_delimiters(written):
    head = '"mmsi";"time";"lat";"lon";"what, when, where, why, who, how"\n'
    got = api.decode(written("a.csv", (head + ROWS[0].replace(",", ";") + ";x\n").encode()))
    assert got.fixes.num_rows == 1


def refused(path, **asked):
    with pytest.raises(SourceError) as collected:
        open_source(path, **asked)
    return collected.value


def test_all_columns_are_named_and_a_map_is_given_to_copy(written):
    names = ["Ship", "When", "lat", 'a "quoted" one', *(f"column {at}" for at in range(80))]
    line = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    values = ["431000001", "2025-03-10T12:00:00Z", "38.25", "124.5", *(["0"] * 80)]
    path = written("a.csv", (line + "\n" + ",".join(values) + "\n").encode())
    error = refused(path)
    assert "\n" not in str(error)
    assert all(repr(name) in str(error) for name in names)
    (snippet,) = error.__notes__
    given = tomllib.loads(snippet)["columns"]
    assert (given["mmsi"], given["lat"]) == ("?", "lat")
    assert all(name.replace('"', '\\"') in snippet for name in names)
    collected = tomllib.loads(str(error)[str(error).index("columns = {") :])
    assert collected == {"columns": {"mmsi": "?", "time": "?", "lon": "?", "lat": "lat"}}
    filled = snippet.replace('mmsi = "?"', 'mmsi = "Ship"').replace('time = "?"', 'time = "When"')
    filled = filled.replace('lon = "?"', 'lon = "a \\"quoted\\" one"')
    got = api.decode(path, columns=written("map.toml", filled.encode()))
    assert got.fixes["lon"].to_pylist() == [124.5]


GLOBAL_PLATFORM = {  # columns of the AIS of the UN Global Platform, in its order, with what a row may hold
    "mmsi": "477000001",
    "imo": "9100007",
    "vessel_name": "SHIP A",
    "callsign": "VRAA1",
    "vessel_type": "Tanker",
    "vessel_type_code": "80",
    "vessel_class": "A",
    "length": "180",
    "width": "30",
    "flag_country": "Hong Kong",
    "destination": "NAMPO",
    "eta": "05140600",
    "draught": "9.5",
    "longitude": "124.3",
    "latitude": "38.0",
    "sog": "0.3",
    "cog": "120",
    "rot": "0",
    "heading": "90",
    "nav_status": "At anchor",
    "nav_status_code": "1",
    "source": "S-AIS",
    "dt_insert_utc": "2023-05-01 03:00:09",
    "dt_static_utc": "2023-04-30 03:00:09",
    "dt_pos_utc": "2023-05-01 00:00:05",
    "message_type": "1",
    "eeid": "4711",
}


def test_tables_of_the_un_global_platform_are_read_as_they_are(written):
    lines = ",".join(GLOBAL_PLATFORM), ",".join(GLOBAL_PLATFORM.values())
    got = api.decode(written("a.csv", "\n".join(lines).encode()))
    (row,), (static,) = got.fixes.to_pylist(), got.static_reports.to_pylist()
    assert row["time"].isoformat() == "2023-05-01T00:00:05+00:00", "not when it was stored, not that of static data"
    assert (row["mmsi"], row["lon"], row["lat"], row["status"], row["receiver"]) == (
        477000001, 124.3, 38.0, 1, "satellite",
    )  # fmt: skip
    assert (static["name"], static["imo"], static["destination"], static["draught_m"]) == (
        "SHIP A",
        9100007,
        "NAMPO",
        9.5,
    )


KOREAN = "MMSI,일시,위도(도),경도(도),SOG,COG,Heading\n440000001,2023-05-01 09:00:00,38.0,124.3,0.3,120,90\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_names_in_korean_are_never_taken_by_themselves_but_fill_the_map_to_copy(written, encoding):
    """Such tables have local times: read as UTC they would be nine hours off."""
    path = written("a.csv", KOREAN.encode(encoding))
    error = refused(path)
    assert "time, lon, lat among 'MMSI', '일시'" in str(error)
    assert 'time = {zone = "Asia/Seoul"}' in str(error)
    toml = str(error)[str(error).index("columns = {") :] + '\ntime = {zone = "Asia/Seoul"}\n'
    (row,) = api.decode(path, columns=written("map.toml", toml.encode())).fixes.to_pylist()
    assert row["time"].isoformat() == "2023-05-01T00:00:00+00:00"
    assert (row["lon"], row["lat"], row["heading_deg"]) == (124.3, 38.0, 90)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("MMSI,时间,经度,纬度,航速", "utf-8"),
        ("MMSI,时间,经度,纬度,航速", "gb18030"),
        ("MMSI,日時,経度,緯度,速力", "utf-8"),
        ("MMSI,日時,経度,緯度,速力", "cp932"),
    ],
)
def test_so_do_names_in_chinese_and_japanese(written, header, encoding):
    content = header.encode(encoding)
    (snippet,) = refused(written("a.csv", content + b"\n440000001,2023-05-01 09:00:00,124.3,38.0,0.3\n")).__notes__
    assert list(tomllib.loads(snippet)["columns"].values()) == header.split(",")


def test_a_map_that_is_not_filled_says_so(written):
    path = written("a.csv", b"ship,when,lat,lon\n1,2,3,4\n")
    (snippet,) = refused(path).__notes__
    assert "no column '?'" in str(refused(path, columns=written("map.toml", snippet.encode())))


@pytest.mark.parametrize(
    "content", [",".join(f"c{at}" for at in range(60_000)), "x" * 60_000 + ",y", "a,b\x1b[31m,\x07"]
)
def test_what_is_said_of_hostile_names_is_short(written, content):
    error = refused(written("a.csv", (content + "\n1,2\n").encode()))
    assert len(str(error)) < 6_000
    assert len("".join(error.__notes__)) < 12_000
    assert set(tomllib.loads(str(error)[str(error).index("columns = {") :])) == {"columns"}
    assert "\x1b" not in str(error) + "".join(error.__notes__)
    tomllib.loads(error.__notes__[0])
