"""Owns: a payload gives what pyais makes of it or a reason, whatever stands round it; and the pipeline its columns."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyais.messages import MSG_CLASS, MessageType24PartA, MessageType24PartB, MessageType24PartBAuxiliaryCraft

from stswatch.pipeline.decode.layouts import LAYOUTS
from stswatch.pipeline.decode.messages import decode
from stswatch.pipeline.decode.payloads import KINDS
from stswatch.pipeline.decode.reports import Claims, Evidence, Positions, fixes_table, statics_table
from stswatch.pipeline.schema.lake_tables import CODES
from tests.pipeline.decode.payloads import buffer, rows
from tests.pipeline.decode.reference import COLUMNAR, collected

ARMOUR = bytes(range(0x30, 0x58)) + bytes(range(0x60, 0x78))
CHARACTERS = "".join(chr(c) for c in range(32, 96))
CLASSES = [
    *(MSG_CLASS[kind] for kind in sorted(COLUMNAR - {24})),
    MessageType24PartA,
    MessageType24PartB,
    MessageType24PartBAuxiliaryCraft,
]
any_payload = st.binary(max_size=80) | st.lists(st.sampled_from(ARMOUR), max_size=80).map(bytes)
any_message = st.tuples(
    st.builds(lambda kind, rest: ARMOUR[kind : kind + 1] + rest, st.sampled_from(sorted(COLUMNAR)), any_payload),
    st.integers(0, 5),
)


def value_of(name, bits, signed, kind):
    """Any value that a field of pyais can be encoded from."""
    if kind is str:
        return st.text(CHARACTERS, max_size=bits // 6)
    if kind is bytes:
        return st.just(b"")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    per = {"lon": 600_000.0, "lat": 600_000.0}.get(name, 10.0)
    wire = st.integers(low, high)
    return wire.map(lambda number: number / per) if kind is float and name != "turn" else wire


@st.composite
def encoded(draw):
    """A message of any of the classes with any value in any field, as pyais encodes it."""
    kind = draw(st.sampled_from(CLASSES))
    values = {
        field.name: draw(
            value_of(field.name, field.metadata["width"], field.metadata["signed"], field.metadata["d_type"])
        )
        for field in kind.fields()
    }
    values |= {"msg_type": kind.fields()[0].metadata["default"]}
    if kind in CLASSES[-3:]:
        craft = kind is MessageType24PartBAuxiliaryCraft
        values["partno"] = 0 if kind is MessageType24PartA else 1
        values["mmsi"] = draw(st.integers(980_000_000, 989_999_999) if craft else st.integers(0, 979_999_999))
    payload, fill = kind.create(**values).encode()
    return payload.encode(), fill


@settings(max_examples=300)
@given(st.lists(encoded(), min_size=1, max_size=20))
def test_what_pyais_encodes_is_decoded_as_pyais_does(messages):
    found, ours = rows(messages)
    assert (found.code == 0).all()
    assert [ours[row] for row in range(len(messages))] == [collected(*message) for message in messages]


@settings(max_examples=300)
@example([(b"H000008", 3), (b"H00000<", 2), (b"H000000", 4)])  # type 24 that ends in the number of its part
@given(st.lists(any_message | st.tuples(any_payload, st.integers(0, 5)), max_size=12))
def test_any_bits_are_a_message_as_pyais_has_it_or_have_a_reason(messages):
    found, ours = rows(messages)
    assert set(found.code.tolist()) <= {0, *CODES.values()}
    assert ((found.code == 0) == (found.msg_type > 0)).all()
    for row, (payload, fill) in enumerate(messages):
        theirs = collected(payload, fill) if payload else None
        if theirs is not None and theirs["msg_type"] not in COLUMNAR:
            assert found.msg_type[row] == theirs["msg_type"]
        else:
            assert ours.get(row) == theirs


@given(st.lists(any_message, min_size=2, max_size=12), st.randoms())
def test_neither_order_nor_neighbours_matter(messages, rng):
    order = list(range(len(messages)))
    rng.shuffle(order)
    _, together = rows(messages)
    _, shuffled = rows([messages[row] for row in order])
    assert {order[row]: message for row, message in shuffled.items()} == together
    for row, message in enumerate(messages):
        assert rows([message])[1].get(0) == together.get(row)


def test_a_payload_at_the_end_of_the_data_is_as_one_in_the_middle():
    payload = b"13HOI:0P0000VOHLCnHQKwvL05Ip"
    alone = decode(np.frombuffer(payload, np.uint8), np.array([0]), np.array([28]), np.array([0]))
    within = decode(*buffer([(payload, 0), (payload, 0)]))
    for name, column in alone.positions.items():
        if name != "row":
            assert np.array_equal(column.repeat(2), within.positions[name], equal_nan=True)


@pytest.mark.parametrize(
    ("payload", "fill", "reason"),
    [
        (b"", 0, "empty"),
        (b"13HOI:0P0000VOHLCnHQKwvL05I,", 0, "payload"),
        (b"13HOI:0P0000VOHLCnHQKwvL05Ip\xff", 0, "payload"),
        (b"8" + b"0" * 40 + b"X" + b"0" * 40, 0, "payload"),
        (b"13HOI:0P0000VOHLCnHQKwvL05Ip" + b"X", 0, "payload"),
        (b"H00000N", 0, "payload"),  # part 3 of type 24
        (b"03HOI:0P0000VOHLCnHQKwvL05Ip", 0, "unknown_type"),
        (b"u3HOI:0P0000VOHLCnHQKwvL05Ip", 0, "unknown_type"),
        (b"13HOI:0", 5, "too_short"),
    ],
)
def test_each_reason(payload, fill, reason):
    found = decode(*buffer([(payload, fill)]))
    assert (found.code.tolist(), found.msg_type.tolist()) == ([CODES[reason]], [0])
    assert not len(found.positions["row"]) + len(found.statics["row"]) + len(found.bases["row"])


def test_a_short_position_says_what_it_carries():
    short = b"13HOI:0P0000VOHLCnHQ"  # 120 bits: up to the latitude
    found = decode(*buffer([(short, 0), (short[:14], 0)]))
    assert found.code.tolist() == [0, 0]
    positions = found.positions
    assert np.isfinite(positions["lon"]).tolist() == [True, False]
    assert np.isfinite(positions["lat"]).tolist() == [True, False]
    assert np.isnan(positions["cog_deg"]).all()
    assert np.isnan(positions["heading_deg"]).all()
    assert positions["mmsi"].tolist() == [227006760] * 2


def test_positions_keep_every_digit_that_was_sent():
    payload, fill = MSG_CLASS[1].create(mmsi=1, lon=1 / 600_000, lat=-7 / 600_000).encode()
    found = decode(*buffer([(payload.encode(), fill)]))
    assert found.positions["lon"].tolist() == [1 / 600_000]
    assert found.positions["lat"].tolist() == [-7 / 600_000]


def test_columns_come_in_the_order_of_the_payloads():
    kinds = (18, 1, 27, 5, 19, 24, 1)
    messages = [MSG_CLASS[kind].create(mmsi=100 + at).encode() for at, kind in enumerate(kinds)]
    found = decode(*buffer([(payload.encode(), fill) for payload, fill in messages]))
    assert found.positions["row"].tolist() == [0, 1, 2, 4, 6]
    assert found.positions["mmsi"].tolist() == [100, 101, 102, 104, 106]
    assert found.statics["row"].tolist() == [3, 4, 5]
    assert found.statics["mmsi"].tolist() == [103, 104, 105]


@pytest.mark.parametrize(
    ("date", "time_us"),
    [
        ({"year": 2012, "month": 2, "day": 29, "hour": 23, "minute": 59, "second": 59}, 1_330_559_999_000_000),
        ({"year": 1969, "month": 12, "day": 31, "hour": 23, "minute": 59, "second": 59}, -1_000_000),
        ({"year": 2011, "month": 2, "day": 29}, None),
        ({"year": 0, "month": 1, "day": 1}, None),
        ({"year": 10_000, "month": 1, "day": 1}, None),
        ({"year": 2012, "month": 13, "day": 1}, None),
        ({"year": 2012, "month": 1, "day": 0}, None),
        ({"year": 2012, "month": 1, "day": 1, "hour": 24}, None),
        ({"year": 2012, "month": 1, "day": 1, "minute": 60}, None),
        ({"year": 2012, "month": 1, "day": 1, "second": 60}, None),
    ],
)
def test_base_stations_tell_times_that_exist(date, time_us):
    payload, fill = MSG_CLASS[4].create(mmsi=2_190_000, **date).encode()
    found = decode(*buffer([(payload.encode(), fill)]))
    assert found.bases["time_us"].tolist() == ([] if time_us is None else [time_us])


# ------------------------------------------------------------------ the tables


def test_the_layouts_are_those_of_pyais():
    of = {layout.name: layout for layout in LAYOUTS}
    for kind in CLASSES:
        (fields,) = (
            layout.fields
            for layout in of.values()
            if kind.fields()[0].metadata["default"] in layout.types
            and [field.name for field in layout.fields] == [field.name for field in kind.fields()]
        )
        widths = {field.name: 84 if field.name == "name_ext" else field.metadata["width"] for field in kind.fields()}
        assert {field.name: field.bits for field in fields} == widths


def test_every_field_is_of_a_kind_and_its_absent_values_fit():
    for layout in LAYOUTS:
        for field in layout.fields:
            assert field.kind in {*KINDS, "text", "spare"}
            signed = field.kind in ("degrees", "turn")
            low, high = (-(1 << field.bits - 1), (1 << field.bits - 1) - 1) if signed else (0, (1 << field.bits) - 1)
            assert all(low <= value <= high for value in field.absent), (layout.name, field.name)


# ------------------------------------------------------------------ to the lake

FIXES = {
    "lon": "lon",
    "lat": "lat",
    "sog_kn": "speed",
    "cog_deg": "course",
    "heading_deg": "heading",
    "status": "status",
}
STATICS = {"imo": "imo", "ship_type": "ship_type", "length_m": "to_bow", "beam_m": "to_port", "draught_m": "draught"}


def lake(payloads):
    """Rows of `fixes` and `static_reports` of payloads."""
    found = decode(*buffer(payloads))
    positions, statics = dict(found.positions), dict(found.statics)
    tables = []
    kinds: list[tuple[Any, ...]] = [(positions, Positions, fixes_table), (statics, Claims, statics_table)]
    for columns, kind, table in kinds:
        rows = columns.pop("row")
        evidence = Evidence("0" * 16, rows, np.ones(len(rows), np.int32))
        of = kind(time_us=np.full(len(rows), 10**15), msg_type=found.msg_type[rows], **columns)
        tables.append(table(of, evidence, "unknown") if kind is Positions else table(of, evidence))
    return tables


@pytest.mark.parametrize("kind", [1, 18, 19, 27, 5, 24])
def test_what_a_layout_calls_not_available_is_null_in_the_lake(kind):
    form = MessageType24PartB if kind == 24 else MSG_CLASS[kind]
    (layout,) = (of for of in LAYOUTS if [field.name for field in of.fields] == [field.name for field in form.fields()])
    absent = {field.name: field.absent[0] / field.per for field in layout.fields if field.absent}
    payload, fill = form.create(mmsi=431000123, partno=1, **absent).encode()
    fixes, statics = lake([(payload.encode(), fill)])
    collected = {name: field for name, field in FIXES.items() if field in absent}
    assert len(collected) >= (4 if kind in (1, 18, 19, 27) else 0)
    if kind in (1, 18, 19, 27):
        assert [fixes[name].to_pylist() for name in collected] == [[None]] * len(collected)
        assert fixes["invalid_reason"].to_pylist() == ["no_position"]
    if kind in (5, 19, 24):
        named = [name for name, field in STATICS.items() if field in absent]
        assert len(named) >= 3
        assert [statics[name].to_pylist() for name in named] == [[None]] * len(named)


def test_a_long_range_position_is_as_coarse_as_it_was_sent_and_says_so():
    payload, fill = MSG_CLASS[27].create(mmsi=431000123, lon=124.9012, lat=38.6021, speed=3, course=88).encode()
    ((row,), _) = (table.to_pylist() for table in lake([(payload.encode(), fill)]))
    assert (row["lon"], row["lat"]) == (round(74941 / 600, 7), round(23161 / 600, 7))
    assert (row["msg_type"], row["sog_kn"], row["cog_deg"], row["heading_deg"]) == (27, 3.0, 88.0, None)


@pytest.mark.parametrize("kind", [1, 2, 3, 18, 19, 27])
@settings(max_examples=25)
@given(data=st.data())
def test_radio_fields_in_the_lake_are_those_of_pyais(kind, data):
    names = {field.name: field.metadata["width"] for field in MSG_CLASS[kind].fields()}
    wire = {n: data.draw(st.integers(0, (1 << names[n]) - 1)) for n in ("radio", "raim", "second") if n in names}
    payload, fill = MSG_CLASS[kind].create(mmsi=431000123, lon=124.9, lat=38.6, **wire).encode()
    theirs = collected(payload.encode(), fill)
    assert theirs is not None
    ((row,), _) = (table.to_pylist() for table in lake([(payload.encode(), fill)]))
    second = theirs.get("second")
    assert (row["radio"], row["raim"]) == (theirs.get("radio"), theirs["raim"])
    assert row["utc_second"] == (None if second == 60 else second)
    assert (theirs.get("radio") is None) == (kind in (19, 27))
    cut = payload.encode()[:20]  # up to the latitude
    ((row,), _) = (table.to_pylist() for table in lake([(cut, 0)]))
    assert [row[name] for name in ("radio", "utc_second")] == [None, None]
