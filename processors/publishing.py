"""From files that were made to objects that are seen: all of a version, or nothing.

First everything goes to ``temp/{jobId}/``, then a manifest is kept under the claim, and
only then is it copied to its final keys. A worker that lost its claim can't keep a
manifest; one that kept its own and died is followed by others who publish the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog.clock import Clock
from catalog.errors import NotFoundError
from catalog.models.asset import FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType
from catalog.repositories.queue import Claim
from catalog.storage import keys
from catalog.storage.base import ObjectStore
from catalog.storage.urls import stored_url
from processors.datasets.archive import caption_name, image_name
from processors.engine import Dataset, EngineError, Made, Output, Step

PUBLISHING = "publishing"
"""Phase of a step that is a manifest: engines have phases of other names."""

_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class Publisher:
    """Stores what was made; used by several threads, each with a job of its own."""

    def __init__(
        self, store: ObjectStore, clock: Clock, *, address: str | None = None
    ) -> None:
        """Store nothing yet.

        Args:
            store: Where to.
            clock: Tells when a version was made.
            address: What job records name the store by, without a final slash; its own
                one by default, which for a directory is a path of this machine.
        """
        self._store = store
        self._clock = clock
        self._address = address or store.url

    def stage(self, claim: Claim, made: Made) -> Step:
        """Bring all files to ``temp/{jobId}/``.

        Returns:
            The manifest, to be kept as the job's step before ``publish``.

        Raises:
            DependencyUnavailableError: The store does not answer; retryable.
        """
        first = _images_of(claim.record) + 1
        files = []
        for place, output in enumerate(made.outputs):
            name = f"{claim.token}/{place}-{output.path.name}"
            temp = keys.temp(claim.job_id, name)
            with output.path.open("rb") as content:
                stored = self._store.write(
                    temp, content, content_type=output.content_type
                )
            files.append(
                {
                    "temp": temp,
                    "key": final_key(claim, output, first),
                    "role": output.role.value,
                    "sizeBytes": stored.size_bytes,
                    "facts": dict(output.facts),
                }
            )
        return {
            "phase": PUBLISHING,
            "files": files,
            "provenance": dict(made.provenance),
            "createdAt": self._clock.now(),
        }

    def publish(
        self, claim: Claim, manifest: Step, check: Callable[[], None]
    ) -> Mapping[str, Any]:
        """Copy everything to where it is found; idempotent.

        Args:
            claim: Under which the manifest is kept.
            manifest: As ``stage`` made it.
            check: Raises once the claim is lost.

        Returns:
            The version, as the record's ``versions`` get it.

        Raises:
            EngineError: What was staged is gone: the job must be made anew.
            DependencyUnavailableError: The store does not answer; retryable.
        """
        files: Sequence[Mapping[str, Any]] = manifest["files"]
        for file in files:
            check()
            self._publish_one(file)
        return self._version(claim, manifest)

    def withdraw(self, manifest: Step, check: Callable[[], None]) -> None:
        """Remove what was copied of a version that can't be published whole.

        Args:
            manifest: Of which ``publish`` has said that something is gone.
            check: Raises once the claim is lost.

        Raises:
            DependencyUnavailableError: The store does not answer; retryable.
        """
        for file in manifest["files"]:
            check()
            self._store.delete(ObjectKey(file["key"]))

    def clean(self, job_id: JobId) -> None:
        """Remove all that was kept in ``temp/{jobId}/``, once the job has completed."""
        for info in list(self._store.list(keys.temp_prefix(job_id))):
            self._store.delete(info.key)

    def _publish_one(self, file: Mapping[str, Any]) -> None:
        temp, key = ObjectKey(file["temp"]), ObjectKey(file["key"])
        try:
            self._store.copy(temp, key)
        except NotFoundError as exc:
            if self._is_published(key, file["sizeBytes"]):
                return  # by a worker that came to its end but for saying so
            raise EngineError(
                "engine_failed",
                "What was made has been removed from temp/ before it was published.",
                is_retryable=True,
            ) from exc

    def _is_published(self, key: ObjectKey, size_bytes: int) -> bool:
        try:
            return self._store.head(key).size_bytes == size_bytes
        except NotFoundError:
            return False

    def _version(self, claim: Claim, manifest: Step) -> Mapping[str, Any]:
        found: dict[str, Any] = {
            "version": claim.version,
            "createdAt": manifest["createdAt"],
        }
        images = []
        for file in manifest["files"]:
            url = stored_url(self._address, file["key"])
            match file["role"]:
                case FileRole.IMAGE if claim.type is JobType.IMAGE_GENERATION:
                    images.append({"url": url, "s3Key": file["key"], **file["facts"]})
                case FileRole.MODEL:
                    found["modelUrl"] = url
                case FileRole.CONFIG:
                    found["configUrl"] = url
                case FileRole.TRANSCRIPT:
                    found["transcriptUrl"] = url
                case FileRole.TEXT:
                    found["textUrl"] = url
                case _:
                    pass
        if images:
            found["images"] = images
        return found | {"provenance": manifest["provenance"]}


def with_dataset(made: Made, dataset: Dataset) -> Made:
    """Add what a LoRA was trained on, unless it lies in the store already."""
    outputs = list(made.outputs)
    for number in range(1, 0 if dataset.is_stored else dataset.count + 1):
        image = dataset.folder / image_name(number)
        caption = dataset.folder / caption_name(number)
        outputs += [
            Output(FileRole.IMAGE, image, "image/jpeg", number),
            Output(FileRole.CAPTION, caption, "text/plain; charset=utf-8", number),
        ]
    provenance = {**made.provenance, "dataset": dict(dataset.facts)}
    return Made(tuple(outputs), provenance)


def final_key(claim: Claim, output: Output, first_image: int) -> ObjectKey:
    """Find where a file belongs.

    Args:
        claim: Of its job.
        output: The file.
        first_image: Number of the first image of this version: numbers go on over
            versions, so that keys never collide.
    """
    user, job, version = claim.user_id, claim.job_id, claim.version
    match claim.type, output.role:
        case JobType.LORA_TRAINING, _:
            return _lora_key(user, job, version, output)
        case JobType.IMAGE_GENERATION, FileRole.IMAGE:
            ending = _ENDINGS.get(output.content_type, "png")
            number = first_image + output.number - 1
            return keys.generated_image(user, job, number, ending)
        case JobType.TRANSCRIPTION, _:
            return _transcript_key(user, job, version, output)
        case _:
            raise _makes_no(claim.type, output)


def _lora_key(user: UserId, job: JobId, version: int, output: Output) -> ObjectKey:
    match output.role:
        case FileRole.MODEL:
            return keys.lora_model(user, job, version)
        case FileRole.CONFIG:
            return keys.lora_config(user, job, version)
        case FileRole.PREVIEW:
            return keys.lora_preview(user, job, version)
        case FileRole.IMAGE:
            return keys.dataset_image(user, job, output.number)
        case FileRole.CAPTION:
            return keys.dataset_caption(user, job, output.number)
        case _:
            raise _makes_no(JobType.LORA_TRAINING, output)


def _makes_no(type_: JobType, output: Output) -> EngineError:
    message = f"A {type_} job makes no {output.role}."
    return EngineError("engine_failed", message, is_retryable=False)


def _transcript_key(
    user: UserId, job: JobId, version: int, output: Output
) -> ObjectKey:
    match output.role:
        case FileRole.TRANSCRIPT:
            return keys.transcript_json(user, job, version)
        case FileRole.TEXT:
            return keys.transcript_text(user, job, version)
        case _:
            ending = output.path.suffix.removeprefix(".")
            return keys.transcript_captions(user, job, ending, version)


def _images_of(record: Mapping[str, Any]) -> int:
    """How many images the versions before this one have."""
    versions = record.get("versions")
    return sum(
        len(one["images"])
        for one in (versions if isinstance(versions, list) else ())
        if isinstance(one, Mapping) and isinstance(one.get("images"), list)
    )
