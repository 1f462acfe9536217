"""Who sent a message and when, so that a receiver can tell: the signature of Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

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
