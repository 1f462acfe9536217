"""Lines with something wrong: bits flipped, bytes cut, put in and doubled, lines spliced; the same for a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import reduce
from operator import xor

Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]
_BYTES = b",*!$\\\r0159AaFf.-:; \x00\xff"


def flip(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """A bit is another."""
    line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)


def cut(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """Some bytes are lost."""
    at = rng.randrange(len(line))
    del line[at : at + rng.choice((1, 1, 2, 5, 100))]


def put(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """A byte too many."""
    at = rng.randrange(len(line) + 1)
    line[at:at] = bytes([rng.choice(_BYTES)])


def swap(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """A byte is another."""
    line[rng.randrange(len(line))] = rng.choice(_BYTES)


def double(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """Some bytes come twice."""
    at = rng.randrange(len(line))
    line[at:at] = line[at : at + rng.choice((1, 3, 20))]


def splice(rng: random.Random, line: bytearray, others: Sequence[bytes]) -> None:
    """It ends as another line does."""
    other = rng.choice(others)
    line[rng.randrange(len(line)) :] = other[rng.randrange(len(other) + 1) :]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, put, swap, double, splice)
_SUMMED = 0.5  # so many get a checksum that holds again: else hardly any mutant would pass


def mutants(seed: int, lines: Sequence[bytes], n: int) -> list[bytes]:
    """So many mutants of some of these lines; a line of several, as of a message of two parts, keeps its line ends."""
    rng = random.Random(seed)
    some = [line for line in lines if line]
    found = []
    for _ in range(n):
        line = bytearray(rng.choice(some))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if line:
                rng.choice(MUTATIONS)(rng, line, some)
        found.append(bytes(_summed(line) if rng.random() < _SUMMED else line))
    return found


def mutated(seed: int, text: bytes, n: int) -> bytes:
    """A text of so many mutants of its lines."""
    return b"\n".join(mutants(seed, text.split(b"\n"), n)) + b"\n"


def _summed(line: bytearray) -> bytearray:
    """The line with the checksum that its last sentence should have."""
    start, star = line.rfind(b"!"), line.rfind(b"*")
    if 0 <= start < star:
        line[star + 1 : star + 3] = b"%02X" % reduce(xor, line[start + 1 : star], 0)
    return line
