"""Ranked, explained, reproducible leads on ship-to-ship transfers, from raw AIS.

The rooms geo, models, pipeline and sample_ais lie beside this folder and are linked into it: stswatch is the name under
which they are imported, in a plain checkout as where it is installed. What a program needs first stands here:

>>> import stswatch
>>> callable(stswatch.run), callable(stswatch.detect), callable(stswatch.decode), callable(stswatch.connect)
(True, True, True, True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stswatch.pipeline.api import connect, decode, detect, run

__all__ = ["__version__", "connect", "decode", "detect", "run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: `import stswatch` alone costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("stswatch")
    if name in __all__:
        from stswatch.pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module 'stswatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
