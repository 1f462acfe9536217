"""Alerts to a web address: one signed POST each, delivered when the receiver answers with 2xx."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import io
import ipaddress
import time
import urllib.error
import urllib.request
from email.message import Message as Headers
from socket import socket
from typing import IO, Any, cast
from urllib.parse import SplitResult, urlsplit

from stswatch.pipeline.alerts.alert import AlertsError, Deliver, Message, Section, Undelivered

# ----------------------- Who sent a message and when, so that a receiver can tell: the signature of Standard Webhooks

_PREFIX = "whsec_"
LEAST_BYTES = 24


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: whsec_ and Base64, or any text, whose UTF-8 bytes are the key.

    Raises ValueError, whose words do not hold the secret, where it is no Base64 or shorter than 24 bytes.

    Source: Standard Webhooks, "Signature scheme": keys of 24 to 64 random bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else None
    except binascii.Error:
        raise ValueError(f"begins with {_PREFIX}, but what follows is not Base64") from None
    key = secret.encode() if key is None else key
    if len(key) < LEAST_BYTES:
        raise ValueError(f"is shorter than {LEAST_BYTES} bytes")
    return key


def headers(key: bytes, message_key: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers of a message sent at a Unix time; never raises.

    Source: Standard Webhooks, "Signature scheme": HMAC-SHA256 over id, timestamp and body with dots between them; the
    example is that of its reference libraries.

    >>> key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_key}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_key,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{signature}",
        "idempotency-key": message_key,
    }


# ----------------------------------------------------------------------------------------------------------------
# HTTP whose answer must have come within the time-out as a whole, where the library allows so long for each piece


class _Until(io.RawIOBase):
    """What a socket sends until a moment."""

    def __init__(self, sock: socket, raw: io.RawIOBase, seconds: float) -> None:
        self._sock, self._raw, self._end_s = sock, raw, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        rest_s = self._end_s - time.monotonic()
        if rest_s <= 0:
            raise TimeoutError
        self._sock.settimeout(rest_s)
        return cast("int | None", self._raw.readinto(buffer))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        if seconds := sock.gettimeout():
            self.fp = io.BufferedReader(_Until(sock, self.fp.detach(), seconds))


class _Plain(http.client.HTTPConnection):
    response_class = _Response


class _Secure(http.client.HTTPSConnection):
    response_class = _Response


class Http(urllib.request.HTTPHandler):
    """Opens http:// so."""

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """See HTTPHandler."""
        return self.do_open(_Plain, req)


class Https(urllib.request.HTTPSHandler):
    """Opens https:// so, with the usual trust."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """See HTTPSHandler."""
        return self.do_open(_Secure, req)


# ------------------------ Alerts to a web address: one signed POST each, delivered when the receiver answers with 2xx

_TIMEOUT_S = 10.0
_LATER = (408, 409, 425, 429)  # of 4xx those that are no word on the message itself


class _Stay(urllib.request.HTTPRedirectHandler):
    """No redirect: it would turn a POST into a GET, and carry what is confidential to an address nobody named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> None:
        return None


def open_webhook(given: Section) -> tuple[str, Deliver]:
    """Deliver by POST to the url of a section. Raises AlertsError."""
    url = _url(given)
    host, key = urlsplit(url).hostname or "", _key(given)
    bearer = _secret(given, "token_env") if "token_env" in given.options else None
    timeout_s = float(given.options.get("timeout_s", _TIMEOUT_S))
    if not timeout_s:
        raise AlertsError(f"[{given.name}] timeout_s: is 0; give how many seconds to wait for an answer")
    handlers: list[urllib.request.BaseHandler] = [_Stay(), Http(), Https()]
    if _loopback(host):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)

    def deliver(message: Message) -> None:
        body = message.line()
        request = urllib.request.Request(url, body, method="POST")
        sent = {"content-type": "application/json", "user-agent": "stswatch"}
        sent |= headers(key, message.key, int(time.time()), body)
        if bearer is not None:
            sent["authorization"] = f"Bearer {bearer}"
        for name, value in sent.items():
            request.add_header(name, value)
        _post(opener, request, timeout_s)

    return host, deliver


def _post(opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout_s: float) -> None:
    """Raises Undelivered, in words that hold nothing of the address."""
    try:
        opener.open(request, timeout=timeout_s).close()  # anything but 2xx raises
    except urllib.error.HTTPError as error:
        error.close()
        refused = 400 <= error.code < 500 and error.code not in _LATER
        raise Undelivered(f"answers {error.code}", refused=refused, after_s=_after_s(error.headers)) from None
    except urllib.error.URLError as error:
        raise Undelivered(f"cannot be reached ({_reason(error.reason)})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(f"gives no answer ({_reason(error)})") from None


def _reason(error: object) -> str:
    """What the system says of it, else of what kind it is: other words might hold the address."""
    if isinstance(error, TimeoutError):
        return "no word in time"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _after_s(received: Headers) -> float:
    """Seconds of Retry-After; 0 without one, or where it names a date."""
    after = received.get("retry-after", "")
    return float(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0.0


# ------------------------------------------------------------------------------------------------ its section


def _url(given: Section) -> str:
    named = [name for name in ("url", "url_env") if name in given.options]
    if len(named) != 1:
        raise AlertsError(f"[{given.name}]: give either url, or url_env where the address itself is a secret")
    url = _secret(given, "url_env") if named == ["url_env"] else str(given.options["url"])
    parts = _split(url)
    if parts is None:
        raise AlertsError(f"[{given.name}] {named[0]}: is no address such as https://example.org/alerts")
    if parts.username or parts.password:
        raise AlertsError(f"[{given.name}] {named[0]}: holds a password; give it as token_env")
    if parts.scheme == "http" and not _loopback(parts.hostname or "") and not given.options.get("plain_http", False):
        raise AlertsError(
            f"[{given.name}] {named[0]}: http carries alerts for everybody to read; give https, or plain_http = true"
        )
    return url


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if valid and url.isascii() and url.isprintable() and " " not in url else None


def _key(given: Section) -> bytes:
    if "secret_env" not in given.options:
        raise AlertsError(f"[{given.name}]: lacks secret_env, the environment variable that holds the signing secret")
    try:
        return key_of(_secret(given, "secret_env"))
    except ValueError as error:
        if isinstance(error, AlertsError):
            raise
        variable = given.options["secret_env"]
        raise AlertsError(
            f"[{given.name}] secret_env: {variable} {error}; make one with: openssl rand -base64 32"
        ) from None


def _secret(given: Section, option: str) -> str:
    variable = str(given.options[option])
    value = given.environment.get(variable, "")
    if not value:
        raise AlertsError(f"[{given.name}] {option}: the environment has no variable {variable}; set it")
    if not (value.isascii() and value.isprintable()):
        raise AlertsError(f"[{given.name}] {option}: {variable} holds more than printable ASCII; check what was set")
    return value


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
