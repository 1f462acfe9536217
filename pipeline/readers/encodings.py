"""In which encoding a text is written: found out from its bytes, the same answer for the same bytes.

A byte order mark or zeros in every second byte tell UTF-16. What is valid UTF-8 is UTF-8. Of the others the lines with
letters beyond ASCII are decoded strictly as Korean (CP949), Chinese (GB18030, of which GBK is a part) and Japanese
(CP932, Shift-JIS), and whichever gives letters that are common in its language is taken; else Windows-1252, of which
Latin-1 is a part. No statistical library is used: names of vessels are few and short, and the rest of a line is ASCII.

Source: KS X 1001, GB 2312 (level 1: hanzi in common use) and JIS X 0208 (level 1) for the common letters.
"""

from __future__ import annotations

import codecs
import re

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
# syllables and hanzi that names of ships have oftenest: where bytes are common letters in both, these tell
_KOREAN = frozenset("호해선동양성진대한영제일이삼신광명금용태산부국남북서수주경천평화봉순만창덕복원철길은정미강")
_CHINESE = frozenset("浙岭渔闽粤鲁辽苏冀津沪海船运油货舟岱航轮号福东华远洋宁波金龙顺达通安新中国荣大石岛连江山丹鱼长")


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
    known = {CP949: _KOREAN, GB18030: _CHINESE}.get(encoding, frozenset())
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
