"""One fake provider a test, and jobs for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_socket import enable_socket

from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.models.generation import request_from
from catalog.models.job import JobType
from processors.engines.providers import assemblyai_engine, fal_engine
from processors.patience import Patience
from tests.fakes import provider_assemblyai, provider_fal
from tests.fakes.provider import FakeProvider
from tests.integration.providers.harness import Mortal, MortalTransport, Worker

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SOURCE = "https://store.example/audio.mp3?X-Signature=secret"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def provider(clock: ManualClock) -> Iterator[FakeProvider]:
    enable_socket()
    with FakeProvider(clock) as server:
        yield server


class Workshop:
    """Makes workers on jobs of every type."""

    def __init__(
        self, provider: FakeProvider, clock: ManualClock, folder: Path
    ) -> None:
        self.settings = Settings(
            fal_key=SecretStr(provider_fal.KEY),
            fal_url=provider.url,
            assemblyai_key=SecretStr(provider_assemblyai.KEY),
            assemblyai_url=provider.url,
        )
        self.clock = clock
        self.folder = folder

    def set(self, **changes: Any) -> None:  # noqa: ANN401
        self.settings = Settings(**(self.settings.model_dump() | changes))

    def images(self, **inputs: Any) -> Worker:  # noqa: ANN401
        loras = tuple(lora["path"] for lora in inputs.get("loras", ()))
        model = inputs.pop("model", "flux-lora")
        options = inputs.pop("options", {})
        wanted = {"prompt": "a lighthouse", "width": 64, "height": 64, **inputs}
        config = {"model": model, "inputs": wanted}
        return self._fal(JobType.IMAGE_GENERATION, config, loras=loras, **options)

    def training(self, **options: Any) -> Worker:  # noqa: ANN401
        config = {
            "loraName": "jesse",
            "images": ["upload-1"],
            "trigger": "jf",
            "steps": 500,
        } | options.pop("config", {})
        return self._fal(JobType.LORA_TRAINING, config, source_url=SOURCE, **options)

    def transcript(self, **options: Any) -> Worker:  # noqa: ANN401
        config = {"url": "https://talks.example/a.mp3", "speakers": 2}
        request = request_from(
            JobType.TRANSCRIPTION, config | options.pop("config", {})
        )
        mortal = Mortal()
        engine = assemblyai_engine(
            self.settings,
            self.clock,
            patience=self._patience(),
            transport=MortalTransport(mortal),
        )
        given = {"source_url": SOURCE, **options}
        return Worker(engine, request, self.clock, self.folder, mortal=mortal, **given)

    def _fal(
        self,
        type_: JobType,
        config: dict[str, Any],
        **options: Any,  # noqa: ANN401
    ) -> Worker:
        mortal = Mortal()
        engine = fal_engine(
            self.settings,
            type_,
            self.clock,
            patience=self._patience(),
            transport=MortalTransport(mortal),
        )
        request = request_from(type_, config)
        return Worker(
            engine, request, self.clock, self.folder, mortal=mortal, **options
        )

    def _patience(self) -> Patience:
        return Patience(self.clock, attempts=3, roll=lambda: 0.5)


@pytest.fixture
def workshop(provider: FakeProvider, clock: ManualClock, tmp_path: Path) -> Workshop:
    return Workshop(provider, clock, tmp_path)
