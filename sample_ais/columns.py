"""All actors as columns: courses end to end, what each says of its state, and its transponders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.sample_ais.cast import Actor, heading_of
from stswatch.sample_ais.courses import Courses, Ints, Ragged, steps
from stswatch.sample_ais.motion import Floats

Bools = NDArray[np.bool_]


class Cast(NamedTuple):
    """All actors as columns: true courses (v), emitters (e) with the actor (e,) and the course shown (e,) of each."""

    actors: Sequence[Actor]
    courses: Courses  # of the actors, then forged ones
    statuses: Ragged
    headings: Ragged
    owner: Ints  # (e,) actor
    shown: Ints  # (e,) course
    mmsi: Ints  # (e,)
    from_s: Floats
    until_s: Floats
    class_b: Bools  # (e,)
    weak: Bools  # (v,)


def cast_of(actors: Sequence[Actor]) -> Cast:
    """Columns of actors."""
    claims = [(k, e) for k, actor in enumerate(actors) for e in actor.claims()]
    forged = [(n, e.shown) for n, (_, e) in enumerate(claims) if e.shown is not None]
    shown = np.array([k for k, _ in claims], np.int64)
    for number, (n, _) in enumerate(forged):
        shown[n] = len(actors) + number
    headings = [heading_of(actor) for actor in actors]
    first = np.concatenate([[0], np.cumsum([len(t) for t, _ in headings])]).astype(np.int64)
    time_s, deg = (np.concatenate([h[k] for h in headings]) for k in (0, 1))
    return Cast(
        actors,
        Courses.of([*(a.course for a in actors), *(c for _, c in forged if c is not None)]),
        steps([a.statuses for a in actors]),
        Ragged(first, time_s, (deg,)),
        np.array([k for k, _ in claims], np.int64),
        shown,
        np.array([e.ship.mmsi for _, e in claims], np.int64),
        np.array([e.from_s for _, e in claims]),
        np.array([e.until_s for _, e in claims]),
        np.array([e.ship.kind.ais_class == "B" for _, e in claims], bool),
        np.array([actor.weak for actor in actors], bool),
    )


def silent(cast: Cast, owner: Ints, time_s: Floats) -> Bools:
    """Whether actors (n,) send nothing at times (n,)."""
    there = np.unique(owner).tolist()
    out = np.zeros(len(owner), bool)
    for who in there:
        for quiet in cast.actors[who].quiets:
            out |= (owner == who) & (time_s > quiet.start_s) & (time_s < quiet.end_s)
    return out
