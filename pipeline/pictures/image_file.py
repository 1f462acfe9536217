"""Picture files: which kinds there are, what they say of themselves, and writing one whole or not at all."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stswatch.errors import StswatchError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


_METADATA: dict[str, dict[str, str | None]] = {  # no date and no version: the same drawing is the same file
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_SOURCE = {".png": "Source", ".svg": "Source", ".pdf": "Keywords"}


class PictureError(StswatchError, ValueError):
    """A picture that cannot be made or written; the message says why and what to do."""


def suffix_of(path: str | Path) -> str:
    """The kind of picture that a file name asks for. Raises PictureError where it is none of SUFFIXES.

    >>> suffix_of("lead.PNG")
    '.png'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise PictureError(
            f"{path}: is no name for a picture; end it with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    return suffix


def encode(figure: Figure, suffix: str, source: str | None = None) -> bytes:
    """A figure as a file of one of SUFFIXES; source: what it was drawn from, which the file then carries."""
    out = io.BytesIO()
    metadata = _METADATA[suffix] | ({_SOURCE[suffix]: source} if source else {})
    figure.savefig(out, format=suffix[1:], metadata=metadata, dpi=figure.dpi)
    return out.getvalue()


def check(path: Path) -> None:
    """Raise PictureError where a file cannot come to lie, before there is anything to write."""
    if os.path.isdir(path):
        raise _unwritable(path, "is a folder")
    if not os.path.isdir(path.parent):
        raise _unwritable(path, f"no folder {path.parent}")


def write(path: Path, content: bytes) -> None:
    """Write a file whole or leave what was there. Raises PictureError where that cannot be."""
    check(path)
    beside = path.with_name(f".picture-{os.getpid()}")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from error
    finally:  # Ctrl-C too leaves nothing
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _unwritable(path: Path, why: str) -> PictureError:
    return PictureError(f"{path}: cannot be written ({why}); give a file in a folder that you may write to")
