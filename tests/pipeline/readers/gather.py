"""What a whole source gave, in an order that does not depend on the cut."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.readers.source import DecodedBatch


def together(batches: Iterable[DecodedBatch]) -> DecodedBatch:
    batches = list(batches)
    tables = []
    for name in ("fixes", "static_reports", "rejects"):
        rows = pa.concat_tables([schema.empty(name), *(getattr(batch, name) for batch in batches)])
        tables.append(rows.sort_by([("offset", "ascending")]).combine_chunks())
    counts = [sum(getattr(batch, name) for batch in batches) for name in ("sentences", "messages", "fragments")]
    return DecodedBatch(*tables, *counts)


def same(a: DecodedBatch, b: DecodedBatch) -> bool:
    """Equal but for the name of the source."""
    counts = [(d.sentences, d.messages, d.fragments) for d in (a, b)]
    tables = zip((a.fixes, a.static_reports, a.rejects), (b.fixes, b.static_reports, b.rejects), strict=True)
    return counts[0] == counts[1] and all(x.drop("source").equals(y.drop("source")) for x, y in tables)
