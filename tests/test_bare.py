"""Owns: tests need Python, make and what pip installs alone; `.ci/bare` runs them on a machine without more."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

ABSENT = ("mosquitto", "gcc", "cc", "g++", "clang", "git", "node", "java", "docker", "duckdb", "chromium", "curl")
NEEDED = ("sh", "make", "python3")


def path_of(name: str) -> str | None:
    """Where a program is found, in root's folders too; None where it is not."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@pytest.mark.skipif("STSWATCH_BARE" not in os.environ, reason="not on a bare machine: .ci/bare make test is")
def test_this_machine_is_bare():
    assert sys.version_info[:2] == (3, 11)
    assert {name: path_of(name) for name in ABSENT} == dict.fromkeys(ABSENT)
    assert all(path_of(name) for name in NEEDED)
