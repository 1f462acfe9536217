"""Owns: a password in an address of a source, wherever it stands, is shown and kept nowhere, and is no source.

What is sent to web hooks and brokers: tests/pipeline/alerts and tests/pipeline/sources.
"""

from __future__ import annotations

import pytest

from stswatch.pipeline import cli
from stswatch.pipeline.sources.address import AddressError
from stswatch.pipeline.sources.kinds import parse, ready

WORD = "hunter2-x"


@pytest.mark.parametrize(
    "address",
    [
        *(f"{scheme}://me:{WORD}@h:1/t" for scheme in ("tcp", "udp", "ws", "wss", "mqtt", "mqtts", "TCP", "http")),
        f"roof=tcp://me:{WORD}@h:1",
        f"tcp://me:{WORD}@h",
        f"tcp://:{WORD}@h:1",
        f"tcp:// me:{WORD}@h:1",
        f"tcp://me:{WORD}@[::1",
        f"tcp://me:{WORD}@h:1#x",
        f"mqtts://me:{WORD}@h:99999/t",
        f"mqtts://me:%68{WORD[1:]}@h/t",
        f"ws://me@h:{WORD}/x",
        f"tcp:/me:{WORD}@h:1",
        f"tcp:me:{WORD}@h:1",
        f"//me:{WORD}@h:1",
        f"me:{WORD}@h:1",
        *(f"wss://h/x?{name}={WORD}" for name in ("apikey", "token", "password", "APIKey", "secret")),
        *(f"{place}?password={WORD}" for place in ("-", "x.nmea", "mqtt://h/t", "tcp://h:1", "tcp://h")),
    ],
)
def test_a_password_in_an_address_is_refused_and_shown_nowhere(address, tmp_path, capfd):
    with pytest.raises(AddressError) as refused:
        ready(parse(address), {})
    assert WORD not in str(refused.value)
    assert cli.main(["stream", address, "--data", str(tmp_path / "data"), "--health", "none"]) == 1
    out, err = capfd.readouterr()
    assert WORD not in out + err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
