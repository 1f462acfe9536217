"""The most memory that a process has held."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes(process: int | str = "self") -> int:
    """Resident at most until now, bytes; not ru_maxrss, which begins with what the process that started it had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) * 1024
