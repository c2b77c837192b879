"""Where the files lie that a job names: sources to read, LoRAs to generate with.

Asked when a job is submitted, and again by the worker that carries it out: rights and
files may have changed in between.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from catalog.access import Asker, may_see
from catalog.errors import InvalidObjectKeyError, InvalidRequestError, NotFoundError
from catalog.models.asset import AssetType, AssetView, FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType
from catalog.repositories.base import AssetRepository, JobRepository
from catalog.services.jobs import may_see_job
from catalog.storage import keys
from catalog.storage.base import ObjectStore

MODEL_ENDING = ".safetensors"

_LOOKS_AT_ONCE = 8
"""Files that are looked for at a time: a training may name a thousand."""

_SHOWN_LENGTH = 200
_OWNED_AREAS = frozenset(area.value for area in keys.Area if area is not keys.Area.TEMP)


@dataclass(frozen=True, slots=True)
class Located:
    """Where one file lies; exactly one of ``key`` and ``url`` is set.

    Attributes:
        key: In our store; it was there when looked for.
        url: A foreign ``https://`` address; nobody has looked whether it answers.
        size_bytes: Of what lies in our store.
    """

    key: ObjectKey | None = None
    url: str | None = None
    size_bytes: int | None = None


class LocationService:
    """Finds files by what a request names, with the rights of the job's user.

    What does not exist and what the user may not know of are refused with the same
    words.
    """

    def __init__(
        self,
        assets: AssetRepository,
        jobs: JobRepository,
        store: ObjectStore,
        *,
        rights: Callable[[UserId], Asker] = Asker,
    ) -> None:
        """Stand on the read model, the job records and the store.

        ``rights`` tells what a user may see: with his groups, and with what others
        share with him by collection, where it is given.
        """
        self._assets = assets
        self._jobs = jobs
        self._store = store
        self._rights = rights

    def sources(
        self, user_id: UserId, named: Sequence[tuple[str, str]]
    ) -> tuple[Located, ...]:
        """Find all sources of a job, in order; raises as ``source``.

        Args:
            user_id: Whose job it is.
            named: Field and location of each.
        """

        def find(one: tuple[str, str]) -> Located:
            field, location = one
            return self.source(user_id, location, field=field)

        if len(named) <= 1:
            return tuple(map(find, named))
        with ThreadPoolExecutor(min(_LOOKS_AT_ONCE, len(named))) as pool:
            return tuple(pool.map(find, named))

    def source(self, user_id: UserId, location: str, *, field: str) -> Located:
        """Find what a job is to be made from.

        Args:
            user_id: Whose job it is.
            location: An address of our store (in the user's own folders, in
                ``temp/``, or a file of an asset that the user may see), or
                ``https://…``.
            field: Names it in errors.

        Raises:
            InvalidRequestError: It can't be used; says what can.
            DependencyUnavailableError: MongoDB or storage is away; retryable.
        """
        key = self._key_of(location)
        if key is None:
            return _foreign(location, field)
        asker = self._rights(user_id)
        if self._is_own(user_id, key) or key.startswith(f"{keys.Area.TEMP}/"):
            is_readable = True
        else:
            is_readable = self._is_of_visible_asset(asker, key)
        found = self._look(key) if is_readable else None
        if found is None:
            raise InvalidRequestError(
                field,
                f"There is no file at {_shown(location)} that this user may read; name "
                "one in the user's own folders, in temp/, of an asset that the user "
                "may see, or an https:// address.",
            )
        return found

    def lora(self, user_id: UserId, path: str, *, field: str) -> Located:
        """Find the model file of a LoRA.

        Args:
            user_id: Whose job it is.
            path: The id of a LoRA's asset or job (then its newest version), the
                address of its file in our store, or ``https://…``.
            field: Names it in errors.

        Raises:
            InvalidRequestError: It can't be used; says what can.
            DependencyUnavailableError: MongoDB or storage is away; retryable.
        """
        asker = self._rights(user_id)
        if "://" in path or path.lower().startswith("file:"):
            key = self._key_of(path)
            if key is None:
                return _foreign(path, field)
            return self._lora_file(asker, user_id, key, path, field)
        found = self._assets.find(path)
        if not found:
            return self._lora_of_job(asker, path, field)
        visible = [
            one.view for one in found if not one.is_trashed and may_see(asker, one.acl)
        ]
        if not visible:
            raise _no_lora(path, field)
        return self._lora_of_asset(visible[0], path, field)

    # --- LoRAs ---------------------------------------------------------------------

    def _lora_file(
        self, asker: Asker, user_id: UserId, key: ObjectKey, path: str, field: str
    ) -> Located:
        if not key.lower().endswith(MODEL_ENDING):
            raise InvalidRequestError(
                field,
                f"{_shown(path)} is no {MODEL_ENDING} file; name the model file of a "
                "LoRA, or the id of its asset or job.",
            )
        is_usable = self._is_own(user_id, key) or self._is_of_visible_asset(asker, key)
        located = self._look(key) if is_usable else None
        if located is None:
            raise _no_lora(path, field)
        return located

    def _lora_of_asset(self, view: AssetView, path: str, field: str) -> Located:
        if view["type"] != AssetType.LORA:
            raise _other_type(path, view["type"], field)
        versions = view["versions"]
        files = versions[-1]["files"] if versions else []
        model = next((one for one in files if one["role"] == FileRole.MODEL), None)
        if model is None:
            return self._model(None, None, path, field)
        key = ObjectKey(model["key"]) if "key" in model else None
        return self._model(key, model.get("url"), path, field)

    def _lora_of_job(self, asker: Asker, path: str, field: str) -> Located:
        """Find a LoRA that the read model does not know yet: one's own, just made."""
        record = self._jobs.find(JobId(path))
        if record is None or not may_see_job(asker, record):
            raise _no_lora(path, field)
        if record.get("type") != JobType.LORA_TRAINING:
            raise _other_type(path, str(record.get("type")), field)
        versions = record.get("versions")
        newest = versions[-1] if isinstance(versions, list) and versions else None
        if not isinstance(newest, Mapping):
            raise InvalidRequestError(
                field,
                f"The LoRA {_shown(path)} is not made yet: its job is "
                f"{record.get('status')!r}; use it once that is completed.",
            )
        address = newest.get("modelUrl")
        address = address if isinstance(address, str) and address else None
        key = self._key_of(address) if address else _laid_out(record, newest)
        return self._model(key, address, path, field)

    def _model(
        self, key: ObjectKey | None, address: str | None, path: str, field: str
    ) -> Located:
        if key is None and address is not None:
            return _foreign(address, field)
        located = None if key is None else self._look(key)
        if located is None:
            raise InvalidRequestError(
                field,
                f"The model file of the LoRA {_shown(path)} is missing in storage; use "
                "another LoRA, or train it again.",
            )
        return located

    # --- our store -----------------------------------------------------------------

    def _key_of(self, location: str) -> ObjectKey | None:
        """Find the key of an address of our store; paths of this machine are none."""
        if location.lower().startswith("file:"):
            return None
        return self._store.parse_url(location)

    def _is_own(self, user_id: UserId, key: ObjectKey) -> bool:
        area, _, rest = key.partition("/")
        return area in _OWNED_AREAS and rest.startswith(f"{user_id}/")

    def _is_of_visible_asset(self, asker: Asker, key: ObjectKey) -> bool:
        return any(
            not one.is_trashed and may_see(asker, one.acl)
            for one in self._assets.holding(key)
        )

    def _look(self, key: ObjectKey) -> Located | None:
        try:
            info = self._store.head(key)
        except NotFoundError:
            return None
        return Located(key=key, size_bytes=info.size_bytes)


def _foreign(address: str, field: str) -> Located:
    """Take an address outside of our store; only ``https`` is ever fetched."""
    scheme, colon, _ = address.partition(":")
    if not colon or scheme.lower() != "https":
        raise InvalidRequestError(
            field,
            f"{_shown(address)} is neither an https:// address nor one of this "
            "catalog's storage (s3://bucket/key).",
        )
    try:
        parts = urlsplit(address)
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
        parts = urlsplit("")
    if not is_usable or any(sign.isspace() or sign < " " for sign in address):
        raise InvalidRequestError(
            field, f"{_shown(address)} is no https:// address that can be read."
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidRequestError(
            field,
            "The address has a user or password in it, which job records would show; "
            "use a signed address.",
        )
    return Located(url=address)


def _laid_out(
    record: Mapping[str, Any], version: Mapping[str, Any]
) -> ObjectKey | None:
    """Where the layout has a version's model whose record does not say."""
    number = version.get("version")
    try:
        return keys.lora_model(
            UserId(str(record.get("userId"))),
            JobId(str(record.get("jobId"))),
            number if isinstance(number, int) else 1,
        )
    except InvalidObjectKeyError:
        return None


def _no_lora(path: str, field: str) -> InvalidRequestError:
    return InvalidRequestError(
        field,
        f"There is no LoRA {_shown(path)} that this user may use; name the id of a "
        "LoRA's asset or job, the s3:// address of its model file, or an https:// "
        "address.",
    )


def _other_type(path: str, type_: str, field: str) -> InvalidRequestError:
    return InvalidRequestError(
        field, f"{_shown(path)} is of type {type_!r}, not a LoRA; name a LoRA."
    )


def _shown(text: str) -> str:
    """Quote what a caller wrote, cut where it is long."""
    return repr(text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…")
