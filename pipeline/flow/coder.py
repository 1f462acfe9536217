"""How parcels travel through a shuffle of Beam: as the bytes they are."""

from __future__ import annotations

from typing import Any

from apache_beam import coders

from stswatch.pipeline.flow.parcel import Parcel


class ParcelCoder(coders.Coder):  # type: ignore[misc]
    """The bytes of a parcel."""

    def encode(self, value: Parcel) -> bytes:
        """A parcel as bytes."""
        return value.data

    def decode(self, encoded: bytes) -> Parcel:
        """The parcel that `encode` wrote."""
        return Parcel(encoded)

    def is_deterministic(self) -> bool:
        """Equal rows need not have equal bytes."""
        return False

    def to_type_hint(self) -> Any:
        """The type this coder is for."""
        return Parcel
