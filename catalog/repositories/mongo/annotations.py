"""``AnnotationRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import ConflictError
from catalog.models.stored import Annotation
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import (
    annotation_from_record,
    fields_of_annotation,
)
from catalog.repositories.mongo.codec_values import is_text_storable


class MongoAnnotationRepository:
    """What people changed, in the records ``annotations``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._annotations = database["annotations"]

    def find(self, targets: Iterable[str]) -> Mapping[str, Annotation]:
        """See ``AnnotationRepository.find``."""
        wanted = [target for target in targets if is_text_storable(target)]
        with translated():
            found = self._annotations.find({"_id": {"$in": wanted}})
            return {raw["_id"]: annotation_from_record(raw) for raw in found}

    def save(self, annotation: Annotation) -> Annotation:
        """See ``AnnotationRepository.save``."""
        saved = annotation.evolve(revision=annotation.revision + 1)
        # Other tools' records have no revision, which counts as 0.
        known: Record = {"revision": annotation.revision or None}
        written, dropped = fields_of_annotation(saved)
        with translated():
            try:
                done = self._annotations.update_one(
                    {"_id": annotation.target, **known},
                    {"$set": written, "$unset": dropped},
                    upsert=annotation.revision == 0,
                )
            except DuplicateKeyError as exc:
                raise ConflictError(_CHANGED) from exc
        if not done.matched_count and done.upserted_id is None:
            raise ConflictError(_CHANGED)
        return saved


_CHANGED = "Somebody else changed it at the same time; try again."
