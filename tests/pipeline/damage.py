"""Damage to files as disks do it, by a seeded choice, and a small archive to run over."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2025, 3, 10, tzinfo=UTC)
KINDS = ("flip", "flip", "flip", "flip", "truncate", "empty", "delete")


def flip(path: Path, rng: random.Random) -> None:
    """Turn one bit of a file that is not empty."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def spoil(path: Path, kind: str, rng: random.Random) -> None:
    """Flip a bit of a file, cut it off somewhere, empty it, or delete it."""
    path.chmod(0o644)
    if kind == "flip":
        flip(path, rng)
    elif kind == "delete":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: rng.randrange(len(content)) if kind == "truncate" else 0])


def archives(folder: Path) -> list[Path]:
    """Three files of 5, 5 and 2 hours: two ships that meet for some of it, and one on its own."""
    lines = []
    for k in range(12 * 15):
        when = f"{BEGIN + timedelta(minutes=4 * k):%Y-%m-%dT%H:%M:%SZ}"
        apart = 0.0004 if 40 < k < 100 else 0.0004 + 0.002 * min(abs(k - 40), abs(k - 100))
        lines += [
            f"412000001,{when},124.50000,38.00000,0.2,STEADY",
            f"412000002,{when},{124.5 + apart:.5f},38.00010,0.4,COMER",
            f"412000003,{when},{124.8 + 0.001 * k:.5f},38.20000,1.1,",
        ]
    files, edges = [], [0, 75, 150, 180]
    for k, name in enumerate(("a", "b", "c")):
        path = folder / f"{name}.csv"
        rows = lines[3 * edges[k] : 3 * edges[k + 1]]
        path.write_text("\n".join(["mmsi,time,lon,lat,sog,name", *rows]) + "\n")
        files.append(path)
    return files
