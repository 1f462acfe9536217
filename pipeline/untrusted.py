"""Text that others wrote, on its way to a terminal, a log, a picture or a page: escaped, no longer than is useful.

Names of vessels, files, columns and zones, and what servers answer, may hold anything: codes that a terminal obeys,
line ends that forge a line of ours, marks that turn the reading direction, letters that nobody sees. This is the one
place that knows what is shown of them. It is for eyes: data that are written for programs stay as they are.

Source: Unicode Technical Report 36, "Unicode Security Considerations", sections 2 and 3; ECMA-48 for control functions.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

FIELD = 300  # characters of one field: a name, a path
SENTENCE = 4_000  # of a sentence that holds several: with a list of columns, say
_MARKS = 3  # combining marks on one letter; Vietnamese needs two, Thai and Hebrew three
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0")  # letters and marks without a shape


def escaped(value: object, most: int = FIELD) -> str:
    r"""A value as one line of text in which nothing acts and nothing hides; never raises.

    Control and format characters, line ends, lone surrogates and what has no meaning in Unicode become visible escapes;
    bytes of a file name that are no UTF-8 do too. Of more than three combining marks on a letter the rest is escaped.
    What is longer than `most` characters loses its middle.

    >>> print(escaped("SEA\x1b[2JSTAR\n\u202eNO"))
    SEA\x1b[2JSTAR\n\u202eNO
    >>> print(escaped("CHÓ 大連号"), escaped(b"caf\xe9".decode("utf-8", "surrogateescape")), escaped("x" * 99, 15))
    CHÓ 大連号 caf\xe9 xxxxxxxx...xxxx
    """
    text = str(value)
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    return _cut("".join(_pieces(_cut(text, most))), most)


def lines(text: str) -> str:
    r"""Text of several lines, each made harmless as `escaped` does; its line ends stay, and it is not cut.

    >>> lines("one\ntwo\x07")
    'one\ntwo\\x07'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join("".join(_pieces(line)) for line in text.split("\n"))


def harmless(value: Any, most: int = FIELD) -> Any:
    r"""A row for people: every text in it, in lists and tables too, as `escaped` gives it; all else as it is.

    >>> harmless({"name": "A\x1b", "zones": ["a\nb"], "imo": 9187629})
    {'name': 'A\\x1b', 'zones': ['a\\nb'], 'imo': 9187629}
    """
    if isinstance(value, str):
        return escaped(value, most)
    if isinstance(value, dict):
        return {harmless(key, most): harmless(each, most) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(each, most) for each in value]
    return value


def storable(text: str) -> str:
    r"""Text as UTF-8 can hold it: bytes of a file name that are none, and halves of a character, become escapes.

    >>> print(storable("caf\udce9"))
    caf\udce9
    """
    return text.encode("utf-8", "backslashreplace").decode()


def _pieces(text: str) -> Iterator[str]:
    marks = _MARKS  # none at the beginning: it would sit on a letter of ours
    for sign in text:
        if unicodedata.category(sign) in ("Mn", "Me"):
            marks += 1
            yield sign if marks <= _MARKS and sign not in _UNSEEN else _code(sign)
        else:
            marks = 0
            yield sign if _shown(sign) else _code(sign)


def _shown(sign: str) -> bool:
    return (sign.isprintable() and sign not in _UNSEEN) or unicodedata.category(sign) == "Zs"


def _code(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name
        code -= 0xDC00
    wide = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(sign, wide)


def _cut(text: str, most: int) -> str:
    """The beginning, and of the end a third: there stand a file's own name, and what is to be done."""
    if len(text) <= most:
        return text
    end = max((most - 3) // 3, 1)
    return f"{text[: most - 3 - end]}...{text[-end:]}"


class Guarded:
    """A text stream that takes nothing but letters and line ends: the last guard, for what was not escaped before."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write text, see `lines`."""
        self._out.write(lines(text))
        return len(text)

    def writelines(self, texts: list[str]) -> None:
        """Write one after the other."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


def unguarded(out: TextIO) -> TextIO:
    """The stream itself, for what draws on a terminal and writes nothing that others wrote."""
    return out._out if isinstance(out, Guarded) else out


def guard(out: TextIO) -> TextIO:
    """A stream that is guarded; what its encoding lacks is shown as an escape, and stops nobody."""
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    return out if out is None or isinstance(out, Guarded) else cast(TextIO, Guarded(out))


@contextmanager
def guarded() -> Iterator[None]:
    """Standard output and error are guarded for as long as the block lasts: for what libraries write too."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = guard(sys.stdout), guard(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
