"""Text, packed or not, as windows of bytes, and the encoding in which it is written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from itertools import pairwise

import numpy as np

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.readers.packing import is_packed, opened
from stswatch.pipeline.readers.source import WHOLE, Chunk, Source, SourcePlace

# ------------------ In which encoding a text is written: found out from its bytes, the same answer for the same bytes
# A byte order mark or zeros in every second byte tell UTF-16. What is valid UTF-8 is UTF-8. Of the others the lines
# with letters beyond ASCII are decoded strictly as Korean (CP949), Chinese (GB18030, of which GBK is a part) and
# Japanese (CP932, Shift-JIS), and whichever gives letters that are common in its language is taken; else
# Windows-1252, of which Latin-1 is a part. No statistical library is used: names of vessels are few and short, and
# the rest of a line is ASCII.
#
# Source: KS X 1001, GB 2312 (level 1: hanzi in common use) and JIS X 0208 (level 1) for the common letters.

UTF8 = "utf-8"
UTF16 = ("utf-16-le", "utf-16-be")
CP949, GB18030, CP932, CP1252 = "cp949", "gb18030", "cp932", "cp1252"
TITLES = {
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    CP949: "CP949 (Korean)",
    GB18030: "GB18030 (Chinese)",
    CP932: "Shift-JIS (Japanese)",
    CP1252: "Windows-1252 (Latin-1)",
}
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LINES = 2_000  # lines that are looked at
_ENOUGH = 0.8  # share of letters that are common in a language
_BEYOND = re.compile(rb"[^\n]*[\x80-\xff][^\n]*")
# letters that names of ships, and of columns, have oftenest: where bytes are common letters in several, these tell
_KOREAN = frozenset(
    "시간위도속력침호해선동양성진대한영제일이삼신광명금용태산부국남북서수주경천평화봉순만창덕복원철길은정미강"
)
_CHINESE = frozenset(
    "浙岭渔闽粤鲁辽苏冀津沪海船运油货舟岱航轮号福东华远洋宁波金龙顺达通安新中国荣大石岛连江山丹鱼长时间经纬度速向"
)
_JAPANESE = frozenset("丸第日東海漁幸栄福光洋大和新神三龍宝号船名時刻経緯度速力針路")


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("stswatch.latin1", _as_latin1)  # names in older archives are not UTF-8


def in_utf8(block: bytes, encoding: str = UTF8) -> bytes:
    """The same text in UTF-8: bytes that are none in its encoding are taken for Latin-1; never raises.

    >>> in_utf8("CHÓ".encode("latin-1")).decode(), in_utf8("부산".encode("cp949"), "cp949").decode()
    ('CHÓ', '부산')
    """
    if block.isascii():
        return block
    if encoding == UTF8:
        try:
            block.decode(UTF8)
        except UnicodeDecodeError:
            return block.decode(UTF8, "stswatch.latin1").encode()
        return block
    return block.decode(encoding, "stswatch.latin1").encode()


def wide_of(start: bytes) -> str | None:
    """The kind of UTF-16 that a text begins in, None where it is another encoding.

    >>> wide_of("mmsi,time".encode("utf-16-be")), wide_of(b"mmsi,time")
    ('utf-16-be', None)
    """
    for bom, name in _BOMS:
        if start.startswith(bom):
            return name
    sample = start[: len(start) // 2 * 2][:4096]
    if len(sample) < 8:
        return None
    half = len(sample) // 2
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    for name, zeros, others, newline in (
        ("utf-16-le", odd, even, b"\n\0"),
        ("utf-16-be", even, odd, b"\0\n"),
    ):
        if zeros >= 0.6 * half and others <= zeros / 10 and (newline in start or half < 2048):
            return name
    return None


def encoding_of(sample: bytes) -> str:
    """The encoding of a text that is not UTF-16, by some of its bytes; never raises.

    >>> encoding_of("name\\n부산호\\n해선\\n".encode("cp949")), encoding_of(b"name\\n"), encoding_of("å".encode())
    ('cp949', 'utf-8', 'utf-8')
    """
    if sample.isascii():
        return UTF8
    lines = _BEYOND.findall(sample, 0, sample.rfind(b"\n") + 1 or len(sample))[:_LINES]
    lines = lines or _BEYOND.findall(sample)[:_LINES]
    others = [line for line in lines if not _is(line, UTF8)]
    if 2 * len(others) <= len(lines):
        return UTF8  # all of it, or but for a few lines
    text = b"\n".join(others)
    scores = [(_score(text, name), name) for name in (CP949, GB18030, CP932)]
    best = max(score for score, _ in scores)
    if best < _ENOUGH:
        return CP1252
    likely = [name for score, name in scores if score >= max(_ENOUGH, best - 0.05)]
    return max(likely, key=lambda name: _familiar(text, name)) if len(likely) > 1 else likely[0]


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _score(text: bytes, encoding: str) -> float:
    """The share of letters beyond ASCII that are common in the language, 0 where the text is not of the encoding."""
    try:
        letters = [letter for letter in text.decode(encoding) if letter > "\x7f"]
    except UnicodeDecodeError:
        return 0.0
    common = {CP949: _is_korean, GB18030: _is_chinese, CP932: _is_japanese}[encoding]
    return sum(map(common, letters)) / len(letters) if letters else 0.0


def _familiar(text: bytes, encoding: str) -> int:
    known = {CP949: _KOREAN, GB18030: _CHINESE, CP932: _JAPANESE}[encoding]
    return sum(letter in known for letter in text.decode(encoding))


def _encoded(letter: str, encoding: str) -> bytes:
    try:
        return letter.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _is_korean(letter: str) -> bool:
    return "가" <= letter <= "힣" and bool(_encoded(letter, "euc_kr"))


def _is_chinese(letter: str) -> bool:
    code = _encoded(letter, "gb2312")
    return len(code) == 2 and 0xB0 <= code[0] <= 0xF7


def _is_japanese(letter: str) -> float:
    if "ぁ" <= letter <= "ヺ" or letter in "ー々・":
        return 1.0
    code = _encoded(letter, "euc_jp")
    return float(len(code) == 2 and 0xB0 <= code[0] <= 0xCF and "一" <= letter <= "龥")


def known(name: str) -> str | None:
    """The name by which Python knows an encoding whose lines can be told by their bytes, None for any other.

    >>> known("Shift-JIS"), known("UTF-16"), known("EUC-KR"), known("utf-7"), known("rot13")
    ('cp932', 'utf-16-le', 'cp949', None, None)
    """
    plain = name.casefold().replace("_", "-")
    if plain in _WIDE:
        return _WIDE[plain]
    try:
        found = codecs.lookup(name).name
        ascii_alone = bytes(range(128)).decode(found) == bytes(range(128)).decode("ascii")
    except (LookupError, UnicodeError):
        return None
    return _WIDER.get(found, found) if ascii_alone else None


_WIDE = dict.fromkeys(("utf-16", "utf16", "utf-16le", "utf-16-le"), "utf-16-le")
_WIDE |= dict.fromkeys(("utf-16be", "utf-16-be"), "utf-16-be")
_WIDER = {  # what holds all of another and more
    "euc_kr": CP949, "gb2312": GB18030, "gbk": GB18030, "shift_jis": CP932, "iso8859-1": CP1252, "utf-8-sig": UTF8,
    "ascii": UTF8,
}  # fmt: skip


# --------------------- Text, packed or not, as windows of bytes: what a window owns, and enough of what lies round it

_SAMPLE, _PACKED_SAMPLE = 8 << 20, 1 << 18  # bytes that are looked at for letters beyond ASCII
_PIECE = 1 << 18  # of these at a time


@dataclass(frozen=True)
class Window:
    """Whole lines of a text; those that begin in [start, end) are owned, the others are only looked at.

    Only a line that is longer than the bytes looked at after `end` may be cut off.
    """

    text: bytes  # of UTF-16 in UTF-8, else as it stands in the file
    base: int  # offset of the text in the unpacked file
    start: int
    end: int
    wide: bool = False  # the file is UTF-16

    def offsets(self, at: Ints) -> Ints:
        """Bytes of the unpacked file before places of the text, (n,)."""
        return at + self.base if not self.wide else 2 * units(self.text, at) + self.base


def units(text: bytes, at: Ints) -> Ints:
    """How many units of UTF-16 stand before places of a text in UTF-8, (n,).

    >>> units("a초b".encode(), np.array([0, 1, 4, 5])).tolist()
    [0, 1, 2, 3]
    """
    if text.isascii():
        return at
    data = np.frombuffer(text, np.uint8)
    begins = ((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0)
    return np.concatenate([[0], np.cumsum(begins)])[at]


def head(place: SourcePlace, size: int = 65_536) -> bytes:
    """The first bytes of a place, unpacked, UTF-16 in UTF-8. Raises SourceError where they cannot be read."""
    start = raw_head(place, size)
    wide = wide_of(start)
    return start if wide is None else narrow(start, wide)


def raw_head(place: SourcePlace, size: int = 65_536) -> bytes:
    """The first bytes of a place, unpacked. Raises SourceError where they cannot be read."""
    with opened(place) as file:
        return file.read(size)


def encoding_at(place: SourcePlace) -> str:
    """The encoding of a text, by its first bytes and, where these are ASCII, some more. Raises SourceError."""
    with opened(place) as file:
        sample = file.read(_PIECE)
        if wide := wide_of(sample):
            return wide
        left = _PACKED_SAMPLE if is_packed(place) else _SAMPLE
        before, more = b"", sample
        while more and more.isascii() and left > 0:
            before, more = more, file.read(_PIECE)
            left -= _PIECE
        sample = before + more + (b"" if more.isascii() else file.read(_PIECE))
    return encoding_of(sample)


def stated(clock: str, *notes: str) -> str:
    """What a run says of a source beside what it counted: where its times come from, and what else was found out.

    >>> stated("column time", "utf-8"), stated("column time", "cp949")
    ('column time', 'column time; text in CP949 (Korean)')
    """
    remarks = [f"text in {TITLES.get(note, note)}" if known(note) else note for note in notes if note not in ("", UTF8)]
    return "; ".join([clock, *remarks])


def narrow(wide: bytes, encoding: str) -> bytes:
    """UTF-16 in UTF-8, half a unit at its end left out; never raises.

    >>> narrow("초".encode("utf-16-le") + b"x", "utf-16-le").decode()
    '초'
    """
    return wide[: len(wide) // 2 * 2].decode(encoding, "replace").encode()


def byte_chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Even byte ranges of about target_bytes; what is packed cannot be cut and is one chunk."""
    if is_packed(source.place):
        return [Chunk(source, 0, WHOLE)]
    count = max(1, -(-source.bytes // target_bytes))
    edges = [source.bytes * i // count for i in range(count + 1)]
    return [Chunk(source, a, b) for a, b in pairwise(edges) if b > a]


def windows(
    place: SourcePlace, start: int, end: int, step: int, before: int, after: int, encoding: str = UTF8
) -> Iterator[Window]:
    """The text of [start, end) in windows that own at most `step` bytes, in order.

    before, after: bytes looked at on both sides, before at least 1; encoding: UTF-16 is given in UTF-8, anything else
    as it stands. Raises SourceError where the file breaks off.
    """
    wide = encoding in UTF16
    whole_lines = partial(_wide_lines, encoding) if wide else _whole_lines
    if wide:  # whole units
        before, after, step = 2 * before, 2 * after, 2 * step
    with opened(place) as file:
        base = max(0, start - before)
        base -= base % 2 if wide else 0
        _skip(file, base)
        kept = b""
        while start < end:
            stop = min(start + step, end)
            kept += file.read(stop + after - base - len(kept))
            ended = base + len(kept) < stop + after
            yield whole_lines(kept, base, start, stop, ended)
            if ended and base + len(kept) <= stop:
                return
            start = stop
            passed = max(0, start - before - base)
            passed -= passed % 2 if wide else 0
            kept, base = kept[passed:], base + passed


def pieces(place: SourcePlace, step: int, encoding: str = UTF8) -> Iterator[bytes]:
    """The whole text of a place in UTF-8, some `step` bytes at a time, b"" at its end. Raises SourceError."""
    decoder = codecs.getincrementaldecoder(encoding)("stswatch.latin1" if encoding not in UTF16 else "replace")
    with opened(place) as file:
        while more := file.read(step):
            yield more if encoding == UTF8 else decoder.decode(more).encode()
    yield b""


def _skip(file: BufferedIOBase, size: int) -> None:
    """Pass over the first bytes of a file, of one that cannot be sought by reading them."""
    if file.seekable():
        file.seek(size)
        return
    while size and (passed := len(file.read(min(size, 1 << 20)))):
        size -= passed


def _whole_lines(kept: bytes, base: int, start: int, stop: int, ended: bool) -> Window:
    first = kept.find(b"\n") + 1 if base else 0
    if base and not first:
        return Window(b"", base, start, stop)
    last = kept.rfind(b"\n") + 1
    if ended or base + last < stop:  # a line that begins before `stop` is owned, whole or not
        last = len(kept)
    return Window(kept[first:last], base + first, start, stop)


def _wide_lines(encoding: str, kept: bytes, base: int, start: int, stop: int, ended: bool) -> Window:
    """As `_whole_lines`, of UTF-16."""
    units = np.frombuffer(kept[: len(kept) // 2 * 2], "<u2" if encoding == UTF16[0] else ">u2")
    newline = (np.flatnonzero(units == ord("\n")) + 1) * 2
    if base and not len(newline):
        return Window(b"", base, start, stop, True)
    first = int(newline[0]) if base else 0
    last = int(newline[-1]) if len(newline) else 0
    if ended or base + last < stop:
        last = len(units) * 2
    return Window(narrow(kept[first:last], encoding), base + first, start, stop, True)
