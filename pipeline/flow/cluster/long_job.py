"""A long job on a cluster: begun, found again, looked at, and stopped with a savepoint from which the next goes on.

DATA/stream/job.json          which job it is, and from where the next goes on
DATA/stream/slices/KEY.json   a slice of which all files are there
DATA/stream/notes/...json     what workers have to say
DATA/stream/checkpoints, savepoints   of Flink
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from apache_beam.runners.runner import PipelineResult

from stswatch.pipeline.flow.cluster.flink import Cluster, ClusterError, asked
from stswatch.pipeline.flow.cluster.portable import explained, new_name, of_the_cluster, silent, submitted, versions
from stswatch.pipeline.flow.cluster.topic import FOLDER, WHOLE_SLICES
from stswatch.pipeline.flow.cluster.unbounded import LongSpec, stream_steps
from stswatch.pipeline.flow.slices import Slice
from stswatch.pipeline.store.files import DamagedFile, read_json, write_json
from stswatch.pipeline.trouble import Tell

CHECKPOINT_S = 10.0
SAVEPOINT_S = 120.0  # for what is under way to come to its end, and to be written
_LOST = ("FAILED", "CANCELED", "SUSPENDED", "FINISHED")
_NO_ANSWER = (OSError, HTTPException, ValueError, KeyError, TypeError)
_AGAIN = "; the same command goes on from its last checkpoint"
_OTHER = "{}: its job was begun with {}, and goes on with that alone; give that again, or another `data`"
_GONE = (
    "{}: what its job would go on from is gone, since a run or a reconciliation worked in this folder; begin anew with"
    " another `data`"
)
_FAILED_IN_A_ROW = 2  # one alone may have met the job as it began again
_UNWRITTEN = (
    "{}: no checkpoint can be written ({}); see that its disk has room: the job goes on, and after a failure it begins"
    " again at the last"
)


def noted(data: Path) -> dict[str, Any]:
    """What is kept of the long job of a data folder; nothing where none was begun. Raises OSError, DamagedFile."""
    with suppress(FileNotFoundError):
        return dict(read_json(data / FOLDER / "job.json"))
    return {}


def workers_known(data: Path) -> bool:
    """Whether workers were asked what they are by this version: a job that goes on need not ask again."""
    return noted(data).get("versions") == versions()


class LongJob:
    """The long job of a data folder, which one process at a time looks after."""

    def __init__(self, cluster: Cluster, spec: LongSpec, tell: Tell, checkpoint_s: float = CHECKPOINT_S) -> None:
        """tell: takes what there is to say of it."""
        self._cluster, self._spec, self._tell, self._checkpoint_s = cluster, spec, tell, checkpoint_s
        self._folder = spec.data / FOLDER
        self._record: dict[str, Any] = {}
        self._result: PipelineResult | None = None  # held, for it answers the job server
        self._id = ""
        self._amiss: dict[str, str] = {}  # note -> sentence
        self._failures = 0
        self.held_us = 0  # what was done by then no failure undoes: Flink has a checkpoint that was begun later

    def begin(self) -> None:
        """Find the job that runs already, or begin it: where the one before ended, else anew.

        Raises ClusterError, OSError.
        """
        before = noted(self._spec.data)
        is_now = {
            "slices": self._spec.name,
            "topic": self._spec.topic.address.text,
            "partitions": self._spec.partitions,
        }
        for name, value in is_now.items():
            if before and before[name] != value:
                words = {"slices": "other rules, shards, scorecard or code", "topic": f"the topic {before[name]}"}
                raise ClusterError(
                    _OTHER.format(self._spec.data, words.get(name, f"{before[name]} partitions of the topic"))
                )
        self._record = before or is_now
        if before and self._found(before["job"]):
            self._tell(f"{self._cluster.master}: the job runs already, and is looked after from here")
            return
        if before and (last := self.whole()[-1:]) and not (self._spec.data / "slices" / last[0].key / "state").exists():
            raise ClusterError(_GONE.format(self._spec.data))
        self._record |= {"job": new_name(self._cluster), "versions": versions()}
        write_json(self._folder / "job.json", self._record)
        with silent():
            self._result = submitted(
                lambda p: stream_steps(p, self._spec), self._cluster, str(self._record["job"]), *self._options()
            )
        self._until(lambda: self._found(self._record["job"]), self._cluster.answer_s, "does not begin")

    def _options(self) -> Iterator[str]:
        yield "--streaming"
        yield "--fail_on_checkpointing_errors"  # false by that: their default is true
        yield "--state_backend=filesystem"
        yield "--finish_bundle_before_checkpointing"
        yield "--max_bundle_time_mills=50"
        yield "--max_bundle_size=100"
        yield f"--checkpointing_interval={round(self._checkpoint_s * 1000)}"
        yield "--externalized_checkpoints_enabled"
        yield "--retain_externalized_checkpoints_on_cancellation"
        yield f"--state_backend_storage_path=file://{self._folder / 'checkpoints'}"
        if path := self._record.get("from"):
            yield f"--savepoint_path={path}"

    def look(self) -> None:
        """Say what is new of it, and note its last checkpoint. Raises ClusterError where it has ended."""
        for path in sorted((self._folder / "notes").glob("*.json")):
            with suppress(FileNotFoundError, DamagedFile):
                self._say(path.name, str(read_json(path)))
                if "-lost-" in path.name:
                    path.unlink()
        amiss = [name for name in self._amiss if name.endswith("-amiss.json")]
        for name in [name for name in amiss if not (self._folder / "notes" / name).exists()]:
            self._tell(f"{self._spec.topic.address.text}: goes on")
            del self._amiss[name]
        try:
            state = asked(self._cluster.master, f"/jobs/{self._id}")["state"]
            why = self._look_at_failures()
            self._look_at_checkpoints()
        except _NO_ANSWER:
            self._say("master", f"{self._cluster.master}: its JobManager does not answer; trying again")
            return
        self._amiss.pop("master", None)
        if state in _LOST:
            reason = explained(why, self._cluster) if why else f"{self._cluster.master}: the job was ended there"
            raise ClusterError(reason + _AGAIN)

    def whole(self) -> list[Slice]:
        """The slices of which all files are there, in order of time."""
        found = []
        for path in sorted((self._spec.data / WHOLE_SLICES).glob(f"*-{self._spec.name}.json")):
            with suppress(FileNotFoundError):
                found.append(Slice.from_json(read_json(path)))
        return found

    def stop(self) -> None:
        """Stop it with a savepoint, from which `begin` goes on. Raises ClusterError where there is none in time."""
        master, target = self._cluster.master, f"file://{self._folder / 'savepoints'}"
        until_s = time.monotonic() + SAVEPOINT_S
        why = "no answer"
        while time.monotonic() < until_s:
            with suppress(*_NO_ANSWER):
                given = asked(master, f"/jobs/{self._id}/stop", "POST", {"targetDirectory": target, "drain": False})
                done = self._savepoint(given["request-id"], until_s)
                if "location" in done:
                    self._record["from"] = done["location"]
                    write_json(self._folder / "job.json", self._record)
                    return
                why = str(done.get("failure-cause", {}).get("stack-trace", why)).splitlines()[0]
            time.sleep(1.0)
        raise ClusterError(f"{master}: the job was not stopped with a savepoint ({why}); call it off there{_AGAIN}")

    def _savepoint(self, request: str, until_s: float) -> Mapping[str, Any]:
        while time.monotonic() < until_s:
            found = asked(self._cluster.master, f"/jobs/{self._id}/savepoints/{request}")
            if found["status"]["id"] == "COMPLETED":
                return dict(found["operation"])
            time.sleep(0.2)
        return {}

    # ----------------------------------------------------------------------------------------------- what Flink says

    def _found(self, name: str) -> bool:
        """Whether a job of that name runs, or is about to; its id is known then."""
        with suppress(*_NO_ANSWER):
            for job in asked(self._cluster.master, "/jobs/overview")["jobs"]:
                if job["name"] == name and job["state"] not in _LOST:
                    self._id = job["jid"]
                    return True
        return False

    def _until(self, there: Callable[[], bool], within_s: float, what: str) -> None:
        until_s = time.monotonic() + within_s
        while not there():
            if time.monotonic() > until_s:
                raise ClusterError(f"{self._cluster.master}: the job {what}; look at the log of its JobManager")
            time.sleep(0.1)

    def _look_at_failures(self) -> str:
        """Say that it begins again; gives the last failure, as Flink says it."""
        history = asked(self._cluster.master, f"/jobs/{self._id}/exceptions")["exceptionHistory"]["entries"]
        if len(history) > self._failures:
            why = history[0]["stacktrace"]
            reason = f"{self._cluster.master}: a worker or a TaskManager was lost"
            self._tell(f"{reason if of_the_cluster(why) else explained(why, self._cluster)}; the job begins again")
        self._failures = len(history)
        return history[0]["stacktrace"] if history else ""

    def _look_at_checkpoints(self) -> None:
        found = asked(self._cluster.master, f"/jobs/{self._id}/checkpoints")
        last = found["latest"]["completed"]
        ended = [each["status"] for each in found["history"] if each["status"] != "IN_PROGRESS"]
        if ended[:_FAILED_IN_A_ROW] == ["FAILED"] * _FAILED_IN_A_ROW:
            why = str(found["latest"]["failed"].get("failure_message")).rstrip(".")
            self._say("checkpoints", _UNWRITTEN.format(self._folder / "checkpoints", why))
        elif ended[:1] == ["COMPLETED"] and self._amiss.pop("checkpoints", ""):
            self._tell(f"{self._folder / 'checkpoints'}: a checkpoint is written again")
        self.held_us = int(last["trigger_timestamp"]) * 1000 if last else 0
        if last and last["external_path"] != self._record.get("from"):
            self._record["from"] = last["external_path"]
            write_json(self._folder / "job.json", self._record)

    def _say(self, name: str, sentence: str) -> None:
        if self._amiss.get(name) != sentence:
            self._amiss[name] = sentence
            self._tell(sentence)
