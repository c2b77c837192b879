"""What both engines on ``diffusers`` share: names, seeds, limits, running a child."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from catalog.clock import Clock
from processors.engine import EngineError, Work
from processors.engines.child import ChildLimits, run_child
from processors.engines.diffusers_model import DiffusersModel

NAME = "local-diffusers"
MOST_PIXELS = 1024 * 1024
"""Of one picture: what a Stable Diffusion model can make, and one core in minutes."""

_MIB = 1024 * 1024
_SQUARE = 512 * 512

_OFFLINE: Mapping[str, str] = MappingProxyType(
    {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "DIFFUSERS_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
    }
)


class RunChild(Protocol):
    """How a child is run; see ``run``."""

    def __call__(
        self,
        module: str,
        task: Mapping[str, Any],
        limits: ChildLimits,
        work: Work,
        clock: Clock,
    ) -> dict[str, Any]:
        """Return what the child made; raises ``EngineError``."""
        ...


def run(
    module: str,
    task: Mapping[str, Any],
    limits: ChildLimits,
    work: Work,
    clock: Clock,
) -> dict[str, Any]:
    """Run a child without a network; see ``child.run_child``."""
    return run_child(
        module,
        task,
        limits,
        folder=work.folder.resolve(),
        report=work.report,
        check=work.check,
        environment=_OFFLINE,
        clock=clock,
    )


def limits_for(model: DiffusersModel, pixels: int, most_steps: int) -> ChildLimits:
    """Allow many times what was measured, by the sizes of model and picture.

    Measured with a tiny model on one core: 5 s to start, 0.9 s a step at 1024x1024,
    1.3 GiB of addresses. What a real one needs is an estimate, and a generous one.

    Args:
        model: What is loaded.
        pixels: Of one picture.
        most_steps: Units of work at most.
    """
    squares = max(pixels / _SQUARE, 0.25)
    a_step = 10 + 40 * model.weights_gib * squares
    return ChildLimits(
        memory_bytes=int((6144 + 4096 * squares) * _MIB) + 5 * model.weights_bytes,
        file_bytes=1024 * _MIB,
        cpu_seconds=120 + 60 * model.weights_gib,
        cpu_seconds_per_unit=a_step,
        wall_seconds=600 + 300 * model.weights_gib,
        wall_seconds_per_unit=5 * a_step,
        most_units=most_steps,
    )


def check_model_name(asked: str | None, model: DiffusersModel) -> None:
    """Refuse a job that names another model than the one that there is.

    Raises:
        EngineError: ``invalid_input``.
    """
    known = dict.fromkeys((model.name, model.name.rpartition("/")[2], NAME))
    if asked is not None and asked not in known:
        raise invalid(
            f"`model`: this worker makes pictures with {model.name!r} on its own "
            f"machine and has no {asked!r}; send {' or '.join(map(repr, known))}, or "
            "set the key of a provider that has it."
        )


def seed_of(work: Work, asked: int | None) -> int:
    """Take the seed that is asked for, else one that stays when the job is repeated."""
    if asked is not None:
        return asked
    told = f"{work.job_id}/v{work.version}".encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:4])


def invalid(message: str) -> EngineError:
    """Say what is wrong with a request, and how to mend it."""
    return EngineError("invalid_input", message, is_retryable=False)
