"""Owns: however an archive is packed it gives the same rows in bounded memory, and a damaged one is one sentence."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline.readers.formats import chunks, open_source, open_sources, read
from stswatch.pipeline.readers.packing import PACKINGS, packing_of
from stswatch.pipeline.readers.source import SourceError, SourcePlace
from stswatch.pipeline.readers.text import head, windows
from tests.pipeline.readers.gather import same, together

HEADER = b"mmsi,timestamp,lat,lon\n"
ROWS = b"".join(b"%d,%d,%.5f,%.5f\n" % (431_000_000 + i % 50, 1_690_848_000 + i, i / 1e3, i / 2e3) for i in range(9000))
SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"  # a frame of zstd that holds no data, as parallel packers write


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


def zipped(*members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return sink.getvalue()


def xz(content: bytes) -> bytes:
    """What xz makes of it in little time, with the dictionary that it has by default."""
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 8 << 20}])


Pack = Callable[[bytes], bytes]
PACK: dict[str, Pack] = {"gzip": gzip.compress, "zstd": zstd, "bzip2": bz2.compress, "xz": xz}


def whole(source):
    return together(batch for chunk in chunks(source) for batch in read(chunk))


@pytest.fixture
def plain(written):
    return whole(open_source(written("plain.csv", HEADER + ROWS)))


def test_every_packing_is_tried_here():
    assert set(PACK) == {packing.name for packing in PACKINGS}
    for name, pack in PACK.items():
        assert packing_of(pack(b"")).name == packing_of(pack(ROWS)).name == name
    assert packing_of(HEADER) is packing_of(b"") is packing_of(zipped(("a", b""))) is None


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("parts", [1, 3])
def test_a_packed_file_gives_what_the_plain_one_gives_all_its_parts_included(written, plain, name, parts):
    text = HEADER + ROWS
    cut = [text[len(text) * i // parts : len(text) * (i + 1) // parts] for i in range(parts)]
    got = whole(open_source(written("a.csv.packed", b"".join(map(PACK[name], cut)))))
    assert plain.fixes.num_rows == 9000
    assert same(got, plain)


def test_frames_of_zstd_that_hold_nothing_are_passed(written, plain):
    packed = SKIPPED + zstd(HEADER) + SKIPPED + zstd(ROWS) + SKIPPED
    assert same(whole(open_source(written("a.zst", packed))), plain)


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_what_breaks_off_is_said(written, name, keep):
    packed = PACK[name](HEADER + ROWS)
    broken(written("a.dat", packed[: int(len(packed) * keep)]), f"{name} data breaks off.*fetch the file again")


@pytest.mark.parametrize("name", PACK)
def test_what_is_damaged_is_said(written, name):
    packed = bytearray(PACK[name](HEADER + ROWS) * 2)
    at = len(packed) * 3 // 4
    packed[at : at + 40] = bytes(40)
    broken(written("a.dat", bytes(packed)), f"{name} data .*is damaged.*fetch the file again")


def broken(path, printed):
    with pytest.raises(SourceError, match=rf"a\.dat.*{printed}") as collected:
        list(map(whole, open_sources(path).sources))
    assert "\n" not in str(collected.value)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_member_of_a_zip_that_is_ais_is_a_source_of_its_own(written, plain, kind):
    content = zipped(
        ("read_me.txt", b"Dear reader,\nall is well\n"),
        ("days/one.csv", HEADER + ROWS),
        ("days/two.csv.gz", gzip.compress(HEADER + ROWS)),
        ("codes.csv", b"code,meaning\n1,anchor\n"),
        ("__MACOSX/._one.csv", bytes(100)),
        ("picture.png", bytes(range(256))),
        ("days/", b""),
        kind=kind,
    )
    path = written("month.zip", content)
    found = open_sources(path)
    one, two = found.sources
    assert [(s.path, s.member) for s in (one, two)] == [(str(path), "days/one.csv"), (str(path), "days/two.csv.gz")]
    assert one.sha256 == two.sha256
    assert len({one.source, two.source, one.sha256[:16]}) == 3
    for source in (one, two):
        assert same(whole(source), plain)
    assert [collected.partition(": ")[0].partition("(")[2] for collected in found.passed_over] == [
        "read_me.txt)",
        "codes.csv)",
        "picture.png)",
    ]
    assert open_sources(path) == found
    with pytest.raises(SourceError, match="2 members"):
        open_source(path)


def test_a_zip_without_ais_is_said(written):
    broken(written("a.dat", zipped(("read_me.txt", b"Dear reader\nhello\n"))), r"no member.*read_me\.txt.*neither AIS")
    broken(written("a.dat", zipped()), "holds no file")


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_zip_that_breaks_off_is_said(written, keep):
    packed = zipped(("a.csv", HEADER + ROWS))
    broken(written("a.dat", packed[: int(len(packed) * keep)]), "zip data breaks off.*fetch the file again")


def test_a_zip_with_a_damaged_member_is_said(written):
    packed = bytearray(zipped(("a.csv", HEADER + ROWS)))
    packed[len(packed) // 2] ^= 255
    broken(written("a.dat", bytes(packed)), "zip data.*is damaged.*fetch the file again")
    stored = zipped(("a.csv", HEADER + ROWS), kind=zipfile.ZIP_STORED)
    broken(written("a.dat", stored.replace(b"1690850000", b"1690850001")), "zip data.*is damaged.*fetch the file again")


def test_an_encrypted_member_is_said(written):
    content = bytearray(zipped(("a.csv", HEADER + ROWS)))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    broken(written("a.dat", bytes(content)), "cannot be unpacked.*encrypted.*unpack it first")


def test_what_is_packed_twice_or_otherwise_is_said(written, tmp_path):
    broken(written("a.dat", gzip.compress(gzip.compress(ROWS))), "packed once more as gzip.*unpack it first")
    broken(written("a.dat", zipped(("b.zip", zipped(("c.csv", ROWS))))), r"b\.zip.*once more as zip.*unpack it first")
    broken(written("a.dat", b"7z\xbc\xaf\x27\x1c" + bytes(100)), "packed as 7z.*unpack it first")
    broken(written("a.dat", bytes(257) + b"ustar" + bytes(250)), "packed as tar.*unpack it first")
    pq.write_table(pa.table({"mmsi": [1], "time": [1], "lon": [1.0], "lat": [1.0]}), tmp_path / "t.parquet")
    table = (tmp_path / "t.parquet").read_bytes()
    broken(written("a.dat", zipped(("t.parquet", table))), r"t\.parquet.*Parquet packed once more.*unpack it first")


@pytest.mark.parametrize("name", [*PACK, "zip"])
def test_memory_does_not_grow_with_what_is_packed(written, name):
    size = 60 << 20
    text = HEADER + b"#" * 99 + b"\n"
    text += text[-100:] * (size // 100)
    packed = zipped(("a.csv", text)) if name == "zip" else PACK[name](text)
    place = SourcePlace(str(written("big", packed)), "a.csv" if name == "zip" else None)
    del text, packed
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    seen = 0
    for window in windows(place, 0, 2**62, 1 << 20, 1, 65_536):
        seen = window.base + len(window.text)
        assert pa.total_allocated_bytes() - before < 10 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen > size
    assert peak < 16 << 20  # xz alone keeps 8 MiB
    assert head(place, 4) == b"mmsi"
