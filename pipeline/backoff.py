"""How long to wait before something that failed is tried again."""

from __future__ import annotations


def wait_s(failures: int, first_s: float, most_s: float, chance: float) -> float:
    """Seconds before the next try: twice as long after each failure, less up to a half by chance; never raises.

    failures: how many there were in a row, from 1 on. chance: evenly between 0 and 1, so that many who lost the same
    peer at the same moment do not come back at the same moment.

    Source: M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015 ("equal jitter").

    >>> [wait_s(n, 1.0, 60.0, 1.0) for n in (1, 2, 3, 7, 10_000)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    >>> wait_s(3, 1.0, 60.0, 0.0)
    2.0
    """
    longest_s = min(first_s * 2.0 ** min(max(failures - 1, 0), 60), most_s)
    return longest_s * (0.5 + chance / 2)
