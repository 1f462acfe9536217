"""Owns: of a cluster that cannot be used, and of a job that failed there, one sentence is said; `make cluster-test` has
the rest, on a real one."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stswatch.pipeline.flow.calls import SENT, ParcelWriter
from stswatch.pipeline.flow.cluster.flink import Cluster, ClusterError, asked_for, overview
from stswatch.pipeline.flow.cluster.portable import JobLost, Remote, explained, of_the_cluster
from stswatch.pipeline.options import ClusterOptions
from tests.pipeline.flow.test_parcel import BIG

THERE = Cluster("flink.example:8081", "127.0.0.1:8099")
SAYS = {"flink-version": "1.19.1", "slots-available": 2, "slots-total": 4, "taskmanagers": 2}


@pytest.fixture
def saying():
    """A server that answers as a JobManager; gives its address, and what it says, to be changed."""
    has = dict(SAYS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(has).encode())

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", has
        server.shutdown()


def test_what_a_cluster_says_of_itself_is_looked_at(saying):
    master, has = saying
    assert overview(master, 2) == SAYS
    with pytest.raises(ClusterError, match="has 2 free task slots of 4 in 2 TaskManagers, and `workers` asks for 3;"):
        overview(master, 3)
    has["flink-version"] = "2.0.0"
    with pytest.raises(ClusterError, match=r"is Flink 2\.0\.0, and jobs are for 1\.19; use a cluster of that version"):
        overview(master, 1)
    has.clear()
    with pytest.raises(ClusterError, match=r"no Flink answers there \(no word of Flink\)"):
        overview(master, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ClusterOptions(engine="flink"), "give the REST address of its JobManager as `flink_master`"),
        (ClusterOptions(engine="flink", flink_master="here"), "'here': give HOST:PORT as `flink_master`"),
        (ClusterOptions(engine="flink", flink_master="127.0.0.1:1"), "no Flink answers there (Connection refused)"),
        (ClusterOptions(flink_master="a:1"), "a:1: names a cluster, and `engine` none; give `engine=flink` too"),
    ],
)
def test_options_that_name_no_cluster(options, words, tmp_path):
    with pytest.raises(ClusterError) as error, asked_for(options, tmp_path, 1):
        pass
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_cluster_none_is_asked(tmp_path):
    with asked_for(ClusterOptions(), tmp_path, 1) as cluster:
        assert cluster is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Pipeline x failed in state FAILED: java.io.IOException: error=2, No such file", "find no program stswatch-w"),
        ("java.lang.IllegalStateException: Process died with exit code 3", "ends at once there (exit code 3)"),
        (
            "java.lang.RuntimeException: Error received from SDK harness: Traceback (most recent call):\n  File x\n"
            "stswatch.pipeline.readers.source.SourceError: a.csv: breaks off [while running 'decode']\n\n\tat org.x",
            "flink.example:8081: the job failed (a.csv: breaks off)",
        ),
        ("Pipeline x failed in state FAILED: java.io.IOException: Insufficient number of network buffers", "Insuffic"),
        (
            "Traceback:\n  File x\nOSError: [Errno 28] No space: '/shared/x.part' [while",
            "TaskManager: the disk is full (/shared/x.part: No space left on device); make room on it and run again",
        ),
        (
            "OSError: [Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device",
            "disk is full (",
        ),
        ("OSError: [Errno 2] No such file or directory: '/shared/x'", "job failed ([Errno 2] No such file"),
        ("", "the job failed (str)"),
    ],
)
def test_why_a_job_failed_is_one_sentence(message, words):
    sentence = explained(message, THERE)
    assert words in sentence
    assert "\n" not in sentence
    assert "\tat " not in sentence


@pytest.mark.parametrize(
    ("message", "befell"),
    [
        ("StatusRuntimeException: CANCELLED: call already cancelled. Use ServerCallStreamObserver.setOnC", True),
        ("java.util.concurrent.ExecutionException: StatusRuntimeException: CANCELLED: client cancelled", True),
        ("org.apache.flink.runtime.io.network.netty.exception.RemoteTransportException: Connecting has failed", True),
        ("org.apache.flink.runtime.jobmaster.JobMasterException: TaskManager with id x is no longer reachable.", True),
        ("RuntimeException: Error received from SDK harness: Traceback (most recent call last):\n  File", False),
        ('java.io.IOException: Cannot run program "stswatch-worker": error=2, No such file', False),
        ("java.lang.IllegalStateException: Process died with exit code 1", False),
        ("java.lang.IllegalStateException: Process died with exit code 137", True),
    ],
)
def test_what_befell_the_cluster_is_told_from_what_code_raised(message, befell):
    assert of_the_cluster(message) == befell


class Tried(Remote):
    """A job that some failures befall before it is done; how often it was given to the cluster."""

    def __init__(self, *failures: type[ClusterError]) -> None:
        super().__init__(lambda p: p, THERE, again_after_s=(0, 0))
        self.failures, self.given = list(failures), 0

    def _run(self, until_s):
        self.given += 1
        if self.failures:
            raise self.failures.pop(0)("x")
        return "done"


def test_a_job_that_the_cluster_failed_is_given_to_it_again_twice():
    for lost in range(3):
        job = Tried(*[JobLost] * lost)
        assert (job.run(), job.given) == ("done", lost + 1)
    for failures, given in (([JobLost] * 3, 3), ([ClusterError], 1), ([JobLost, ClusterError], 2)):
        job = Tried(*failures)
        with pytest.raises(ClusterError):
            job.run()
        assert job.given == given


def test_a_call_that_is_tried_again_writes_a_file_of_its_own(tmp_path):
    for _ in range(2):
        with ParcelWriter(tmp_path, "vessel-0") as outbox:
            outbox.put("legs", BIG.slice(0, 9))
    one, other = (tmp_path / SENT).iterdir()
    assert one.name.rpartition("-")[0] == other.name.rpartition("-")[0] == "vessel-0"
    assert one.read_bytes() == other.read_bytes()
