"""Where a run can be stopped dead, so that tests can hold what it promises: nothing committed is lost.

STSWATCH_FAULT=NAME kills the process that comes to the point of that name, NAME:3 where it comes there for the third
time; NAME:3:SIGINT sends it that signal instead. Without the variable a point does nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping

VARIABLE = "STSWATCH_FAULT"

POINTS: Mapping[str, str] = {  # in the order in which a run comes to them: what is on disk there, and what is not
    "lake_file": "A file of the lake is written; the other files of its chunk are not.",
    "chunk_written": "All files of a chunk are in the lake; the catalogue does not know of them.",
    "chunk_received": "The catalogue has the receipt of a chunk, and does not hold its source.",
    "sources_read": "The catalogue has the receipts of all chunks of all new sources, and holds none of them.",
    "sources_entered": "The catalogue holds all new sources; what was read of them otherwise still lies there.",
    "slice_begun": "The folder of a slice is there, without a file.",
    "state_part": "The state of a step lies under its temporary name.",
    "state_written": "The state of a step is in the folder of a slice; what the step found is not.",
    "rows_part": "Rows of a step lie under their temporary name.",
    "rows_written": "Rows of a step are in the folder of a slice; other steps have not run.",
    "slice_written": "All files of a slice are in its folder; the catalogue does not know of them.",
    "slice_committed": "The catalogue knows a slice; a state that nobody needs any more is not removed yet.",
    "folder_discarded": "What no longer holds, a slice or a state, has got another name and is not removed yet.",
    "work_made": "A new working database lies under its temporary name.",
    "load_done": "All is loaded into the working database, and nothing of it is committed.",
    "load_committed": "The working database is committed; no snapshot of it has been made.",
    "snapshot_filled": "A snapshot is filled under its temporary name.",
    "snapshot_halved": "Of the two files of a snapshot one has its name.",
    "snapshot_named": "Both files of a snapshot have their names; the link leads to the one before.",
    "snapshot_published": "The link leads to the new snapshot; older ones are not cleared yet.",
}

OF_A_WATCH: Mapping[str, str] = {  # the points to which only a watch comes, beside those
    "peek_committed": "What stands so far is committed; nobody was told of it.",
    "leads_offered": "Those who are told of leads have them on disk; no snapshot shows them.",
    "hour_taken": "An hour is finalized and committed; what stands beyond it is what stood before.",
}

OF_A_CASE: Mapping[str, str] = {  # the points to which whoever writes into the log of decisions comes
    "entry_written": "An entry is in the log, on the disk; the head that is kept apart names the one before it.",
    "entry_named": "The head names the new entry; no snapshot shows it.",
}

OF_A_REMOVAL: Mapping[str, str] = {  # the points to which `stswatch retain` comes, beside those of a snapshot
    "tombstone_written": "A tombstone names what is to go; nothing counts as removed.",
    "removal_noted": "The catalogue counts it as removed; the log does not name the tombstone, the files are there.",
    "removal_published": "The log names the tombstone, a snapshot is without these files; they are there.",
}

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Be at a point: gets a signal there if the environment says so. Raises ValueError where it names no point."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return
    wanted, times, number, *more = [*asked.split(":"), *("", "")[asked.count(":") :]]
    known = {**POINTS, **OF_A_WATCH, **OF_A_CASE, **OF_A_REMOVAL}
    signals = signal.Signals.__members__
    if more or wanted not in known or not (times or "1").isdecimal() or number not in {"", *signals}:
        raise ValueError(f"{VARIABLE}={asked}: is no point of {', '.join(known)}")
    if name not in known:
        raise KeyError(name)
    _reached[name] += 1
    if name == wanted and _reached[name] == int(times or 1):
        os.kill(os.getpid(), signals[number or "SIGKILL"])
