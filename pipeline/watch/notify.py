"""What systemd wants to hear of a service: that it has begun, that it lives, that it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


def notify(word: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say a word to systemd, where it listens; gives whether it does; never raises.

    Source: sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names; @ begins the name of an abstract one.

    >>> notify(READY, {})
    False
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect("\0" + address[1:] if address.startswith("@") else address)
            out.send(word.encode())
    except OSError:
        return False
    return True
