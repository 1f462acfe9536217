"""Owns: every change of a lead reaches every destination, in order per event, once unless it could not be known.

Web hooks are real servers that fail, hang, refuse and come back; pauses between tries are short here.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import ssl
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from stswatch.pipeline.alerts import delivery
from stswatch.pipeline.alerts.delivery import Alerter
from stswatch.pipeline.alerts.destinations import default
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline.alerts.conftest import NOW, change, hook
from tests.pipeline.alerts.receiver import CLOSE, HANG, SECRET, TRICKLE, receiving, until
from tests.pipeline.sources.tls import certificate

FILE = '[log]\nkind = "file"\npath = "told.jsonl"\n'


def idle(alerter):
    """Whether nothing waits any more."""
    return all(to.waiting == 0 for to in alerter.state())


def keys(alerts):
    return [collected["key"] for collected in alerts]


# ------------------------------------------------------------------------------------------------ once, and what


def test_a_change_is_told_once_however_often_it_is_offered(alerting):
    with receiving() as receiver:
        alerter = alerting(hook(receiver.url))
        assert alerter.offer([change(), change("E2")]) == 2
        assert alerter.offer([change("E2"), change()]) == 0
        assert alerter.offer([change(revision=2, what="closed"), change("E2")]) == 1
        until(lambda: idle(alerter))
        assert keys(receiver.alerts()) == ["E1:1", "E2:1", "E1:2"]


def test_a_retraction_without_a_revision_of_its_own_is_told(alerting):
    with receiving() as receiver:
        alerter = alerting(hook(receiver.url))
        alerter.offer([change()])
        assert alerter.offer([change(what="retracted")]) == 1
        until(lambda: idle(alerter))
        assert [(a["key"], a["change"]) for a in receiver.alerts()] == [
            ("E1:1", "opened"),
            ("E1:1:retracted", "retracted"),
        ]


def test_the_body_says_what_and_not_who(alerting, tmp_path):
    with receiving() as receiver:
        alerter = alerting(hook(receiver.url) + FILE)
        alerter.offer([change()])
        until(lambda: idle(alerter))
        (_, headers, content) = receiver.got[0]
    assert headers["webhook-id"] == headers["idempotency-key"] == "E1:1"
    assert headers["content-type"] == "application/json"
    assert content == {
        "type": "lead.opened",
        "timestamp": "2025-03-10T12:00:00.000Z",
        "data": {
            "key": "E1:1",
            "id": "E1",
            "revision": 1,
            "change": "opened",
            "kind": "lit",
            "zones": ["korea_bay"],
            "score": 2.5,
            "start_time": "2025-03-10T10:00:00.000Z",
            "end_time": "2025-03-10T12:00:00.000Z",
        },
    }
    assert json.loads((tmp_path / "told.jsonl").read_text()) == content
    alerter.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"FIRST SHIP" not in path.read_bytes()
            assert b"412000001" not in path.read_bytes()


def test_identities_are_told_where_they_are_asked_for(alerting):
    with receiving() as receiver:
        alerter = alerting(hook(receiver.url), identities=True)
        alerter.offer([change()])
        until(lambda: idle(alerter))
        (collected,) = receiver.alerts()
    assert (collected["mmsi_a"], collected["mmsi_b"], collected["name_a"], collected["name_b"]) == (
        412000001,
        445000002,
        "FIRST SHIP",
        None,
    )


def test_without_a_file_alerts_go_to_standard_output(tmp_path):
    out = io.StringIO()
    with redirect_stdout(out):
        alerter = Alerter(Catalogue.open(tmp_path), default(), lambda: NOW)
        alerter.offer([change(), change("E2", zones=())])
        until(lambda: idle(alerter))
        alerter.close()
    first, second = out.getvalue().splitlines()
    assert first.startswith(
        "lead opened: E1 revision 1, lit meeting in korea_bay, score 2.50, from 2025-03-10 10:00 to"
    )
    assert "lit meeting, score" in second
    assert "FIRST SHIP" not in first


# ------------------------------------------------------------------------------------------------ until it arrives


@pytest.mark.parametrize("failure", [500, 503, 429, 408, 302, HANG, CLOSE, TRICKLE])
def test_what_fails_is_tried_until_it_arrives_in_order(failure, alerting):
    printed = []
    with receiving(answers=lambda content, before: failure if before < 6 else 200) as receiver:
        alerter = alerting(hook(receiver.url, "timeout_s = 0.2"), tell=printed.append)
        alerter.offer([change(), change("E2"), change(revision=2, what="changed")])
        until(lambda: idle(alerter))
    assert keys(receiver.alerts()) == ["E1:1", "E2:1", "E1:2"]
    assert [content["data"]["key"] for _, _, content in receiver.got[:6]] == ["E1:1"] * 6
    until(lambda: len(printed) == 2)  # it is said once it is noted
    assert "floor" in printed[0]
    assert "3 wait" in printed[0]
    assert "again" in printed[1]


def test_tls_is_checked(tmp_path, alerting, monkeypatch):
    """An alert goes to nobody whose certificate is not trusted."""
    whole, key = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(whole, key)
    printed = []
    with receiving(tls) as receiver:
        alerter = alerting(hook(receiver.url), tell=printed.append)
        alerter.offer([change()])
        until(lambda: bool(printed))
        assert "certificate" in printed[0].lower()
        alerter.close()
        assert receiver.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(whole))
        again = alerting(hook(receiver.url))
        until(lambda: idle(again))
        assert keys(receiver.alerts()) == ["E1:1"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(code, alerting):
    """It would carry what is confidential to an address that nobody named."""
    with receiving() as other, receiving(answers=lambda c, before: code if before < 2 else 200) as receiver:
        receiver.headers["Location"] = other.url
        alerter = alerting(hook(receiver.url))
        alerter.offer([change()])
        until(lambda: idle(alerter))
    assert [answer for answer, *_ in receiver.got] == [code, code, 200]
    assert other.got == []


def test_a_receiver_that_is_not_there_is_waited_for(alerting):
    with receiving() as receiver:
        url = receiver.url
    printed = []
    alerter = alerting(hook(url), tell=printed.append)
    alerter.offer([change()])
    until(lambda: len(printed) == 1)
    assert "cannot be reached (Connection refused)" in printed[0]
    (state,) = alerter.state()
    assert (state.waiting, state.delivered) == (1, 0)
    assert state.stuck_s > 0
    assert "refused" in state.trouble


def test_a_long_outage_costs_few_tries(alerting):
    """Ten longest pauses make some ten tries, not thousands."""
    with receiving(answers=lambda content, before: 500) as receiver:
        alerter = alerting(hook(receiver.url), pauses_s=(0.01, 0.1))
        alerter.offer([change()])
        until(lambda: len(receiver.got) >= 8)
        assert len(receiver.got) <= 40


def test_retry_after_is_kept_to(alerting):
    with receiving(
        answers=lambda content, before: 503 if before == 0 else 200, headers={"Retry-After": "1"}
    ) as receiver:
        alerter = alerting(hook(receiver.url))
        alerter.offer([change()])
        until(lambda: len(receiver.got) == 1)
        with pytest.raises(AssertionError):
            until(lambda: len(receiver.got) > 1, within_s=0.7)
        until(lambda: idle(alerter))


def test_a_message_that_is_refused_keeps_no_other_event_from_going(alerting):
    """E1 is refused while the test says so; its own later changes wait behind it, and others go."""
    refused = {"E1"}
    answers = lambda content, before: 400 if content["data"]["id"] in refused else 200  # noqa: E731
    printed = []
    with receiving(answers=answers) as receiver:
        alerter = alerting(hook(receiver.url), tell=printed.append)
        alerter.offer([change(), change("E2"), change(revision=2, what="closed"), change("E3")])
        until(lambda: len(receiver.taken()) == 2)
        assert keys(receiver.alerts()) == ["E2:1", "E3:1"]
        until(lambda: len(receiver.got) >= 6)
        refused.clear()
        until(lambda: idle(alerter))
        assert keys(receiver.alerts()) == ["E2:1", "E3:1", "E1:1", "E1:2"]
    until(lambda: len(printed) == 2)


def test_one_destination_that_fails_keeps_no_other_waiting(alerting, tmp_path):
    with receiving(answers=lambda content, before: 500) as receiver:
        alerter = alerting(hook(receiver.url) + FILE)
        alerter.offer([change(), change("E2")])
        until(lambda: {to.name: to.waiting for to in alerter.state()} == {"floor": 2, "log": 0})
    assert len((tmp_path / "told.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_receiver_does_each_event_comes_in_order_and_nothing_is_lost(seed, alerting):
    """Answers by chance; a receiver that takes note of what it first saw under each key has all, in order per event."""
    chance, own = random.Random(seed), random.Random(seed)  # the receiver draws in threads of its own
    odd = [200, 200, 200, 500, 404, 422, 429, CLOSE]
    offered = [change(f"E{k % 7}", 1 + k // 7, "opened" if k < 7 else "changed") for k in range(70)]
    with receiving(answers=lambda content, before: chance.choice(odd)) as receiver:
        pace = f"per_hour = {own.choice([0, 360_000])}\nburst = 3"
        alerter = alerting(hook(receiver.url).replace("per_hour = 0", pace))
        while offered:
            alerter.offer(offered[: own.randint(2, 9)])
            del offered[: own.randint(1, 2)]
        until(lambda: idle(alerter))
    first = list(dict.fromkeys(keys(receiver.alerts())))
    assert len(first) == 70
    for event in range(7):
        assert [key for key in first if key.startswith(f"E{event}:")] == [f"E{event}:{r}" for r in range(1, 11)]


# ------------------------------------------------------------------------------------------------ through a kill

CHILD = """
import os, signal, sys, time
from pathlib import Path
from stswatch.pipeline.alerts.delivery import Alerter
from stswatch.pipeline.alerts.destinations import load
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline.alerts.conftest import ENVIRONMENT, NOW, PAUSES_S, change

folder, first = Path(sys.argv[1]), int(sys.argv[2])
destinations = load(folder / "alerts.toml", ENVIRONMENT)
alerter = Alerter(Catalogue.open(folder), destinations, lambda: NOW, pauses_s=PAUSES_S)
for k in range(200):
    alerter.offer([change(f"E{k % 10}", 1 + k // 10)])
    print(k, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_nothing_that_was_taken_is_lost(seed, alerting, tmp_path):
    """The receiver fails now and then; the alerter is killed three times while it is offered the same changes again."""
    chance, most = random.Random(seed), -1
    with receiving(answers=lambda content, before: 500 if before % 5 == 0 else 200) as receiver:
        (tmp_path / "alerts.toml").write_text(hook(receiver.url) + FILE)
        for _ in range(3):
            words = [sys.executable, "-c", CHILD, str(tmp_path), "0"]
            child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
            until_k = chance.randint(5, 199)
            for line in child.stdout:
                most = max(most, int(line))
                if int(line) == until_k:
                    break
            child.send_signal(signal.SIGKILL)
            rest, _ = child.communicate()  # what it had taken besides until it was killed
            most = max([most, *map(int, rest.split())])
        alerter = alerting(hook(receiver.url) + FILE)
        until(lambda: idle(alerter))
    expected = {f"E{k % 10}:{1 + k // 10}" for k in range(most + 1)}
    lines = [json.loads(line)["data"] for line in (tmp_path / "told.jsonl").read_text().splitlines() if line]
    for collected in (receiver.alerts(), lines):
        first = list(dict.fromkeys(keys(collected)))
        assert expected <= set(first) <= expected | {f"E{(most + 1) % 10}:{1 + (most + 1) // 10}"}
        assert len(collected) <= len(first) + 2 * 3  # at most what was under way at each kill is told twice
        for event in range(10):
            revisions = [int(key.split(":")[1]) for key in first if key.startswith(f"E{event}:")]
            assert revisions == sorted(revisions)


def test_alerts_for_a_destination_that_is_named_no_more_are_told_of(alerting, tmp_path):
    with receiving(answers=lambda content, before: 500) as receiver:
        alerter = alerting(hook(receiver.url) + FILE)
        alerter.offer([change(), change("E2")])
        until(lambda: {to.name: to.waiting for to in alerter.state()} == {"floor": 2, "log": 0})
    printed = []
    alerting(FILE.replace("[log]", "[other]"), tell=printed.append)
    assert printed == ["floor: 2 alerts wait for a destination that is gone; name it again to have them sent"]


# ------------------------------------------------------------------------------------------------ rate and digest


def test_what_a_rate_holds_back_comes_in_one_digest_with_nothing_left_out(alerting):
    with receiving() as receiver:
        toml = hook(receiver.url).replace("per_hour = 0", "per_hour = 7200\nburst = 2")  # one in half a second
        alerter = alerting(toml)
        alerter.offer([change(f"E{k}") for k in range(40)])
        until(lambda: idle(alerter))
    kinds = [content["type"] for content in receiver.taken()]
    assert kinds == ["lead.opened", "lead.opened", "leads.digest"]
    digest = receiver.taken()[2]["data"]
    assert digest["held_back"] == len(digest["alerts"]) == 38
    assert keys(receiver.alerts()) == [f"E{k}:1" for k in range(40)]


def test_a_digest_that_fails_is_sent_again_as_it_was(alerting):
    fails = lambda content, before: 500 if content["type"] == "leads.digest" and before < 4 else 200  # noqa: E731
    with receiving(answers=fails) as receiver:
        alerter = alerting(hook(receiver.url).replace("per_hour = 0", "per_hour = 36000\nburst = 1"))
        alerter.offer([change(f"E{k}") for k in range(5)])
        until(lambda: len(receiver.got) == 2)
        alerter.offer([change("E9")])
        until(lambda: idle(alerter))
    digests = [(headers["webhook-id"], content) for _, headers, content in receiver.got if "digest" in content["type"]]
    assert len(digests) >= 2
    assert all(digest == digests[0] for digest in digests)
    assert sorted(keys(receiver.alerts())) == [*(f"E{k}:1" for k in range(5)), "E9:1"]


def test_a_flood_comes_in_digests_that_a_receiver_can_take(alerting):
    with receiving() as receiver:
        alerter = alerting(hook(receiver.url).replace("per_hour = 0", "per_hour = 36000\nburst = 1"))
        alerter.offer([change(f"E{k}") for k in range(350)])
        until(lambda: idle(alerter))
    assert max(len(content["data"].get("alerts", ())) for content in receiver.taken()) == delivery.AT_ONCE
    assert len(receiver.taken()) == 5
    assert len(set(keys(receiver.alerts()))) == 350


# ------------------------------------------------------------------------------------------------ secrets, disk


def test_a_secret_is_nowhere_but_in_what_is_sent(alerting, tmp_path, capfd):
    """Not in a file, not in a word to people, not in what an error or an object shows."""
    printed = []
    with receiving(answers=lambda content, before: [500, CLOSE, 200][before % 3]) as receiver:
        alerter = alerting(hook(receiver.url + "/path-that-is-secret"), tell=printed.append)
        alerter.offer([change(f"E{k}") for k in range(5)])
        until(lambda: idle(alerter))
        shown = [*printed, repr(alerter.state()), *(repr(vars(c)) for c in alerter._couriers)]
        alerter.close()
    (tmp_path / "alerts.toml").unlink()  # which holds the address, as its owner wrote it
    shown += [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    shown += list(capfd.readouterr())
    assert len(printed) >= 2
    assert not [text for text in shown if SECRET in text or "path-that-is-secret" in text]


def test_a_file_of_alerts_may_be_rotated_and_a_torn_line_stands_alone(alerting, tmp_path):
    alerter, path = alerting(FILE), tmp_path / "told.jsonl"
    alerter.offer([change()])
    until(lambda: idle(alerter))
    path.rename(tmp_path / "told.1.jsonl")
    path.write_text('{"torn')
    alerter.offer([change("E2")])
    until(lambda: idle(alerter))
    torn, whole = path.read_text().splitlines()
    assert torn == '{"torn'
    assert json.loads(whole)["data"]["key"] == "E2:1"


def test_a_folder_that_vanished_is_told_and_waited_for(alerting, tmp_path):
    (tmp_path / "logs").mkdir()
    printed = []
    alerter = alerting('[log]\nkind = "file"\npath = "logs/told.jsonl"\n', tell=printed.append)
    (tmp_path / "logs").rmdir()
    alerter.offer([change()])
    until(lambda: bool(printed))
    assert "told.jsonl cannot be written (No such file or directory)" in printed[0]
    (tmp_path / "logs").mkdir()
    until(lambda: idle(alerter))
    assert len((tmp_path / "logs" / "told.jsonl").read_text().splitlines()) == 1
