"""What all tests share: where the real data lie, quiet libraries, no deadline on a busy machine.

Real data are named by STSWATCH_REAL_DATA and never copied here. A test of them carries the mark `real`, or takes the
fixture `real` and gets the mark; it is skipped without them. With STSWATCH_REQUIRE_REAL=1 it fails instead.

A test of a program that pip does not bring carries the mark `service("PROGRAM")`; `make services` runs these. It is
skipped where the program is not installed; with STSWATCH_REQUIRE_SERVICES=1 it fails instead.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REAL = os.environ.get("STSWATCH_REAL_DATA")
ABSENT = "STSWATCH_REAL_DATA names no folder of real data"
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # Debian puts servers where only root's PATH looks


# The files that take longest, in `make test` or in `make e2e`, longest first: begun first, so that none of them runs
# alone at the end. Lines that they reach are not counted: that takes as long again, and shorter tests reach them too.
LONGEST = (
    "tests/frozen/test_results.py",
    "tests/pipeline/live/test_law.py",
    "tests/hostile/test_corpus.py",
    "tests/pipeline/test_law.py",
    "tests/pipeline/test_stream.py",
    "tests/pipeline/live/test_kill.py",
    "tests/pipeline/live/test_disk.py",
    "tests/pipeline/test_oracle_agreement.py",
    "tests/pipeline/live/test_behind.py",
    "tests/pipeline/live/test_damage.py",
    "tests/pipeline/test_outputs.py",
    "tests/pipeline/evaluation/test_commands.py",
    "tests/pipeline/readers/test_messages.py",
    "tests/pipeline/store/test_live.py",
    "tests/pipeline/store/test_clearing.py",
    "tests/pipeline/meetings/test_pairs.py",
    "tests/pipeline/meetings/test_joining.py",
    "tests/pipeline/meetings/test_lasting.py",
    "tests/test_docs.py",
    "tests/test_packaging.py",
    "tests/test_doctests.py",
)


def _place(nodeid: str) -> int:
    file = nodeid.partition("::")[0]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


# CI tries the same examples each time: a change lands or not by what it is, not by luck. `make soak` tries more, by
# --hypothesis-profile. A property that names its own number of examples keeps it in both.
settings.register_profile("stswatch", deadline=None, derandomize="CI" in os.environ, max_examples=15)
settings.register_profile("soak", deadline=None, max_examples=300)
settings.load_profile("stswatch")


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    if REAL is not None and not Path(REAL).is_dir():
        raise pytest.UsageError(f"STSWATCH_REAL_DATA is {REAL!r}, which is no folder; name one or unset it")
    if _is_set("STSWATCH_REQUIRE_REAL") and REAL is None:
        raise pytest.UsageError("STSWATCH_REQUIRE_REAL is set, but STSWATCH_REAL_DATA names no folder of real data")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where the tests of one mark are asked for, a file without its name is not even read: to import all takes long."""
    asked = config.option.markexpr.partition(" ")[0]
    if asked not in ("e2e", "service", "cluster") or collection_path.suffix != ".py" or not collection_path.is_file():
        return None
    return asked not in collection_path.read_text() or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))  # stable: what is not among the longest keeps its order
    for item in items:
        if _place(item.nodeid) < len(LONGEST):
            item.add_marker("no_cover")
        if "real" in getattr(item, "fixturenames", ()):
            item.add_marker("real")
        if REAL is None and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=ABSENT))
        for service in item.iter_markers("service"):
            if shutil.which(service.args[0], path=SBIN) is None:
                item.add_marker(pytest.mark.skip(reason=f"{service.args[0]} is not installed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Where real data or services are required, a test of them that skips has failed."""
    report = yield
    for mark, variable in (("real", "STSWATCH_REQUIRE_REAL"), ("service", "STSWATCH_REQUIRE_SERVICES")):
        if report.skipped and _is_set(variable) and item.get_closest_marker(mark) and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped, but {variable} is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    assert REAL is not None
    return Path(REAL)
