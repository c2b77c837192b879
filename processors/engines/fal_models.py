"""Which endpoint of fal.ai a model's name stands for.

Bare ``fal-ai/flux-pro`` is not listed any more, so a short name has to be resolved; the
endpoint that was used is kept with what it made.
"""

from collections.abc import Mapping
from types import MappingProxyType

from catalog.models.job import JobType
from processors.engine import EngineError

IMAGES: Mapping[str, str] = MappingProxyType(
    {
        "flux-pro": "fal-ai/flux-pro/v1.1",
        "flux-pro-ultra": "fal-ai/flux-pro/v1.1-ultra",
        "flux-dev": "fal-ai/flux/dev",
        "flux-schnell": "fal-ai/flux/schnell",
        "flux-lora": "fal-ai/flux-lora",
        "flux-2-pro": "fal-ai/flux-2-pro",
        "flux-2-lora": "fal-ai/flux-2/lora",
    }
)
TRAINERS: Mapping[str, str] = MappingProxyType(
    {
        "flux-lora-fast-training": "fal-ai/flux-lora-fast-training",
        "flux-lora-portrait-trainer": "fal-ai/flux-lora-portrait-trainer",
        "flux-2-trainer": "fal-ai/flux-2-trainer",
    }
)
DEFAULT_TRAINER = "flux-lora-fast-training"
"""For jobs that name no model."""

WITHOUT_LORAS = frozenset(
    IMAGES[name]
    for name in ("flux-pro", "flux-pro-ultra", "flux-dev", "flux-schnell", "flux-2-pro")
)
"""Endpoints that would silently leave out the LoRAs asked for."""

_BUILT_IN = {JobType.IMAGE_GENERATION: IMAGES, JobType.LORA_TRAINING: TRAINERS}


def endpoint_of(
    type_: JobType, model: str | None, configured: Mapping[str, str]
) -> str:
    """Resolve a model's name.

    Args:
        type_: Of the job.
        model: As the job names it: a short name, or the id of a known endpoint.
        configured: Further names, and other meanings of those built in.

    Returns:
        An endpoint id such as ``fal-ai/flux-pro/v1.1``.

    Raises:
        EngineError: ``invalid_input``; names those that there are.
    """
    known = {**_BUILT_IN.get(type_, {}), **configured}
    wanted = model or (DEFAULT_TRAINER if type_ is JobType.LORA_TRAINING else "")
    if wanted in known:
        return known[wanted]
    if wanted in known.values():
        return wanted
    raise EngineError(
        "invalid_input",
        f"There is no model {wanted!r}; there are {', '.join(sorted(known))}. "
        "CATALOG_FAL_MODELS adds others.",
        is_retryable=False,
    )
