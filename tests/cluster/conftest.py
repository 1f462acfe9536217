"""The cluster of the tests: started once, each part when a test first needs it, stopped at the end."""

from __future__ import annotations

import pytest

from tests.cluster.standing import FLINK, Standing


@pytest.fixture(scope="session")
def standing(tmp_path_factory):
    cluster = Standing(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def flink(standing):
    """A JobManager and two TaskManagers of two slots, and the job server."""
    standing.start(*FLINK, "jobserver")
    standing.has_slots(4)
    standing.answers(standing.job_server)
    return standing


@pytest.fixture(scope="session")
def kafka(standing):
    """A broker."""
    standing.start("kafka")
    standing.answers(standing.brokers)
    return standing
