"""Why a sentence or a row could not be used: the closed list, and the table of rejects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline import schema

REASONS: Mapping[str, str] = {
    "malformed": "The line is no comment and not of the form !xxVDM,n,k,id,channel,payload,fill*hh; the row has other"
    " columns than the header; the line of JSON is no whole message.",
    "no_checksum": "The sentence is all there but for its checksum, so that nothing says whether it is as it was sent.",
    "checksum": "The two hex digits at the end do not belong to the sentence before them.",
    "empty": "The sentence carries no payload.",
    "payload": "The payload has characters, values or a length that no AIS message has.",
    "too_short": "The payload ends before the fields that its message type must have.",
    "unknown_type": "The message type is none of 1 to 28.",
    "fragment_missing": "The other parts of the multi-part message did not come near it, in order.",
    "fragment_ambiguous": "The part could belong to several messages: nothing tells which parts are of one.",
    "no_time": "Nothing tells when it was received, or its time is written in a way that is not understood.",
    "no_mmsi": "The row names no vessel: the MMSI is missing, not a whole number, or too large to be one.",
}


CODES: Mapping[str, int] = {reason: code for code, reason in enumerate(REASONS, start=1)}


def rejects_table(
    source: str, offset: NDArray[np.int64], length: NDArray[np.int32], code: NDArray[np.int8]
) -> pa.Table:
    """Rows of `rejects` for one source; never raises.

    source: first 16 hex digits of the SHA-256; offset, length: (n,) bytes; code: (n,) from CODES, none of
    them 0.

    >>> rejects_table("00", np.array([7]), np.array([3]), np.array([1])).to_pylist()
    [{'source': '00', 'offset': 7, 'length': 3, 'reason': 'malformed'}]
    """
    names = pa.array(list(REASONS), pa.string())  # not at import: the first pa.array() loads pandas
    reason = names.take(pa.array(code.astype(np.int64) - 1))
    columns = [
        pa.repeat(pa.scalar(source, pa.string()), len(offset)),
        pa.array(offset, pa.int64()),
        pa.array(length.astype(np.int32)),
        reason,
    ]
    return pa.Table.from_arrays(columns, schema=schema.REJECTS)
