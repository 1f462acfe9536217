"""A pipeline on Apache Flink, through Beam's portable runner: submitted, waited for up to a deadline, or called off."""

from __future__ import annotations

import json
import logging
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from stswatch.pipeline.flow.cluster.flink import Cluster, ClusterError
from stswatch.pipeline.flow.slices import code
from stswatch.pipeline.steps import STEPS

WORKER = "stswatch-worker"  # which the package installs
PROBE_S = 90.0  # a worker has a second to start, a TaskManager under load some
_NO_PROGRAM = re.compile(r"Cannot run program|IOException: error=(?:2|13),")  # of Java, none and not permitted
_DIED = re.compile(r"Process died with exit code (\d+)")
_RAISED = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Damaged\w+)): (.+?)(?: \[while running|$)", re.MULTILINE)


class Remote:
    """A pipeline on a cluster; `expand` puts its transforms into an empty one, which is built for each run."""

    def __init__(self, expand: Callable[[beam.Pipeline], object], cluster: Cluster, retries: bool = True) -> None:
        self._expand, self._cluster = expand, cluster
        options = [
            "--runner=PortableRunner",
            f"--job_endpoint={cluster.job_endpoint}",
            f"--job_server_timeout={round(cluster.answer_s)}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': WORKER})}",
            f"--parallelism={cluster.parallelism}",
            f"--job_name={cluster.job_name}",
            f"--sdk_worker_parallelism={cluster.workers_each}",
        ]
        self._options = PipelineOptions(options if retries else [*options, "--number_of_execution_retries=0"])

    def run(self) -> PipelineResult:
        """Run it to its end. Raises ClusterError where it fails, or is not done at the deadline; it is called off."""
        with _silent():
            return self._run()

    def _run(self) -> PipelineResult:
        built = beam.Pipeline(options=self._options)
        self._expand(built)
        try:
            result = built.run()
        except Exception as error:
            why = _first_line(error)
            raise ClusterError(f"{self._cluster.job_endpoint}: the job server takes no job ({why})") from error
        finally:
            _forget_folder(built)
        try:
            state = result.wait_until_finish(duration=round(self._cluster.deadline_s * 1000))
        except RuntimeError as error:
            raise ClusterError(explained(str(error), self._cluster)) from error
        except BaseException:
            with suppress(Exception):
                result.cancel()
            raise
        if state != PipelineState.DONE:
            with suppress(Exception):
                result.cancel()
            raise ClusterError(
                f"{self._cluster.master}: a job was not done after {self._cluster.deadline_s:,.0f} s and is called off;"
                " look at the log of its TaskManagers, or give a longer `job_deadline_s`"
            )
        return result


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Beam from logging what is raised, on the root logger and from threads of its own."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        root.setLevel(before)


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
    """Leaves in the storage what a worker is."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, number: int) -> Iterator[int]:
        folder = Path(self._folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{platform.node()} does not see the folder {folder}")
        path = folder / f"{platform.node()}-{os.getpid()}-{number}.part"
        path.write_text(json.dumps(versions()))
        path.replace(path.with_suffix(".json"))
        yield number


def probe(cluster: Cluster, folder: Path, tasks: int) -> None:
    """Have workers say what they are; folder: an empty one in the storage. Raises ClusterError where one is other."""

    def expand(p: beam.Pipeline) -> object:
        numbers = p | beam.Create(range(tasks * 4), reshuffle=False) | beam.Reshuffle()
        return numbers | "probe" >> beam.ParDo(_Probe(str(folder)))

    Remote(expand, cluster.within(PROBE_S), retries=False).run()
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise ClusterError(f"{folder.parent}: on the TaskManagers this is another folder; give one that all share")
    for name, here in versions().items():
        for other in found:
            if (there := other.get(name, "none")) != here:
                words = f"{name} is {there} there and {here} here" if len(here) < 20 else f"the {name} differs"
                raise ClusterError(f"{cluster.master}: {words}; install the same on the machines of the TaskManagers")
