"""Owns: what docs/security.md says is held is held by tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_exists():
    page = (ROOT / "docs" / "security.md").read_text()
    places = set(re.findall(r"`(tests/[\w/.]+)", page))
    names = set(re.findall(r"\b(test_\w+)(?!\w*\.py)\b", page))
    assert len(places) >= 12
    assert [place for place in places if not (ROOT / place).exists()] == []
    defined = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    files = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert names - files - defined == set()
    assert len(names - files) >= 8
