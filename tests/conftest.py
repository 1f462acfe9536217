"""What all tests share: where the real data lie, quiet libraries, no deadline on a busy machine.

Real data are named by STSWATCH_REAL_DATA and never copied here. A test of them carries the mark `real`, or takes the
fixture `real` and gets the mark; it is skipped without them. With STSWATCH_REQUIRE_REAL=1 it fails instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REAL = os.environ.get("STSWATCH_REAL_DATA")
REQUIRED = os.environ.get("STSWATCH_REQUIRE_REAL", "") not in ("", "0")
ABSENT = "STSWATCH_REAL_DATA names no folder of real data"

# CI tries the same examples each time: a change lands or not by what it is, not by luck
settings.register_profile("stswatch", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("stswatch")


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    if REAL is not None and not Path(REAL).is_dir():
        raise pytest.UsageError(f"STSWATCH_REAL_DATA is {REAL!r}, which is no folder; name one or unset it")
    if REQUIRED and REAL is None:
        raise pytest.UsageError("STSWATCH_REQUIRE_REAL is set, but STSWATCH_REAL_DATA names no folder of real data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "real" in getattr(item, "fixturenames", ()):
            item.add_marker("real")
        if REAL is None and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=ABSENT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Where real data are required, a test of them that skips has failed."""
    report = yield
    if REQUIRED and report.skipped and item.get_closest_marker("real") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but STSWATCH_REQUIRE_REAL is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    assert REAL is not None
    return Path(REAL)
