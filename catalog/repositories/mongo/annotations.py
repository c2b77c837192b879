"""``AnnotationRepository`` over MongoDB."""

from collections.abc import Iterable, Mapping

from pymongo.database import Database

from catalog.models.stored import Annotation
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import annotation_from_record
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
