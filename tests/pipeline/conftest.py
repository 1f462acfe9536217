"""What the tests of the pipeline share."""

from __future__ import annotations

import pytest

from stswatch.pipeline import cli


@pytest.fixture
def say(capsys):
    """Call the command in this process; gives exit code, standard output and standard error."""

    def say(*words):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return say
