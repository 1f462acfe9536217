"""What a machine can lack while it works, in one sentence, and how long to wait before it is tried again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping

from stswatch.errors import StswatchError

Tell = Callable[[str], None]  # takes a sentence for people; may be called from any thread
Progress = Callable[[str, int, int], None]  # takes a stage, how much of it is done, and of how much (0: not known)

# ------------------------------------------------------- How long to wait before something that failed is tried again


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


# --------------------- What a machine can lack while it works, in one sentence: what was found, where, and what to do
# Libraries tell it in many ways: by an errno with a file or without, by errors of their own, by words that an error
# carries along. This is the one place that knows them.

DISK: Mapping[int, tuple[str, str]] = {  # errno -> what was found, what to do
    errno.ENOSPC: ("the disk is full", "make room on it"),
    errno.EDQUOT: ("your quota on this disk is used up", "make room on it"),
    errno.EFBIG: ("no file may grow as large as is needed", "raise the limit (ulimit -f) or use another disk"),
    errno.EROFS: ("the disk is read-only", "make it writable or give another folder with `data`"),
    errno.EACCES: ("may not be written", "get the right to write there or give another folder with `data`"),
    errno.EPERM: ("may not be written", "get the right to write there or give another folder with `data`"),
    errno.EIO: ("the disk fails", "see to the disk or give a folder on another with `data`"),
    errno.EBUSY: ("is held by another program", "end that program"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many files are open on this machine", "close other programs"),
}
MEMORY = ("no memory is left", "give a smaller `memory_bytes` or fewer `workers`, or close other programs,")
_WORDS_OF_MEMORY = (  # of errors that are known by nothing else
    "can't start new thread",
    os.strerror(errno.ENOMEM),
    "failed to map segment from shared object",
    "std::bad_alloc",
)


class MachineError(StswatchError, OSError):
    """The machine lacks what the work needs; the message says what, where, and what to do."""


AGAIN = " and run again: what is finished is kept"


def sentence(error: BaseException, where: object, disk: bool = True, then: str = AGAIN) -> str | None:
    """What the machine lacked, if that is what an error or one behind it tells of; None if it is not; never raises.

    where: the data folder. disk: whether what the disk could not do counts too; not where a sentence about an input
    file stands before it. then: what becomes of the work.

    >>> sentence(OSError(errno.ENOSPC, "No space left on device"), "data")
    'data: the disk is full (No space left on device); make room on it and run again: what is finished is kept'
    """
    for behind in _chain(error):
        found = _lack_of_memory(behind) or (_lack_of_disk(behind) if disk else None)
        if found:
            what, why, remedy = found
            return f"{where}: {what} ({why}); {remedy}{then}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and one not in seen:
            seen.append(one)
            yield one
            waiting += [one.__cause__, one.__context__]


Found = tuple[str, str, str]  # what, as the library said it, what to do


def _lack_of_memory(error: BaseException) -> Found | None:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
    if "BrokenProcessPool" in kinds:
        return "a worker process was killed", "as happens where no memory is left", MEMORY[1]
    if kinds & {"MemoryError", "OutOfMemoryException"} or any(words in why for words in _WORDS_OF_MEMORY):
        return MEMORY[0], why, MEMORY[1]
    return None


def _lack_of_disk(error: BaseException) -> Found | None:
    code, file = 0, None
    if isinstance(error, OSError):
        code, file = error.errno or 0, error.filename
    elif "duckdb" in type(error).__module__:
        code = next((code for code in DISK if os.strerror(code) in str(error)), 0)
    if code not in DISK:
        return None
    what, remedy = DISK[code]
    return what, ": ".join(str(part) for part in (file, os.strerror(code)) if part), remedy
