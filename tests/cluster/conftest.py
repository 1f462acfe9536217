"""The cluster of the tests: started once, each part when a test first needs it, stopped at the end."""

from __future__ import annotations

import pytest

from tests.cluster.standing import Standing


@pytest.fixture(scope="session")
def standing(tmp_path_factory):
    cluster = Standing(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def flink(standing):
    """A JobManager and two TaskManagers of two slots, and the job server; all of it, whatever the test before left."""
    standing.whole()
    return standing


@pytest.fixture(scope="session")
def kafka(standing):
    """A broker."""
    standing.start("kafka")
    standing.answers(standing.brokers)
    return standing
