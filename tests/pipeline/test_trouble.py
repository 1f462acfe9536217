"""What a machine lacks is told from what the libraries raise, and nothing else is."""

from __future__ import annotations

import errno
import os
from concurrent.futures.process import BrokenProcessPool

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline.trouble import DISK, sentence


def raised(call):
    """What a call raises."""
    with pytest.raises(Exception) as collected:  # noqa: PT011  whatever it is
        call()
    return collected.value


@pytest.mark.parametrize("code", DISK)
def test_every_errno_is_told_with_where_and_what_to_do(code):
    printed = sentence(OSError(code, os.strerror(code), "a/b.parquet"), "data")
    what, remedy = DISK[code]
    assert (
        printed == f"data: {what} (a/b.parquet: {os.strerror(code)}); {remedy} and run again: what is finished is kept"
    )


def test_no_memory_is_told_whoever_lacks_it():
    huge = 1 << 55
    errors = [
        raised(lambda: bytes(huge)),
        raised(lambda: np.ones(huge)),
        raised(lambda: pa.allocate_buffer(huge)),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ]
    with duckdb.connect(config={"memory_limit": "1MB", "temp_directory": ""}) as db:
        errors.append(raised(lambda: db.sql("SELECT list(i) FROM range(10_000_000) t(i)").fetchall()))
    assert {type(error).__module__.split(".")[0].strip("_") for error in errors} == {
        "builtins",
        "numpy",
        "pyarrow",
        "duckdb",
    }
    for error in errors:
        assert "data: no memory is left" in sentence(error, "data")
        assert "`memory_bytes`" in sentence(error, "data", disk=False)
    assert "a worker process was killed" in sentence(BrokenProcessPool("..."), "data")


def test_what_duckdb_could_not_write_is_told():
    error = raised(lambda: duckdb.connect("/proc/stswatch.duckdb"))
    assert isinstance(error, duckdb.Error)
    full = duckdb.IOException('Could not write file "x.duckdb": No space left on device')
    assert "the disk is full (No space left on device); make room" in sentence(full, "data")


def test_it_is_found_behind_other_errors():
    def fails():
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise ValueError("could not be written") from error

    assert "the disk is full" in sentence(raised(fails), "data")
    assert sentence(raised(fails), "data", disk=False) is None


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(errno.ENOENT, "No such file"), KeyError("mmsi")])
def test_a_program_that_errs_is_not_taken_for_a_machine_that_lacks(error):
    assert sentence(error, "data") is None
