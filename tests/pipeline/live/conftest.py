"""What the tests of whole watches share: the process that forks commands."""

from tests.pipeline.flow.conftest import commands  # noqa: F401
