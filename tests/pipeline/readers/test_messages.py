"""Owns: what `stswatch decode` reads of a capture is every message that pyais finds in it, each with all its fields."""

import json
from base64 import b64encode
from collections import Counter

import pyarrow as pa
import pytest

from stswatch.pipeline.decode.decoded_fields import (
    ALL_TYPES,
    FIELDS,
    HEAD,
    LAYOUT_TYPES,
    columns_of,
    field_types,
    table,
)
from stswatch.pipeline.readers.nmea_messages import open_captures, read
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.decode.captures import SINGLE, capture, parts, sentence, tagged
from tests.pipeline.decode.payloads import captures, payloads
from tests.pipeline.decode.reference import collected


def rows_of(path, types=ALL_TYPES):
    """The messages of a capture as Python values, the fields of each as its form has them, and what was counted."""
    (source,) = open_captures([path])
    found, sentences, rejects = [], 0, Counter()
    for part in read(source, types):
        head = {name: column.to_pylist() for name, column in part.head.items()}
        rows = [{name: column[at] for name, column in head.items()} for at in range(len(head["time"]))]
        for places, columns in part.forms:
            values = {name: column.to_pylist() for name, column in columns.items()}
            for at, place in enumerate(places.tolist()):
                rows[place] |= {name: column[at] for name, column in values.items()}
        found += rows
        sentences += part.sentences
        rejects.update(part.rejects["reason"].to_pylist())
    return found, sentences, rejects


AMBIGUOUS = {"aishub_nmea-sample.txt.gz": 1}  # messages that pyais joins of parts that may be those of two


def without_head(row):
    return {name: value for name, value in row.items() if name not in HEAD or name in ("msg_type", "mmsi")}


def fields_held_to(fields, capture):
    """All fields; of what has a layout in the large capture a few: test_oracles.py holds it to all."""
    if len(capture) > 10_000 and fields["msg_type"] in LAYOUT_TYPES:
        return tuple(fields.get(name) for name in ("msg_type", "mmsi", "lon", "lat", "shipname", "destination"))
    return tuple(sorted(fields.items()))


def test_every_message_of_every_capture_is_that_of_pyais(real):
    kinds = Counter()
    names = {kind: set(columns_of([kind]).names) for kind in ALL_TYPES}
    for path in captures(real):
        ours, _, rejects = rows_of(path)
        theirs = [fields for payload in payloads(path) if payload[0] and (fields := collected(*payload)) is not None]
        held = Counter(fields_held_to(without_head(row), ours) for row in ours)
        expected = Counter(fields_held_to(fields, theirs) for fields in theirs)
        assert held <= expected, path.name
        lost = (expected - held).total()
        assert lost == AMBIGUOUS.get(path.name, 0), path.name
        assert rejects["fragment_ambiguous"] >= 2 * lost, "and each part of it is said to be"
        assert all(row.keys() <= names[row["msg_type"]] for row in ours)
        kinds.update(row["msg_type"] for row in ours)
    assert kinds.total() >= 90_000
    assert set(kinds) == ALL_TYPES
    assert sum(kinds[kind] for kind in ALL_TYPES - LAYOUT_TYPES) >= 2_900


def test_types_select_and_change_nothing_else(real):
    path = real / "nmea" / "gpsd_sample.aivdm"
    whole, sentences, rejects = rows_of(path)
    some, *counted = rows_of(path, frozenset({2, 5, 8}))
    assert some == [row for row in whole if row["msg_type"] in (2, 5, 8)]
    assert len({row["msg_type"] for row in some}) == 3
    assert counted == [sentences, rejects]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "capture.nmea"
    path.write_bytes(capture(7, 3_000))
    return path


def test_rows_stand_in_the_order_of_the_file_and_say_where_they_are_from(file):
    text = file.read_bytes()
    found, *_ = rows_of(file)
    assert len(found) > 1_000
    offsets = [row["offset"] for row in found]
    assert offsets == sorted(offsets)
    for row in found:
        printed = text[row["offset"] : row["offset"] + row["length"]]
        assert b"VDM," in printed
        assert b"\n" not in printed
    assert {row["station"] for row in found} >= {None, "S1", "S2"}


def test_what_tells_no_time_has_none(tmp_path):
    path = tmp_path / "untimed.nmea"
    path.write_bytes(b"\n".join([sentence(*SINGLE[0]), tagged(sentence(*SINGLE[1]), 1_600_000_000)]))
    times = [row["time"] for row in rows_of(path)[0]]
    assert times[0] is None
    assert times[1].timestamp() == 1_600_000_000


def test_a_message_of_several_sentences_is_one_row(tmp_path):
    path = tmp_path / "parts.nmea"
    first, second = parts(b"3")
    path.write_bytes(b"\n".join([first, sentence(*SINGLE[0]), second]))
    found, sentences, rejects = rows_of(path)
    assert [(row["msg_type"], row["offset"]) for row in found] == [(5, 0), (1, len(first) + 1)]
    assert (sentences, rejects) == (3, Counter())


def test_what_is_no_nmea_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("mmsi,time,lon,lat\n1,2020-01-01T00:00:00Z,0,0\n")
    with pytest.raises(SourceError, match=r"table\.csv: holds no NMEA sentence.*stswatch run"):
        list(open_captures([path]))


# ------------------------------------------------------------------ tables


def test_a_table_has_a_column_for_each_field_and_null_where_there_is_none(file):
    (source,) = open_captures([file])
    of = columns_of(ALL_TYPES)
    whole = pa.concat_tables(table(part.head, part.forms, of) for part in read(source))
    assert whole.schema.equals(of)
    whole.validate(full=True)
    for row, fields in zip(whole.to_pylist(), rows_of(file)[0], strict=True):
        assert {name: value for name, value in row.items() if name in fields} == fields
        assert not any(value is not None for name, value in row.items() if name not in fields)


def test_a_table_of_all_types_has_what_no_run_needs_in_one_column(real):
    seen = Counter()
    of = columns_of()
    for path in (real / "nmea" / "gpsd_sample.aivdm", real / "nmea" / "libais_test.aivdm"):
        (source,) = open_captures([path])
        whole = pa.concat_tables(table(part.head, part.forms, of) for part in read(source))
        whole.validate(full=True)
        for row, fields in zip(whole.to_pylist(), rows_of(path)[0], strict=True):
            rare = row["msg_type"] not in LAYOUT_TYPES
            assert (row[FIELDS] is not None) == rare
            if rare:
                encoded = {n: b64encode(v).decode() if isinstance(v, bytes) else v for n, v in fields.items()}
                fields = {n: v for n, v in encoded.items() if n in HEAD or n == "repeat"}
                assert json.loads(row[FIELDS]) == {n: v for n, v in encoded.items() if n not in fields}
                seen[row["msg_type"]] += 1
            assert {name: value for name, value in row.items() if name in fields} == fields
            assert not any(value is not None for name, value in row.items() if name not in {*fields, FIELDS})
    assert len(seen) >= 12, seen


def test_columns_follow_from_the_types_asked_for():
    assert columns_of([1, 3]).names == columns_of([2]).names
    assert set(columns_of([1]).names) < set(columns_of([1, 8]).names) < set(columns_of(ALL_TYPES).names)
    assert len(columns_of(ALL_TYPES).names) == len(set(columns_of(ALL_TYPES).names)) >= 290
    assert set(columns_of(ALL_TYPES)) >= set(columns_of([5]))
    assert set(columns_of()) == {*columns_of(LAYOUT_TYPES), pa.field(FIELDS, pa.string())}


def test_no_field_has_the_name_of_where_and_when():
    assert set(HEAD) & set(field_types(ALL_TYPES)) == {"msg_type", "mmsi"}


def test_nothing_gives_an_empty_table():
    head = {name: pa.nulls(0, kind) for name, kind in HEAD.items() if name not in ("msg_type", "mmsi")}
    assert table(head, [], columns_of([1])).num_rows == 0
