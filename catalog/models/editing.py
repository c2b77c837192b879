"""What a person changes of an asset."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from catalog.models.generation import Asked, Name
from catalog.models.sharing import MAX_GRANTS, Grant

MAX_TAGS = 200
"""Of one asset; more are a description."""

MAX_DESCRIPTION_LENGTH = 10_000

Tags = Annotated[tuple[Name, ...], Field(max_length=MAX_TAGS)]


class AssetEdit(Asked):
    """Changes; what is not named stays, and ``null`` goes back to what the job says.

    ``tags`` puts these in place of all there are; ``tags_add`` and ``tags_remove``
    change some. ``sharing`` says with whom alone it is shared.
    """

    name: Name | None = None
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_LENGTH)] | None = None
    tags: Tags | None = None
    tags_add: Tags = ()
    tags_remove: Tags = ()
    is_public: bool | None = None
    sharing: Annotated[tuple[Grant, ...], Field(max_length=MAX_GRANTS)] | None = None

    @property
    def named(self) -> frozenset[str]:
        """Names of the fields that the caller sent."""
        return frozenset(self.model_fields_set)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.tags is not None and (self.tags_add or self.tags_remove):
            message = "send `tags`, or `tagsAdd` and `tagsRemove`, not both"
            raise ValueError(message)
        return self
