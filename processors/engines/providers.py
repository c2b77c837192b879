"""Builds the engines of real providers from settings."""

from datetime import timedelta

import httpx
from pydantic import SecretStr

from catalog.clock import Clock
from catalog.config import Settings
from catalog.models.job import JobType
from processors.downloads import Fetch, HttpFetch
from processors.engine import Engine, EngineError
from processors.engines.assemblyai import NAME as ASSEMBLYAI
from processors.engines.assemblyai import AssemblyAiEngine
from processors.engines.fal import NAME as FAL
from processors.engines.fal import FalEngine
from processors.engines.fal_tasks import FalImages, FalTask, FalTraining
from processors.engines.submission import Submissions, not_configured
from processors.http import ProviderHttp
from processors.patience import Patience

_FAL_TASKS: dict[JobType, type[FalTask]] = {
    JobType.IMAGE_GENERATION: FalImages,
    JobType.LORA_TRAINING: FalTraining,
}


def fal_engine(
    settings: Settings,
    type_: JobType,
    clock: Clock,
    *,
    fetch: Fetch | None = None,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Engine:
    """Build the engine that lets fal.ai make images or train LoRAs.

    Args:
        settings: ``CATALOG_FAL_…``.
        type_: ``image-generation`` or ``lora-training``.
        clock: For everything that takes time.
        fetch: For results; plain https by default.
        patience: With reads.
        transport: Instead of the network.

    Raises:
        EngineError: ``not_configured``: there is no key.
        KeyError: fal makes no such type.
    """
    key = _key(settings.fal_key, FAL, "CATALOG_FAL_KEY")
    http = ProviderHttp(
        FAL,
        settings.fal_url,
        headers={"authorization": f"Key {key}"},
        clock=clock,
        patience=patience,
        transport=transport,
    )
    return FalEngine(
        _FAL_TASKS[type_](),
        http,
        fetch
        or HttpFetch(
            clock,
            trusted_url=settings.fal_url,
            patience=patience,
            transport=transport,
        ),
        _submissions(settings, FAL, clock),
        settings.fal_models,
    )


def assemblyai_engine(
    settings: Settings,
    clock: Clock,
    *,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Engine:
    """Build the engine that lets AssemblyAI transcribe; see ``fal_engine``."""
    key = _key(settings.assemblyai_key, "AssemblyAI", "CATALOG_ASSEMBLYAI_KEY")
    http = ProviderHttp(
        "AssemblyAI",
        settings.assemblyai_url,
        headers={"authorization": key},
        clock=clock,
        patience=patience,
        transport=transport,
    )
    return AssemblyAiEngine(
        http,
        _submissions(settings, ASSEMBLYAI, clock),
        settings.assemblyai_models,
    )


def _submissions(settings: Settings, provider: str, clock: Clock) -> Submissions:
    return Submissions(
        provider,
        clock,
        unknown_after=timedelta(seconds=settings.submission_unknown_seconds),
    )


def _key(secret: SecretStr | None, provider: str, setting: str) -> str:
    key = "" if secret is None else secret.get_secret_value().strip()
    if not key:
        raise not_configured(provider, setting)
    if not (key.isascii() and key.isprintable()):
        raise EngineError(
            "not_configured",
            f"{setting} holds characters that no key has; set it anew.",
            is_retryable=True,
            is_final=True,
        )
    return key
