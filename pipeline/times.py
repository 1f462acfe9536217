"""Times in words: the one place where a moment becomes text. All are UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_MINUTES_FROM_H = 48


def utc(time_us: int) -> datetime:
    """UTC epoch microseconds as a datetime with its zone.

    >>> utc(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=time_us)


def micros(when: datetime) -> int:
    """A datetime with its zone as UTC epoch microseconds.

    >>> micros(utc(1_500_000))
    1500000
    """
    return (when - _EPOCH) // _MICROSECOND


def iso(when: datetime | int) -> str:
    """ISO 8601 in UTC, cut to the millisecond, with Z; of a datetime with its zone, or of UTC epoch microseconds.

    >>> iso(1_500_999)
    '1970-01-01T00:00:01.500Z'
    """
    moment = utc(when) if isinstance(when, int) else when.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(when: datetime) -> str:
    """A day for people.

    >>> day(datetime(2023, 8, 1))
    '1 August 2023'
    """
    return f"{when.day} {when:%B %Y}"


def minute(when: datetime) -> str:
    """A time for people, to the minute.

    >>> minute(datetime(2023, 8, 1, 8, 54, 43))
    '2023-08-01 08:54'
    """
    return f"{when:%Y-%m-%d %H:%M}"


def second(when: datetime) -> str:
    """A time for people, to the second.

    >>> second(datetime(2023, 8, 1, 8, 54, 43))
    '2023-08-01 08:54:43'
    """
    return f"{when:%Y-%m-%d %H:%M:%S}"


def span(start: datetime, end: datetime) -> str:
    """From when to when; the day once where it is one.

    >>> span(datetime(2023, 8, 1, 8, 54), datetime(2023, 8, 1, 10, 2))
    '1 August 2023 08:54 to 10:02 UTC'
    """
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{day(end)} {end:%H:%M}"
    return f"{day(start)} {start:%H:%M} to {last} UTC"


def duration(minutes: float) -> str:
    """A duration for people.

    >>> duration(216.1), duration(45.0), duration(60.0), duration(3000.0)
    ('3 h 36 min', '45 min', '1 h', '50 h')
    """
    hours, rest = divmod(round(minutes), 60)
    if hours >= _NO_MINUTES_FROM_H:
        return f"{minutes / 60:.0f} h"
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))


def time_span(seconds: float) -> str:
    """A time span for people.

    >>> time_span(75), time_span(600), time_span(7300), time_span(200_000)
    ('75 s', '10 min', '2.0 h', '2.3 d')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
