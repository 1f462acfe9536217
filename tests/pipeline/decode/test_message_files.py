"""Owns: the three forms say the same, a file is whole or not there, and bytes, quotes and nulls survive."""

import base64
import csv
import io
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.decoded_fields import (
    FIELDS,
    HEAD,
    LAYOUT_TYPES,
    FieldRows,
    columns_of,
    json_lines,
    plain,
    say,
    table,
)
from stswatch.pipeline.readers.nmea_messages import FORMATS, RecordsError, sink, write
from stswatch.pipeline.schema.lake_tables import CODES, rejects_table
from tests.pipeline.decode.captures import SINGLE, STATIC
from tests.pipeline.decode.payloads import buffer

PAYLOADS = [*SINGLE[:5], (STATIC[0] + STATIC[1], STATIC[2]), (b"=39UOj0jFs9R", 0)] * 3
TYPES = {1, 4, 5, 8, 13, 18, 24}


def fields_read(payloads=PAYLOADS, station="S1"):
    forms = say(*buffer(payloads)).forms
    n = len(payloads)
    time_us = np.arange(n) * 1_000_500
    head = {
        "time": pa.array(time_us, pa.timestamp("us", "UTC"), mask=time_us % 2_001_000 == 0),
        "station": pa.array([station] * n, pa.string()),
        "receiver": pa.array(["unknown"] * n),
        "source": pa.array(["0" * 16] * n),
        "offset": pa.array(np.arange(n) * 50),
        "length": pa.array(np.full(n, 49, np.int32)),
    }
    rejects = rejects_table("0" * 16, np.array([7]), np.array([3]), np.array([CODES["checksum"]]))
    return FieldRows(head, forms, rejects, n + 1, n)


def of_parquet(path):
    return pq.read_table(path).to_pylist()


def of_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def of_json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    for to in FORMATS:
        write([("a", [fields_read(), fields_read()])], to, folder / f"x.{to}", TYPES, folder / f"bad.{to}")
    return folder


def test_parquet_and_json_lines_say_the_same(files):
    rows, lines = of_parquet(files / "x.parquet"), of_json_lines(files / "x.jsonl")
    assert len(rows) == len(lines) == 2 * len(PAYLOADS)
    assert {line["msg_type"] for line in lines} == TYPES
    for row, line in zip(rows, lines, strict=True):
        collected = line | {"time": line["time"] and datetime.fromisoformat(line["time"])}
        collected |= {"data": base64.b64decode(line["data"])} if "data" in line else {}
        assert {name: row.get(name) for name in collected} == collected
        assert not any(value is not None for name, value in row.items() if name not in collected)


def test_csv_says_the_same(files):
    rows, collected = of_parquet(files / "x.parquet"), of_csv(files / "x.csv")
    assert list(collected[0]) == columns_of(TYPES).names
    for row, texts in zip(rows, collected, strict=True):
        for name, value in row.items():
            assert texts[name] == _as_text(value), name


def _as_text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def test_rejects_are_written_in_the_same_form(files):
    collected = {"source": "0" * 16, "offset": 7, "length": 3, "reason": "checksum"}
    assert of_parquet(files / "bad.parquet") == of_json_lines(files / "bad.jsonl") == [collected] * 2
    assert of_csv(files / "bad.csv") == [{name: str(value) for name, value in collected.items()}] * 2


def test_a_line_of_json_has_the_fields_of_its_message_alone(files):
    lines = of_json_lines(files / "x.jsonl")
    names = {line["msg_type"]: set(line) - set(HEAD) for line in lines}
    assert "lon" in names[1]
    assert "lon" not in names[5]
    assert names[13] == {"repeat", "mmsi1", "mmsiseq1", "mmsi2", "mmsiseq2", "mmsi3", "mmsiseq3", "mmsi4", "mmsiseq4"}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(codec="ascii")))
def test_any_text_survives_json(station, name):
    forms = [(np.array([0]), {"msg_type": pa.array([5]), "shipname": pa.array([name])})]
    line = json_lines({"station": pa.array([station])}, forms)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"station": station, "msg_type": 5, "shipname": name}


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**31), 2**31 - 1), st.binary(max_size=9))
def test_any_number_survives_json(number, count, raw):
    columns = {"a": pa.array([number]), "b": pa.array([count], pa.int32()), "c": pa.array([raw]), "d": pa.nulls(1)}
    collected = json.loads(json_lines({}, [(np.array([0]), columns)]))
    assert collected == {"a": number, "b": count, "c": base64.b64encode(raw).decode(), "d": None}


def test_columns_are_known_without_pyais_where_types_have_a_layout():
    assert columns_of(LAYOUT_TYPES).names[:8] == list(HEAD)


@given(st.lists(st.none() | st.binary(max_size=20), max_size=12))
def test_bytes_are_base64(values):
    expected = [None if value is None else base64.b64encode(value).decode() for value in values]
    assert plain(pa.array(values, pa.binary())).to_pylist() == expected


# ------------------------------------------------------------------ columns that some message fills

COMMON, SHIP, RARE = fields_read(PAYLOADS[:1]), fields_read(PAYLOADS[5:6]), fields_read(PAYLOADS[6:7])


@pytest.mark.parametrize("parts", [[COMMON] * 3, [COMMON, SHIP], [SHIP, COMMON, RARE, COMMON], [RARE, SHIP, RARE]])
def test_a_parquet_file_has_the_columns_that_some_message_fills_whenever_it_comes(tmp_path, parts):
    write([("a", parts)], "parquet", tmp_path / "x", None)
    rows = pq.read_table(tmp_path / "x")
    rows.validate(full=True)
    whole = pa.concat_tables([table(part.head, part.forms, columns_of()) for part in parts])
    filled = [name for name in whole.column_names if name in HEAD or whole[name].null_count < len(whole)]
    assert rows.equals(whole.select(filled))
    assert (FIELDS in filled) == (RARE in parts)
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_a_capture_without_a_message_has_the_columns_of_where_and_when(tmp_path):
    write([], "parquet", tmp_path / "x", None)
    assert pq.read_schema(tmp_path / "x").names == list(HEAD)


# ------------------------------------------------------------------ files


def cut_off():
    yield fields_read()
    raise ConnectionError("the disk was taken out")


@pytest.mark.parametrize("to", FORMATS)
def test_what_breaks_off_leaves_what_was_there(tmp_path, to):
    path = tmp_path / "out"
    path.write_text("before")
    with pytest.raises(ConnectionError):
        write([("a", cut_off())], to, path, TYPES, tmp_path / "bad")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out", "before")]


def test_nothing_that_can_be_read_lies_there_before_the_end(tmp_path):
    with sink("csv", tmp_path / "x.csv", columns_of(TYPES)) as rows:
        rows.write(fields_read().head, fields_read().forms)
        assert not (tmp_path / "x.csv").exists()
    assert len(of_csv(tmp_path / "x.csv")) == len(PAYLOADS)


@pytest.mark.parametrize("to", FORMATS)
def test_a_capture_without_a_message_is_a_file_without_a_row(tmp_path, to):
    write([("a", [])], to, tmp_path / "x", {1})
    read = {"parquet": of_parquet, "jsonl": of_json_lines}.get(to, of_csv)
    assert read(tmp_path / "x") == []


def test_a_folder_gets_a_file_for_each_capture(tmp_path):
    count = write([("a", [fields_read()]), ("b", [])], "jsonl", f"{tmp_path}/new/", TYPES)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert (count.sentences, count.messages, dict(count.rejects)) == (len(PAYLOADS) + 1, len(PAYLOADS), {"checksum": 1})


def test_captures_of_one_name_do_not_overwrite_each_other(tmp_path):
    with pytest.raises(RecordsError, match="a: two captures"):
        write([("a", [fields_read()]), ("a", [])], "jsonl", tmp_path, TYPES)


def test_parquet_needs_a_file():
    with pytest.raises(RecordsError, match="name a file"):
        write([("a", [fields_read()])], "parquet", "-", TYPES)


@given(st.lists(st.text(st.sampled_from("=+-@\t\r\n'\"a1, "), max_size=6), min_size=1, max_size=8))
def test_no_cell_of_a_spreadsheet_is_a_formula_and_numbers_stay_numbers(tmp_path_factory, texts):
    out = tmp_path_factory.mktemp("cells") / "x.csv"
    numbers = [-12.5 - k for k in range(len(texts))]
    columns = {"name": pa.array(texts), "lon": pa.array(numbers), "payload": pa.array([b"\xfb\xef"] * len(texts))}
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    found = {}
    for to in ("csv", "spreadsheet.csv"):
        with sink(to, out, schema) as rows:
            rows.write(columns, [(np.arange(len(texts)), {})])
        found[to] = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))
    for bare, safe in zip(found["csv"], found["spreadsheet.csv"], strict=True):
        assert float(safe["lon"]) == float(bare["lon"])
        for name in ("name", "payload"):
            formula = bare[name][:1] in set("=+-@\t\r")
            assert safe[name] == ("'" if formula else "") + bare[name]
    assert [float(row["lon"]) for row in found["csv"]] == numbers
