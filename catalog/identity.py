"""AssetIds, document ids and root keys: built and taken apart only here.

An asset of a LoRA or a transcript bears its job's id, a dataset ``{jobId}-dataset``,
a generated image ``{jobId}-{n}`` (``api.md``, Identity).
"""

from hashlib import blake2b

from catalog.models.asset import AssetType
from catalog.models.ids import AssetId, DocumentId, JobId, RootKey

DATASET_SUFFIX = "dataset"

_KIND_LETTER = {
    AssetType.LORA: "l",
    AssetType.IMAGE: "i",
    AssetType.TRANSCRIPT: "t",
    AssetType.DATASET: "d",
}


def asset_id(type_: AssetType, job_id: JobId, number: int | None = None) -> AssetId:
    """Build the id of an asset; ``number`` is the image's, from 1."""
    match type_:
        case AssetType.LORA | AssetType.TRANSCRIPT:
            return AssetId(job_id)
        case AssetType.DATASET:
            return AssetId(f"{job_id}-{DATASET_SUFFIX}")
        case AssetType.IMAGE:
            return AssetId(f"{job_id}-{number}")


def document_id(type_: AssetType, identifier: AssetId) -> DocumentId:
    """Hash an assetId: kind letter + 24 hex digits, safe wherever ids go.

    The kind letter keeps a LoRA ``a-1`` apart from image 1 of job ``a``.
    """
    return DocumentId(_KIND_LETTER[type_] + use_key(identifier))


def use_key(identifier: AssetId) -> str:
    """Hash an assetId for ``uses``: its document id without the kind letter.

    What names a used asset names its id alone, not its type.
    """
    return blake2b(
        identifier.encode("utf-8", "surrogatepass"), digest_size=12
    ).hexdigest()


def root_key(encoded_root: bytes) -> RootKey:
    """Hash the BSON encoding of a job record's ``_id``; 24 hex digits."""
    return RootKey(blake2b(encoded_root, digest_size=12).hexdigest())


def possible_job_ids(target: str) -> tuple[JobId, ...]:
    """List the jobs that an assetId or jobId can belong to, the likeliest first.

    An exact jobId comes first; then what stands before the last ``-`` if the rest is
    an image number or ``dataset``.
    """
    head, dash, tail = target.rpartition("-")
    if (
        dash
        and head
        and (tail == DATASET_SUFFIX or (tail.isascii() and tail.isdigit()))
    ):
        return (JobId(target), JobId(head))
    return (JobId(target),)
