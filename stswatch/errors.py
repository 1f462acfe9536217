"""The one base of every error that is expected: what the user, or whoever sends data, can mend.

It stands above the rooms, since each of them has such errors: the command catches this class and no other of ours.
"""

from __future__ import annotations


class StswatchError(Exception):
    """One sentence that says what was found, where, and what to do.

    An option is named as Python names it, between grave accents: `columns=FILE`. Whoever shows the sentence may spell
    it otherwise; the command does, see pipeline/terminal.py.
    """
