"""Archives on disk for the readers' tests."""

import gzip
from pathlib import Path

import pytest


@pytest.fixture
def written(tmp_path):
    """Write bytes to a file of this name, as gzip where the name ends in .gz; gives its path."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write
