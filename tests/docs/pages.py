"""The Markdown pages of the project, as text: their fences, links, headings, and what their prose names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = ("sh", "console", "python", "sql", "toml", "json", "text", "mermaid")
NOT_TRIED = "Not tried by the tests: "

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```[ ]*$", re.M | re.S)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@dataclass(frozen=True)
class Fence:
    """A fenced block: its language, its text, the line it begins at; excuse: why the page says it is not tried."""

    language: str
    text: str
    line: int
    excuse: str | None

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return Path(os.path.relpath(self.path, ROOT)).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def fences(self) -> list[Fence]:
        return [
            Fence(m[1].strip(), m[2], self.text.count("\n", 0, m.start()) + 1, _excuse(self.text[: m.start()]))
            for m in _FENCE.finditer(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """What stands outside the fences."""
        return _FENCE.sub("", self.text)

    @property
    def codes(self) -> list[str]:
        """What stands in `backticks`."""
        return _CODE.findall(self.prose)

    @property
    def options(self) -> set[str]:
        """Every --option that is named, in prose or fence."""
        return set(_OPTION.findall(self.text))

    @property
    def links(self) -> list[str]:
        """Where its links lead within the project."""
        found = _LINK.findall(_CODE.sub("", self.prose))
        return [link for link in found if not re.match(r"[a-z]+:", link)]

    @cached_property
    def anchors(self) -> set[str]:
        """The anchors of its headings, as GitHub makes them."""
        seen: dict[str, int] = {}
        anchors = set()
        for heading in re.findall(r"^#{1,6} +(.+?) *#*$", self.prose, re.M):
            slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            seen[slug] = seen.get(slug, -1) + 1
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        return anchors


def pages() -> list[Page]:
    """Every Markdown page, in order of path."""
    return [Page(path) for path in sorted(_markdown())]


def _markdown() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    for room in ("docs", "geo", "models", "pipeline", "sample_ais", "tests"):
        yield from (ROOT / room).rglob("*.md")


def _excuse(before: str) -> str | None:
    """The reason in the paragraph before a fence, where it begins with NOT_TRIED."""
    paragraph = before.rstrip("\n").rpartition("\n\n")[2]
    if not paragraph.startswith(NOT_TRIED):
        return None
    return " ".join(paragraph.removeprefix(NOT_TRIED).split())
