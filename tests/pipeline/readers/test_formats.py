"""Owns: the same vessel gives the same rows whatever format tells of her, and what is not available is null in all."""

import pytest

from stswatch.pipeline.readers.registry import READERS, chunks, open_source, read
from tests.pipeline.readers.gather import together
from tests.pipeline.readers.one_vessel import EPOCH, FIXES, FORMATS, MAP, STATIC


@pytest.fixture
def told(written):
    """The source of a format, and what it gave."""

    def tell(name):
        _, content, _ = FORMATS[name]
        path = written("vessel.dat", content)
        asked = {"columns": written("map.toml", MAP.encode())} if name == "mapped" else {}
        source = open_source(path, **asked)
        return source, together(batch for chunk in chunks(source) for batch in read(chunk))

    return tell


def test_every_reader_is_told_of_her():
    assert {reader for reader, _, _ in FORMATS.values()} == {reader.name for reader in READERS}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_positions_come_from_every_format(told, name):
    source, got = told(name)
    assert source.format == FORMATS[name][0]
    rows = got.fixes.sort_by("time").to_pylist()
    assert [row["time"].timestamp() for row in rows] == [EPOCH, EPOCH + 60, EPOCH + 120]
    assert [{column: row[column] for column in FIXES[0]} for row in rows] == FIXES
    assert [row["invalid"] for row in rows] == [None, None, "no_position"]
    assert got.rejects.num_rows == 0


@pytest.mark.parametrize("name", FORMATS)
def test_what_she_says_of_herself_is_the_same_in_every_format(told, name):
    _, got = told(name)
    lacks = FORMATS[name][2]
    wanted = {column: value for column, value in STATIC.items() if column not in lacks}
    rows = [{column: row[column] for column in wanted} for row in got.static_reports.to_pylist()]
    said = [row for row in rows if any(value is not None for column, value in row.items() if column != "mmsi")]
    assert said == ([wanted] if wanted else [])
    assert all(value is None for row in rows if row not in said for column, value in row.items() if column != "mmsi")


@pytest.mark.parametrize("name", FORMATS)
def test_kind_of_receiver_and_licence_are_those_of_the_format_or_the_map(told, name):
    source, got = told(name)
    (reader,) = (reader for reader in READERS if reader.name == FORMATS[name][0])
    wanted = ("satellite", "bought") if name == "mapped" else (reader.receiver, reader.licence)
    assert (source.receiver, source.licence) == wanted
    assert set(got.fixes["receiver"].to_pylist()) == {source.receiver}


@pytest.mark.parametrize("name", ["nmea", "Danish", "mapped"])
def test_what_the_user_says_of_receiver_and_licence_goes_before(written, told, name):
    told(name)
    path, asked = written("vessel.dat", FORMATS[name][1]), {"receiver": "satellite", "licence": "ours"}
    if name == "mapped":
        asked["columns"] = written("map.toml", MAP.encode())
    source = open_source(path, **asked)
    assert (source.receiver, source.licence) == ("satellite", "ours")
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert set(got.fixes["receiver"].to_pylist()) == {"satellite"}
