"""What a picture of an encounter shows: two courses, the time shown, when they met, and the plane of its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stswatch.pipeline.exports import style
from stswatch.pipeline.exports.courses import Course, CourseError, course, micros_of, shown_us
from stswatch.pipeline.exports.projection import Sheet
from stswatch.pipeline.rules import Rules


@dataclass(frozen=True)
class Meeting:
    """When the encounter began and ended and was nearest, microseconds."""

    start_us: int
    end_us: int
    nearest_us: int


@dataclass(frozen=True)
class Scene:
    """What is drawn: both courses, the time shown, and when they met."""

    a: Course
    b: Course
    span_us: tuple[int, int]
    meeting: Meeting
    sheet: Sheet

    @property
    def pair(self) -> tuple[tuple[Course, style.Hand], ...]:
        """Both courses, each with how it is drawn."""
        return (self.a, style.A), (self.b, style.B)


def scene(row: Mapping[str, Any], fixes: pa.Table, rules: Rules) -> Scene:
    """What is drawn of an encounter.

    row: as `api.encounter` gives it. fixes: rows of the lake of both MMSI in `needed_us`. Raises CourseError.
    """
    if row["lon"] is None:
        raise CourseError(f"{row['id']}: was not seen, so there is no course to draw; only lit encounters can be drawn")
    a, b = (course(fixes, row[f"mmsi_{v}"], row, rules) for v in ("a", "b"))
    meeting = Meeting(*(micros_of(row[name]) for name in ("start_time", "end_time", "nearest_time")))
    return Scene(a, b, shown_us(row), meeting, Sheet(row["lon"], row["lat"]))
