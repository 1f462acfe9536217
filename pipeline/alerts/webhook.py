"""Alerts to a web address: one signed POST each, delivered when the receiver answers with 2xx."""

from __future__ import annotations

import http.client
import ipaddress
import time
import urllib.error
import urllib.request
from email.message import Message as Headers
from typing import IO
from urllib.parse import SplitResult, urlsplit

from stswatch.pipeline.alerts.destination import AlertsError, Deliver, Given, Undelivered
from stswatch.pipeline.alerts.in_time import Http, Https
from stswatch.pipeline.alerts.message import Message
from stswatch.pipeline.alerts.signature import headers, key_of

_TIMEOUT_S = 10.0
_LATER = (408, 409, 425, 429)  # of 4xx those that are no word on the message itself


class _Stay(urllib.request.HTTPRedirectHandler):
    """No redirect: it would turn a POST into a GET, and carry what is confidential to an address nobody named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> None:
        return None


def open_webhook(given: Given) -> tuple[str, Deliver]:
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
        told = {"content-type": "application/json", "user-agent": "stswatch"}
        told |= headers(key, message.key, int(time.time()), body)
        if bearer is not None:
            told["authorization"] = f"Bearer {bearer}"
        for name, value in told.items():
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


def _after_s(told: Headers) -> float:
    """Seconds of Retry-After; 0 without one, or where it names a date."""
    after = told.get("retry-after", "")
    return float(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0.0


# ------------------------------------------------------------------------------------------------ its section


def _url(given: Given) -> str:
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


def _key(given: Given) -> bytes:
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


def _secret(given: Given, option: str) -> str:
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
