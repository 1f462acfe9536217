"""Every reader keeps the contract, and whatever cannot be read is said in one sentence with the file and the remedy."""

import gzip
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.readers.formats import READERS, chunks, open_source, read
from stswatch.pipeline.readers.source import SourceError, nothing
from stswatch.pipeline.schema import RECEIVERS
from tests.pipeline.decode.captures import sentence, tagged
from tests.pipeline.readers.gather import together

NAMES = b"mmsi,timestamp,lat,lon\n"
CADASTRE = (
    b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo\n"
)
DANISH = b"# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,SOG,COG,Heading,Ship type\n"
EMPTY = {
    "nmea": b"# nothing was heard\n",
    "aisstream": b"\n",
    "aiscatcher": b"\n",
    "json": b"[]\n",
    "marinecadastre": CADASTRE,
    "danish": DANISH,
    "columns": NAMES,
}
SOME = {
    "nmea": tagged(sentence(b"13HOI:0P0000VOHLCnHQKwvL05Ip"), 1_600_000_000) + b"\n",
    "marinecadastre": CADASTRE + b"338148873,2022-01-03T00:00:00,33.6,-117.9,0.0,280.0,511,CAZADOR,,,37,,14,,,\n",
    "aisstream": b'{"MessageType":"PositionReport","MetaData":{"time_utc":"2022-01-03 00:00:00 +0000 UTC"},"Message":'
    b'{"PositionReport":{"MessageID":1,"UserID":338148873,"Latitude":33.6,"Longitude":-117.9}}}\n',
    "aiscatcher": b'{"class":"AIS","device":"AIS-catcher","rxtime":"20220103000000","mmsi":338148873,"type":1,'
    b'"nmea":["%b"]}\n' % sentence(b"13HOI:0P0000VOHLCnHQKwvL05Ip"),
    "json": b'{"mmsi":338148873,"time":"2022-01-03T00:00:00Z","lat":33.6,"lon":-117.9}\n',
    "danish": DANISH + b"03/01/2022 00:00:00,Class A,338148873,33.6,-117.9,Moored,0.0,280.0,511,Tug\n",
    "columns": NAMES + b"338148873,2022-01-03T00:00:00,33.6,-117.9\n",
}


def read_all(path):
    for chunk in chunks(open_source(path)):
        list(read(chunk))


def test_names_are_unique_and_each_has_its_sentence():
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names) >= 3
    assert set(names) == set(EMPTY)
    for reader in READERS:
        assert reader.help.endswith(".")
        assert reader.receiver in RECEIVERS
        assert reader.licence is None or len(reader.licence) > 10
        assert all(f.__doc__ for f in (reader.sniff, reader.prepare, reader.chunks, reader.read))


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_valid_but_empty_gives_empty_tables_of_the_schema(written, name, suffix):
    source = open_source(written(f"a.txt{suffix}", EMPTY[name]), format=name)
    got = together([nothing(), *(batch for chunk in chunks(source) for batch in read(chunk))])
    assert (got.sentences, got.messages, got.fragments) == (0, 0, 0)
    assert got.fixes.num_rows == got.static_reports.num_rows == got.rejects.num_rows == 0


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_format_is_recognised_and_its_rows_have_the_schema(written, name, suffix):
    path = written(f"a.txt{suffix}", SOME[name])
    source = open_source(path)
    assert source.format == name
    assert (source.bytes, source.source) == (path.stat().st_size, source.sha256[:16])
    cut = chunks(source)
    assert pickle.loads(pickle.dumps(cut)) == cut
    for batch in read(cut[0]):
        assert batch.fixes.schema.equals(schema.FIXES, check_metadata=True)
        assert batch.static_reports.schema.equals(schema.STATIC_REPORTS, check_metadata=True)
        assert batch.rejects.schema.equals(schema.REJECTS, check_metadata=True)
        assert batch.fixes.num_rows == 1
        assert batch.fixes["source"].to_pylist() == [source.source]


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "holds nothing"),
        (b"\x00\x01\x02" * 1000, "neither text nor Parquet"),
        (b"PK\x03\x04....", "zip data breaks off.*fetch the file again"),
        (gzip.compress(SOME["nmea"] * 1000, mtime=0)[:-20], "breaks off.*fetch the file again"),
        (gzip.compress(SOME["columns"], mtime=0)[:-12], "breaks off.*fetch the file again"),
        (b"ship,when,lat,lon\n1,2,3,4\n", "no column for mmsi, time among 'ship', 'when'.*`columns=FILE`"),
        (b"PAR1 but not really", "Parquet.*fetch the file again"),
        (b"a letter\nto a friend\n", "neither AIS sentences nor a table.*`format`"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_sentence(written, content, printed):
    path = written("a.dat", content)
    with pytest.raises(SourceError, match=f"(?s)a\\.dat.*{printed}") as collected:
        read_all(path)
    assert "\n" not in str(collected.value)


def test_what_is_no_file_is_said(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "no.csv")
    with pytest.raises(SourceError, match="is a folder"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match=r"`format=carrier`.*nmea"):
        open_source(tmp_path, format="carrier")


@pytest.mark.parametrize(
    ("toml", "printed"),
    [
        ('[columns]\nmmsi = "mmsi"', "does not say which column is time, lon, lat"),
        ('[columns]\nmmsi = "ID"\ntime = "timestamp"\nlon = "lon"\nlat = "lat"', "has no column 'ID'.*has 'mmsi'"),
        ('[columns]\nmmsi = "mmsi"\nspeed = "sog"', "speed is not known"),
        (
            'receiver = "radar"\n[columns]\nmmsi="mmsi"\ntime="timestamp"\nlon="lon"\nlat="lat"',
            "satellite, terrestrial",
        ),
        ("not toml", "not a TOML file"),
        ('[columns]\nmmsi="mmsi"\ntime="timestamp"\nlon="lon"\nlat="lat"\n[time]\nzone="Pyongyang"', "no time zone"),
        ('[columns]\nmmsi="mmsi"\ntime="timestamp"\nlon="lon"\nlat="lat"\n[time]\nformat="US"', "format = 'US'"),
    ],
)
def test_a_column_map_that_does_not_fit_says_why(written, toml, printed):
    with pytest.raises(SourceError, match=f"(?s){printed}") as collected:
        open_source(written("a.csv", SOME["columns"]), columns=written("map.toml", toml.encode()))
    assert "\n" not in str(collected.value)


def test_a_damaged_parquet_is_said(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"mmsi": range(10**4), "time": range(10**4), "lon": [1.0] * 10**4, "lat": [1.0] * 10**4}), path
    )
    damaged = bytearray(path.read_bytes())
    damaged[4:20_000] = bytes(19_996)
    path.write_bytes(damaged)
    with pytest.raises(SourceError, match="damaged"):
        read_all(path)
