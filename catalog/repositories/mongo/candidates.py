"""Which annotations a job can have, known before its assets are described. Pure."""

import re
from collections.abc import Iterable, Iterator

from catalog.identity import asset_id
from catalog.models.asset import AssetType
from catalog.models.ids import ObjectKey
from catalog.models.job import Job, JobType

_IMAGE_NAME = re.compile(r"image_([0-9]{1,9})\.[^./]+\Z")


def annotation_targets(job: Job, named: Iterable[ObjectKey]) -> tuple[str, ...]:
    """List the jobId and all assetIds that the job's assets can have.

    Images are numbered by their files' names or by position (``api.md``, Identity);
    which of the two is decided when they are described, so both are listed.
    """
    targets: dict[str, None] = {job.job_id: None}
    if job.type == JobType.LORA_TRAINING:
        targets[asset_id(AssetType.DATASET, job.job_id)] = None
    elif job.type == JobType.IMAGE_GENERATION:
        for number in _image_numbers(job, named):
            targets[asset_id(AssetType.IMAGE, job.job_id, number)] = None
    return tuple(targets)


def _image_numbers(job: Job, named: Iterable[ObjectKey]) -> Iterator[int]:
    images = [image for version in job.versions for image in version.images]
    yield from range(1, len(images) + 1)
    urls = (image.url or "" for image in images)
    keys = (image.s3_key or "" for image in images)
    for name in (*named, *urls, *keys):
        found = _IMAGE_NAME.search(name.partition("?")[0])
        if found is not None:
            yield int(found[1])
