"""A pipeline on Apache Flink, through Beam's portable runner: submitted, waited for up to a deadline, or called off."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from stswatch.pipeline.flow.cluster.flink import Cluster, ClusterError, asked
from stswatch.pipeline.flow.cluster.storage import Storage, scratch
from stswatch.pipeline.flow.slices import code
from stswatch.pipeline.steps import STEPS
from stswatch.pipeline.trouble import sentence

WORKER = "stswatch-worker"  # which the package installs
PROBE_S = 90.0  # a worker has a second to start, a TaskManager under load some
AGAIN_AFTER_S = (5.0, 15.0)  # by then a TaskManager that is gone is known to be
TRIES = 3  # of what raises the same each time; storage may be away for a moment
# Workers wait so long for the next stage of their job, which most often follows within a second: each stage would start
# its own else, a second of CPU each. Much longer, and those of jobs that are done would take memory; and a Flink that
# begins a job again sooner finds the dead ones (restart-strategy in deploy/flink/flink-conf.yaml).
_KEPT_MS = 2000
_LOOK_EVERY_S = 1.0
_NO_PROGRAM = re.compile(r"Cannot run program|IOException: error=(?:2|13),")  # of Java, none and not permitted
_DIED = re.compile(r"Process died with exit code (\d+)")
_KILLED = 128  # and more: the exit code of what a signal has ended
_OURS = re.compile(r"Traceback \(most recent call|^\s*File \"", re.MULTILINE)  # of Python, from a worker
_ERRNO = re.compile(r"\[[Ee]rrno (\d+)\](?:[^\n]*?: '([^'\n]+)')?")
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what a worker may not read is no such thing
_RAISED = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Damaged\w+)): (.+?)(?: \[while running|$)", re.MULTILINE)


class Remote:
    """A pipeline on a cluster; `expand` puts its transforms into an empty one, which is built for each run."""

    def __init__(
        self,
        expand: Callable[[beam.Pipeline], object],
        cluster: Cluster,
        tries: int = TRIES,
        again_after_s: Sequence[float] = AGAIN_AFTER_S,
    ) -> None:
        """tries: how many may fail by what the transforms raise, or since no worker starts; Flink has more for what
        befalls it. again_after_s: pauses before a job is given again to a Flink that gave it up for that, seconds."""
        self._expand, self._cluster, self._tries, self._again_after_s = expand, cluster, tries, again_after_s
        self._name = new_name(cluster)

    def run(self) -> PipelineResult:
        """Run it to its end, by one deadline; where the cluster failed it, and not what it runs, some times anew.

        Raises ClusterError where it fails, or is not done at the deadline; it is called off then.
        """
        until_s = time.monotonic() + self._cluster.deadline_s
        with silent():
            for pause_s in self._again_after_s:
                try:
                    return self._run(until_s)
                except JobLost:
                    if time.monotonic() + pause_s > until_s:
                        raise
                    time.sleep(pause_s)
            return self._run(until_s)

    def _run(self, until_s: float) -> PipelineResult:
        result = submitted(self._expand, self._cluster, self._name, f"--environment_cache_millis={_KEPT_MS}")
        with _watched(self._cluster.master, self._name, self._tries) as watch:
            try:
                state = result.wait_until_finish(duration=max(round((until_s - time.monotonic()) * 1000), 1))
            except RuntimeError as error:
                why = watch.why or str(error)
                kind = JobLost if of_the_cluster(why) else ClusterError
                raise kind(explained(why, self._cluster)) from error
            except BaseException:
                with suppress(Exception):
                    result.cancel()
                raise
        if watch.why:
            raise ClusterError(explained(watch.why, self._cluster))
        if state != PipelineState.DONE:
            with suppress(Exception):
                result.cancel()
            raise ClusterError(
                f"{self._cluster.master}: a job was not done after {self._cluster.deadline_s:,.0f} s and is called off;"
                " look at the log of its TaskManagers, or give a longer `job_deadline_s`"
            )
        return result


def new_name(cluster: Cluster) -> str:
    """A name for a job that no other has."""
    return f"{cluster.job_name}-{secrets.token_hex(4)}"


def submitted(expand: Callable[[beam.Pipeline], object], cluster: Cluster, name: str, *options: str) -> PipelineResult:
    """Give a pipeline to a cluster as a job of that name; options: further ones of Beam. Raises ClusterError."""
    common = (
        "--runner=PortableRunner",
        f"--job_endpoint={cluster.job_endpoint}",
        f"--job_server_timeout={round(cluster.answer_s)}",
        "--environment_type=PROCESS",
        f"--environment_config={json.dumps({'command': WORKER})}",
        f"--parallelism={cluster.parallelism}",
        f"--job_name={name}",
        f"--sdk_worker_parallelism={cluster.workers_each}",
    )
    built = beam.Pipeline(options=PipelineOptions([*common, *options]))
    expand(built)
    try:
        return built.run()
    except Exception as error:
        raise ClusterError(f"{cluster.job_endpoint}: the job server takes no job ({_first_line(error)})") from error
    finally:
        _forget_folder(built)


class _Watch(threading.Thread):
    """Calls a job off once as many of its tries as may have failed by what it runs, or since no worker starts.

    Beam has no option of its runner for that in batch jobs, and Flink's strategy is the same whatever failed.
    """

    def __init__(self, master: str, job_name: str, tries: int) -> None:
        super().__init__(daemon=True)
        self._master, self._job_name, self._tries = master, job_name, tries
        self.over, self.why = threading.Event(), ""

    def run(self) -> None:
        """Look every now and then, until it is over or the job called off."""
        while not self.over.wait(_LOOK_EVERY_S) and not self.why:
            with suppress(OSError, HTTPException, ValueError, KeyError, TypeError):
                for job in asked(self._master, "/jobs/overview")["jobs"]:
                    if job["name"] == self._job_name and job["state"] in ("RUNNING", "RESTARTING"):
                        self._look(job["jid"])

    def _look(self, job: str) -> None:
        history = asked(self._master, f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        failed = [entry["stacktrace"] for entry in history if not of_the_cluster(entry["stacktrace"])]
        if len(failed) >= self._tries:
            asked(self._master, f"/jobs/{job}?mode=cancel", "PATCH")
            self.why = failed[0]


@contextmanager
def _watched(master: str, job_name: str, tries: int) -> Iterator[_Watch]:
    watch = _Watch(master, job_name, tries)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join()


class JobLost(ClusterError):
    """A job that failed by what befell the cluster: tried again it may well succeed."""


@contextmanager
def silent() -> Iterator[None]:
    """Keep Beam from logging what is raised, on the root logger and from threads of its own."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        root.setLevel(before)


def of_the_cluster(message: str) -> bool:
    """Whether a job failed by something that befell its cluster, a worker killed or a machine gone: no code of ours
    raised anything, and workers can be started. By what Flink says of it."""
    died = _DIED.search(message)
    return not (_NO_PROGRAM.search(message) or _OURS.search(message) or (died and int(died[1]) < _KILLED))


def explained(message: str, cluster: Cluster) -> str:
    """One sentence of why a job failed, out of what Flink says of it: Java's words round those of Python."""
    if _NO_PROGRAM.search(message):
        return (
            f"{cluster.master}: the TaskManagers find no program {WORKER}; install stswatch {version('stswatch')} on"
            " each of their machines, in an environment that is on their PATH"
        )
    if died := _DIED.search(message):
        return (
            f"{cluster.master}: {WORKER} ends at once there (exit code {died[1]}); call it on the machine of a"
            " TaskManager, and look what it lacks"
        )
    for number, path in _ERRNO.findall(message):
        there = f"{cluster.master}, on a machine of a TaskManager"
        lacking = sentence(OSError(int(number), os.strerror(int(number)), path or None), there)
        if lacking and int(number) in _OF_A_DISK:
            return lacking
    raised = _RAISED.findall(message)
    causes = [words for kind, words in raised if kind not in ("RuntimeException", "ExecutionException")]
    why = causes[-1] if causes else _first_line(message)
    return f"{cluster.master}: the job failed ({why.strip()})"


def _first_line(error: object) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _forget_folder(built: beam.Pipeline) -> None:
    """Remove the empty folder that Beam makes for each pipeline."""
    if folder := getattr(built, "local_tempdir", None):
        with suppress(OSError):
            os.rmdir(folder)


# ------------------------------------------------------------------------ what the workers are, asked by a small job


def versions() -> dict[str, str]:
    """What must be the same here and where the workers run, by its name for people."""
    return {
        "stswatch": version("stswatch"),
        "Apache Beam": version("apache-beam"),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "code of the steps": code(STEPS),
    }


class _Probe(beam.DoFn):  # type: ignore[misc]
    """Leaves in a folder, or in the storage, what a worker is."""

    def __init__(self, folder: str, storage: Storage | None) -> None:
        self._folder, self._storage = folder, storage

    def process(self, number: int) -> Iterator[int]:
        folder = scratch() if self._storage else Path(self._folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{platform.node()} does not see the folder {folder}")
        path = folder / f"{_PROBE}{platform.node()}-{os.getpid()}-{number}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(versions()))
        part.replace(path)
        if self._storage:
            self._storage.put(folder, [path.name])
        yield number


_PROBE = "probe-"


def probe(cluster: Cluster, folder: Path, tasks: int) -> None:
    """Have workers say what they are; folder: an empty one, which they see unless there is storage.

    Raises ClusterError where one is other.
    """
    storage = cluster.storage

    def expand(p: beam.Pipeline) -> object:
        numbers = p | beam.Create(range(tasks * 4), reshuffle=False) | beam.Reshuffle()
        return numbers | "probe" >> beam.ParDo(_Probe("" if storage else str(folder), storage))

    Remote(expand, cluster.within(PROBE_S), tries=1, again_after_s=()).run()
    if storage:
        storage.fetch(folder, [name for name in storage.names("") if name.startswith(_PROBE)])
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise ClusterError(f"{folder.parent}: on the TaskManagers this is another folder; give one that all share")
    for name, here in versions().items():
        for other in found:
            if (there := other.get(name, "none")) != here:
                words = f"{name} is {there} there and {here} here" if len(here) < 20 else f"the {name} differs"
                raise ClusterError(f"{cluster.master}: {words}; install the same on the machines of the TaskManagers")
