"""A broker's topic, each message one or more lines: `mqtt://[USER@]HOST[:PORT]/TOPIC`, `mqtts://` with TLS.

The topic may hold `+` and `#`. The password is in the environment, MQTT_PASSWORD or what `secret=` names. With `qos=1`
the broker keeps a session under a name that belongs to the data folder, queues what comes while nobody listens, up to
a limit of its own, and sends again what it was not told had arrived: it is told once the lines are written.

MQTT 3.1.1 does not say why a broker ends a connection: that another client took the session over is guessed from how
soon it broke.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from threading import Event
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.sources.address import (
    BATCH_BYTES,
    CONNECT_S,
    NOTE,
    POLL_S,
    Address,
    AddressError,
    Loss,
    Lost,
    Note,
    Resume,
    ended,
    why,
)

if TYPE_CHECKING:
    from paho.mqtt.client import Client

OPTIONS = {
    "qos": "0 or 1; 0 by default; with 1 the broker queues what comes while the connection is down, up to its limit",
    "secret": "variable of the environment that holds the password; MQTT_PASSWORD by default",
}

_KEEPALIVE_S = 30
_NAP_S = 0.02  # what comes together is given together
_SHORT_S = 10.0  # a connection that breaks so soon after it stood may have been taken over
# Source: mosquitto(8), "Broker Status": messages dropped since the broker began, for any client, its queue being full
_DROPPED = "$SYS/broker/publish/messages/dropped"
_NOTE = re.compile(NOTE + rb"mqtt (\S+) (\d+|-)")  # broker, messages that it had dropped where it said so

_FORGOTTEN = "has kept no session: what came while nobody listened is lost"
_FULL = (
    "has dropped messages whose queue was full, of this watch or of other clients; raise its limit"
    " (Mosquitto: max_queued_messages)"
)


def check(address: Address) -> None:
    """Raise AddressError where the topic is missing or the quality of service is not known."""
    if not address.path:
        raise AddressError(f"{address.text}: names no topic; end it with one, for instance mqtt://HOST/ais/#")
    if address.one("qos", "0") not in ("0", "1"):
        raise AddressError(f"{address.text}: qos={address.one('qos', '')} is not known; use 0 or 1")


def secret(address: Address) -> str:
    """The variable of the password; none without a user."""
    return address.one("secret", "MQTT_PASSWORD") if address.user else ""


class _Session:
    """What the callbacks of one connection have found."""

    def __init__(self, address: Address, resume: Resume) -> None:
        self.address, self.qos = address, int(address.one("qos", "0"))
        self.client_id = resume.client_id if self.qos else ""
        self.keeps = self.qos > 0 and bool(self.client_id)
        self.broker = f"{address.host}:{address.port}"
        noted = _NOTE.fullmatch(resume.note)
        self.known = noted is not None and noted[1].decode() == self.broker  # it kept a session for us
        self.noted = self.dropped = int(noted[2]) if noted and self.known and noted[2] != b"-" else -1
        self.forgotten = self.subscribed = False
        self.refused = ""
        self.came: list[bytes] = []
        self.unacknowledged: list[int] = []
        self._asked = -1

    def on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Ask for the topic, or keep why the broker will not have us."""
        if reason.is_failure:
            self.refused = f"the broker refuses the connection ({reason})"
            return
        self.forgotten = self.keeps and self.known and not flags.session_present
        _, mid = client.subscribe(self.address.path, self.qos)
        self._asked = mid or -1
        if self.keeps:
            client.subscribe(_DROPPED, 0)

    def on_subscribe(self, client: Client, data: Any, mid: int, reasons: Any, properties: Any) -> None:
        """Keep whether the broker gives us the topic; its count of dropped messages is not for everybody."""
        if mid != self._asked:
            return
        failed = [str(reason) for reason in reasons if reason.is_failure]
        self.subscribed = not failed
        self.refused = f"the broker refuses the topic ({failed[0]})" if failed else ""

    def on_message(self, client: Client, data: Any, message: Any) -> None:
        """Keep a message until it is given."""
        if message.topic == _DROPPED and self.keeps:
            self.dropped = int(message.payload) if message.payload.isdigit() else self.dropped
            return
        self.came.append(ended(message.payload))
        if message.qos:
            self.unacknowledged.append(message.mid)

    def take(self) -> bytes:
        """What came since it was asked last."""
        came, self.came = self.came, []
        return b"".join(came)

    def losses(self) -> Iterator[bytes]:
        """What is known to be lost by now, and the note of it for the next connection."""
        if self.forgotten:
            self.forgotten = False
            yield Loss.of(0, _FORGOTTEN)
        if 0 <= self.noted != self.dropped:
            new = self.dropped - self.noted if self.dropped > self.noted else self.dropped  # smaller: begun anew
            if new:
                yield Loss.of(new, _FULL)
        if self.keeps and (not self.known or self.noted != self.dropped):
            dropped = b"%d" % self.dropped if self.dropped >= 0 else b"-"
            yield Note.of(b"mqtt %s %s" % (self.broker.encode(), dropped))
        self.known, self.noted = True, self.dropped


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Connect, subscribe, and give the messages as they come. Raises Lost."""
    from paho.mqtt.client import MQTT_ERR_SUCCESS, error_string

    session = _Session(address, resume)
    client = _client(session, secrets.get(secret(address), ""))
    try:
        client.connect(address.host, address.port, _KEEPALIVE_S)
    except OSError as error:
        raise Lost(f"cannot be reached ({why(error)})") from error
    try:
        begun_s = 0.0  # when it stood
        while not stop.is_set():
            state = client.loop(POLL_S)
            if session.refused:
                raise Lost(session.refused)
            if session.came:
                stop.wait(_NAP_S)
                _drain(client, session)
            if session.subscribed or session.came:
                begun_s = begun_s or time.monotonic()
                yield from session.losses()
                yield session.take()  # whoever takes it has written it when we go on
            for mid in session.unacknowledged:
                client.ack(mid, session.qos)
            session.unacknowledged = []
            if state != MQTT_ERR_SUCCESS:
                raise _broken(session, error_string(state), begun_s)
    finally:
        client.disconnect()


def _broken(session: _Session, reason: str, begun_s: float) -> Lost:
    """What to say of a connection that ended without a word."""
    if not begun_s:
        return Lost(f"cannot be reached ({reason})")
    soon = session.keeps and time.monotonic() - begun_s < _SHORT_S
    taken = (
        f", so soon as if another client called itself {session.client_id} too: a watch over a copy of this data folder"
        if soon
        else ""
    )
    return Lost(f"the connection broke ({reason}){taken}", patient=soon)


def _drain(client: Client, session: _Session) -> None:
    """Take the messages that wait, up to a batch: the loop gives one at a time."""
    size, taken = 0, 0
    while size < BATCH_BYTES and len(session.came) > taken:
        size += sum(map(len, session.came[taken:]))
        taken = len(session.came)
        client.loop(0.0)


def _client(session: _Session, password: str) -> Client:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    address, keeps = session.address, session.keeps
    client = Client(CallbackAPIVersion.VERSION2, session.client_id, clean_session=not keeps, manual_ack=keeps)
    client.connect_timeout = CONNECT_S
    if address.scheme == "mqtts":
        client.tls_set()
    if address.user:
        client.username_pw_set(address.user, password)
    client.on_connect, client.on_message = session.on_connect, session.on_message
    client.on_subscribe = session.on_subscribe
    return client
