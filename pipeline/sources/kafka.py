"""A topic of Apache Kafka, each message a line or more: `kafka://[USER@]BROKER[,BROKER]/TOPIC`, `kafkas://` with TLS.

A watch is a member of a consumer group, by default one of its own. How far it has come is committed to the brokers only
once the spool's disk has it, so that a kill has messages come twice and never lost; two equal fixes count once. It also
stands in the spool, for brokers forget what a group committed when nobody of it came for a week.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.sources.address import (
    CONNECT_S,
    NOTE,
    POLL_S,
    Address,
    AddressError,
    Checkpoint,
    Loss,
    Lost,
    Resume,
    ended,
)

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

OPTIONS = {
    "group": "name of the consumer group; by default one of this data folder and source",
    "from": "start (all that the topic holds; default) or end, where the group never read it",
    "mechanism": "of SASL where a user is given: SCRAM-SHA-512 (default), SCRAM-SHA-256 or PLAIN",
    "secret": "variable of the environment that holds the password; KAFKA_PASSWORD by default",
}
PORT = 9092
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")

_AT_ONCE = 5_000  # messages
_LOOK_S = 3.0  # for a broker to answer, where one has gone
_CLOSE_S = 2.0  # for what was committed last to arrive
_COMMIT_S = 0.5  # between two commits, each after the disk has what came before it
_BROKER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")  # Source: Kafka, org.apache.kafka.common.internals.Topic
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,200}")
_NOTE = re.compile(NOTE + rb"kafka (\S+) ((?:\d+:\d+ ?)+)")  # topic, partition and offset of what comes next

_EXPIRED = "has dropped messages by age or size before this watch read them; raise the topic's retention"
_ANEW = "was begun anew since it was last read: it is read from its start"


def brokers(address: Address) -> str:
    """Its brokers as clients of Kafka want them."""
    named = address.text.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    return ",".join(each if _BROKER.fullmatch(each)[1] else f"{each}:{PORT}" for each in named.split(","))  # type: ignore[index]


def check(address: Address) -> None:
    """Raise AddressError where broker, topic, group or a word of an option cannot be."""
    user, _, place = address.text.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")
    if set(user) & {":", ",", "@"} or not all(map(_BROKER.fullmatch, place.split(","))):
        raise AddressError(
            f"{address.scheme}://...: its brokers cannot be read; write it as {address.scheme}://[USER@]BROKER[,BROKER]/TOPIC"
        )
    if not _TOPIC.fullmatch(address.path):
        what = "names no topic" if not address.path else "its topic has more than letters, digits, dots, _ and -"
        raise AddressError(f"{address.text}: {what}; end it with one, for instance kafka://BROKER/ais")
    if not _GROUP.fullmatch(address.one("group", "stswatch")):
        raise AddressError(f"{address.text}: the group has more than letters, digits, dots, _ and -")
    for option, known in (("from", ("start", "end")), ("mechanism", MECHANISMS)):
        if (value := address.one(option, known[0])) not in known:
            raise AddressError(f"{address.text}: {option}={value} is not known; use {' or '.join(known)}")


def secret(address: Address) -> str:
    """The variable of the password; none without a user."""
    return address.one("secret", "KAFKA_PASSWORD") if address.user else ""


def settings(servers: str, tls: bool, user: str, password: str, mechanism: str) -> dict[str, Any]:
    """What every client of Kafka is told, with user and password where there are; it logs nothing by itself.

    Whom TLS trusts: the certificates that SSL_CERT_FILE names, as for every other source, else those of the machine.
    """
    found: dict[str, Any] = {
        "bootstrap.servers": servers,
        "client.id": "stswatch",
        "security.protocol": ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT"),
        "socket.connection.setup.timeout.ms": round(CONNECT_S * 1000),
        "log_level": 0,
    }
    if tls and (trusted := os.environ.get("SSL_CERT_FILE")):
        found["ssl.ca.location"] = trusted
    if user:
        found |= {"sasl.mechanisms": mechanism, "sasl.username": user, "sasl.password": password}
    return found


def why(error: KafkaError) -> str:
    """What a client of Kafka says of a failure, in short, without addresses and numbers.

    >>> from confluent_kafka import KafkaError
    >>> why(KafkaError(KafkaError._TRANSPORT))
    'no broker answers'
    """
    from confluent_kafka import KafkaError as Kinds

    if error.code() in (
        Kinds._TRANSPORT,
        Kinds._ALL_BROKERS_DOWN,
        Kinds._TIMED_OUT,
        Kinds._MSG_TIMED_OUT,
        Kinds._RESOLVE,
    ):
        return "no broker answers"
    if error.code() in (Kinds._AUTHENTICATION, Kinds.SASL_AUTHENTICATION_FAILED):
        return "user or password is refused"
    if error.code() == Kinds._SSL:
        return "no TLS with a certificate that is trusted here"
    return Kinds(error.code()).str().removeprefix("Broker: ").removeprefix("Local: ").lower()


def _by_itself(error: KafkaError) -> bool:
    """Whether it says more than that no broker answers, which follows from it."""
    from confluent_kafka import KafkaError as Kinds

    return error.code() in (Kinds._AUTHENTICATION, Kinds.SASL_AUTHENTICATION_FAILED, Kinds._SSL)


def partitions(address: Address, found: Mapping[str, Any]) -> int:
    """How many partitions a topic has; found: what `settings` gave. Raises Lost."""
    from confluent_kafka import Consumer, KafkaException

    doubts: list[KafkaError] = []
    client = Consumer({**found, "group.id": "stswatch", "error_cb": doubts.append})
    try:
        topic = client.list_topics(address.path, timeout=CONNECT_S).topics[address.path]
    except KafkaException as error:
        with suppress(KafkaException):
            client.poll(0)
        raise Lost(
            f"{address.text}: cannot be read ({why(next(filter(_by_itself, doubts), error.args[0]))})"
        ) from error
    finally:
        Thread(target=client.close, daemon=True).start()
    if topic.error is not None:
        raise Lost(f"{address.text}: {_missing(topic.error, address.path)}")
    return len(topic.partitions)


def _missing(error: KafkaError, topic: str) -> str:
    from confluent_kafka import KafkaError as Kinds

    if error.code() == Kinds.UNKNOWN_TOPIC_OR_PART:
        return f"the brokers have no topic {topic}; create it, or name another"
    return f"cannot be read ({why(error)})"


class _Reading:
    """One membership in the group: what it is to read, and how far it has come."""

    def __init__(self, address: Address, password: str, resume: Resume) -> None:
        from confluent_kafka import Consumer

        self.topic, self._from_end = address.path, address.one("from", "start") == "end"
        noted = _NOTE.fullmatch(resume.note)
        here = noted is not None and noted[1].decode() == self.topic
        pairs = noted[2].decode().split() if noted and here else []
        self._noted = {int(number): int(offset) for number, _, offset in (pair.partition(":") for pair in pairs)}
        self.next: dict[int, int] = {}  # partition -> offset of what comes next
        self._committed: dict[int, int] = {}
        self._losses: list[Loss] = []
        self._doubt: KafkaError | None = None  # what went wrong in the background
        found = settings(
            brokers(address),
            address.scheme == "kafkas",
            address.user,
            password,
            address.one("mechanism", MECHANISMS[0]),
        )
        found |= {
            "group.id": address.one("group", resume.client_id or "stswatch"),
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # never a jump without a word
            "enable.partition.eof": False,
            "fetch.wait.max.ms": 100,
            "session.timeout.ms": 15_000,
            "queued.max.messages.kbytes": 16_384,  # held back here while the disk takes nothing
            "error_cb": self._on_error,
        }
        if resume.client_id:  # a watch that was killed has its partitions again at once
            found["group.instance.id"] = resume.client_id
        self.consumer: Consumer = Consumer(found)

    def begin(self) -> None:
        """Look whether the topic is there, and join. Raises Lost."""
        self._look(CONNECT_S, "cannot be read")
        self.consumer.subscribe([self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def take(self) -> bytes:
        """What came in the next half second, at most. Raises Lost."""
        messages = self._asking(lambda: self.consumer.consume(_AT_ONCE, POLL_S / 5))
        if self._doubt is not None:  # one broker of several, or all of them
            doubt, self._doubt = self._doubt, None
            self._met(doubt)
        came = []
        for message in messages:
            if (error := message.error()) is not None:
                self._met(error, message)
                continue
            self.next[message.partition()] = message.offset() + 1
            came.append(ended(message.value() or b""))
        return b"".join(came)

    def losses(self) -> Sequence[Loss]:
        """What is known to be lost since it was asked last."""
        found, self._losses = self._losses, []
        return found

    def note(self) -> Checkpoint | None:
        """How far it has come; None where that is committed."""
        if self.next == self._committed:
            return None
        return Checkpoint.of(
            f"kafka {self.topic} {' '.join(f'{k}:{n}' for k, n in sorted(self.next.items()))}".encode()
        )

    def commit(self) -> None:
        """Tell the brokers; what they do not take now comes with the next."""
        from confluent_kafka import KafkaException, TopicPartition

        offsets = [TopicPartition(self.topic, number, offset) for number, offset in self.next.items()]
        try:
            self.consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException:  # nothing is lost: it may come twice
            return
        self._committed = dict(self.next)

    def close(self) -> None:
        """Leave; where no broker answers that goes on behind our back, for the client waits up to a minute then."""
        closing = Thread(target=self.consumer.close, name="closing", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    # ---------------------------------------------------------------------------------------------- what happens

    def _asking(self, call: Callable[[], Any], what: str = "cannot be read") -> Any:
        from confluent_kafka import KafkaException

        try:
            return call()
        except KafkaException as error:
            with suppress(KafkaException):
                self.consumer.poll(0)  # only so is told what went wrong in the background; what else comes, comes again
            doubt, self._doubt = self._doubt, None
            cause = doubt if doubt is not None and _by_itself(doubt) else error.args[0]
            raise Lost(f"{what} ({why(cause)})") from error

    def _look(self, within_s: float, what: str) -> None:
        """Ask any broker for the topic. Raises Lost."""
        topics = self._asking(lambda: self.consumer.list_topics(self.topic, timeout=within_s), what).topics
        found = topics[self.topic].error
        if found is not None:
            raise Lost(_missing(found, self.topic))

    def _on_error(self, error: KafkaError) -> None:
        if self._doubt is None or not _by_itself(self._doubt):
            self._doubt = error

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Begin each partition where the group has come to, else where the spool has, else as the user asked."""
        for part in consumer.committed(given, timeout=CONNECT_S):
            low, high = consumer.get_watermark_offsets(part, timeout=CONNECT_S)
            at = part.offset if part.offset >= 0 else self._noted.get(part.partition, -1)
            if at < 0:
                at = high if self._from_end else low
            elif at > high:
                self._losses.append(Loss.of(0, _ANEW))
                at = low
            self.next[part.partition] = self._not_expired(at, low)
        self._committed = dict(self.next)
        self._assign(consumer, [part.partition for part in given])

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        for part in taken:
            self.next.pop(part.partition, None)
            self._committed.pop(part.partition, None)

    def _assign(self, consumer: Consumer, numbers: Sequence[int]) -> None:
        from confluent_kafka import TopicPartition

        consumer.assign([TopicPartition(self.topic, number, self.next[number]) for number in numbers])

    def _not_expired(self, at: int, low: int) -> int:
        if at < low:
            self._losses.append(Loss.of(low - at, _EXPIRED))
        return max(at, low)

    def _met(self, error: KafkaError, message: Message | None = None) -> None:
        """What stands in place of a message: offsets that expired, or the end of this connection. Raises Lost."""
        from confluent_kafka import KafkaError as Kinds
        from confluent_kafka import TopicPartition

        if message is not None and error.code() in (Kinds._AUTO_OFFSET_RESET, Kinds.OFFSET_OUT_OF_RANGE):
            number = message.partition() or 0
            low, high = self._asking(
                lambda: self.consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=CONNECT_S)
            )
            if self.next.get(number, low) > high:
                self._losses.append(Loss.of(0, _ANEW))
                self.next[number] = low
            self.next[number] = self._not_expired(self.next.get(number, low), low)
            self._assign(self.consumer, sorted(self.next))
            return
        if error.code() in (Kinds.FENCED_INSTANCE_ID, Kinds._FENCED):
            raise Lost(
                "another client took its place in the group: a watch over a copy of this data folder", patient=True
            )
        if error.code() == Kinds._TRANSPORT:
            self._look(_LOOK_S, "the connection broke")
            return
        if error.code() == Kinds.UNKNOWN_TOPIC_OR_PART:
            raise Lost(f"the brokers have no topic {self.topic} any more; create it, or name another")
        raise Lost(f"the connection broke ({why(error)})")


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Join the group, and give the messages as they come; commits them once the disk has them. Raises Lost."""
    reading = _Reading(address, secrets.get(secret(address), ""), resume)
    try:
        reading.begin()
        noted_s = time.monotonic()
        while not stop.is_set():
            came = reading.take()
            yield from reading.losses()
            yield came
            if time.monotonic() - noted_s >= _COMMIT_S and (note := reading.note()) is not None:
                yield note  # whoever takes it has it on the disk, with all before it, when we go on
                if not stop.is_set():
                    reading.commit()
                noted_s = time.monotonic()
    finally:
        reading.close()
