"""What a person changed, laid over what the job says.

Image beats job beats the job's metadata.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from catalog.models.job import JobMetadata
from catalog.models.sharing import Grant
from catalog.models.stored import Annotation
from catalog.search.values import fold_tag


@dataclass(frozen=True, slots=True)
class Annotated:
    """The values that count."""

    name: str | None
    description: str | None
    tags: tuple[str, ...]
    is_public: bool
    shared_with: tuple[Grant, ...]
    trashed_at: datetime | None


def annotated(
    metadata: JobMetadata, annotations: Iterable[Annotation | None]
) -> Annotated:
    """Merge.

    Args:
        metadata: First values, from the job record.
        annotations: From the weakest (job) to the strongest (image); ``None`` where
            nobody changed anything.

    Returns:
        The merged values; of tags that are equal when folded the first spelling.
    """
    name, description = metadata.name, metadata.description
    is_public = metadata.is_public
    shared_with: tuple[Grant, ...] = ()
    trashed_at = None
    tags = {fold_tag(label): label for label in reversed(metadata.tags)}
    tags = dict(reversed(tags.items()))
    for annotation in annotations:
        if annotation is None:
            continue
        name = name if annotation.name is None else annotation.name
        if annotation.description is not None:
            description = annotation.description
        if annotation.is_public is not None:
            is_public = annotation.is_public
        if annotation.shared_with is not None:
            shared_with = annotation.shared_with
        trashed_at = annotation.trashed_at or trashed_at
        for label in annotation.tags_removed:
            tags.pop(fold_tag(label), None)
        for label in annotation.tags_added:
            tags.setdefault(fold_tag(label), label)
    return Annotated(
        name=name,
        description=description,
        tags=tuple(label for folded, label in tags.items() if folded),
        is_public=is_public,
        shared_with=shared_with,
        trashed_at=trashed_at,
    )
