"""What the tests of evidence share: a folder with one meeting of three tables, several slices and states."""

from __future__ import annotations

import pytest

from stswatch.pipeline import api
from tests.pipeline import damage


@pytest.fixture(scope="session")
def met(tmp_path_factory):
    """The files, and the folder of a run over them."""
    top = tmp_path_factory.mktemp("met")
    files = damage.archives(top)
    api.run(files, top / "data", area="world", slice_h=6.0)
    return files, top / "data"
