"""What becomes of a file of the data folder that turns out to be damaged while a run or a watch goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline.store import ledger
from stswatch.pipeline.store.disk import DamagedFile, discard


class DamagedSlice(StswatchError, ValueError):
    """A slice was damaged and is as if it had never been run; the message says which file and what to do."""


@contextmanager
def healing(data: Path) -> Iterator[None]:
    """Make of a damaged file what is to be done about it.

    Raises LedgerError for a file of the lake, which names the source to give again; DamagedSlice for one of a slice,
    which is removed, so that the next run of the row works it out again.
    """
    try:
        yield
    except DamagedFile as damaged:
        folder, *rest = Path(damaged.path).absolute().relative_to(data.absolute()).parts
        if folder == "lake":
            raise ledger.again(data, damaged, ledger.source_of(damaged.path)) from damaged
        if folder == "slices":
            discard(data / "slices" / rest[0], data / "slices")
            raise DamagedSlice(f"{damaged}; run again to work it out again") from damaged
        raise
