"""How others ask a running watch to reconcile: a row of the catalogue, into which it writes its answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.disk import DamagedFile

_LOOK_EVERY_S = 0.2
_TABLE = "requests"


def ask(data: Path, wait_s: float) -> dict[str, Any] | None:
    """Put a request and wait for its answer; None where none came in time. Raises OSError, CatalogueError."""
    name = uuid.uuid4().hex[:12]
    until_s = time.monotonic() + wait_s
    with Catalogue.open(data, verify=False) as catalogue:
        catalogue.put(_TABLE, {name: None})
        try:
            while time.monotonic() < until_s:
                if found := catalogue.one(_TABLE, name, lambda key, told: told):
                    return dict(found)
                time.sleep(_LOOK_EVERY_S)
            return None
        finally:
            catalogue.delete(_TABLE, [name])


def waiting(catalogue: Catalogue) -> list[str]:
    """The requests that wait; one of which the row is damaged is none."""
    found = catalogue.every(_TABLE, lambda key, told: told)
    return [name for name, told in found.items() if not told and not isinstance(told, DamagedFile)]


def answer(catalogue: Catalogue, requests: list[str], found: Mapping[str, Any]) -> None:
    """Answer those that still wait."""
    with catalogue.transaction():
        there = set(catalogue.keys(_TABLE))
        catalogue.put(_TABLE, {name: dict(found) for name in requests if name in there})
