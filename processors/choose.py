"""Which engine makes what in this process, by settings and by what is installed."""

import logging
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec

from catalog.clock import Clock
from catalog.config import Settings
from catalog.models.job import JobType
from processors.engine import Engine
from processors.engines.diffusers_model import LIBRARIES
from processors.engines.local_images import LocalImages
from processors.engines.local_training import LocalTraining
from processors.engines.providers import assemblyai_engine, fal_engine

log = logging.getLogger(__name__)

MEDIA = ("PIL", "av", "numpy")
"""What datasets are made with; the extra ``processors`` brings it."""

Make = Callable[[Settings, Clock], Engine]


def engines_of(
    settings: Settings, clock: Clock, types: Iterable[JobType]
) -> Mapping[JobType, Engine]:
    """Choose an engine for each type that this process can make.

    A provider is chosen where its key is set, else an engine of this machine where
    there is one. A type without either is left to other workers, and its jobs wait.

    Raises:
        EngineError: ``not_configured``: a setting can't be used.
    """
    chosen: dict[JobType, Engine] = {}
    for type_ in types:
        make = _maker(settings, type_)
        if make is None:
            log.warning("no engine makes these jobs here", extra={"type": type_.value})
            continue
        chosen[type_] = make(settings, clock)
        facts = {"type": type_.value, "engine": chosen[type_].name}
        log.info("engine", extra=facts)
    return chosen


def _maker(settings: Settings, type_: JobType) -> Make | None:
    if type_ is JobType.TRANSCRIPTION:
        if settings.assemblyai_key is not None:
            return assemblyai_engine
        is_there = find_spec("pocketsphinx") and find_spec("av")
        return _local_transcription if is_there else None
    if type_ is JobType.LORA_TRAINING and not all(map(find_spec, MEDIA)):
        return None  # no dataset can be made
    if settings.fal_key is not None:
        return lambda settings, clock: fal_engine(settings, type_, clock)
    return None if settings.local_image_model is None else _local_diffusion(type_)


def _local_transcription(settings: Settings, clock: Clock) -> Engine:
    del settings
    # What the base installation lacks is loaded only where it is there.
    from processors.engines.local_transcription import (  # noqa: PLC0415
        LocalTranscription,
    )

    return LocalTranscription(clock=clock)


def _local_diffusion(type_: JobType) -> Make | None:
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        log.warning(
            "CATALOG_LOCAL_IMAGE_MODEL is set, but the extra local-models is not "
            "installed: pip install 'asset-catalog[local-models]'",
            extra={"type": type_.value, "missing": ", ".join(missing)},
        )
        return None
    make = LocalImages if type_ is JobType.IMAGE_GENERATION else LocalTraining
    return lambda settings, clock: make(settings.local_image_model, clock=clock)
