"""What people decide of an event, as entries of the log: which status may follow which, and what each one needs.

Nobody can hold a case up. A dissent is an entry that travels with the case; a second reader who does not answer within
`case.second_reader_h` is gone without, and the referral says so. Names are by their own word: the log shows who is said
to have decided, and that nothing of it was changed since.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stswatch.pipeline import rule_files
from stswatch.pipeline.evidence.upkeep import DecisionError, Recorded, checked_name, show
from stswatch.pipeline.rules import CaseRules
from stswatch.pipeline.store import case_log, case_queries, queries
from stswatch.pipeline.store.case_log import LogEntry
from stswatch.pipeline.store.case_tables import SINGLE
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.times import iso

__all__ = ["ENTRY_KINDS", "OUTCOMES", "STATUSES", "DecisionError", "Recorded", "decide", "record", "record_reading"]

OUTCOMES = ("confirmed", "cleared", "inconclusive", "no action")
_LONGEST_NOTE = 20_000
_CLOSING = ("cleared", "dismissed", "withdrawn")  # which a case may also be whose event is gone


@dataclass(frozen=True)
class CaseStatus:
    """One status: after which it may come (None: nobody has decided), what it needs, what it means."""

    name: str
    after: tuple[str | None, ...]
    needs: tuple[str, ...]
    meaning: str


STATUSES = (
    CaseStatus(
        "watch",
        (None, "watch", "assessed", "referred", "cleared", "dismissed", "withdrawn"),
        (),
        "to be looked at again when more is known",
    ),
    CaseStatus(
        "assessed",
        (None, "watch", "assessed", "referred", "cleared", "dismissed", "withdrawn"),
        ("alternatives",),
        "consistent with a transfer in the eyes of one reader, lawful explanations considered",
    ),
    CaseStatus(
        "referred",
        ("assessed", "referred"),
        ("assessed", "readers", "recipients"),
        "put before somebody who may act, by two readers or as SINGLE READER",
    ),
    CaseStatus(
        "cleared",
        (None, "watch", "assessed", "referred"),
        (),
        "a lawful explanation is known; whoever had the case is to be told",
    ),
    CaseStatus("dismissed", (None, "watch", "assessed"), (), "nothing in it that is worth more work"),
    CaseStatus("withdrawn", ("referred",), (), "ought not to have been referred; whoever had it is to be told"),
)


@dataclass(frozen=True)
class EntryKind:
    """A kind of entry beside decisions and readings: whether it needs a party, and whether one who had the case."""

    name: str
    party: bool
    recipient: bool
    meaning: str


ENTRY_KINDS = (
    EntryKind("dissent", False, False, "somebody disagrees; the case goes on, and this goes with it"),
    EntryKind("inquiry", True, False, "a party was asked"),
    EntryKind("reply", True, False, "what a party answered"),
    EntryKind("acknowledged", True, True, "a recipient has it"),
    EntryKind("outcome", True, True, "what came of it: " + ", ".join(OUTCOMES)),
    EntryKind("correction", True, True, "a recipient was told that it changed, or was withdrawn or cleared"),
)


@dataclass(frozen=True)
class Event:
    """What is decided on: an encounter or a dark meeting; of the latter 0 in entries before it had revisions."""

    id: str
    revision: int
    score: float | None


# ------------------------------------------------------------------------------------------------------ pure functions


def same_name(name: str) -> str:
    """What two ways of writing a name have in common.

    >>> same_name("  Ann  Lee") == same_name("ann lee")
    True
    """
    return unicodedata.normalize("NFC", " ".join(name.split()).lower())


def history(entries: Iterable[LogEntry], case: str, exercise: str | None) -> list[LogEntry]:
    """The entries about a case, in order, of one exercise or live."""
    return [entry for entry in entries if entry.case == case and entry.exercise == exercise]


def last_decision(entries: Sequence[LogEntry], status: str | None = None) -> LogEntry | None:
    """The last decision among the entries of a case, or the last of a status."""
    found = [e for e in entries if e.kind == "decision" and status in (None, e.body["status"])]
    return found[-1] if found else None


def past_recipients(entries: Iterable[LogEntry]) -> list[str]:
    """All to whom a case was ever referred, in order of name."""
    sent = (e for e in entries if e.kind == "decision" and e.body["status"] == "referred")
    return sorted({recipient for entry in sent for recipient in entry.body["recipients"]})


def second_reader(entries: Sequence[LogEntry], assessed: LogEntry) -> str | None:
    """Who read the case beside the one who assessed it, masked when they saw it first; None where nobody did."""
    first: dict[str, LogEntry] = {}
    for entry in entries:
        if entry.kind == "reading":
            first.setdefault(same_name(entry.author), entry)
    others = (e for who, e in first.items() if who != same_name(assessed.author) and e.body["masked"])
    return next((entry.author for entry in others), None)


def decision_body(
    entries: Sequence[LogEntry],
    event: Event,
    status: str,
    author: str,
    note: str,
    alternatives: Sequence[str],
    recipients: Sequence[str],
    now: datetime,
    rules: CaseRules,
) -> dict[str, Any]:
    """The body of a decision on an event with these entries. Raises DecisionError for what it lacks."""
    last = last_decision(entries)
    before = last.body["status"] if last else None
    row = next((each for each in STATUSES if each.name == status), None)
    if row is None:
        raise DecisionError(f"no status {status!r}; there are {', '.join(each.name for each in STATUSES)}")
    if before not in row.after:
        after = ", ".join(each or "undecided" for each in row.after)
        raise DecisionError(f"{event.id}: is {before or 'undecided'}, and {status} comes after {after}")
    if "alternatives" in row.needs and not alternatives:
        raise DecisionError(
            f"{event.id}: give with `alternatives` each lawful explanation considered, and why it was set aside"
        )
    body: dict[str, Any] = {"status": status, "note": note, "revision": event.revision, "score": event.score}
    if alternatives:
        body["alternatives"] = list(alternatives)
    if "recipients" in row.needs:
        body |= _referral(entries, event, recipients, now, rules)
    elif past := past_recipients(entries):
        body["recipients"] = past
    return body


def _referral(
    entries: Sequence[LogEntry], event: Event, recipients: Sequence[str], now: datetime, rules: CaseRules
) -> dict[str, Any]:
    """To whom, by how many readers, and who disagreed."""
    if not recipients:
        raise DecisionError(
            f"{event.id}: name with `to` whom it is referred to; view referral_queue lists who could act"
        )
    assessed = last_decision(entries, "assessed")
    if assessed is None or not _on_the_same(assessed, event):
        raise DecisionError(
            f"{event.id}: the event has changed since it was assessed; assess revision {event.revision}"
        )
    reader = second_reader(entries, assessed)
    due = _first_assessed(entries).when + timedelta(hours=rules.second_reader_h)
    if reader is None and now < due:
        raise DecisionError(
            f"{event.id}: no second reader yet: `stswatch case {event.id} --masked --by NAME` records one;"
            f" from {iso(due)} on it may be referred without, marked {SINGLE}"
        )
    return {
        "recipients": sorted({" ".join(each.split()) for each in recipients}),
        "readers": SINGLE if reader is None else "two",
        "second_reader": reader,
        "dissents": [entry.seq for entry in entries if entry.kind == "dissent"],
    }


def _on_the_same(assessed: LogEntry, event: Event) -> bool:
    """Whether an assessment is of the event as it is: its revision; where the entry has none (0), its score."""
    if assessed.body["revision"]:  # what is provisional changes under its revision: that is no reason to wait
        return bool(assessed.body["revision"] == event.revision)
    return bool(assessed.body["score"] == event.score)


def _first_assessed(entries: Sequence[LogEntry]) -> LogEntry:
    """The first of the assessments that stand last in a row: revisions that keep coming do not start the wait anew."""
    taken = [entry for entry in entries if entry.kind == "decision"]
    at = max(i for i, entry in enumerate(taken) if entry.body["status"] == "assessed")
    while at and taken[at - 1].body["status"] == "assessed":
        at -= 1
    return taken[at]


def record_body(
    entries: Sequence[LogEntry], event: Event, kind: str, note: str, party: str | None, outcome: str | None
) -> dict[str, Any]:
    """The body of an entry that is neither decision nor reading. Raises DecisionError for what it lacks."""
    row = next((each for each in ENTRY_KINDS if each.name == kind), None)
    if row is None:
        raise DecisionError(f"no entry {kind!r}; there are {', '.join(each.name for each in ENTRY_KINDS)}")
    if row.party and not party:
        raise DecisionError(f"{event.id}: name with `party` whom the {kind} is about")
    if row.recipient and party not in past_recipients(entries):
        had = ", ".join(past_recipients(entries)) or "nobody yet"
        raise DecisionError(f"{event.id}: was never referred to {party}; it was to {had}")
    if (kind == "outcome") != (outcome is not None) or outcome not in (None, *OUTCOMES):
        raise DecisionError(f"{event.id}: give an outcome with `outcome`, one of {', '.join(OUTCOMES)}")
    body = {"note": note, "party": party if row.party else None, "outcome": outcome}
    return {name: each for name, each in body.items() if each is not None} | _of(event)


def _of(event: Event) -> dict[str, Any]:
    return {"revision": event.revision, "score": event.score}


# ---------------------------------------------------------------------------------------------------- into the log


def decide(
    data: Path,
    name: str,
    status: str,
    author: str,
    note: str,
    alternatives: Sequence[str] = (),
    recipients: Sequence[str] = (),
    exercise: str | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Write a decision on an event, named by its id or the beginning of it. Raises DecisionError, StoreError, OSError.

    alternatives: lawful explanations considered. recipients: of a referral. now: UTC, the clock's where None.
    """
    event = case_of(data, name) if status in _CLOSING else event_of(data, name)
    rules = rule_files.from_json(queries.run_of(data)["rules"]).case
    when = now or datetime.now(UTC)

    def body(entries: Sequence[LogEntry]) -> dict[str, Any]:
        return decision_body(entries, event, status, author, note, alternatives, recipients, when, rules)

    return _written(data, event, "decision", author, note, exercise, when, body)


def record(
    data: Path,
    name: str,
    kind: str,
    author: str,
    note: str,
    party: str | None = None,
    outcome: str | None = None,
    exercise: str | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Write an entry of ENTRY_KINDS about an event; else as `decide`."""
    event = case_of(data, name)

    def body(entries: Sequence[LogEntry]) -> dict[str, Any]:
        return record_body(entries, event, kind, note, party, outcome)

    return _written(data, event, kind, author, note, exercise, now or datetime.now(UTC), body)


def record_reading(
    data: Path, name: str, author: str, masked: bool, exercise: str | None = None, now: datetime | None = None
) -> Recorded:
    """Write that somebody read the case of an event, masked or not; else as `decide`."""
    event = event_of(data, name)

    def body(entries: Sequence[LogEntry]) -> dict[str, Any]:
        return {"masked": masked} | _of(event)

    return _written(data, event, "reading", author, "read", exercise, now or datetime.now(UTC), body)


def event_of(data: Path, name: str) -> Event:
    """The event of that id or beginning of one, as it is now. Raises StoreError."""
    found = case_queries.event(data, name)
    return Event(found["id"], found["revision"], found["score"])


def case_of(data: Path, name: str) -> Event:
    """As `event_of`; but a case in the log stands for itself, also where its event is gone or became part of another.

    So that those who have it can be heard and told. Raises StoreError, OSError.
    """
    named = {entry.case: entry for entry in case_log.read(data).entries if entry.case and entry.case.startswith(name)}
    try:
        event = event_of(data, name)
    except StoreError:
        if len(named) != 1:
            raise
        event = None
    if event is not None and (event.id.startswith(name) or len(named) != 1):
        return event
    case, last = named.popitem()
    return Event(str(case), last.body["revision"], last.body["score"])


def _written(
    data: Path,
    event: Event,
    kind: str,
    author: str,
    note: str,
    exercise: str | None,
    now: datetime,
    body: Any,
) -> Recorded:
    """Append an entry whose body is made of those before it, unless the last of its author is the same."""
    author, exercise = checked_name(author), None if exercise is None else checked_name(exercise)
    if not note.strip() or len(note) > _LONGEST_NOTE:
        raise DecisionError(f"{event.id}: give with `note` why, in up to {_LONGEST_NOTE:,} characters")
    with case_log.appending(data) as log:
        entries = history(log.entries, event.id, exercise)
        again = _standing(entries, kind, author)
        made = None if again and _repeats(again, kind, body, entries) else body(entries)
        entry = again if made is None else log.append(kind, author, event.id, exercise, made, now)
    assert entry is not None
    return Recorded(entry, made is not None, show(data))


def _standing(entries: Sequence[LogEntry], kind: str, author: str) -> LogEntry | None:
    """The last entry of a case where it is of this kind and author."""
    last = entries[-1] if entries else None
    return last if last and last.kind == kind and same_name(last.author) == same_name(author) else None


def _repeats(last: LogEntry, kind: str, body: Any, entries: Sequence[LogEntry]) -> bool:
    """Whether what is to be written says what the last entry says: it was killed after writing, and is given again."""
    try:
        made = body(entries[:-1])
    except DecisionError:
        return False
    return case_log.canonical(made) == case_log.canonical(dict(last.body))
