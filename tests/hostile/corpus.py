"""200 hostile files: what an archive, a capture or a file of areas can hold that does harm, each made from one seed.

python -m tests.hostile.corpus FOLDER [SEED]     writes them, for a look

A kind is a function that gives the name and the bytes of its n-th file. Names of files are bytes: they need be no text.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.text import drawn

SEED = 20250310
T0 = 1_741_608_000  # 2025-03-10T12:00:00Z
PAIR = (311000111, 241000222)
HEADER = ("mmsi", "time", "lon", "lat", "sog", "cog", "name", "call_sign", "destination")
Made = tuple[bytes, bytes]  # name, content


@dataclass(frozen=True)
class Hostile:
    """A file of the corpus. area: it is a file of areas, and no archive."""

    kind: str
    path: Path
    area: bool


def rows(
    name: str = "SEA STAR", pair: tuple[int, int] = PAIR, minutes: int = 180, lon: float = 124.9
) -> list[list[Any]]:
    """Two tankers side by side, 60 m apart, a report every three minutes."""
    found = []
    for minute in range(0, minutes, 3):
        for k, mmsi in enumerate(pair):
            found.append(
                [
                    mmsi,
                    T0 + 60 * minute,
                    lon,
                    38.5 + k * 0.00054,
                    0.1,
                    10.0,
                    name if k else "CALM",
                    name[:40],
                    name[:60],
                ]
            )
    return found


def table(rows: list[list[Any]], header: tuple[str, ...] = HEADER, delimiter: str = ",") -> bytes:
    """Rows as CSV, with quotes where they need some."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def parquet(columns: dict[str, pa.Array]) -> bytes:
    """Columns as Parquet."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def columns(name: str) -> dict[str, pa.Array]:
    """The rows of the pair as columns."""
    found = dict(zip(HEADER, zip(*rows(name), strict=True), strict=True))
    return {each: pa.array(values) for each, values in found.items()}


def sentence(body: str) -> bytes:
    """An NMEA sentence with its checksum."""
    total = 0
    for octet in body.encode("latin-1"):
        total ^= octet
    return f"!{body}*{total:02X}".encode("latin-1")


REPORT = sentence("AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0")


def message(name: str, mmsi: int, minute: int) -> dict[str, Any]:
    """A report as aisstream.io sends it."""
    meta = {"MMSI": mmsi, "time_utc": f"2025-03-10 12:{minute:02}:00.0 +0000 UTC", "ShipName": name}
    head = {"MessageID": 5, "UserID": mmsi, "Valid": True, "Name": name, "CallSign": name, "Destination": name}
    return {"MessageType": "ShipStaticData", "MetaData": meta, "Message": {"ShipStaticData": head}}


# ------------------------------------------------------------------------------------------------ kinds


def names_in_a_table(n: int, draw: random.Random) -> Made:
    return b"names-%d.csv" % n, table(rows(drawn(draw).replace("\x00", "")))


def names_in_parquet(n: int, draw: random.Random) -> Made:
    return b"names-%d.parquet" % n, parquet(columns(drawn(draw)))


def names_in_json(n: int, draw: random.Random) -> Made:
    text = drawn(draw) + ("\ud800" if n % 3 == 0 else "")
    lines = [json.dumps(message(text, mmsi, m)) for m in range(0, 60, 3) for mmsi in PAIR]
    return b"names-%d.jsonl" % n, "\n".join(lines).encode()


NAMES = (
    *(
        b"\x1b[2J",
        b"\x1b]0;x\x07",
        b"new\nline",
        b"cr\rlf",
        b"\xff\xfe",
        b"caf\xe9",
        b"tab\t",
        b"-rf",
        b"--data",
        b"$(id)",
    ),
    *(b"a b", b"'quote", b'"dq', b";semi", b"*", b"\\n", b"\xe2\x80\xaegpj", b"\xe2\x80\x8b", b"\xc2\x9b31m", b"%s%n"),
    *(b"x" * 240, "大連".encode(), b"\x7f", b"a=b", b"<b>", b"#", b"?receiver=satellite", b"$x^2$", b"~", b"{0}"),
)


def names_of_files(n: int, draw: random.Random) -> Made:
    name = NAMES[n % len(NAMES)]
    return name + (b".csv", b".nmea", b".parquet")[n % 3], (table(rows("A")), REPORT + b"\n", b"PAR1")[n % 3 * (n % 2)]


def headers(n: int, draw: random.Random) -> Made:
    header = list(HEADER)
    for at in draw.sample(range(len(header)), 4):
        header[at] = drawn(draw).replace("\n", " ").replace("\r", " ")
    return b"header-%d.csv" % n, table(rows(), tuple(header), draw.choice(",;\t"))


VALUES: tuple[Any, ...] = (
    *("nan", "inf", "-inf", "1e400", "9" * 1000, "-" + "9" * 400, "0x10", "1_000", "", "null", "NULL", "1,5", "١٢٣"),
    *("\x00", "\x1b", '"', '""', "'", "=1+1", "@a", "1e-400", "-0", "181", "1e9", "T", "2025-13-45T99:99:99Z", "0"),
)


def values_in_a_table(n: int, draw: random.Random) -> Made:
    found = rows()
    for row in draw.sample(found, len(found) // 2):
        row[draw.randrange(len(row))] = draw.choice(VALUES)
    return b"values-%d.csv" % n, table(found)


def shapes_of_tables(n: int, draw: random.Random) -> Made:
    good = table(rows())
    shaped = (
        b"," * 20_000 + b"\n" + good,
        good.replace(b"\n", b"\r"),
        good.replace(b"\n", b"\n\n\n"),
        b'"' + good,
        good + b'"' * 99_999,
        good.replace(b"CALM", b"C" * 1_000_000, 1),
        good[:-40],
        b"\xef\xbb\xbf" * 3 + good,
        good.decode().encode("utf-16"),
        good.decode().encode("utf-32"),
        good + b"\x00" * 100_000 + good,
        (",".join(f"c{k}" for k in range(30_000)) + "\n1\n").encode(),
        table(rows(), HEADER + HEADER),
        b"mmsi\n" * 100_000,
        good.split(b"\n")[0],
    )
    return b"shape-%d.csv" % n, shaped[n % len(shaped)]


def sentences(n: int, draw: random.Random) -> Made:
    tag = b"\\s:%s,c:%d*00\\"
    shaped = (
        b"!" + b"A" * 1_000_000 + b"\n" + REPORT,
        (REPORT + b"\x00") * 2000,
        b"".join(tag % (b"S%d" % k, T0 + k) + REPORT + b"\n" for k in range(3000)),
        tag % (b"\x1b[31m\xff", T0) + REPORT + b"\n",
        b"\\" * 100_000 + REPORT,
        b"\\g:1-9-" + b"9" * 5000 + b"*00\\" + REPORT + b"\n",
        b"".join(sentence(f"AIVDM,9,{k % 9 + 1},{k % 10},A,{'5' * 56},0") + b"\n" for k in range(5000)),
        sentence("AIVDM,1,1,,A," + "w" * 5000 + ",0") + b"\n",
        sentence("AIVDM,1,1,,A,,0") + b"\n" + sentence("AIVDM,0,0,,A,1,9") + b"\n",
        REPORT[:20] + b"\n" + REPORT + b"," + b"9" * 400 + b"\n",
        REPORT + b",999999999999999999999999\n" + REPORT + b",-1\n",
        b"\r" * 100_000 + REPORT,
        b"$PGHP,1,9999,99,99,99,99,99,999,,,,1,00*00\n" + REPORT + b"\n",
        b"# stswatch note 1 99999999999999999999\n# stswatch lost 999999999999999999999\n" + REPORT + b"\n",
        bytes(draw.choices(range(256), k=20_000)) + b"\n" + REPORT + b"\n",
        b"".join(bytes(draw.choices(REPORT, k=len(REPORT))) + b"\n" for _ in range(2000)),
    )
    return b"capture-%d.nmea" % n, shaped[n % len(shaped)]


def json_of_all_kinds(n: int, draw: random.Random) -> Made:
    good = json.dumps(message("A", PAIR[0], 0))
    shaped = (
        "[" * 100_000,
        '{"a":' * 50_000,
        good.replace(str(PAIR[0]), "9" * 4000),
        good.replace(str(PAIR[0]), "NaN"),
        good.replace(str(PAIR[0]), "-Infinity"),
        good.replace(str(PAIR[0]), "1e999"),
        good.replace('"A"', '"\\ud800\\udfff\\u0000\\u001b[2J"'),
        good.replace("{", '{"MessageType":"x","MessageType":[],', 1),
        "[" + ",".join([good] * 200) + "]",
        '{"x":' + json.dumps("y " * 2_000_000) + "}",
        "{" + ",".join(f'"k{k}":{k}' for k in range(100_000)) + "}",
        good[:-3],
        good + "\x00" * 1000,
        "null\ntrue\n1\n" + good,
        good.replace("2025", "99999"),
    )
    return b"lines-%d.json" % n, shaped[n % len(shaped)].encode()


def zipped(members: list[tuple[str, bytes]], **how: Any) -> bytes:
    """A zip of these members, in their order, whatever they are called."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **how) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # a ZipInfo says stored
    return out.getvalue()


def packed(n: int, draw: random.Random) -> Made:
    good, hostile = table(rows()), drawn(draw).replace("\x00", "")[:200]
    z = zipped([("a.csv", good)])
    local, central = z.find(b"PK\x03\x04"), z.find(b"PK\x01\x02")
    shaped: tuple[tuple[bytes, Callable[[], bytes]], ...] = (
        (b"gz", lambda: gzip.compress(b"\0" * 60_000_000)),
        (b"gz", lambda: gzip.compress(b"mmsi,time,lon,lat\n" + b"1" * 60_000_000)),
        (b"gz", lambda: gzip.compress(good)[:-9]),
        (b"gz", lambda: gzip.compress(gzip.compress(good))),
        (b"gz", lambda: b"\x1f\x8b\x08" + b"\xff" * 500),
        (b"zst", lambda: b"\x28\xb5\x2f\xfd" + bytes(draw.choices(range(256), k=400))),
        (b"xz", lambda: b"\xfd7zXZ\x00" + b"\0" * 400),
        (b"bz2", lambda: b"BZh91AY&SY" + b"\xff" * 400),
        (b"zip", lambda: zipped([("../../../tmp/stswatch-escaped.csv", good), ("/etc/stswatch-escaped.csv", good)])),
        (b"zip", lambda: zipped([("C:\\x\\..\\a.csv", good), (hostile + ".csv", good), ("a\nb.txt", b"hello")])),
        (b"zip", lambda: zipped([("a.csv", good), ("a.csv", table(rows("TWICE"))), ("a.csv", b"\0")])),
        (b"zip", lambda: z[: local + 6] + b"\x01\x00" + z[local + 8 : central + 8] + b"\x01\x00" + z[central + 10 :]),
        (b"zip", lambda: z[: central + 20] + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + z[central + 28 :]),
        (b"zip", lambda: z[: central + 16] + b"\0\0\0\0" + z[central + 20 :]),
        (b"zip", lambda: z[: local + 8] + b"\x63\x00" + z[local + 10 : central + 10] + b"\x63\x00" + z[central + 12 :]),
        (b"zip", lambda: z[:-12]),
        (b"zip", lambda: b"PK\x05\x06" + b"\0" * 18),
        (b"zip", lambda: zipped([(f"{k}.csv", b"mmsi,time,lon,lat\n") for k in range(300)])),
        (b"zip", lambda: zipped([("inner.zip", z), ("b.gz", gzip.compress(gzip.compress(good)))])),
        (b"zip", lambda: zipped([("bomb.csv", b"mmsi,time,lon,lat\n" + b"7" * 60_000_000)])),
        (b"tar", lambda: b"a.csv".ljust(257, b"\0") + b"ustar" + b"\0" * 700),
        (b"7z", lambda: b"7z\xbc\xaf\x27\x1c" + b"\0" * 100),
    )
    ending, made = shaped[n % len(shaped)]
    return b"packed-%d.%s" % (n, ending), made()


def parquet_of_all_kinds(n: int, draw: random.Random) -> Made:
    good = columns("A")
    count = len(good["mmsi"])
    whole = parquet(good)
    shaped: tuple[Callable[[], bytes], ...] = (
        lambda: parquet({}),
        lambda: parquet({name: column[:0] for name, column in good.items()}),
        lambda: parquet(good | {"mmsi": pa.array([[1]] * count)}),
        lambda: parquet(good | {"time": pa.array([{"a": 1}] * count)}),
        lambda: parquet(good | {"lon": pa.nulls(count)}),
        lambda: parquet(good | {"lat": pa.array([b"\xff\xfe"] * count)}),
        lambda: parquet(good | {"name": pa.array([b"\xff\x1b[2J"] * count, pa.binary())}),
        lambda: parquet(good | {"name": pa.array(["N" * 100_000] * 20 + [""] * (count - 20))}),
        lambda: parquet(good | {"mmsi": pa.array([2**63 - 1, -(2**63)] * (count // 2))}),
        lambda: parquet(good | {"mmsi": pa.array([np.nan, np.inf] * (count // 2))}),
        lambda: parquet(good | {"lon": pa.array([np.inf, -np.inf, np.nan, 1e308] * (count // 4))}),
        lambda: parquet(good | {"time": pa.array([2**62, -(2**62)] * (count // 2), pa.timestamp("us"))}),
        lambda: parquet(good | {"time": pa.array([True, False] * (count // 2))}),
        lambda: parquet(good | {"lon": pa.array([124] * count).cast(pa.decimal128(38, 10))}),
        lambda: parquet(good | {"name": pa.array(["A"] * count).dictionary_encode()}),
        lambda: parquet({drawn(draw): column for column in good.values()}),
        lambda: whole[:-10],
        lambda: b"PAR1" + b"\xff" * 200 + b"PAR1",
        lambda: b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1",
        lambda: _flipped(whole, draw),
    )
    return b"table-%d.parquet" % n, shaped[n % len(shaped)]()


def _flipped(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    for at in draw.sample(range(4, len(data)), 40):
        data[at] ^= 1 << draw.randrange(8)
    return bytes(data)


def junk(n: int, draw: random.Random) -> Made:
    starts = (b"", b"\x7fELF", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"\xff\xd8\xff", b"SQLite format 3\0", b"MZ", b"\n")
    return b"junk-%d.bin" % n, starts[n % len(starts)] + bytes(draw.choices(range(256), k=50_000))


def areas(n: int, draw: random.Random) -> Made:
    box = [[[124.0, 38.0], [126.0, 38.0], [126.0, 39.0], [124.0, 39.0], [124.0, 38.0]]]
    text: Any = (drawn(draw), "\ud800", {"a": "\x1b"}, ["\x1b"], 3, None)[n % 6]
    collected = {"id": text, "labels": [drawn(draw), text], "source": drawn(draw), "regime": text, "date": text}
    feature = {"type": "Feature", "properties": collected, "geometry": {"type": "Polygon", "coordinates": box}}
    whole = json.dumps({"type": "FeatureCollection", "features": [feature] * (1 + n % 2)})
    shaped = (whole, whole, "[" * 50_000, whole.replace("38.0", "1e999"), whole.replace("Polygon", "\\u001b[2J"))
    return b"area-%d.geojson" % n, shaped[n % len(shaped)].encode()


Kind = Callable[[int, random.Random], Made]
KINDS: tuple[tuple[Kind, int], ...] = (  # and how many of each
    (names_in_a_table, 20),
    (names_in_parquet, 10),
    (names_in_json, 9),
    (names_of_files, 30),
    (headers, 10),
    (values_in_a_table, 12),
    (shapes_of_tables, 15),
    (sentences, 16),
    (json_of_all_kinds, 15),
    (packed, 22),
    (parquet_of_all_kinds, 20),
    (junk, 9),
    (areas, 12),
)


def write(folder: Path, every: int = 1, first: int = 0, seed: int = SEED) -> list[Hostile]:
    """Write the corpus, or every so many of it, each file into a folder of its own; the same seed, the same bytes."""
    found = []
    counted = [(kind, n) for kind, count in KINDS for n in range(count)]
    for number, (kind, n) in list(enumerate(counted))[first::every]:
        name, content = kind(n, random.Random(f"{seed} {kind.__name__} {n}"))
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), b"%03d" % number, name)))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        found.append(Hostile(kind.__name__, path, kind is areas))
    return found


if __name__ == "__main__":
    print(len(write(Path(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else SEED)), "files")
