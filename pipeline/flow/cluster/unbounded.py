"""The table of steps as one long job: from the partitions of a topic of Kafka to the files of one slice after another.

A shard runs a slice once all who may give it something for that slice have done so: in the first stage the partitions
of the topic, of which each says up to where it is read, in the others the shards of the steps before, of which each
sends to each shard that may take of it, if only that there is nothing. So the barrier is counted, in state that Flink
keeps; no watermark and no timer has a part in it (docs/decisions/0030). The step goes on from the state that the slice
before left in the data folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.utils.timestamp import Duration

from stswatch.pipeline.flow.calls import Job, Parcel, run_shard
from stswatch.pipeline.flow.cluster.topic import WHOLE_SLICES, Cut, PartitionPosition, PartitionReader, TopicSpec
from stswatch.pipeline.flow.ingest import decode_ahead
from stswatch.pipeline.flow.late_data import SLAB_US, finalized_by
from stswatch.pipeline.flow.slices import EVER_US, Slice
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.spool.segments import as_source
from stswatch.pipeline.steps import Step, stages
from stswatch.pipeline.store.files import write_json
from stswatch.pipeline.store.lake import Part, slab_name

_AT_ONCE_S = 0.1  # between two moments at which Flink may take a checkpoint
_PAUSE = Duration.of(0.05)  # where nothing comes
_LAST = ("whole", 0)  # who waits for all shards of all steps

_Key = tuple[str, int]  # step, shard
# A time and JSON. To the first stage: up to where a partition is read, its number and {end of a slice: files of the
# lake for it}. To the others: the end of a slice, and parcels for it
_Given = tuple[int, str]
_Rows = tuple[_Key, _Given]


@dataclass(frozen=True)
class LongSpec:
    """What all parts of a long job share: topic and how many partitions it has, steps, rules, shards.

    name: what the names of its slices have behind their hour.
    """

    topic: TopicSpec
    partitions: int
    steps: tuple[Step, ...]
    rules: Rules
    shards: int
    name: str

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.topic.root)

    def key(self, end_us: int) -> str:
        """The name of a slice by its end."""
        return f"{slab_name(end_us - SLAB_US)}-{self.name}"

    def slice(self, end_us: int, before_us: int, parts: Iterable[Part] = ()) -> Slice:
        """A slice by its end, that of the slice before (0: none), and its files of the lake."""
        held = tuple(sorted(parts, key=lambda part: part.path))
        rows = sum(part.rows for part in held)
        return Slice(before_us or -EVER_US, end_us, end_us, False, held, rows, self.key(end_us))

    def job(self, end_us: int, before_us: int, parts: Iterable[Part]) -> Job:
        """What run_shard takes, for a slice."""
        slices = self.data / "slices"
        before = slices / self.key(before_us) if before_us else None
        of = self.slice(end_us, before_us, parts)
        return Job(self.data, slices / of.key, before, of, self.rules, self.shards, self.steps)

    def keys(self, steps: Iterable[Step]) -> list[_Key]:
        """The shards of some steps."""
        return [(step.name, shard) for step in steps for shard in range(step.shards(self.shards))]

    def givers(self, name: str) -> list[_Key]:
        """The shards that may give something to each shard of a step, or to who waits for all."""
        taken = {table for step in self.steps if step.name == name for table in step.takes}
        return self.keys(step for step in self.steps if name == _LAST[0] or taken & set(step.gives))

    def takers(self, name: str) -> list[_Key]:
        """The shards that wait for each shard of a step."""
        (given,) = (set(step.gives) for step in self.steps if step.name == name)
        return [*self.keys(step for step in self.steps if given & set(step.takes)), _LAST]


def stream_steps(p: beam.Pipeline, spec: LongSpec) -> beam.PCollection:
    """Put the whole of a long job into an empty pipeline; gives the names of slices that are whole."""
    numbers = p | "partitions" >> beam.Create(range(spec.partitions), reshuffle=False) | "spread" >> beam.Reshuffle()
    return numbers | "read" >> beam.ParDo(ReadPartition(spec)).with_output_types(_Rows) | StreamSteps(spec)


class StreamSteps(beam.PTransform):  # type: ignore[misc]
    """Every step for every shard, slice after slice, of what partitions were read; gives as stream_steps."""

    def __init__(self, spec: LongSpec) -> None:
        super().__init__()
        self._spec = spec

    def expand(self, read: beam.PCollection) -> beam.PCollection:
        """What each stage is sent by all before it, and the end that waits for all."""
        of = stages(self._spec.steps)
        tags = [*(str(k) for k in range(len(of))), _LAST[0]]
        sent: dict[str, list[beam.PCollection]] = {tag: [] for tag in tags} | {"0": [read]}
        for k, steps in enumerate(of):
            do = _FirstStage(self._spec) if k == 0 else _Stage(self._spec)
            given = tuple(sent[tags[k]]) | f"{k}: given" >> beam.Flatten().with_output_types(_Rows)
            later = tags[k + 1 :]
            name = ", ".join(step.name for step in steps)
            found = given | name >> beam.ParDo(do).with_output_types(_Rows).with_outputs(*later)
            for tag in later:
                sent[tag].append(found[tag])
        last = tuple(sent[_LAST[0]]) | "whole: given" >> beam.Flatten().with_output_types(_Rows)
        return last | "whole" >> beam.ParDo(_Whole(self._spec)).with_output_types(str)


# --------------------------------------------------------------------------------------------- a partition, being read


class _OneReader(RestrictionTracker):  # type: ignore[misc]
    """Claims the end of one stretch after the other. It splits only behind what is claimed: two must never read."""

    def __init__(self, position: PartitionPosition) -> None:
        self._begun = self._claimed = position
        self._over = False

    def current_restriction(self) -> PartitionPosition:
        return self._begun

    def try_claim(self, position: PartitionPosition) -> bool:
        if not self._over:
            self._claimed = position
        return not self._over

    def try_split(self, fraction_of_remainder: float) -> tuple[PartitionPosition, PartitionPosition] | None:
        if fraction_of_remainder != 0 or self._over:
            return None
        self._over = True
        return self._begun, self._claimed

    def check_done(self) -> bool:
        return self._over

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=1.0, remaining=1.0)

    def is_bounded(self) -> bool:
        return False


class _FromPosition(RestrictionProvider):  # type: ignore[misc]
    def initial_restriction(self, element: int) -> PartitionPosition:
        """The beginning."""
        return PartitionPosition()

    def create_tracker(self, restriction: PartitionPosition) -> _OneReader:
        return _OneReader(restriction)

    def restriction_size(self, element: int, restriction: PartitionPosition) -> float:
        return 1.0

    def restriction_coder(self) -> coders.Coder:
        return coders.PickleCoder()

    def truncate(self, element: int, restriction: PartitionPosition) -> None:
        return None


def _now_us() -> int:
    return time.time_ns() // 1000


@beam.DoFn.unbounded_per_element()
class ReadPartition(beam.DoFn):  # type: ignore[misc]
    """Reads partitions, by their numbers: what it cuts goes into spool and lake, and the first stage hears of it."""

    def __init__(self, spec: LongSpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        """As Beam calls it."""
        self._readers: dict[int, PartitionReader] = {}

    def teardown(self) -> None:
        """As Beam calls it."""
        for reader in self._readers.values():
            reader.close()

    def process(
        self,
        element: int,
        tracker: Any = beam.DoFn.RestrictionParam(_FromPosition()),  # noqa: B008
    ) -> Iterator[_Rows]:
        """Read a partition for a moment, and have Beam call again."""
        reader = self._reader(element, tracker.current_restriction())
        until_s = time.monotonic() + _AT_ONCE_S
        cut = None
        while time.monotonic() < until_s:
            if (cut := reader.take()) is not None:
                if not tracker.try_claim(cut.after):
                    self._readers.pop(element).close()
                    return
                yield from self.sent_of(element, cut)
        tracker.defer_remainder(_PAUSE if reader.idle and cut is None else Duration.of(0))

    def _reader(self, number: int, position: PartitionPosition) -> PartitionReader:
        """The one that stands where it is to go on, else a new one."""
        reader = self._readers.pop(number, None)
        if reader is not None and reader.position != position:
            reader.close()
            reader = None
        self._readers[number] = reader or PartitionReader(self._spec.topic, number, position, _now_us)
        return self._readers[number]

    def sent_of(self, number: int, cut: Cut) -> Iterator[_Rows]:
        """Have the lake hold a stretch; what the first stage is given of it, by slice, and up to where all is read."""
        slices: dict[int, list[Part]] = {cut.end_us: []} if cut.over and cut.end_us else {}
        if cut.segment is not None:
            source = as_source(self._spec.topic.spool(number), cut.segment)
            for receipt in decode_ahead(self._spec.data, source, SLAB_US):
                for part in receipt.parts:
                    # an hour before that of the slice is final: late. Behind the next no row is valid (packing.py)
                    ahead = -1 if part.slab_us is None else (part.slab_us + SLAB_US - cut.end_us) // SLAB_US
                    if cut.end_us and 0 <= ahead <= 1:
                        slices.setdefault(cut.end_us + ahead * SLAB_US, []).append(part)
        lateness_us = self._spec.topic.allowed_lateness_us
        until_us = finalized_by(cut.after.arrival_us, lateness_us) if cut.over else cut.end_us - SLAB_US
        text = json.dumps([number, {end_us: [_fields(part) for part in parts] for end_us, parts in slices.items()}])
        for key in self._spec.keys(stages(self._spec.steps)[0]):
            yield key, (until_us, text)


def _fields(part: Part) -> Mapping[str, Any]:
    return {name: value for name, value in vars(part).items() if name != "left_out"}


# --------------------------------------------------------------------------------------- the steps, slice after slice


class _BySlice(beam.DoFn):  # type: ignore[misc]
    """Keeps what a shard is given, and hands it out slice by slice, in order, once it is all there."""

    WAITING = BagStateSpec("waiting", coders.TupleCoder((coders.VarIntCoder(), coders.StrUtf8Coder())))
    KNOWN = ReadModifyWriteStateSpec("known", coders.StrUtf8Coder())  # who has given by now, as JSON
    BEFORE = ReadModifyWriteStateSpec("before", coders.VarIntCoder())  # the end of the slice that was run last

    def __init__(self, spec: LongSpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        tags = {step.name: str(k) for k, of in enumerate(stages(self._spec.steps)) for step in of}
        self._tags = tags | {_LAST[0]: _LAST[0]}
        self._takers = {step.name: self._spec.takers(step.name) for step in self._spec.steps}
        self._needed = {name: len(self._spec.givers(name)) for name in self._tags}

    def process(
        self,
        element: _Rows,
        waiting: Any = beam.DoFn.StateParam(WAITING),  # noqa: B008
        known: Any = beam.DoFn.StateParam(KNOWN),  # noqa: B008
        before: Any = beam.DoFn.StateParam(BEFORE),  # noqa: B008
    ) -> Iterator[Any]:
        key, given = element
        kept, is_known = self._taken(key, given, json.loads(known.read() or "{}"))
        for each in kept:
            waiting.add(each)
        due = self._due(key, is_known)
        known.write(json.dumps(is_known))
        if not due:
            return
        held = list(waiting.read())
        waiting.clear()
        for each in held:
            if each[0] > due[-1]:
                waiting.add(each)
        before_us = before.read() or 0
        for end_us in due:
            yield from self._run(
                key, end_us, before_us, [row for end, text in held if end == end_us for row in json.loads(text)]
            )
            before_us = end_us
        before.write(before_us)

    def _taken(self, key: _Key, given: _Given, known: dict[str, Any]) -> tuple[list[_Given], dict[str, Any]]:
        """What of an element is to be kept, by slice, and who has given by now."""
        end_us, text = given
        known[str(end_us)] = known.get(str(end_us), 0) + 1
        return [given] if text != "[]" else [], known

    def _due(self, key: _Key, known: dict[str, Any]) -> list[int]:
        """The slices for which all is there, in order; they are not known any more then."""
        due = sorted(int(end_us) for end_us, count in known.items() if count == self._needed[key[0]])
        for end_us in due:
            del known[str(end_us)]
        return due

    def _run(self, key: _Key, end_us: int, before_us: int, rows: Sequence[Any]) -> Iterator[Any]:
        raise NotImplementedError


class _Stage(_BySlice):
    """Calls the steps of a stage for a shard, once for each slice."""

    def _run(self, key: _Key, end_us: int, before_us: int, rows: Sequence[Any]) -> Iterator[Any]:
        # sorted: a shard that is tried again must write the same bytes
        parcels: list[Parcel] = sorted(tuple(row) for row in rows if isinstance(row, list))
        job = self._spec.job(end_us, before_us, (Part(**row) for row in rows if isinstance(row, dict)))
        (job.folder / "state").mkdir(parents=True, exist_ok=True)
        sent: dict[_Key, list[Parcel]] = {taker: [] for taker in self._takers[key[0]]}
        for target, shard, parcel in run_shard(job, *key, parcels)[0]:
            sent[target, shard].append(parcel)
        for taker, given in sent.items():
            yield beam.pvalue.TaggedOutput(self._tags[taker[0]], (taker, (end_us, json.dumps(given))))


class _FirstStage(_Stage):
    """The same for steps that take of the lake alone: a slice is all there once every partition is read to its end."""

    def _taken(self, key: _Key, given: _Given, known: dict[str, Any]) -> tuple[list[_Given], dict[str, Any]]:
        until_us, text = given
        number, slices = json.loads(text)
        read, ends = known.get("read", {}), set(known.get("ends", ()))
        read[str(number)] = until_us
        ends |= {int(end_us) for end_us in slices}
        kept = [(int(end_us), json.dumps(parts)) for end_us, parts in slices.items() if parts]
        return kept, {"read": read, "ends": sorted(ends)}

    def _due(self, key: _Key, known: dict[str, Any]) -> list[int]:
        if len(known["read"]) < self._spec.partitions:
            return []
        until_us = min(known["read"].values())
        due = [end_us for end_us in known["ends"] if end_us <= until_us]
        known["ends"] = known["ends"][len(due) :]
        return due


class _Whole(_BySlice):
    """Names a slice once all its steps have given all: whoever loads it may begin."""

    def _run(self, key: _Key, end_us: int, before_us: int, rows: Sequence[Any]) -> Iterator[str]:
        whole = replace(self._spec.slice(end_us, before_us), parts=())
        write_json(self._spec.data / WHOLE_SLICES / f"{whole.key}.json", whole.to_json())
        yield whole.key
