"""Root keys of job records: the hash of their ``_id``, whatever its BSON type."""

from collections.abc import Mapping
from typing import Any

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions

from catalog.identity import root_key
from catalog.models.ids import RootKey
from catalog.repositories.base import RootId

_ENCODING = CodecOptions[Mapping[str, Any]](
    uuid_representation=UuidRepresentation.STANDARD
)
"""As the client's; with the driver's default a UUID could not be encoded."""


def root_key_of(root: RootId) -> RootKey:
    """Hash the ``_id`` of a job record."""
    return root_key(bson.encode({"": root}, codec_options=_ENCODING))
