"""Texts that do harm where they are shown as they are: to a terminal, a log, a reader, a table, a picture."""

from __future__ import annotations

import random
import unicodedata

ACTS: tuple[str, ...] = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b31mRED",
    "\x9d0;x\x9c",
    "A\nlead opened: forged",
    "A\r\nB",
    "A\rB",
    "A\tB\x0bC\x0cD",
    "A\x08\x08\x08B",
    "A\x00B",
    "A\x7fB",
    "\u202eRATS AES",
    "\u2066a\u2069\u2067b\u2069",
    "A\u200bB\u200dC\ufeff",
    "A\u2028B\u2029C\x85D",
    "Z" + "\u0300\u0316\u0489" * 40,
    "\u3164\u115f\uffa0",
    "\U000e0041\U000e0042",
    "\ue000\U000f0000\uffff",
    "$x^2$ \\frac{1}{0} $\\unknown$ $",
    "%s%n{0}{name}%(x)s",
    "<script>alert(1)</script>&amp;]]>",
    "--><svg onload=x>",
    "=HYPERLINK(1)",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "'; DROP TABLE vessels; --",
    '"a","b"',
    "`id` $(id) ${IFS}",
    "../../../../etc/passwd",
    "\\\\host\\share",
    "X" * 10_000,
    "大連" * 500,
    " \u00a0\u3000 ",
)
NEVER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def drawn(draw: random.Random) -> str:
    """One of them, or several in one."""
    return "".join(draw.sample(ACTS, draw.choice((1, 1, 2, 3))))


def harm(shown: str) -> list[str]:
    """What of a text of several lines would act or hide where it is shown; by category, not as the program does it."""
    return [
        f"{line[max(0, at - 30) : at + 30]!r}"
        for line in shown.split("\n")
        for at, sign in enumerate(line)
        if unicodedata.category(sign) in NEVER
    ]
