"""How large the pages of a Parquet file are unpacked, before anything is unpacked: a few bytes can stand for gigabytes.

A page begins with a header in Thrift's compact protocol. Source: parquet.thrift (PageHeader) of the Parquet format;
thrift-compact-protocol.md of Apache Thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from stswatch.errors import StswatchError

LONGEST_TEXT = 1024  # bytes of a text on the average of a page; what AIS tells has 20
_SLACK = 4096
_LARGEST_PAGE = 128 << 20
_HEADER = 65_536  # bytes at most, with the least and the largest value of its page
_STRUCT, _LIST, _SET, _BINARY, _DOUBLE, _BYTE = 12, 9, 10, 8, 7, 3
_VALUES_IN = (5, 7, 8)  # the headers of pages of data, of a dictionary, of pages of data in their second version


class PageError(StswatchError, ValueError):
    """A page that cannot be read or would be too large; the message says what was found."""


@dataclass(frozen=True)
class Page:
    """A page: bytes unpacked and packed without its header, how many values it holds, whether it is a dictionary."""

    unpacked: int
    packed: int
    values: int
    dictionary: bool


def check_text(file: BinaryIO, begin: int, end: int) -> bool:
    """Raise PageError where texts in a column chunk, bytes [begin, end), are longer than any in AIS.

    Gives whether it has a dictionary in which one might still be.
    """
    dictionary = False
    for page in pages(file, begin, end):
        if page.unpacked > min(_SLACK + page.values * LONGEST_TEXT, _LARGEST_PAGE):
            raise PageError(f"{page.unpacked:,} bytes for {page.values:,} texts")
        dictionary |= page.dictionary and page.unpacked > LONGEST_TEXT
    return dictionary


def pages(file: BinaryIO, begin: int, end: int) -> Iterator[Page]:
    """The pages of a column chunk, bytes [begin, end) of a file. Raises PageError where they are none."""
    while begin < end:
        file.seek(begin)
        page, length = _parsed(file.read(min(_HEADER, end - begin)))
        yield page
        begin += length + page.packed


def _parsed(data: bytes) -> tuple[Page, int]:
    reader = _Compact(data)
    try:
        told = reader.struct()
    except IndexError:
        raise PageError("the header of a page breaks off") from None
    values = [told[name].get(1) for name in _VALUES_IN if isinstance(told.get(name), dict)]
    sizes = [size for size in (told.get(2), told.get(3), *(values or [0])) if isinstance(size, int) and size >= 0]
    if len(sizes) != 3:
        raise PageError("the header of a page tells no sizes")
    return Page(sizes[0], sizes[1], sizes[2], _VALUES_IN[1] in told), reader.at


class _Compact:
    """Reads the whole numbers of a struct and passes over everything else. Raises IndexError where it breaks off."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Field -> its number or struct, or None for what was passed over."""
        if depth > 8:
            raise IndexError
        found: dict[int, Any] = {}
        name = 0
        while (head := self._byte()) != 0:
            name = name + (head >> 4) if head >> 4 else self._number()
            found[name] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # true and false, told by the kind itself
            return None
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _BINARY:
            self._pass(self._varint())
        elif kind == _DOUBLE:
            self._pass(8)
        elif kind == _BYTE:
            self._pass(1)
        elif kind in (4, 5, 6):
            return self._number()
        else:  # a map among them, which no header of a page has
            raise IndexError
        return None

    def _list(self, depth: int) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self._data):
            raise IndexError
        for _ in range(count):
            if head & 15 in (1, 2):
                self._pass(1)
            else:
                self._value(head & 15, depth + 1)

    def _pass(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self._pass(1)
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise IndexError

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
