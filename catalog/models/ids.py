"""Identifiers, each its own type so that two of them can't be swapped."""

from typing import NewType

JobId = NewType("JobId", str)
"""User-facing id of a job (``jobId`` in the seed's record)."""

UserId = NewType("UserId", str)
"""Id of a user as the platform writes it; compared byte for byte."""

AssetId = NewType("AssetId", str)
"""User-facing id of an asset, see ``catalog.identity``."""

ObjectKey = NewType("ObjectKey", str)
"""Key of an object in our store: no leading slash, no ``..`` part."""

DocumentId = NewType("DocumentId", str)
"""Id of an asset in the read model and in the search engine: kind letter + hash."""

RootKey = NewType("RootKey", str)
"""Hash (hex) of a job record's ``_id``; what ties a document to its root."""

GroupId = NewType("GroupId", str)
"""Id of a group of users: of our own ``groups``, or as a token's claim names it."""

CollectionId = NewType("CollectionId", str)
"""Id of a user's collection of assets."""

ShareId = NewType("ShareId", str)
"""Id of a share link; knowing it opens nothing (that takes the link's token)."""
