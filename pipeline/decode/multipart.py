"""The parts of messages that take several sentences.

A part 1 begins a message; part k joins the last message begun under the same key if it is the next one that
this one waits for, lies on at most REACH bytes and, where both tell their time, at most REACH_S seconds.
Every other part is an orphan. So what becomes of a sentence depends only on the REACH bytes before and after
it, however the file is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.stamps import NO_TIME

REACH = 65_536  # bytes: some 800 sentences; the one-digit id of a multi-part message comes round far sooner
REACH_S = 60


def assemble(
    rows: Sequence[int],
    offset: Ints,
    own_us: Ints,
    total: Ints,
    part: Ints,
    key: Sequence[tuple[bytes | str, ...]],
) -> list[list[int]]:
    """Rows of the sentences of each complete message; rows: those to consider; the rest (n,) of the text.

    Never raises. A row that is in none of the lists is an orphan.

    >>> import numpy as np
    >>> two, parts = np.array([2, 2, 2]), np.array([1, 2, 2])
    >>> assemble(range(3), np.array([0, 80, 160]), np.full(3, NO_TIME), two, parts, [(b"7",)] * 3)
    [[0, 1]]
    """
    waiting: dict[tuple[bytes | str, ...], list[int]] = {}
    complete = []
    for row in rows:
        if part[row] == 1:
            waiting[key[row]] = [row]
            continue
        begun = waiting.get(key[row])
        if begun is None or part[row] != len(begun) + 1 or not _near(begun[0], row, offset, own_us):
            continue
        begun.append(row)
        if len(begun) == total[row]:
            complete.append(waiting.pop(key[row]))
    return complete


def _near(first: int, row: int, offset: Ints, own_us: Ints) -> bool:
    if offset[row] - offset[first] > REACH:
        return False
    if own_us[first] == NO_TIME or own_us[row] == NO_TIME:
        return True
    return bool(abs(own_us[row] - own_us[first]) <= REACH_S * 1_000_000)
