"""What a job is made from: found, allowed, and brought to where its engine reads it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import InvalidObjectKeyError, NotFoundError
from catalog.models.asset import FileRole
from catalog.models.generation import (
    ImageGeneration,
    JobRequest,
    LoraTraining,
    Transcription,
)
from catalog.models.ids import ObjectKey, UserId
from catalog.repositories.queue import Claim
from catalog.services.assets import AssetService
from catalog.storage.base import ObjectStore
from catalog.storage.keys import Area, check_key, parse_key
from catalog.storage.links import LinkSigner
from processors.engine import Engine, EngineError
from processors.held import HeldClaim

ADDRESS_LASTS = timedelta(hours=24)
"""How long a provider may read a source: longer than any job waits in its queue."""

_WEBHOOKS = {"fal": "fal", "assemblyai": "assemblyai"}


class Fetch(Protocol):
    """Brings bytes to this machine, within limits; see ``processors.fetch``."""

    def remote(self, url: str, folder: Path, check: Callable[[], None]) -> Path:
        """Fetch a public https address into a new file of a folder."""
        ...

    def stored(self, key: ObjectKey, folder: Path, check: Callable[[], None]) -> Path:
        """Fetch an object of our store into a new file of a folder."""
        ...


class JobInputs:
    """See ``processors.runner.Inputs``."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        assets: AssetService,
        links: LinkSigner,
        fetch: Fetch,
        clock: Clock,
        public_url: str | None,
    ) -> None:
        """Look at nothing yet.

        Args:
            store: Ours.
            assets: Tells whose LoRA may be used by whom.
            links: Signs addresses of the API, for stores that have none of their own.
            fetch: Brings sources here.
            clock: Tells when addresses end.
            public_url: Of the API as the internet sees it, if it does.
        """
        self._store = store
        self._assets = assets
        self._links = links
        self._fetch = fetch
        self._clock = clock
        self._public_url = public_url.rstrip("/") if public_url else None

    def gather(
        self, claim: Claim, request: JobRequest, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        """See ``processors.runner.Inputs.gather``."""
        found: dict[str, Any] = {"webhook": self._webhook(claim, engine)}
        match request:
            case ImageGeneration():
                found["loras"] = tuple(
                    self._lora(claim.user_id, use.path, place, engine, held)
                    for place, use in enumerate(request.inputs.loras)
                )
            case Transcription():
                field, source = _source_of(request)
                found |= self._source(claim.user_id, field, source, engine, held)
            case LoraTraining():
                pass  # a dataset is made of its sources first
        return found

    # --- sources -------------------------------------------------------------------

    def _source(
        self, user: UserId, field: str, location: str, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        key = self._key_of(field, location)
        if key is None:
            if engine.reads_addresses:
                return {"source_url": location}
            return {
                "source": self._fetch.remote(location, held.folder, held.check),
                "source_url": location,
            }
        self._check_source(user, field, key)
        if engine.reads_addresses:
            return {"source_url": self._address(key)}
        return {"source": self._fetch.stored(key, held.folder, held.check)}

    def _key_of(self, field: str, location: str) -> ObjectKey | None:
        """Find the object that is meant; ``None`` for a foreign https address."""
        key = self._store.parse_url(location)
        if key is not None:
            return key
        if location.lower().startswith("https://"):
            return None
        if "://" not in location and location.startswith(f"{Area.TEMP}/"):
            try:
                return check_key(location)
            except InvalidObjectKeyError as exc:
                raise _invalid(f"{field}: {exc}") from exc
        message = f"{field}: {location!r} is neither an https address nor in our store."
        raise _invalid(message)

    def _check_source(self, user: UserId, field: str, key: ObjectKey) -> None:
        parsed = parse_key(key)
        is_ours = parsed is not None and parsed.area is Area.TEMP
        is_own = parsed is not None and parsed.user_id == user
        if not (is_ours or is_own) and not self._may_see(user, key):
            raise EngineError(
                "source_missing", f"{field}: there is no {key!r}.", is_retryable=False
            )
        try:
            self._store.head(key)
        except NotFoundError as exc:
            raise EngineError(
                "source_missing",
                f"{field}: {key!r} is not in the store; upload it again, then retry.",
                is_retryable=True,
                is_final=True,
            ) from exc

    def _may_see(self, user: UserId, key: ObjectKey) -> bool:
        parsed = parse_key(key)
        if parsed is None:
            return False
        try:
            views = self._assets.find(Asker(user), parsed.job_id)
        except NotFoundError:
            return False
        return any(
            file.get("key") == key
            for view in views
            for version in view["versions"]
            for file in version["files"]
        )

    # --- LoRAs ---------------------------------------------------------------------

    def _lora(
        self, user: UserId, path: str, place: int, engine: Engine, held: HeldClaim
    ) -> str:
        """Find the weights of a LoRA: an address for providers, else a file here."""
        field = f"inputs.loras.{place}.path"
        key = self._store.parse_url(path)
        if key is None and path.lower().startswith("https://"):
            if engine.reads_addresses:
                return path
            return str(self._fetch.remote(path, held.folder, held.check))
        key = self._lora_key(user, field, path, key)
        if engine.reads_addresses:
            return self._address(key)
        return str(self._fetch.stored(key, held.folder, held.check))

    def _lora_key(
        self, user: UserId, field: str, path: str, key: ObjectKey | None
    ) -> ObjectKey:
        if key is not None:
            parsed = parse_key(key)
            if parsed is not None and parsed.user_id == user:
                return key
            if self._may_see(user, key):
                return key
            raise _no_lora(field, path)
        try:
            views = self._assets.find(Asker(user), path)
        except NotFoundError as exc:
            raise _no_lora(field, path) from exc
        for view in views:
            for file in view["versions"][-1]["files"]:
                if file["role"] == FileRole.MODEL and "key" in file:
                    return ObjectKey(file["key"])
        raise _no_lora(field, path)

    # --- addresses -----------------------------------------------------------------

    def _address(self, key: ObjectKey) -> str:
        """Sign an address that a provider can read for a while."""
        address = self._store.presign(key, expires_in=ADDRESS_LASTS)
        if address is not None:
            return address
        if self._public_url is None:
            raise EngineError(
                "not_configured",
                "A provider can't read this store: set CATALOG_PUBLIC_URL to the "
                "address at which the internet reaches the API, or keep assets in S3.",
                is_retryable=True,
                is_final=True,
            )
        expires_at = ceil((self._clock.now() + ADDRESS_LASTS).timestamp())
        return self._public_url + self._links.path(key, expires_at=expires_at)

    def _webhook(self, claim: Claim, engine: Engine) -> Callable[[str], str | None]:
        provider, base = _WEBHOOKS.get(engine.name), self._public_url
        if provider is None or base is None or not base.startswith("https://"):
            return lambda _: None
        return lambda nonce: f"{base}/api/webhooks/{provider}/{claim.job_id}/{nonce}"


def _source_of(request: Transcription) -> tuple[str, str]:
    if request.url is not None:
        return "url", request.url
    return "upload", request.upload or ""


def _no_lora(field: str, path: str) -> EngineError:
    message = (
        f"{field}: there is no LoRA {path!r}; use one of your own or a shared one."
    )
    return EngineError("invalid_input", message, is_retryable=False)


def _invalid(message: str) -> EngineError:
    return EngineError("invalid_input", message, is_retryable=False)
