"""Real brokers of MQTT: amqtt, which comes with what the tests install, and Mosquitto where it is installed.

amqtt knows MQTT 3.1.1 alone and queues without a limit; Mosquitto knows 5 too, and drops what its queues do not hold.
As a program (`python -m tests.pipeline.sources.brokers SETTINGS`) it runs amqtt with the settings of a JSON file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pipeline.sources.listen import wait

_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # Debian puts it where only root's PATH looks
MOSQUITTO = shutil.which("mosquitto", path=_SBIN)


class Broker:
    """A broker on a port of its own, which can be stopped and started.

    people: name -> password; where there are none, everybody may come. tls: files of certificate and key.
    """

    def __init__(
        self, folder: Path, *, people: Mapping[str, str] | None = None, tls: tuple[Path, Path] | None = None
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.folder, self.people, self.tls = folder, dict(people or {}), tls
        self.start()

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the broker did not start"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Amqtt(Broker):
    """amqtt, in a process of its own."""

    def command(self) -> list[str]:
        settings = self.folder / "amqtt.json"
        listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if self.tls:
            listener |= {"ssl": True, "certfile": str(self.tls[0]), "keyfile": str(self.tls[1])}
        plugins = {f"{__spec__.name if __spec__ else __name__}.People": {"passwords": self.people}}
        settings.write_text(json.dumps({"listeners": {"default": listener}, "plugins": plugins}))
        return [sys.executable, "-m", "tests.pipeline.sources.brokers", str(settings)]


class Mosquitto(Broker):
    """Mosquitto 2."""

    def __init__(self, folder: Path, *, settings: str = "", **how: Any) -> None:
        self._settings = settings
        super().__init__(folder, **how)

    def command(self) -> list[str]:
        assert MOSQUITTO is not None
        lines = [f"listener {self.port} 127.0.0.1", "user root", "sys_interval 1", self._settings]
        lines.append(f"allow_anonymous {'false' if self.people else 'true'}")
        if self.people:
            lines.append(f"password_file {self._passwords()}")
        if self.tls:
            lines += [f"certfile {self.tls[0]}", f"keyfile {self.tls[1]}"]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join([*lines, ""]))
        return [MOSQUITTO, "-c", str(config)]

    def _passwords(self) -> Path:
        create = shutil.which("mosquitto_passwd", path=_SBIN)
        assert create is not None, "mosquitto_passwd is not installed; it comes with mosquitto"
        passwords = self.folder / "passwords"
        passwords.touch(0o600)
        for name, password in self.people.items():
            subprocess.run([create, "-b", passwords, name, password], check=True, capture_output=True)
        return passwords


def _plugin() -> type:
    """Who may come to amqtt. Made here, since only the process of the broker and its tests have amqtt."""
    from amqtt.plugins.base import BaseAuthPlugin

    class People(BaseAuthPlugin):  # type: ignore[misc,unused-ignore]
        """All, or those whose password is right; nobody is anonymous, so that sessions last."""

        @dataclass
        class Config:
            """Name -> password."""

            passwords: dict[str, str] = field(default_factory=dict)

        async def authenticate(self, *, session: Any) -> bool:
            return not self.config.passwords or self.config.passwords.get(session.username) == session.password

    return People


def __getattr__(name: str) -> Any:
    if name == "People":
        return _plugin()
    raise AttributeError(name)


async def _serve(settings: Path) -> None:
    from amqtt.broker import Broker as Serving

    broker = Serving(json.loads(settings.read_text()))
    await broker.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
