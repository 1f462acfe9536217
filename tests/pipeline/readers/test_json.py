"""Owns: JSON of any make gives what the same sentences or rows give otherwise, however it is cut or laid out, and what
a record says of its time is read in the unit in which it stands.
"""

import itertools
import json
import random
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers import aisstream, json_records
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import Chunk, SourceError
from tests.pipeline.decode.captures import sentence, tagged
from tests.pipeline.readers.gather import together
from tests.pipeline.readers.one_vessel import FORMATS

EPOCH = 1_741_608_000  # 2025-03-10T12:00:00Z
ONE = sentence(b"16K29hAP018qrW0EphL7CUtD0000").decode()
TWO = [
    "!AIVDM,2,1,3,A,56K29h@2:N2T48<@000EP4m0hF0l59D00000001@<PD8:0000BlkkAEj1DQ@,0*14",
    "!AIVDM,2,2,3,A,00000000000,2*27",
]


def whole(path, **options):
    source = open_source(path, **options)
    return together(batch for chunk in chunks(source) for batch in read(chunk))


def times(got):
    return [round(t.timestamp() * 1000) for t in got.fixes["time"].to_pylist()]


def lines(records):
    return "\n".join(map(json.dumps, records)).encode()


def received(**fields):
    return {"class": "AIS", "device": "AIS-catcher", "channel": "A", "mmsi": 431000001, "type": 1, **fields}


def capture(seed, count):
    """Records with sentences, some of two parts, and the same as a capture with tag blocks."""
    rng, records, plain = random.Random(seed), [], []
    for at in range(count):
        second = EPOCH + 7 * at
        printed = TWO if rng.random() < 0.3 else [ONE]
        collected = {"rxuxtime": second + 0.25} if rng.random() < 0.5 else {"rxtime": compact(second)}
        plain += [tagged(each.encode(), second * 1000 + 250 * ("rxuxtime" in collected)) for each in printed]
        records.append(received(nmea=printed, **collected))
    return records, b"\n".join(plain) + b"\n"


def compact(epoch):
    minutes, second = divmod(epoch - EPOCH, 60)
    return f"20250310{12 + minutes // 60:02d}{minutes % 60:02d}{second:02d}"


def printed(table):
    names = [name for name in table.column_names if name not in ("source", "offset", "length", "more_refs")]
    return table.select(names).to_pylist()


def test_sentences_in_records_give_what_a_capture_with_tag_blocks_gives(written):
    records, plain = capture(1, 200)
    in_json, in_nmea = whole(written("a.json", lines(records))), whole(written("a.nmea", plain))
    assert printed(in_json.fixes) == printed(in_nmea.fixes)
    assert printed(in_json.static_reports) == printed(in_nmea.static_reports)
    assert in_json.static_reports.num_rows > 30
    assert (in_json.sentences, in_json.messages) == (in_nmea.sentences, in_nmea.messages)


def test_a_row_refers_to_its_record(written):
    records, _ = capture(2, 40)
    path = written("a.json", lines(records))
    got, text = whole(path), path.read_bytes()
    for row in got.fixes.to_pylist() + got.static_reports.to_pylist():
        record = json.loads(text[row["offset"] : row["offset"] + row["length"]])
        assert record["type"] == 1
        assert record["nmea"]
        assert row["more_refs"] is None


@pytest.mark.parametrize("name", ["AIS-catcher", "AIS-catcher, decoded", "JSON lines"])
def test_lines_give_the_same_however_the_file_is_cut(written, name, monkeypatch):
    records, _ = capture(3, 300)
    content = lines(records) if name == "AIS-catcher" else (FORMATS[name][1] + b"\n") * 40
    source = open_source(written("a.json", content))
    at_once = together(read(chunks(source)[0]))
    rng = random.Random(5)
    for step in (700, 5_000, 1 << 20):
        monkeypatch.setattr(json_records, "STEP", step)
        edges = sorted({0, len(content), *(rng.randrange(len(content)) for _ in range(6))})
        cut = [Chunk(source, a, b) for a, b in itertools.pairwise(edges)]
        again = together(batch for chunk in reversed(cut) for batch in read(chunk))
        assert printed(again.fixes) == printed(at_once.fixes)
        assert again.fixes["offset"].equals(at_once.fixes["offset"])
        assert (again.sentences, again.messages, again.rejects) == (
            at_once.sentences,
            at_once.messages,
            at_once.rejects,
        )


def test_parts_in_records_of_their_own_are_joined_across_a_cut(written):
    records = [received(nmea=[each], rxtime=compact(EPOCH + at)) for at in range(50) for each in TWO]
    content = lines(records)
    source = open_source(written("a.json", content))
    for middle in range(400, 800, 37):
        cut = [Chunk(source, 0, middle), Chunk(source, middle, len(content))]
        got = together(batch for chunk in cut for batch in read(chunk))
        assert (got.sentences, got.messages, got.static_reports.num_rows) == (100, 50, 50)


LAYOUTS = {
    "deep in objects": lambda records: json.dumps({"data": {"vessels": {"n": 3, "rows": records}}}),
    "an array": lambda records: json.dumps(records),
    "an array, indented": lambda records: json.dumps(records, indent=2),
    "an array, an object a line": lambda records: "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n",
    "lines that end in commas": lambda records: ",\n".join(map(json.dumps, records)) + "\n",
    "objects, indented": lambda records: "\n".join(json.dumps(each, indent=2) for each in records),
    "objects, nothing between": lambda records: "".join(map(json.dumps, records)),
    "what is posted": lambda records: json.dumps({"protocol": "jsonaiscatcher", "device": {"x": {}}, "msgs": records}),
    "what is posted, twice": lambda records: "\n".join(
        json.dumps({"receiver": {"version": 39}, "msgs": part}) for part in (records[:7], records[7:])
    ),
    "with a byte order mark": lambda records: "\ufeff" + "\n".join(map(json.dumps, records)),
    "lines of Windows": lambda records: "\r\n".join(map(json.dumps, records)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_records_give_the_same_however_they_are_laid_out(written, layout, encoding, monkeypatch):
    monkeypatch.setattr(json_records, "STEP", 1_000)
    records, _ = capture(4, 60)
    records += [received(lat=38.5, lon=124.5, rxtime=compact(EPOCH + 1000), shipname='부산 "}{["\\ 1')]
    wanted = whole(written("lines.json", lines(records)))
    path = written("a.json", LAYOUTS[layout](records).encode(encoding))
    got, text = whole(path), path.read_bytes()
    assert printed(got.fixes) == printed(wanted.fixes)
    assert printed(got.static_reports) == printed(wanted.static_reports)
    assert got.static_reports["name"][-1].as_py() == '부산 "}{["\\ 1'
    assert got.rejects.num_rows == 0
    for row in got.fixes.to_pylist():
        read_again = text[row["offset"] : row["offset"] + row["length"]]
        assert json.loads(read_again.decode("utf-16-le" if encoding == "utf-16" else encoding))["mmsi"] == 431000001


@pytest.mark.parametrize(
    ("collected", "ms"),
    [
        ({"rxtime": "20250310120000"}, EPOCH * 1000),
        ({"rxtime": 20250310120000}, EPOCH * 1000),
        ({"rxtime": "20250310120000", "rxuxtime": EPOCH + 0.351}, EPOCH * 1000 + 351),
        ({"rxtime": "20250310120000", "rxuxtime": 17.25}, EPOCH * 1000),  # a clock that was never set
        ({"rxtime": "20250310120000", "rxuxtime": EPOCH * 1000}, EPOCH * 1000),  # no seconds
        ({"rxtime": "20250310120000", "rxuxtime": str(EPOCH + 5)}, EPOCH * 1000 + 5000),
        ({"rxtime": "20260101000000", "toa": EPOCH + 1.5}, EPOCH * 1000 + 1500),  # a capture that was sent on later
        ({"rxtime": "20250310120000", "timestamp": "2001-01-01T00:00:00Z", "second": 7}, EPOCH * 1000),
        ({"rxtime": "20251310120000"}, None),
        ({"rxuxtime": 17.25}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("decoded", [False, True])
def test_the_time_is_the_one_that_the_record_tells_in_its_own_unit(written, collected, ms, decoded):
    fields = {"lat": 38.25, "lon": 124.5, "scaled": True} if decoded else {"nmea": [ONE]}
    first = received(rxtime="20250310115900", rxuxtime=EPOCH - 60.0, toa=EPOCH - 60.0, **fields)
    got = whole(written("a.json", lines([first, received(**collected, **fields)])))
    assert times(got)[1:] == ([] if ms is None else [ms])
    assert got.rejects["reason"].to_pylist() == (["no_time"] if ms is None else [])


@pytest.mark.parametrize(
    "record",
    [
        {"time": "2025-03-10T12:00:00Z", "message": ONE},
        {"timestamp": EPOCH, "raw": [ONE]},
        {"ts": EPOCH * 1000, "payload": ONE + "\r\n"},
        {"datetime": "20250310120000", "data": {"nmea": ONE}},
        {"meta": {"received": "2025-03-10 12:00:00"}, "sentence": ONE},
        {"timestamp": 59, "timestampExternal": EPOCH * 1000, "line": ONE},
        {"time": 20250310120000, "line": ONE},
        {"line": tagged(ONE.encode(), EPOCH).decode()},
        {"time": "2025-03-10T12:00:00Z", "line": tagged(ONE.encode(), EPOCH - 500).decode()},
    ],
)
def test_any_json_that_carries_sentences_is_read(written, record):
    source = open_source(written("a.json", lines([record] * 3)))
    assert source.format == "json"
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert times(got) == [EPOCH * 1000] * 3
    assert got.fixes["mmsi"].to_pylist() == [431000001] * 3


def test_what_is_written_otherwise_than_most_is_read_too(written):
    """A number in quotes, a field of another kind, a key twice: each line for itself."""
    odd = [
        received(nmea=ONE, rxtime="20250310120001"),
        {"rxtime": "20250310120002", "mmsi": "431000001", "lat": "38.25", "lon": "124.5", "speed": None},
        received(nmea=[], lat=38.25, lon=124.5, rxtime="20250310120003"),
        received(nmea=None, lat=38.25, lon=124.5, rxtime="20250310120004", heading="511"),
    ]
    usual = [received(nmea=[ONE], rxtime="20250310120000", lat=1.0, lon=1.0, speed=1.5, heading=3)] * 600
    content = (
        lines(usual + odd + usual) + b'\n{"mmsi":1,"mmsi":431000001,"lat":38.25,"lon":124.5,"rxtime":20250310120005}'
    )
    got = whole(written("a.json", content))
    assert got.rejects.num_rows == 0
    assert times(got)[600:604] == [EPOCH * 1000 + 1000 * at for at in (1, 2, 3, 4)]
    assert times(got)[-1] == EPOCH * 1000 + 5000
    assert set(got.fixes["lat"].to_pylist()) == {38.25}


def test_decoded_fields_in_raw_units_are_not_read(written):
    fields = {"lat": 22950000, "lon": 74700000, "rxtime": "20250310120000"}
    got = whole(written("a.json", lines([received(scaled=False, **fields)] * 2)))
    assert (got.fixes.num_rows, got.rejects["reason"].to_pylist()) == (0, ["malformed"] * 2)


def test_records_of_base_stations_and_buoys_give_no_position(written):
    rows = [received(lat=38.25, lon=124.5, rxtime="20250310120000") | {"type": kind} for kind in (1, 4, 21, 9, 5)]
    got = whole(written("a.json", lines(rows)))
    assert (got.fixes.num_rows, got.messages) == (1, 5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values, max_size=6), st.randoms(use_true_random=False))
def test_whatever_else_records_hold_does_not_matter(written, more, rng):
    records, _ = capture(rng.randrange(100), 6)
    wanted = whole(written("a.json", lines(records)))
    strange = [record | {f"x{at}": value for at, value in enumerate(more)} for record in records]
    for text in (lines(strange), json.dumps(strange, ensure_ascii=False).encode()):
        got = whole(written("b.json", text))
        assert printed(got.fixes) == printed(wanted.fixes)
        assert got.rejects.num_rows == 0


def test_a_line_of_megabytes_is_a_reject_and_what_is_said_of_it_short(written):
    long = json.dumps(received(nmea=[ONE], rxtime="20250310120000", text="x" * 4_500_000)).encode()
    usual = lines([received(nmea=[ONE], rxtime="20250310120000")])
    got = whole(written("a.json", b"\n".join([usual, long, usual])))
    assert (got.fixes.num_rows, got.rejects["reason"].to_pylist()) == (2, ["malformed"])
    got = whole(written("a.json", b"[" + usual + b',{"a":"' + b"y" * 4_500_000))
    assert (got.fixes.num_rows, got.rejects["reason"].to_pylist()) == (1, ["malformed"])
    for content in (b'{"a": "' + b"x" * 4_500_000 + b'"}', b'[{"a": "' + b"x" * 4_500_000):
        with pytest.raises(SourceError) as collected:
            whole(written("b.json", content))
        assert len(str(collected.value)) < 1_000


def test_the_columns_of_a_map_are_names_with_dots(written):
    rows = [{"ship": {"no": 431000001}, "seen": 1741608000, "where": {"x": 124.5, "y": 38.25}}] * 2
    toml = '[columns]\nmmsi = "ship.no"\ntime = "seen"\nlon = "where.x"\nlat = "where.y"\n'
    for content in (lines(rows), json.dumps(rows).encode()):
        got = whole(written("a.json", content), columns=written("map.toml", toml.encode()))
        assert times(got) == [EPOCH * 1000] * 2
        with pytest.raises(SourceError, match=r"ship\.no.*where\.y"):
            whole(written("a.json", content))


def test_deep_brackets_do_no_harm(written):
    deep = b'{"a":' * (sys.getrecursionlimit() * 2) + b"1" + b"}" * (sys.getrecursionlimit() * 2)
    usual = lines([received(nmea=[ONE], rxtime="20250310120000")] * 3)
    got = whole(written("a.json", b"\n".join([usual, deep, usual])))
    assert got.fixes.num_rows == 6


def test_a_feed_of_json_gives_line_for_line_what_a_file_gives(written):
    """In pieces, mixed with what aisstream.io sends."""
    records, _ = capture(6, 80)
    records += [received(lat=38.25, lon=124.5, speed=1.5, rxtime="20250310120000", shipname="ABLE", imo=9074729)]
    other = FORMATS["aisstream"][1].split(b"\n")
    text = [line for pair in zip(lines(records).split(b"\n"), other * 20, strict=False) for line in pair]
    wanted = [whole(written("a.json", lines(records))), whole(written("b.json", b"\n".join(other)))]
    rng, parts, base = random.Random(7), [], 0
    while text:
        count = rng.randrange(1, 9)
        piece = b"".join(line + b"\n" for line in text[:count])
        parts.append(aisstream.decode_any_lines(piece, "0" * 16, "unknown", base))
        text, base = text[count:], base + len(piece)
    got = together(parts)
    assert got.rejects.num_rows == 0
    assert got.fixes.num_rows > wanted[0].fixes.num_rows + 20
    names = got.static_reports["name"].to_pylist()
    assert names.count("EXAMPLE MARU") == wanted[0].static_reports["name"].to_pylist().count("EXAMPLE MARU") > 10


def test_a_spool_of_json_is_read_as_the_feed_was(written):
    records, _ = capture(8, 30)
    content = lines(records) + b"\n"
    source = open_source(written("20250310T120000.000Z.json", content), format="aisstream")
    assert (source.receiver, source.licence) == ("unknown", None)
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    heard = aisstream.decode_any_lines(content, source.source, "unknown")
    assert printed(got.fixes) == printed(heard.fixes)
    assert got.fixes.num_rows + got.static_reports.num_rows == 30
