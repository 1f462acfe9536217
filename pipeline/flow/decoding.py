"""The Beam pipeline that decodes archives: an element is a chunk, and what is found in it goes into the lake.

With several workers the chunks were handed to them before this module, and with it Beam, was imported: the pipeline
then waits for what they have done (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apache_beam as beam

from stswatch.pipeline.flow.embedded import Embedded, Given

Chunks = Sequence[Callable[[], int]]  # each decodes a chunk, or waits for it, and gives how many sentences it had


def decode(chunks: Chunks, tell: Callable[[int], None]) -> None:
    """Decode all chunks; tells the sentences of each when it is done. Raises what a chunk raised."""
    Embedded(lambda p, given: expand(p, given, len(chunks))).run((chunks, tell))


def expand(p: beam.Pipeline, given: Given, count: int) -> None:
    """The chunks, and a call for each."""
    _ = (
        p
        | "chunks" >> beam.Create(range(count), reshuffle=False).with_output_types(int)
        | "decode" >> beam.ParDo(_Decode(given))
    )


class _Decode(beam.DoFn):  # type: ignore[misc]
    """Decodes chunks of a run, by number."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def process(self, element: int) -> None:
        chunks, tell = self._given()
        tell(chunks[element]())
