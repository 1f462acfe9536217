"""Owns: what a column map may say and what not, and that what rows say of message type and receiver is taken at it."""

import pytest

from stswatch.pipeline.readers.column_map import load
from stswatch.pipeline.readers.column_names import HEADERS, recognise
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.readers.gather import together

PUBLISHED = {  # headers as their publishers have them
    "Spire": "timestamp,mmsi,msg_type,latitude,longitude,speed,course,heading,imo,name,call_sign,draught,ship_type,"
    "length,width,destination,status,collection_type",
    "Kystverket": "mmsi;imo_nr;length;date_time_utc;lon;lat;sog;cog;true_heading;nav_status;message_nr",
    "VesselFinder": "MMSI,TIMESTAMP,LATITUDE,LONGITUDE,COURSE,SPEED,HEADING,NAVSTAT,IMO,NAME,CALLSIGN,DRAUGHT,"
    "DESTINATION,SRC",
    "AISdb": "mmsi,time,longitude,latitude,sog,cog,heading,vessel_name,imo,ship_type,"
    "dim_bow,dim_stern,dim_port,dim_star",
    "Gulf": "mmsi,timestamp,lat,lon,sog,cog,track",
}


@pytest.fixture
def table(written):
    def give(text, toml="", **printed):
        asked = {"columns": written("map.toml", toml.encode())} if toml else {}
        source = open_source(written("a.csv", text.encode()), **asked, **printed)
        return together(batch for chunk in chunks(source) for batch in read(chunk))

    return give


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_column_of_a_published_header_that_can_be_used_is_found(name):
    header = PUBLISHED[name].replace(";", ",").split(",")
    found = recognise(header)
    assert {"mmsi", "time", "lon", "lat", "sog_kn", "cog_deg"} <= set(found)
    assert len(header) - len(found) == (name == "Gulf")  # its track says what its course does
    assert len(set(found.values())) == len(found)


def test_a_map_without_columns_says_how_those_of_the_usual_names_are_written(table):
    rows = "mmsi;time;lat;lon;sog\n431000001;10.03.2025 21:00;38,5;124,75;1,5\n"
    toml = 'decimal = ","\n[time]\nformat = "%d.%m.%Y %H:%M"\nzone = "Asia/Seoul"\n[factors]\nsog_kn = 2\n'
    (row,) = table(rows, toml).fixes.to_pylist()
    assert (row["lat"], row["lon"], row["sog_kn"]) == (38.5, 124.75, 3.0)
    assert row["time"].isoformat() == "2025-03-10T12:00:00+00:00"


def test_a_decimal_comma_is_read_in_a_column_with_rubbish_too(table):
    rows = ["431000001;1741608000;38,5;124,75;1,5", "431000001;1741608060;38,5;124,75;fast"]
    got = table("\n".join(["mmsi;time;lat;lon;sog", *rows]), 'decimal = ","\n')
    assert got.fixes["lat"].to_pylist() == [38.5, 38.5]
    assert got.fixes["lon"].to_pylist() == [124.75, 124.75]
    assert got.fixes["sog_kn"].to_pylist() == [1.5, None]


def test_rows_of_static_messages_give_no_position_and_rows_of_shore_stations_nothing(table):
    rows = [
        "431000001,1741608000,1,38.5,124.75,,terrestrial",
        "431000001,1741608000,27,38.5,124.75,,satellite",
        "431000001,1741608000,5,,,ABLE,dynamic",
        "4310001,1741608000,4,38.5,124.75,,terrestrial",
        "431000001,1741608000,?,38.5,124.75,,",
    ]
    got = table("\n".join(["mmsi,timestamp,msg_type,latitude,longitude,name,collection_type", *rows]))
    assert (got.sentences, got.messages) == (5, 5)
    assert got.fixes["msg_type"].to_pylist() == [1, 27, None]
    assert got.fixes["receiver"].to_pylist() == ["terrestrial", "satellite", "unknown"]
    assert got.static_reports["name"].to_pylist() == ["ABLE"]
    given = table(
        "\n".join(["mmsi,timestamp,msg_type,latitude,longitude,name,collection_type", *rows]), receiver="satellite"
    )
    assert given.fixes["receiver"].to_pylist() == ["terrestrial", "satellite", "satellite"]


def test_a_status_in_words_in_some_rows_and_numbers_in_others_is_read(table):
    header = "mmsi,time,lat,lon,status\n"
    rows = [
        f"431000001,{1741608000 + 60 * i},1,2,{s}\n" for i, s in enumerate(["5", "under way using engine", "", "15"])
    ]
    assert table(header + "".join(rows)).fixes["status"].to_pylist() == [5, 0, None, None]
    late = [f"431000001,{1741608000 + i},1,2,1\n" for i in range(500)]  # words first come after what was looked at
    assert table(header + "".join(late + rows)).fixes["status"].to_pylist()[-4:] == [5, 0, None, None]


def test_lengths_are_those_told_else_the_sum_of_the_distances_to_the_antenna(table):
    header = "mmsi,time,lat,lon,to_bow,to_stern,to_port,to_starboard"
    sides = table(header + "\n431000001,1741608000,1,2,0,30,10,20\n").static_reports.to_pylist()
    assert [(row["length_m"], row["beam_m"], row["to_bow_m"]) for row in sides] == [(30.0, 30.0, 0)]
    both = table(header + ",length\n431000001,1741608000,1,2,100,30,10,20,150\n").static_reports.to_pylist()
    assert [(row["length_m"], row["beam_m"], row["to_bow_m"]) for row in both] == [(150.0, 30.0, None)]


@pytest.mark.parametrize(
    ("toml", "printed"),
    [
        ("licence = 5", "licence = 5; it must be a text"),
        ('decimal = ";"', r"decimal = ';'; it must be one of \., ,"),
        ('delimiter = ";;"', "must be one character"),
        ("[factors]\nmmsi = 2", r"\[factors\] mmsi is not known"),
        ('[factors]\nsog_kn = "fast"', r"\[factors\] sog_kn = 'fast' is no unit that is known; give a number, or one"),
        ("[factors]\nsog_kn = [1]", r"a section \[factors\] with lines such as name = 1"),
        ('[time]\nformat = "soon"', r"\[time\] format = 'soon'; use \"auto\", \"iso\", .*a % pattern, or a list"),
        ('[time]\nformat = ["ms", 3]', r"\[time\] format = 3; use"),
        ("[time]\nformat = []", r"\[time\] format = ''; use"),
        ("time = 3", r"time must be a section \[time\]"),
        ('[words.name]\n"a" = 1', r"\[words\] name is not known; known are status"),
        ('[words.status]\n"moored" = "yes"', "name = 1"),
        ('[words.receiver]\n"R" = "radar"', "must be one of satellite, terrestrial, unknown"),
        ("words = 3", "words must be sections"),
    ],
)
def test_a_map_that_makes_no_sense_says_why(written, toml, printed):
    with pytest.raises(SourceError, match=printed) as collected:
        load(written("map.toml", toml.encode()))
    assert "\n" not in str(collected.value)


def test_a_map_goes_before_what_a_format_knows_of_its_columns(written):
    text = b"MMSI,BaseDateTime,LAT,LON,SOG\n431000001,2025-03-10T12:00:00,1,2,3\n"
    toml = b'licence = "ours"\n[columns]\nmmsi = "MMSI"\ntime = "BaseDateTime"\nlon = "LON"\nlat = "LAT"\n'
    source = open_source(written("a.csv", text), columns=written("map.toml", toml))
    assert (source.format, source.receiver, source.licence) == ("columns", "unknown", "ours")
    plain = open_source(written("a.csv", text))
    assert (plain.format, plain.receiver) == ("marinecadastre", "terrestrial")


def test_an_unknown_kind_of_receiver_is_said(written):
    with pytest.raises(SourceError, match=r"`receiver=radar`.*satellite, terrestrial, unknown"):
        open_source(written("a.csv", b"mmsi,time,lat,lon\n"), receiver="radar")


def test_no_name_of_a_column_stands_for_two_things():
    names = [name for theirs in HEADERS.values() for name in theirs]
    assert len(names) == len(set(names)) > 70


def test_status_words_of_some_years_of_marinecadastre(written):
    head = b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,Status\n"
    rows = [
        b"431000001,2017-01-01T00:0%d:00,1,2,0.1,-93.6,511,%s\n" % (i, s)
        for i, s in enumerate([b"moored", b"undefined"])
    ]
    source = open_source(written("a.csv", head + b"".join(rows)))
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert source.format == "marinecadastre"
    assert got.fixes["status"].to_pylist() == [5, None]
    assert got.fixes["cog_deg"].to_pylist() == [None, None]
