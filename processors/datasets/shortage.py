"""How few images are too few to train on, and what is said then."""

from collections.abc import Mapping, Sequence

from catalog.models.generation import MIN_TRAINING_IMAGES
from processors.engine import EngineError

_MOST_PROBLEMS = 5


def check_enough(
    what: str,
    count: int,
    dropped: Mapping[str, int],
    advice: str,
    *,
    problems: Sequence[str] = (),
    is_passing: bool = False,
) -> None:
    """Let a training begin only if there is something to train on.

    Args:
        what: What was looked at, with its field: ``images: of the 6 pictures``.
        count: How many can be used.
        dropped: How many can't, by reason.
        advice: What to do.
        problems: Of single ones, for a person.
        is_passing: Whether another time may find more.

    Raises:
        EngineError: ``source_unreadable``: less than ``MIN_TRAINING_IMAGES``.
    """
    if count >= MIN_TRAINING_IMAGES:
        return
    reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.items() if n)
    examples = "; ".join(problems[:_MOST_PROBLEMS])
    if len(problems) > _MOST_PROBLEMS:
        examples += "; …"
    raise EngineError(
        "source_unreadable",
        f"{what} {count} can be used, and a LoRA is trained on {MIN_TRAINING_IMAGES} "
        f"at least (dropped: {reasons or 'none'}"
        f"{f': {examples}' if examples else ''}). {advice}",
        is_retryable=is_passing,
    )
