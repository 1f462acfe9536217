"""A broker's topic, each message one or more lines: `mqtt://[USER@]HOST[:PORT]/TOPIC`, `mqtts://` with TLS.

The topic may hold `+` and `#`. The password is in the environment, MQTT_PASSWORD or what `secret=` names. With `qos=1`
the broker keeps a session, and sends again what it was not told had arrived: it is told once the lines are written.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from threading import Event
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.sources.base import BATCH_BYTES, CONNECT_S, POLL_S, Address, AddressError, Lost, ended, why

if TYPE_CHECKING:
    from paho.mqtt.client import Client

OPTIONS = {
    "qos": "0 or 1; 0 by default, 1 loses nothing while the connection is down",
    "secret": "variable of the environment that holds the password; MQTT_PASSWORD by default",
}

_KEEPALIVE_S = 30
_NAP_S = 0.02  # what comes together is given together


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

    def __init__(self, address: Address) -> None:
        self.address, self.qos = address, int(address.one("qos", "0"))
        self.subscribed = False
        self.refused = ""
        self.came: list[bytes] = []
        self.unacknowledged: list[int] = []

    def on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Ask for the topic, or keep why the broker will not have us."""
        if reason.is_failure:
            self.refused = f"the broker refuses the connection ({reason})"
        else:
            client.subscribe(self.address.path, self.qos)

    def on_subscribe(self, client: Client, data: Any, mid: int, reasons: Any, properties: Any) -> None:
        """Keep whether the broker gives us the topic."""
        failed = [str(reason) for reason in reasons if reason.is_failure]
        self.subscribed = not failed
        self.refused = f"the broker refuses the topic ({failed[0]})" if failed else ""

    def on_message(self, client: Client, data: Any, message: Any) -> None:
        """Keep a message until it is given."""
        self.came.append(ended(message.payload))
        if message.qos:
            self.unacknowledged.append(message.mid)

    def take(self) -> bytes:
        """What came since it was asked last."""
        came, self.came = self.came, []
        return b"".join(came)


def receive(address: Address, secrets: Mapping[str, str], stop: Event, note: bytes) -> Iterator[bytes]:
    """Connect, subscribe, and give the messages as they come. Raises Lost."""
    from paho.mqtt.client import MQTT_ERR_SUCCESS, error_string

    session = _Session(address)
    client = _client(session, secrets.get(secret(address), ""))
    try:
        client.connect(address.host, address.port, _KEEPALIVE_S)
    except OSError as error:
        raise Lost(f"cannot be reached ({why(error)})") from error
    try:
        said = False
        while not stop.is_set():
            state = client.loop(POLL_S)
            if session.refused:
                raise Lost(session.refused)
            if session.came:
                stop.wait(_NAP_S)
                _drain(client, session)
            if session.subscribed or session.came:
                yield session.take()  # whoever takes it has written it when we go on
                said = True
            for mid in session.unacknowledged:
                client.ack(mid, session.qos)
            session.unacknowledged = []
            if state != MQTT_ERR_SUCCESS:
                raise Lost(f"{'the connection broke' if said else 'cannot be reached'} ({error_string(state)})")
    finally:
        client.disconnect()


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

    address, keeps = session.address, session.qos > 0
    name = f"stswatch-{address.name}-{socket.gethostname()}" if keeps else ""
    client = Client(CallbackAPIVersion.VERSION2, name, clean_session=not keeps, manual_ack=keeps)
    client.connect_timeout = CONNECT_S
    if address.scheme == "mqtts":
        client.tls_set()
    if address.user:
        client.username_pw_set(address.user, password)
    client.on_connect, client.on_message = session.on_connect, session.on_message
    client.on_subscribe = session.on_subscribe
    return client
