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
