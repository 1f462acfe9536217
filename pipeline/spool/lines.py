"""What comes in pieces of any size, as whole lines of bounded length."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stswatch.pipeline.decode.sentences import MAX_LINE
from stswatch.pipeline.sources.base import NOTE, Format

# Of a longer line so many bytes are kept: of NMEA enough for the decoder to see that it is longer than a line may be,
# and reject it as it would reject the whole line, be the last byte kept a carriage return.
LONGEST: Mapping[Format, int] = {"nmea": MAX_LINE + 2, "json": 65_536}


class Lines:
    """Cuts a stream into whole lines; holds at most one that has not ended yet."""

    def __init__(self, longest: int = LONGEST["nmea"]) -> None:
        self._longest = longest
        self.dropped = 0  # bytes of over-long lines that were not kept
        self._rest = b""
        self._dropping = False

    def take(self, data: bytes) -> bytes:
        r"""The lines that end in what came; what has not ended waits for more.

        >>> lines = Lines()
        >>> lines.take(b"ab\nc"), lines.take(b"d\n")
        (b'ab\n', b'cd\n')
        """
        if self._dropping:
            at = data.find(b"\n")
            self.dropped += len(data) if at < 0 else at
            if at < 0:
                return b""
            data, self._dropping = data[at + 1 :], False
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = self._shortened(data[:end]), data[end:]
        if len(self._rest) > self._longest:
            self.dropped += len(self._rest) - self._longest
            whole += self._rest[: self._longest] + b"\n"
            self._rest, self._dropping = b"", True
        return whole

    def end(self) -> bytes:
        r"""The line that had not ended, with a line end: nothing will follow it.

        >>> lines = Lines()
        >>> lines.take(b"ab"), lines.end(), lines.end()
        (b'', b'ab\n', b'')
        """
        rest, self._rest, self._dropping = self._rest, b"", False
        return rest + b"\n" if rest else b""

    def _shortened(self, whole: bytes) -> bytes:
        """The lines with those cut that are too long."""
        if len(whole) <= self._longest:
            return whole
        ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == ord("\n"))
        length = np.diff(ends, prepend=-1) - 1
        parts, begun = [], 0
        for row in np.flatnonzero(length > self._longest).tolist():
            cut, end = int(ends[row] - length[row]) + self._longest, int(ends[row])
            parts.append(whole[begun:cut])
            self.dropped += end - cut
            begun = end
        return b"".join([*parts, whole[begun:]])


def last_note(lines: bytes) -> bytes:
    r"""The last note in whole lines, without its end; b"" where there is none.

    >>> last_note(b"# stswatch note 1\na\n# stswatch note 2\nb\n")
    b'# stswatch note 2'
    """
    at = (b"\n" + lines).rfind(b"\n" + NOTE)
    return lines[at : lines.find(b"\n", at)] if at >= 0 else b""
