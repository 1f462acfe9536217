"""How others ask a running watch to reconcile: a file in DATA/live, which it answers with another."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stswatch.pipeline.store.disk import read_json, write_json

_LOOK_EVERY_S = 0.2


def ask(data: Path, wanted: Mapping[str, Any], wait_s: float) -> dict[str, Any] | None:
    """Put a request and wait for its answer; None where none came in time. Raises OSError."""
    request = data / "live" / f"reconcile-{uuid.uuid4().hex[:12]}.request"
    answer = request.with_suffix(".answer")
    write_json(request, dict(wanted))
    until_s = time.monotonic() + wait_s
    try:
        while time.monotonic() < until_s:
            if answer.exists():
                found: dict[str, Any] = read_json(answer)
                return found
            time.sleep(_LOOK_EVERY_S)
        return None
    finally:
        for path in (request, answer):
            path.unlink(missing_ok=True)


def waiting(data: Path) -> dict[Path, dict[str, Any]]:
    """The requests that wait; what cannot be read is none."""
    found = {}
    for path in sorted((data / "live").glob("reconcile-*.request")):
        with suppress(OSError, ValueError):
            found[path] = read_json(path)
    return found


def answer(request: Path, found: Mapping[str, Any]) -> None:
    """Answer one, if it still waits. Raises OSError."""
    if request.exists():
        write_json(request.with_suffix(".answer"), dict(found))
        request.unlink(missing_ok=True)
