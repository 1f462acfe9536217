"""Removes segments of the spool beyond what is to be kept: only such as are in the lake and older than what is sealed,
only where that was asked."""

from __future__ import annotations

from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline.flow.late import is_segment
from stswatch.pipeline.spool.closing import Keep, forget
from stswatch.pipeline.spool.segments import segment_of, sources_of
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.disk import DamagedFile

_UNITS = {"h": 3600, "d": 86_400, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class KeepError(StswatchError, ValueError):
    """A retention that cannot be read; the message says what was found and what is expected."""


def parse(text: str) -> Keep:
    """How much of the spool is kept: an age, a size, or both with a comma between them; all of it for `all`.

    Raises KeepError.

    >>> parse("7d"), parse("36h,20G"), parse("all")
    (Keep(bytes=0, age_us=604800000000), Keep(bytes=21474836480, age_us=129600000000), Keep(bytes=0, age_us=0))
    """
    if text == "all":
        return Keep()
    sizes: list[int] = []
    ages_s: list[int] = []
    for part in text.split(","):
        number, unit = part[:-1], part[-1:]
        if not (number.isascii() and number.isdecimal() and int(number) and unit in _UNITS):
            raise KeepError(f"{text!r}: give an age or a size such as 7d, 36h or 20G, both as 7d,20G, or all")
        (ages_s if unit in "hd" else sizes).append(int(number) * _UNITS[unit])
    return Keep(min(sizes, default=0), min(ages_s, default=0) * 1_000_000)


def clear(data: Path, keep: Keep, now_us: int, needed_us: int) -> list[str]:
    """Remove what is beyond `keep` from every spool of a data folder; gives the segments' names. Raises OSError.

    now_us: the clock of arrivals, UTC microseconds. needed_us: since when a start reads the spool again, however
    little is to be kept: the end of the last sealed hour less the allowance.
    """
    if keep == Keep():
        return []
    if (catalogue := Catalogue.read(data)) is None:
        return []
    with catalogue:
        found = catalogue.every("sources", lambda source, told: Path(str(told["source"]["path"]))).values()
    ingested = [path for path in found if not isinstance(path, DamagedFile)]
    gone = []
    for spool in sources_of(data / "spool"):  # wherever the data folder lay when they were read
        here = {segment_of(path) for path in ingested if is_segment(path) and path.parent.name == spool.name}
        gone += forget(spool.folder, here, keep, now_us, needed_us)
    return gone
