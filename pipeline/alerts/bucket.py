"""How many messages may go: a bucket of tokens that fills evenly."""

from __future__ import annotations

from stswatch.pipeline.alerts.destination import Pace


class Bucket:
    """Full at first. A message takes a token; `per_hour` of them come back in an hour, never more than `burst`.

    >>> bucket = Bucket(Pace(per_hour=60, burst=2), now_s=0.0)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0)]
    [True, True, False]
    >>> bucket.ready_in_s(0.0), bucket.take(60.0)
    (60.0, True)
    """

    def __init__(self, pace: Pace, now_s: float) -> None:
        self._pace, self._tokens, self._at_s = pace, float(pace.burst), now_s

    def take(self, now_s: float) -> bool:
        """Whether a message may go now; takes its token if so."""
        if not self._pace.per_hour:
            return True
        self._fill(now_s)
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def ready_in_s(self, now_s: float) -> float:
        """Seconds until a token is there; 0 if one is."""
        if not self._pace.per_hour:
            return 0.0
        self._fill(now_s)
        return max(1 - self._tokens, 0.0) * 3600 / self._pace.per_hour

    def _fill(self, now_s: float) -> None:
        came = max(now_s - self._at_s, 0.0) * self._pace.per_hour / 3600
        self._tokens, self._at_s = min(self._tokens + came, float(self._pace.burst)), now_s
