"""What a job is made from: found, allowed, and brought to where its engine reads it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

from catalog.clock import Clock
from catalog.errors import InvalidRequestError
from catalog.models.generation import (
    ImageGeneration,
    JobRequest,
    LoraTraining,
    Transcription,
)
from catalog.models.ids import ObjectKey
from catalog.repositories.queue import Claim
from catalog.services.job_records import loras_of, sources_of
from catalog.services.locations import Located, LocationService
from catalog.storage.base import ObjectStore
from catalog.storage.links import LinkSigner
from catalog.storage.urls import stored_url
from catalog.webhooks import webhook_path
from processors.datasets.making import DatasetMaker
from processors.datasets.sources import Fetch
from processors.engine import Engine, EngineError
from processors.held import HeldClaim
from processors.shelf import StoreShelf

ADDRESS_LASTS = timedelta(hours=24)
"""How long a provider may read a source: longer than any job waits in its queue."""


class JobInputs:
    """See ``processors.runner.Inputs``."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        locations: LocationService,
        links: LinkSigner,
        fetch: Fetch,
        datasets: DatasetMaker,
        clock: Clock,
        public_url: str | None,
    ) -> None:
        """Look at nothing yet.

        Args:
            store: Ours.
            locations: Finds what a request names, with its user's rights.
            links: Signs addresses of the API, for stores that have none of their own.
            fetch: Brings sources here.
            datasets: Makes what LoRAs are trained on.
            clock: Tells when addresses end.
            public_url: Of the API as the internet sees it, if it does.
        """
        self._store = store
        self._locations = locations
        self._links = links
        self._fetch = fetch
        self._datasets = datasets
        self._clock = clock
        self._public_url = public_url.rstrip("/") if public_url else None

    def gather(
        self, claim: Claim, request: JobRequest, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        """See ``processors.runner.Inputs.gather``."""
        found: dict[str, Any] = {"webhook": self._webhook(claim, engine)}
        if engine.reads_addresses and held.step:
            # A provider has it all, or may: nothing is asked for again, since what has
            # gone meanwhile must not cost what is paid for.
            if isinstance(request, LoraTraining):
                handed = self._datasets.handed_over(
                    claim, held.step, held.folder, held.check
                )
                found["dataset"] = handed.bring
            return found
        try:
            match request:
                case ImageGeneration():
                    found["loras"] = tuple(
                        self._brought(
                            self._locations.lora(claim.user_id, path, field=field),
                            f"lora-{place}.safetensors",
                            engine,
                            held,
                        )
                        for place, (field, path) in enumerate(loras_of(request))
                    )
                case Transcription():
                    (located,) = self._locations.sources(
                        claim.user_id, sources_of(request)
                    )
                    source = self._brought(located, "source", engine, held)
                    if engine.reads_addresses:
                        found["source_url"] = source
                    else:
                        found["source"] = Path(source)
                case LoraTraining():
                    found |= self._dataset(claim, request, engine, held)
        except InvalidRequestError as exc:
            raise EngineError(
                "invalid_input", f"{exc.field}: {exc.problem}", is_retryable=False
            ) from exc
        return found

    def _dataset(
        self, claim: Claim, request: LoraTraining, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        def locate() -> Sequence[tuple[str, Located]]:
            named = sources_of(request)
            located = self._locations.sources(claim.user_id, named)
            return [
                (field, one) for (field, _), one in zip(named, located, strict=True)
            ]

        prepared = self._datasets.prepare(
            claim, request, locate, held.folder, held.check
        )
        found: dict[str, Any] = {
            "dataset": prepared.bring,
            "shelf": StoreShelf(self._store, claim.job_id),
        }
        if engine.reads_addresses:
            return found | {"source_url": self._address(prepared.key)}
        return found | {"source": prepared.bring().folder}

    def _brought(
        self, located: Located, name: str, engine: Engine, held: HeldClaim
    ) -> str:
        """Give a provider an address, and a local engine the path of a file."""
        key = located.key
        if engine.reads_addresses:
            return located.url or "" if key is None else self._address(key)
        location = stored_url(self._store.url, key) if key else located.url or ""
        return str(self._fetch.fetch(location, held.folder / name, held.check))

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
        base = self._public_url
        if base is None or not engine.reads_addresses or not base.startswith("https:"):
            return lambda _: None
        return lambda nonce: base + webhook_path(engine.name, claim.job_id, nonce)
