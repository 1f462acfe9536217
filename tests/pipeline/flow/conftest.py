"""What all tests of how runs end share: a small archive in two files, and the process that forks commands."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import Commands


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    with closing(Commands(tmp_path_factory.mktemp("commands"))) as commands:
        yield commands


@pytest.fixture(scope="session")
def two_files(tmp_path_factory):
    return archive.in_two(tmp_path_factory.mktemp("files"))
