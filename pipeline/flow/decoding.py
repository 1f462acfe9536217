"""The Beam pipeline that decodes archives: an element is a chunk, and what is found in it goes into the lake.

With several workers the chunks were handed to them before this module, and with it Beam, was imported: the pipeline
then waits for what they have done (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apache_beam as beam

from stswatch.pipeline.flow.embedded import Embedded, Given
from stswatch.pipeline.store.lake import Receipt

Chunks = Sequence[Callable[[], Receipt]]  # each decodes a chunk, or waits for it, and gives its receipt


def decode(chunks: Chunks, receive: Callable[[int, Receipt], None]) -> None:
    """Decode all chunks; hands over the number and the receipt of each when it is done, to this process.

    Raises what a chunk raised.
    """
    Embedded(lambda p, given: expand(p, given, len(chunks))).run((chunks, receive))


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
        chunks, receive = self._given()
        receive(element, chunks[element]())
