"""Which columns of a table were taken for what, and which were not read, in one line for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_LONGEST = 40  # letters of a name
_MOST = 12  # names of columns that were not read


def words(names: Sequence[str], columns: Sequence[tuple[str, int]], factors: Mapping[str, float]) -> str:
    """What each column is; never raises.

    names: the header; columns: (our name, index of their column); factors: what theirs are multiplied by.

    >>> words(["MMSI", "speed_x10", "Cargo"], [("mmsi", 0), ("sog_kn", 1)], {"sog_kn": 0.1})
    'mmsi = MMSI, sog_kn = speed_x10 times 0.1; not read: Cargo'
    """
    taken = []
    for ours, index in columns:
        times = f" times {factors[ours]:.7g}" if factors.get(ours, 1.0) != 1.0 else ""
        taken.append(f"{ours} = {_short(names[index])}{times}")
    used = {index for _, index in columns}
    left = [_short(name) for index, name in enumerate(names) if index not in used]
    more = f" and {len(left) - _MOST} more" if len(left) > _MOST else ""
    return ", ".join(taken) + (f"; not read: {', '.join(left[:_MOST])}{more}" if left else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "..."
