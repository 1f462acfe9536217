"""The Beam pipeline that decodes archives: an element is a chunk, and what is found in it goes into the lake.

With several workers the chunks were handed to them before this module, and with it Beam, was imported: the pipeline
then waits for what they have done (docs/decisions/0005).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import apache_beam as beam

from stswatch.pipeline.flow.embedded import Embedded

Chunks = Sequence[Callable[[], int]]  # each decodes a chunk, or waits for it, and gives how many sentences it had
_chunks: dict[int, tuple[Chunks, Callable[[int], None]]] = {}  # by run: Beam pickles what a DoFn holds
_numbers = itertools.count()


def decode(chunks: Chunks, tell: Callable[[int], None]) -> None:
    """Decode all chunks; tells the sentences of each when it is done. Raises what a chunk raised."""
    run = next(_numbers)
    _chunks[run] = chunks, tell
    try:
        Embedded(lambda p: expand(p, run)).run()
    finally:
        del _chunks[run]


def expand(p: beam.Pipeline, run: int) -> None:
    """The chunks, and a call for each."""
    _ = (
        p
        | "chunks" >> beam.Create(range(len(_chunks[run][0])), reshuffle=False).with_output_types(int)
        | "decode" >> beam.ParDo(_Decode(run))
    )


class _Decode(beam.DoFn):  # type: ignore[misc]
    """Decodes chunks of a run, by number."""

    def __init__(self, run: int) -> None:
        self._run = run

    def process(self, element: int) -> None:
        chunks, tell = _chunks[self._run]
        tell(chunks[element]())
