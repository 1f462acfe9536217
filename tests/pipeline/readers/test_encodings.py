"""Owns: the letters of a name are the same whatever encoding its file is in, found out or told, and a row refers to the
bytes of the file.
"""

import itertools
import random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers import columns, text
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import Chunk, SourceError
from tests.pipeline.readers.gather import together

HEADER = "mmsi,time,lat,lon,name\n"
KOREAN = ["부산호", "해선 7", "제3동양", "한진 인천", "태평양", "동해", "삼성 2호", "여수 밝은바다"]
CHINESE = ["浙岭渔23860", "鲁荣渔58877", "辽大金渔", "闽福鼎渔", "粤湛江", "海巡01", "长江之星", "中国货轮"]
JAPANESE = ["第八丸", "はやぶさ", "さくら丸", "日本丸", "カモメ", "海王丸", "しらせ", "ふじ丸"]
LATIN = ["Ærø", "Göteborg", "Århus", "Señorita", "Île de Ré", "Çeşme".replace("ş", "s"), "Müller", "Håkon"]
FOUND = {
    "utf-8": ["부산호", "浙岭渔", "はやぶさ", "Ærø"],
    "utf-16-le": KOREAN,
    "utf-16-be": CHINESE,
    "utf-16": JAPANESE,  # with a byte order mark
    "utf-8-sig": LATIN,
    "cp949": KOREAN,
    "euc_kr": KOREAN,
    "gbk": CHINESE,
    "gb18030": CHINESE,
    "shift_jis": JAPANESE,
    "latin-1": LATIN,
    "cp1252": [*LATIN, "L’Étoile – 2"],
}
ENCODINGS = ("utf-8", "utf-16", "utf-16-be", "cp949", "gb18030", "shift_jis", "latin-1", "euc_jp", "big5")


def table(names, letters="", delimiter=","):
    lines = [
        delimiter.join([str(431000000 + at), f"2025-03-10T12:{at % 60:02d}:00Z", "38.25", "124.5", name])
        for at, name in enumerate(names)
    ]
    return HEADER.replace(",", delimiter) + "\n".join([*lines, letters])


def names_of(path, **asked):
    source = open_source(path, **asked)
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    return source, got, got.static_reports["name"].to_pylist()


@pytest.mark.parametrize("encoding", FOUND)
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("delimiter", [",", "|", "\t"])
def test_names_come_out_right_in_each_encoding(written, encoding, suffix, delimiter):
    names = FOUND[encoding]
    source, got, found = names_of(written(f"a.csv{suffix}", table(names, "", delimiter).encode(encoding)))
    assert found == names
    assert (got.rejects.num_rows, got.fixes.num_rows) == (0, len(names))
    title = text.TITLES.get(source.options.form.encoding, "")
    assert ("text in " in source.clock) == (not encoding.startswith("utf-8"))
    assert title in source.clock


@pytest.mark.parametrize("encoding", FOUND)
def test_a_row_refers_to_the_bytes_of_the_file(written, encoding):
    path = written("a.csv", table(FOUND[encoding] * 3).encode(encoding))
    raw, (_, got, _) = path.read_bytes(), names_of(path)
    plain = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    for at, row in enumerate(got.fixes.to_pylist()):
        line = raw[row["offset"] : row["offset"] + row["length"]].decode(plain)
        assert line.startswith(f"{431000000 + at},")
        assert line.endswith((FOUND[encoding] * 3)[at])


@pytest.mark.parametrize("encoding", ["utf-16", "gbk", "cp949"])
def test_the_cut_of_a_file_does_not_show(written, encoding, monkeypatch):
    content = table(FOUND[encoding] * 50).encode(encoding)
    source, at_once, _ = names_of(written("a.csv", content))
    rng = random.Random(3)
    for step in (97, 4_096):
        monkeypatch.setattr(columns, "STEP", step)
        edges = sorted({0, len(content), *(rng.randrange(len(content)) for _ in range(9))})
        cut = [Chunk(source, a, b) for a, b in itertools.pairwise(edges)]
        again = together(batch for chunk in reversed(cut) for batch in read(chunk))
        assert again.fixes.equals(at_once.fixes)
        assert again.rejects.equals(at_once.rejects)
        assert set(again.static_reports["name"].to_pylist()) == set(FOUND[encoding])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(ENCODINGS),
    st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=8)),
)
def test_any_text_comes_out_as_it_was_written(written, encoding, names):
    names = [name for name in names if not set(name) & set('@",;|\ufeff') and name.strip() == name]
    try:
        content = table(names).encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    # Shift-JIS is read as Windows writes it, to whom two bytes of it are other signs: ¢ £ ¬ are wide there
    assume(all(content.decode(of) == table(names) for of in (encoding, {"shift_jis": "cp932"}.get(encoding, encoding))))
    toml = f'encoding = "{encoding}"\ndelimiter = ","\n'.encode()
    _, got, found = names_of(written("a.csv", content), columns=written("map.toml", toml))
    assert got.fixes.num_rows == len(names)
    assert found == [name for name in names if name not in encodings_nothing()]


def encodings_nothing():
    from stswatch.pipeline.readers.csv_rows import NULLS

    return NULLS


def test_letters_far_into_a_file_are_found(written):
    names = ["ABLE"] * 5_000 + KOREAN
    _, _, found = names_of(written("a.csv", table(names).encode("cp949")))
    assert found[-len(KOREAN) :] == KOREAN


def test_a_few_bytes_of_another_encoding_do_not_change_that_of_a_file(written):
    content = table([*KOREAN, "X"]).encode() + b"431000099,2025-03-10T12:00:00Z,38.25,124.5,CH\xd3-DO\n"
    source, _, found = names_of(written("a.csv", content))
    assert found == [*KOREAN, "X", "CHÓ-DO"]
    assert "text in" not in source.clock


def test_the_map_goes_before_what_is_found(written):
    content, toml = table(CHINESE).encode("gbk"), written("map.toml", b'encoding = "cp949"\n')
    source, _, found = names_of(written("a.csv", content), columns=toml)
    assert found != CHINESE
    assert "CP949" in source.clock
    with pytest.raises(SourceError, match="encoding = 'klingon' is not read"):
        open_source(written("a.csv", content), columns=written("map.toml", b'encoding = "klingon"\n'))


def test_names_of_columns_are_read_in_the_encoding_too(written):
    toml = '[columns]\nmmsi = "선박"\ntime = "시각"\nlat = "위도"\nlon = "경도"\nname = "선명"\n'.encode()
    text = table(KOREAN).replace("mmsi,time,lat,lon,name", "선박,시각,위도,경도,선명")
    for encoding in ("cp949", "utf-16", "utf-8"):
        _, _, found = names_of(written("a.csv", text.encode(encoding)), columns=written("map.toml", toml))
        assert found == KOREAN
