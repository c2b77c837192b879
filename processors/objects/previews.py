"""A LoRA's picture where its engine made none: the best image that was made with it."""

from datetime import timedelta
from pathlib import Path

from catalog.errors import InvalidObjectKeyError, NotFoundError
from catalog.models.asset import AssetType, AssetView, FileRole
from catalog.models.ids import AssetId, JobId, ObjectKey, UserId
from catalog.models.stored import ObjectState, StoredObject
from catalog.renditions import RenditionKind
from catalog.repositories.base import AssetRepository, FoundAsset
from catalog.storage import keys
from catalog.storage.base import ObjectStore
from processors.media.errors import MediaError
from processors.media.limits import MAX_PICTURE_BYTES
from processors.media.pool import MediaPool
from processors.objects.sources import fetch
from processors.objects.task import MadeRendition, TaskResult

_MOST_EXAMPLES = 100
_MOST_TRIED = 3
_AGAIN_AFTER = timedelta(minutes=1)
_ENOUGH_PX = 1024
"""A picture that is larger on its shorter side is no better an example."""


class PreviewsTask:
    """Gives a LoRA ``preview.png`` (the seed's) from an image that names it.

    Only an image of the LoRA's owner, and one that everybody may see who may see the
    LoRA: a preview must show nobody what he could not see before.
    """

    name = "previews"
    version = 1

    def __init__(
        self, assets: AssetRepository, store: ObjectStore, pool: MediaPool
    ) -> None:
        """Make nothing yet.

        Args:
            assets: Tells which images were made with a LoRA.
            store: Where they are.
            pool: Reads them in processes of their own.
        """
        self._assets = assets
        self._store = store
        self._pool = pool

    def wants(self, found: StoredObject) -> bool:
        """See ``ObjectTask.wants``: the weights of LoRAs."""
        place = keys.parse_key(found.key)
        return (
            place is not None
            and place.area is keys.Area.LORAS
            and place.role is FileRole.MODEL
        )

    def run(self, found: StoredObject, folder: Path) -> TaskResult:
        """See ``ObjectTask.run``; without an example it is looked for again."""
        lora = self._lora_of(found.key)
        if lora is None:
            return TaskResult(again_after=_AGAIN_AFTER)
        view = lora.view
        if all(file.get("key") != found.key for file in view["versions"][-1]["files"]):
            return TaskResult()  # an older version: the newest has the preview
        try:
            user, job = UserId(view["userId"]), JobId(view["jobId"])
            ours = keys.lora_preview(user, job)
            engines = keys.lora_preview(user, job, view["versions"][-1]["version"])
        except InvalidObjectKeyError:
            return TaskResult(problems=("its ids make no key",))
        if self._is_there(engines):
            return TaskResult({"preview": engines})
        for example in self._examples(lora)[:_MOST_TRIED]:
            try:
                return self._made_of(example, ours, folder)
            except (MediaError, NotFoundError):  # the next one will do
                continue
        return TaskResult(again_after=_AGAIN_AFTER)

    def _lora_of(self, key: ObjectKey) -> FoundAsset | None:
        holding = self._assets.holding(key)
        loras = (one for one in holding if one.view["type"] == AssetType.LORA)
        return next((one for one in loras if not one.is_trashed), None)

    def _examples(self, lora: FoundAsset) -> list[AssetView]:
        """List images that may be shown for it, the best first."""
        used = self._assets.using(AssetId(lora.view["assetId"]), _MOST_EXAMPLES)
        fit = [
            one.view
            for one in used
            if one.view["type"] == AssetType.IMAGE
            and one.view["userId"] == lora.view["userId"]
            and set(lora.acl) <= set(one.acl)
            and _image_of(one.view) is not None
        ]
        return sorted(fit, key=_merit, reverse=True)

    def _made_of(self, example: AssetView, key: ObjectKey, folder: Path) -> TaskResult:
        image = _image_of(example)
        if image is None:
            raise NotFoundError("image", example["assetId"])
        source, made = folder / "source", folder / "made"
        made.mkdir(exist_ok=True)
        there = StoredObject(
            store=self._store.store_id, key=image, state=ObjectState.PRESENT
        )
        fetch(self._store, there, source, most_bytes=MAX_PICTURE_BYTES)
        done = self._pool.run("preview", source, made)
        preview = MadeRendition(
            path=made / "preview.png",
            keys=(key,),
            kind=RenditionKind.PREVIEW,
            content_type="image/png",
            width=done.facts["width"],
            height=done.facts["height"],
        )
        return TaskResult({"preview": key, "example": example["assetId"]}, (preview,))

    def _is_there(self, key: ObjectKey) -> bool:
        try:
            self._store.head(key)
        except NotFoundError:
            return False
        return True


def _image_of(view: AssetView) -> ObjectKey | None:
    """Find the image's file in our store, if that is where it is."""
    for file in view["versions"][-1]["files"]:
        key = file.get("key")
        if key is not None and not file.get("missing"):
            return ObjectKey(key)
    return None


def _merit(view: AssetView) -> tuple[bool, int, str]:
    """Made with this LoRA alone, then large, then new."""
    side = min(view.get("width", 0), view.get("height", 0), _ENOUGH_PX)
    return len(view.get("uses", ())) == 1, side, view["createdAt"]
