"""Owns: whatever way a table writes its times, each is read as it is or not at all, and what is unclear is refused."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers.columns import decode_memory
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import Chunk, SourceError
from tests.pipeline.readers.gather import together

DAY = date(2026, 6, 1)  # of ingest
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


def us(when):
    return (when - EPOCH) // timedelta(microseconds=1)


def excel(when, since=datetime(1899, 12, 30, tzinfo=UTC)):
    return (when - since) / timedelta(days=1)


SECOND, MS, MICRO = 1_000_000, 1_000, 1
WRITE = {  # a form -> (microseconds that it can tell, how a program writes it as a number or word)
    "s": (SECOND, lambda t: us(t) // SECOND),
    "s, with a fraction": (MICRO, lambda t: f"{us(t) // SECOND}.{us(t) % SECOND:06d}"),
    "ms": (MS, lambda t: us(t) // MS),
    "us": (MICRO, us),
    "ns": (MICRO, lambda t: us(t) * 1000 + 999),
    "14 digits": (SECOND, lambda t: int(t.strftime("%Y%m%d%H%M%S"))),
    "14 digits as floats": (SECOND, lambda t: float(t.strftime("%Y%m%d%H%M%S"))),
    "14 digits and a zone": (SECOND, lambda t: t.strftime("%Y%m%d%H%M%SZ")),
    "12 digits": (60 * SECOND, lambda t: int(t.strftime("%Y%m%d%H%M"))),
    "ISO 8601": (MICRO, lambda t: t.isoformat()),
    "ISO 8601, now and then with a fraction": (MS, lambda t: t.strftime("%Y-%m-%d %H:%M:%S") + f".{us(t) // MS % MS}Z"
                                               if us(t) // MS % 10 else t.replace(microsecond=0).isoformat()),
    "ISO 8601 in digits": (SECOND, lambda t: t.strftime("%Y%m%dT%H%M%SZ")),
    "slashes": (SECOND, lambda t: t.strftime("%Y/%m/%d %H:%M:%S")),
    "BigQuery": (MICRO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S") + (f".{t.microsecond:06d}".rstrip("0")
                                                                     if t.microsecond else "") + " UTC"),
    "Go": (MICRO, lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f789 +0000 UTC")),
    "Go in Korea": (SECOND, lambda t: (t + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M:%S +0900 KST")),
    "an offset": (SECOND, lambda t: (t - timedelta(hours=3, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S-03:30")),
    "Excel": (MS, excel),
}  # fmt: skip
CUT = {"ISO 8601, now and then with a fraction"}  # here a fraction that is not written is none
STRAY: dict[str, list[Any]] = {  # what one clock or program may write among the others
    "s": [0, 1, 4_000_000_000, None, ""],
    "ms": [0, 20250310120000, 4_000_000_000_000, None],
    "14 digits": [0, 20520310120000, 19700101000000, 20251301000000, None],
    "ISO 8601": ["", "1970-01-01T00:00:00Z", "2052-03-10T12:00:00Z", "2025-02-30T00:00:00Z", "never", None, "0"],
    "Excel": [0, None, 60000.5],
}


def csv(values, extra="", head="mmsi,time,lat,lon"):
    rows = [f"{431000001 + i % 7},{'' if v is None else repr(v) if isinstance(v, float) else v},1,2{extra}"
            for i, v in enumerate(values)]  # fmt: skip
    return "\n".join([head, *rows, ""]).encode()


def times_of(decoded):
    return dict(zip(decoded.fixes["offset"].to_pylist(), decoded.fixes["time"].to_pylist(), strict=True))


def whole(path, **printed):
    source = open_source(path, **{"day": DAY, **printed})
    return source, together(batch for chunk in chunks(source) for batch in read(chunk))


def by_row(text, decoded):
    """The time of each row of a CSV, None where it was rejected."""
    found, at, rows = times_of(decoded), 0, []
    for line in text.splitlines(keepends=True):
        rows.append(found.get(at))
        at += len(line)
    return rows[1:]


@st.composite
def spans(draw, resolution):
    """Times within a random span of 1995 to the day of ingest, in steps of what a form can tell."""
    first = draw(st.datetimes(datetime(1995, 1, 2), datetime(2026, 5, 30))).replace(tzinfo=UTC)
    span_s = draw(st.sampled_from([1, 3600, 86_400, 10**7, 10**8]))
    steps = draw(st.lists(st.integers(0, span_s * SECOND), min_size=12, max_size=40))
    times = [min(first + timedelta(microseconds=step), LAST) for step in steps]
    times.append(first.replace(hour=12, minute=34))  # not all at midnight: that would be dates alone
    return [EPOCH + timedelta(microseconds=us(t) // resolution * resolution) for t in times]


@pytest.mark.parametrize("form", WRITE)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_form_gives_the_true_times_in_csv_parquet_and_memory(written, tmp_path, form, data):
    resolution, write = WRITE[form]
    true = data.draw(spans(resolution))
    if form in CUT:
        true = [t if us(t) // MS % 10 and us(t) // MS % MS >= 100 else t.replace(microsecond=0) for t in true]
    values = [write(t) for t in true]
    text = csv(values)
    path = written("a.csv", text)
    source, decoded = whole(path)
    assert by_row(text, decoded) == true
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=5))), len(text)]
    cut = together(batch for a, b in pairwise(edges) for batch in read(Chunk(source, a, b)))
    assert cut.fixes.equals(decoded.fixes)
    table = pa.table({"mmsi": [431000001 + i % 7 for i in range(len(true))], "time": values,
                      "lat": [1.0] * len(true), "lon": [2.0] * len(true)})  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    assert whole(tmp_path / "a.parquet")[1].fixes["time"].to_pylist() == true
    assert decode_memory(table, day=DAY).fixes["time"].to_pylist() == true
    assert decode_memory(table.to_pandas(), day=DAY).fixes["time"].to_pylist() == true


@pytest.mark.parametrize("form", STRAY)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_stray_values_decide_nothing_and_no_other_is_read_wrongly(written, form, data):
    resolution, write = WRITE[form]
    true = data.draw(spans(resolution))
    values = [write(t) for t in true]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(values)))
        values.insert(at, data.draw(st.sampled_from(STRAY[form])))
        true.insert(at, "stray")
    text = csv(values)
    got = by_row(text, whole(written("a.csv", text))[1])
    assert [a for a, b in zip(got, true, strict=True) if b != "stray"] == [t for t in true if t != "stray"]
    assert all(a is None or not FIRST <= a <= LAST for a, b in zip(got, true, strict=True) if b == "stray"
               and form != "ms")  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_forms_may_be_mixed_in_one_column(written, data):
    names = data.draw(st.lists(st.sampled_from([n for n in WRITE if n not in ("Excel", *CUT)]), min_size=2, max_size=4))
    true, values = [], []
    for name in names:
        some = data.draw(spans(60 * SECOND))
        true += some
        values += [WRITE[name][1](t) for t in some]
    order = data.draw(st.permutations(range(len(true))))
    text = csv([values[i] for i in order])
    got = by_row(text, whole(written("a.csv", text))[1])
    assert got == [true[i] for i in order]


TWO = {  # date and time of day in two columns: types -> the table
    "integers": lambda t: (int(t.strftime("%Y%m%d")), int(t.strftime("%H%M%S"))),
    "words": lambda t: (t.strftime("%Y-%m-%d"), t.strftime("%H:%M:%S")),
    "digits": lambda t: (t.strftime("%Y%m%d"), t.strftime("%H%M%S")),
    "dates and times": lambda t: (t.date(), t.time()),
    "a date and seconds": lambda t: (t.date(), 3600 * t.hour + 60 * t.minute + t.second),
    "Excel": lambda t: (int(excel(t)), excel(t) % 1),
    "midnights": lambda t: (t.strftime("%Y-%m-%dT00:00:00"), t.strftime("%H:%M")),
}


@pytest.mark.parametrize("form", TWO)
def test_date_and_time_of_day_may_stand_in_two_columns(tmp_path, form):
    rng = np.random.default_rng(8)
    true = [EPOCH + timedelta(seconds=int(s)) for s in np.sort(rng.integers(us(NOON) / 1e6, us(NOON) / 1e6 + 9e5, 60))]
    true = [t.replace(second=0) if form == "midnights" else t for t in true]
    days, clocks = zip(*map(TWO[form], true), strict=True)
    table = pa.table({"mmsi": [431000001] * 60, "date": list(days), "time": list(clocks), "lat": [1.0] * 60,
                      "lon": [2.0] * 60})  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    source, decoded = whole(tmp_path / "a.parquet")
    assert decoded.fixes["time"].to_pylist() == true
    assert source.clock.startswith("columns date (")
    table.to_pandas().to_csv(tmp_path / "a.csv", index=False)
    assert whole(tmp_path / "a.csv")[1].fixes["time"].to_pylist() == true
    assert decode_memory(table, day=DAY).fixes["time"].to_pylist() == true


REFUSED = {
    "a day or a month first": (
        ["03/10/2025 12:00:00", "04/11/2025 12:00:00"],
        r"'04/11/2025 12:00:00' .*\"day_first\"",
    ),
    "AIS's own second": ([0, 7, 59, 60], r"'time' is the UTC second of AIS itself, 0 to 63, such as '59'"),
    "1970": (["1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z"], "no time between 1995-01-01 and 2026-06-01, such as"),
    "2611 only": ([20_250_310_120_000_000] * 3, "no time between"),
    "words": (["soon", "later"], "'later'; say how it is written in a column map"),
    "no date": (["12:00:00", "12:00:10"], "times of day without a date"),
    "dates alone": (["20250310"] * 20, r"dates alone, such as '20250310', .*format = \"compact\""),
    "dates alone in ISO 8601": (["2025-03-10"] * 20, r"dates alone, .*format = \"iso\""),
    "dates with a midnight that no clock told": (["2025-03-10 00:00:00"] * 100, "dates alone"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_unclear_is_refused_in_one_sentence_with_an_example(written, kind):
    values, printed = REFUSED[kind]
    with pytest.raises(SourceError, match=printed) as collected:
        whole(written("a.csv", csv(values)))
    assert "\n" not in str(collected.value)
    assert "`columns=FILE`" in str(collected.value)


def test_times_of_day_in_numbers_that_may_be_two_things_are_refused(written):
    rows = [f"431000001,20250310,{t},1,2" for t in (0, 100, 200)]
    with pytest.raises(SourceError, match="may be digits hhmmss or digits hhmm or seconds of the day, such as '200'"):
        whole(written("a.csv", "\n".join(["mmsi,date,time,lat,lon", *rows]).encode()))


def test_one_position_of_a_vessel_a_day_may_have_a_date_alone(written):
    source, decoded = whole(written("a.csv", csv(["20250310", "20250310", "20250311"])))
    assert source.clock == "column time (digits YYYYMMDD, dates alone), all at midnight"
    assert decoded.fixes["time"].to_pylist()[0] == NOON.replace(hour=0)


def test_days_first_are_known_by_days_that_are_no_months(written):
    for pattern, name in (("%d/%m/%Y %H:%M:%S", "day/month/year"), ("%m/%d/%Y %H:%M:%S", "month/day/year")):
        true = [NOON + timedelta(days=i) for i in range(10)]
        source, decoded = whole(written("a.csv", csv([t.strftime(pattern) for t in true])))
        assert (source.clock, decoded.fixes["time"].to_pylist()) == (f"column time ({name})", true)


def test_the_time_is_taken_from_the_column_beside_the_second_of_ais(written):
    rows = [f"431000001,{7 * i % 60},2025-03-10 12:0{i}:07.576207423 +0000 UTC,1,2" for i in range(6)]
    source, decoded = whole(written("a.csv", "\n".join(["UserID,Timestamp,time_utc,lat,lon", *rows]).encode()))
    assert source.clock == "column time_utc (ISO 8601)"
    assert decoded.fixes["time"].to_pylist()[0] == NOON.replace(second=7, microsecond=576207)
    assert source.columns.endswith("; not read: Timestamp")


def test_what_says_its_zone_goes_before_what_does_not(written):
    rows = ["431000001,2025-03-10 21:00:00,2025-03-10T12:00:00Z,1,2"]
    got = whole(written("a.csv", "\n".join(["mmsi,time,time_utc,lat,lon", *rows]).encode()))[1]
    assert got.fixes["time"].to_pylist() == [NOON]


MAPPED = {  # type of the column, format, zone
    "a pattern, for whole numbers": (pa.array([20250310210000]), '"%Y%m%d%H%M%S"', "Asia/Seoul"),
    "a pattern, for a number that lost its zero": (pa.array([1032025210000]), '"%d%m%Y%H%M%S"', "Asia/Seoul"),
    "a pattern, for floats": (pa.array([20250310120000.0]), '"%Y%m%d%H%M%S"', "UTC"),
    "several": (pa.array(["2025-03-10 12:00:00", "1741608000000", "10.03.25 12:00"]),
                '["iso", "ms", "%d.%m.%y %H:%M"]', "UTC"),
    "compact": (pa.array([20250310210000]), '"compact"', "Asia/Seoul"),
    "days since 1904": (pa.array([excel(NOON) - 1462]), '"excel1904"', "UTC"),
    "seconds that pandas took for nanoseconds": (pa.array([1741608000]).cast(pa.timestamp("ns")), '"s"', "UTC"),
    "the month first": (pa.array(["3/10/2025 12:00"]), '"month_first"', "UTC"),
    "a timestamp and a pattern for the CSV": (pa.array([NOON]), '"%d/%m/%Y %H:%M"', "UTC"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAPPED)
def test_the_format_of_a_map_is_obeyed_for_every_type(tmp_path, written, kind):
    values, format, zone = MAPPED[kind]
    n = len(values)
    rows = pa.table({"mmsi": [431000001 + i for i in range(n)], "time": values, "lat": [1.0] * n, "lon": [2.0] * n})
    pq.write_table(rows, tmp_path / "a.parquet")
    toml = written("map.toml", f'[time]\nformat = {format}\nzone = "{zone}"\n'.encode())
    true = NOON.replace(day=1) if "zero" in kind else NOON
    assert whole(tmp_path / "a.parquet", columns=toml)[1].fixes["time"].to_pylist() == [true] * n


@pytest.mark.parametrize(
    ("format", "printed"),
    [
        ('"%d/%m/%Y"', r"is not written as \"%d/%m/%Y\", which the column map names, such as '20250310120000'"),
        ('"ms"', r"read as \"ms\", .* gives times such as 2611-09-.*, not between 1995-01-01 and 2026-06-01"),
        ('["iso", "day_first"]', r'not written as "iso", "day_first"'),
    ],
)
def test_a_format_that_fits_nothing_is_said(written, format, printed):
    toml = written("map.toml", f"[time]\nformat = {format}\n".encode())
    with pytest.raises(SourceError, match=printed):
        whole(written("a.csv", csv([20250310120000] * 3)), columns=toml)


@pytest.mark.parametrize("format", ['"%d.%m.%Y %H:%M"', '"day_first"'])
def test_a_map_names_the_columns_of_date_and_time_of_day(written, format):
    toml = f'[columns]\nmmsi = "a"\nlat = "b"\nlon = "c"\ndate = "Day"\ntime = "Clock"\n[time]\nformat = {format}\n'
    toml = written("map.toml", (toml + 'zone = "Asia/Seoul"\n').encode())
    got = whole(written("a.csv", b"a,Day,Clock,b,c\n431000001,10.03.2025,21:00,1,2\n"), columns=toml)[1]
    assert got.fixes["time"].to_pylist() == [NOON]


def test_the_day_of_ingest_bounds_what_is_plausible(written):
    text = csv(["03/10/2025 12:00:00"] * 3)  # the third of October had not come
    got = whole(written("a.csv", text), day=date(2025, 4, 1))[1]
    assert got.fixes["time"].to_pylist() == [NOON] * 3


def test_a_form_that_begins_late_in_a_file_is_seen(written):
    early = [(NOON + timedelta(seconds=i)).isoformat() for i in range(30_000)]
    late = [us(NOON + timedelta(seconds=30_000 + i)) // MS for i in range(10_000)]
    text = csv([*early, *late])
    source, decoded = whole(written("a.csv", text))
    assert source.clock == "column time (ISO 8601, epoch in ms)"
    assert decoded.fixes.num_rows == 40_000
    assert whole(written("a.csv.gz", text))[1].fixes.num_rows == 30_000  # the others are rejects, not other times


def test_frames_with_times_of_pandas_are_read(written):
    times = pd.date_range(NOON, periods=3, freq="min")
    frame = pd.DataFrame({"mmsi": [431000001] * 3, "time": times, "lat": [1.0] * 3, "lon": [2.0] * 3})
    assert decode_memory(frame, day=DAY).fixes["time"].to_pylist() == list(times)
    local = frame.assign(time=times.tz_convert("Asia/Seoul"))
    assert decode_memory(local, day=DAY).fixes["time"].to_pylist() == list(times)
