"""Times and durations for people."""

from __future__ import annotations

from datetime import datetime

_NO_MINUTES_FROM_H = 48


def duration(minutes: float) -> str:
    """A duration for people.

    >>> duration(216.1), duration(45.0), duration(60.0), duration(3000.0)
    ('3 h 36 min', '45 min', '1 h', '50 h')
    """
    hours, rest = divmod(round(minutes), 60)
    if hours >= _NO_MINUTES_FROM_H:
        return f"{minutes / 60:.0f} h"
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))


def minute(time: datetime) -> str:
    """A time to the minute.

    >>> minute(datetime(2023, 8, 1, 8, 54, 43))
    '2023-08-01 08:54'
    """
    return time.strftime("%Y-%m-%d %H:%M")
