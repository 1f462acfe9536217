"""Owns: a file that grows is followed line by line, through renaming and emptying, and from where a watch stopped."""

from __future__ import annotations

from stswatch.pipeline.sources.address import Resume
from tests.pipeline.sources.listen import Listening, wait


def lines(listening: Listening) -> bytes:
    return listening.came


def holds(text: bytes):
    return lambda listening: lines(listening) == text


def add(path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_what_is_there_and_what_comes(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\nb\n")
    with Listening(str(path)) as listening:
        listening.until(holds(b"a\nb\n"))
        add(path, b"c\nhal")
        listening.until(holds(b"a\nb\nc\n"))
        add(path, b"f\n")
        listening.until(holds(b"a\nb\nc\nhalf\n"))


def test_only_what_comes(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\nb\n")
    with Listening(f"{path}?from=end") as listening:
        listening.standing()
        add(path, b"c\n")
        listening.until(holds(b"c\n"))


def test_a_file_that_is_renamed_and_begun_anew(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\n")
    with Listening(str(path)) as listening:
        listening.until(holds(b"a\n"))
        path.rename(tmp_path / "log.nmea.1")
        add(tmp_path / "log.nmea.1", b"b\nlast without end")
        listening.until(holds(b"a\nb\n"))
        path.write_bytes(b"c\n")
        listening.until(holds(b"a\nb\nlast without end\nc\n"))
        add(path, b"d\n")
        listening.until(holds(b"a\nb\nlast without end\nc\nd\n"))


def test_a_file_that_is_emptied(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\nbb\n")
    with Listening(str(path)) as listening:
        listening.until(holds(b"a\nbb\n"))
        with path.open("r+b") as file:
            file.truncate()
            file.write(b"c\n")
        listening.until(holds(b"a\nbb\nc\n"))


def test_it_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\nb\nhal")
    with Listening(str(path)) as first:
        first.until(holds(b"a\nb\n"))
    add(path, b"f\nc\n")
    for how in ("", "?from=end"):
        with Listening(f"{path}{how}", resume=Resume(first.note)) as second:
            second.until(holds(b"half\nc\n"))


def test_it_begins_anew_where_the_file_is_another(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"a\nb\n")
    with Listening(str(path)) as first:
        first.until(holds(b"a\nb\n"))
    (tmp_path / "new").write_bytes(b"c\n")
    (tmp_path / "new").rename(path)
    with Listening(f"{path}?from=end", resume=Resume(first.note)) as second:
        second.until(holds(b"c\n"))


def test_lines_of_json_are_read_on_too(tmp_path):
    path = tmp_path / "log.json"
    path.write_bytes(b"{}\n")
    with Listening(f"{path}?format=json") as listening:
        listening.until(lambda source: source.note != b"")
    assert listening.came == b"{}\n"
    add(path, b"[]\n")
    with Listening(f"{path}?format=json", resume=Resume(listening.note)) as again:
        assert again.until(lambda source: bool(source.came)) == b"[]\n"


def test_a_line_without_end_is_not_held(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(b"x" * 5_000_000)
    with Listening(str(path)) as listening:
        listening.until(lambda source: len(source.came) >= 4 << 20)
    assert max(map(len, listening.pieces)) <= 1 << 20


def test_a_file_that_is_not_there(tmp_path):
    with Listening(str(tmp_path / "log.nmea")) as listening:
        wait(lambda: listening.ended)
    assert listening.lost == "cannot be opened (No such file or directory)"
