"""A partition of a topic of Kafka as hours of arrivals, for a long job: segments of a spool, cut always in one way.

A position is all that there is to go on from. Whoever reads from it again, after a kill or for the next try of Flink,
cuts the same segments, byte for byte: by what arrived, which Kafka keeps with its messages or the sentences tell, and
where silence ended an hour by what was noted of that before it was done. So nothing that was begun is kept elsewhere:
it is read from Kafka again, at most a segment.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.flow.late_data import SLAB_US, finalized_by
from stswatch.pipeline.readers.arrival_index import ArrivalIndex, Header
from stswatch.pipeline.readers.source import WHOLE
from stswatch.pipeline.sources import kafka
from stswatch.pipeline.sources.address import Address, ended
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.closing import write_closed
from stswatch.pipeline.spool.open_segment import LONGEST, SEEN_BYTES, LineCutter, unfinished_lines
from stswatch.pipeline.spool.segments import Spooled, name_of, time_of
from stswatch.pipeline.store.files import read_json, write_json

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message

FOLDER = "stream"  # in the data folder: what the parts of a long job tell each other
WHOLE_SLICES = f"{FOLDER}/slices"  # where a slice is named once all its files are there
SEGMENT_BYTES = 16 << 20  # a worker decodes so many in a second, and holds them in memory until then
WAIT_S = 0.02  # for messages
_AT_ONCE = 5_000  # messages
_GRACE_US = 2_000_000  # so long after its end an hour ends in silence: what is on its way to the broker may come
_ASK_S, _ASK_AGAIN_S = 3.0, 1.0  # for an answer of a broker, and between two questions
_EXPIRED = "{}: has dropped {:,} messages by age or size before this job read them; raise the topic's retention"

Marks = list[tuple[int, int]]  # where in a text an arrival time begins to hold, and which


@dataclass(frozen=True)
class PartitionPosition:
    """How far a partition is read: the next offset (below 0: where the address says), the last arrival (0: none yet),
    the last segment, and the lines at its end that are parts of messages of which more must come."""

    offset: int = -1
    arrival_us: int = 0
    segment: str = ""
    begun: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True)
class Cut:
    """A stretch of a partition: its segment, if it has text, the slice that it arrived in (0: time is not known yet),
    and where to go on. over: nothing more comes of that slice, nor of any before the arrival of `after`."""

    segment: Path | None
    end_us: int
    over: bool
    after: PartitionPosition


@dataclass(frozen=True)
class TopicSpec:
    """A topic and how its arrivals are known. root: the data folder; recorded: by its sentences, not by Kafka."""

    root: str
    address: Address
    allowed_lateness_us: int
    recorded: bool

    def spool(self, number: int) -> Spooled:
        """The spool of a partition."""
        name = f"{self.address.name}-{number}"
        where = Path(self.root) / "spool" / name
        return Spooled(name, where, self.address.format, self.address.receiver, self.address.licence)

    def slice_of(self, arrival_us: int) -> int:
        """The end of the slice that something belongs to which arrived then; 0 where that is not known."""
        return finalized_by(arrival_us, self.allowed_lateness_us) + SLAB_US if arrival_us else 0

    def settings(self, secrets: Mapping[str, str]) -> dict[str, Any]:
        """What a client of Kafka is given. secrets: the environment."""
        of, password = self.address, secrets.get(kafka.secret(self.address), "")
        mechanism = of.one("mechanism", kafka.MECHANISMS[0])
        return kafka.settings(kafka.brokers(of), of.scheme == "kafkas", of.user, password, mechanism)


def partitions_of(spec: TopicSpec, secrets: Mapping[str, str]) -> int:
    """How many partitions the topic has; secrets: the environment. Raises Lost, one sentence."""
    return kafka.partitions(spec.address, spec.settings(secrets))


class PartitionReader:
    """Reads a partition from a position on; `take` again and again."""

    def __init__(self, spec: TopicSpec, number: int, position: PartitionPosition, now_us: Callable[[], int]) -> None:
        self._spec, self._number, self._now_us = spec, number, now_us
        self._spool = spec.spool(number)
        self._notes = Path(spec.root) / FOLDER / "notes"
        self._silences = _Silences(Path(spec.root) / FOLDER / "silences", number)
        self._consumer: Consumer | None = None
        self._left: deque[tuple[bytes, int, int]] = deque()  # lines of messages, arrival, offset: taken from Kafka
        self._trouble = ""
        self._ask_at_s = 0.0
        self._begin(position)

    def _begin(self, position: PartitionPosition) -> None:
        """Begin a stretch."""
        self.position, self._next = position, position.offset
        self._text, self._marks = bytearray(), Marks()
        self._end_us = self._spec.slice_of(position.arrival_us)
        self._clock = RecordedClock()
        self._clock.not_before(position.arrival_us)
        self._arrival_us = position.arrival_us

    def close(self) -> None:
        """Let go of the client, which may wait for brokers that are away: not here."""
        if self._consumer is not None:
            Thread(target=self._consumer.close, daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether nothing waits here."""
        return not self._left

    def take(self) -> Cut | None:
        """Read what comes within WAIT_S; a stretch that is over by it. Raises OSError where it cannot be written."""
        if not self._left:
            self._left.extend(self._messages())
        ahead = self._left[0][2] if self._left else self._next
        if self._next >= 0 and (silence := self._silences.at(ahead, self._arrival_us)):
            return self._cut(silence, over=True)
        if self._left:
            return self._add(self._batch())
        return self._end_in_silence()

    # ------------------------------------------------------------------------------------ what makes a stretch

    def _batch(self) -> list[tuple[bytes, int, int]]:
        """What waits, up to where silence ended an hour before."""
        stop = self._silences.next_after(self._left[0][2], self._arrival_us)
        found = []
        while self._left and self._left[0][2] < stop:
            found.append(self._left.popleft())
        return found

    def _add(self, batch: Sequence[tuple[bytes, int, int]]) -> Cut | None:
        """Take messages into the stretch, up to where it ends; the others wait."""
        starts = np.cumsum([0, *(len(lines) for lines, _, _ in batch)]).tolist()
        marks = self._marked(batch, starts)
        size, count, later_us = len(self._text), len(batch), 0
        for at, arrival_us in marks:
            self._end_us = self._end_us or self._spec.slice_of(arrival_us)
            if self._spec.slice_of(arrival_us) > self._end_us:
                count, later_us = bisect_right(starts, at) - 1, arrival_us
                break
        full = bisect_right(starts, SEGMENT_BYTES - size - 1)  # with the message that fills it
        if full < count:
            count, later_us = full, 0
        self._left.extendleft(reversed(batch[count:]))
        for at, arrival_us in marks:
            if at < starts[count] and arrival_us > (self._marks[-1][1] if self._marks else 0):
                self._marks.append((size + at, arrival_us))  # however messages come together
        self._text += b"".join(lines for lines, _, _ in batch[:count])
        if count:
            self._next = batch[count - 1][2] + 1
            self._arrival_us = max([self._arrival_us, *(us for _, us in self._marks[-1:])])
        if later_us:
            return self._cut(later_us, over=True)
        return self._cut(self._arrival_us, over=False) if len(self._text) >= SEGMENT_BYTES else None

    def _marked(self, batch: Sequence[tuple[bytes, int, int]], starts: Sequence[int]) -> Marks:
        if self._spec.recorded:
            return self._clock.marks(b"".join(lines for lines, _, _ in batch))
        arrivals_us = np.maximum.accumulate([self._arrival_us, *(us for _, us, _ in batch)])[1:]
        return list(zip(starts, arrivals_us.tolist(), strict=False))

    def _cut(self, arrival_us: int, over: bool) -> Cut:
        """End the stretch; the next one arrives then or later."""
        end_us, text, marks = self._end_us, bytes(self._text), self._marks
        before = self.position
        after, path = replace(before, offset=self._next, arrival_us=arrival_us), None
        if text:
            first_us = next((us for _, us in marks), 0)
            begun_us = max(first_us, time_of(before.segment) + 1000) if before.segment else first_us
            of = self._spool
            header = Header(of.name, of.receiver, of.licence, self._spec.recorded, before.segment, before.begun)
            path = write_closed(of.folder, name_of(begun_us), of.format, header, text, marks)
            after = replace(after, segment=name_of(begun_us), begun=_begun(header, text, marks, of.format))
        self._begin(after)
        return Cut(path, end_us, over, after)

    def _end_in_silence(self) -> Cut | None:
        """End an hour that is over, by the clock, where the broker has nothing more of it. Never of a recording."""
        until_us = self._now_us() - _GRACE_US
        end_us = self._spec.slice_of(until_us)
        if self._spec.recorded or self._next < 0 or time.monotonic() < self._ask_at_s or end_us <= self._end_us:
            return None
        limits = self._limits()
        if limits is None or limits[1] > self._next:
            return None
        self._silences.note(self._next, until_us)
        return self._cut(until_us, over=True)

    # --------------------------------------------------------------------------------------------------- Kafka

    def _messages(self) -> list[tuple[bytes, int, int]]:
        """What came within WAIT_S; nothing while no broker answers."""
        if self._consumer is None and not self._connect():
            time.sleep(WAIT_S)
            return []
        assert self._consumer is not None
        found = []
        cutter = LineCutter(LONGEST[self._spool.format])
        for message in self._consumer.consume(_AT_ONCE, WAIT_S):
            if (error := message.error()) is not None:
                self._met(error, message)
                continue
            lines = cutter.take(ended(message.value() or b""))
            found.append((lines, max(message.timestamp()[1], 0) * 1000, int(message.offset() or 0)))
        if found:
            self._say("")
        elif self._trouble and time.monotonic() >= self._ask_at_s:
            self._limits()
        return found

    def _connect(self) -> bool:
        from confluent_kafka import Consumer, TopicPartition

        if time.monotonic() < self._ask_at_s:
            return False
        self._consumer = Consumer(
            self._spec.settings(os.environ)
            | {
                "group.id": "stswatch",  # of which it is no member: Flink keeps the offsets
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": False,
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 2_000,
                "queued.max.messages.kbytes": 16_384,
                "error_cb": lambda error: self._say(kafka.why(error)),
            }
        )
        if self._next < 0:
            if (limits := self._limits()) is None:
                self._consumer.close()
                self._consumer = None
                return False
            self._next = self._silences.beginning(limits[self._spec.address.one("from", "start") == "end"])
        self._consumer.assign([TopicPartition(self._spec.address.path, self._number, self._next)])
        return True

    def _limits(self) -> tuple[int, int] | None:
        """The first offset that the broker has, and the next that it will give; None where it does not answer."""
        from confluent_kafka import KafkaException, TopicPartition

        assert self._consumer is not None
        self._ask_at_s = time.monotonic() + _ASK_AGAIN_S
        try:
            part = TopicPartition(self._spec.address.path, self._number)
            low, high = self._consumer.get_watermark_offsets(part, timeout=_ASK_S)
        except KafkaException as error:
            self._say(kafka.why(error.args[0]))
            return None
        self._say("")
        return low, high

    def _met(self, error: KafkaError, message: Message) -> None:
        """What stands in place of a message: offsets that expired, or something that is waited for."""
        from confluent_kafka import KafkaError as Kinds
        from confluent_kafka import TopicPartition

        if error.code() not in (Kinds._AUTO_OFFSET_RESET, Kinds.OFFSET_OUT_OF_RANGE):
            self._say(kafka.why(error))
        elif (limits := self._limits()) is not None:
            if limits[0] > self._next:
                sentence = _EXPIRED.format(self._spec.address.text, limits[0] - self._next)
                self._leave(f"{self._number}-lost-{self._next}-{limits[0]}.json", sentence)
            self._next = limits[0]
            assert self._consumer is not None
            self._consumer.assign([TopicPartition(self._spec.address.path, self._number, self._next)])

    def _say(self, trouble: str) -> None:
        """Have whoever started the job know what is amiss, or that nothing is any more."""
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                self._leave(f"{self._number}-amiss.json", f"{self._spec.address.text}: {trouble}; trying again")
            else:
                (self._notes / f"{self._number}-amiss.json").unlink(missing_ok=True)

    def _leave(self, name: str, sentence: str) -> None:
        with suppress(OSError):  # a full disk says itself
            write_json(self._notes / name, sentence)


class _Silences:
    """Where silence ended an hour of a partition, by the clock: kept, so that who reads again does the same there."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._known: list[tuple[int, int]] = []  # offset, arrival
        for path in folder.glob(f"{number}-at-*.json"):
            offset, arrival_us = read_json(path)
            self._known.append((offset, arrival_us))
        self._known.sort()

    def at(self, offset: int, after_us: int) -> int:
        """When silence ended an hour before an offset, the first time after an arrival; 0 where it did not."""
        return next((us for at, us in self._known if at <= offset and us > after_us), 0)

    def next_after(self, offset: int, after_us: int) -> int:
        """The first offset behind one before which it did so."""
        return next((at for at, us in self._known if at > offset and us > after_us), WHOLE)

    def note(self, offset: int, arrival_us: int) -> None:
        """Keep that it does. Raises OSError."""
        write_json(self._folder / f"{self._number}-at-{arrival_us}.json", [offset, arrival_us])
        self._known.append((offset, arrival_us))

    def beginning(self, offset: int) -> int:
        """Where the partition was begun, for good: at this offset, if it never was before. Raises OSError."""
        path = self._folder / f"{self._number}-begun.json"
        if not path.exists():
            write_json(path, offset)
        return int(read_json(path))


def _begun(header: Header, text: bytes, marks: Marks, form: str) -> tuple[tuple[int, bytes], ...]:
    """The lines at the end of a text that are parts of messages of which more must come."""
    if form != "nmea":
        return ()
    base = max(0, len(text) - SEEN_BYTES)
    base = text.find(b"\n", base) + 1 if base else 0
    pairs = ArrivalIndex(header).arrivals(0).pairs() + marks
    return unfinished_lines(header.context, text[base:], base, Arrivals.of(sorted(set(pairs))))
