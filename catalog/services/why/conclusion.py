"""From the verdicts of all stages to one reason and one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.models.asset import AssetType
from catalog.search.base import Explanation
from catalog.services.index_monitor import IndexState
from catalog.services.why.case import Case, Stage, Verdict
from catalog.services.why.index import (
    FACTS_UNREADABLE,
    extraction_stage,
    indexed_stage,
)
from catalog.services.why.record import record_stage, rights_stage, trash_stage
from catalog.services.why.search import (
    OF_WHAT_FILES_SAY,
    OF_WHAT_WAS_SAID,
    filters_stage,
    rank_stage,
    words_stage,
)

FOUND = "found"
UNKNOWN = "index_away"
CHANGED = "index_changed"
_AWAY = (
    "The search index does not answer, so this cannot be told; ask again when it is "
    "back. MongoDB answers searches meanwhile, by whole words only."
)
_CHANGED = "The index changed while it was being asked; ask again."


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Why one asset is found, or is not.

    Attributes:
        asset_id: Which.
        is_found: Whether the search shows it on some page; ``None`` if unknown.
        reason: Stable code: ``found``, that of the stage that explains it,
            ``index_away`` or ``index_changed``.
        explanation: One or two sentences, with what to do.
        stages: All stages, in order.
    """

    asset_id: str
    is_found: bool | None
    reason: str
    explanation: str
    stages: tuple[Stage, ...]


def conclude(
    case: Case, explanation: Explanation | None, index: IndexState
) -> Conclusion:
    """Judge all stages and name the one that explains.

    Args:
        case: What the record and the read model have.
        explanation: What the engine says; ``None`` when it was not or can't be asked.
        index: How far the index is.
    """
    stages = (
        record_stage(case),
        trash_stage(case),
        rights_stage(case),
        indexed_stage(case, explanation, index),
        extraction_stage(case),
        filters_stage(case, explanation),
        words_stage(case, explanation),
        rank_stage(case, explanation),
    )
    rank = stages[-1]
    culprit = _culprit(case, explanation, stages)
    is_found: bool | None = None
    if explanation is not None:
        is_found = explanation.is_match and rank.reason != "beyond_reach"
    elif culprit is not None and (culprit.name != "indexed" or case.row is None):
        is_found = False
    if culprit is not None:
        reason, told = culprit.reason, culprit.explanation
    elif explanation is None:
        reason, told = UNKNOWN, _AWAY
    elif explanation.is_match:
        reason, told = FOUND, rank.explanation
    else:
        reason, told = CHANGED, _CHANGED
    return Conclusion(case.asset_id, is_found, reason, told, stages)


def _culprit(
    case: Case, explanation: Explanation | None, stages: Sequence[Stage]
) -> Stage | None:
    """Find the first stage that explains why it is not found where it is looked for.

    An index that lags and a text that could not be read explain only what would need
    them: an asset may be found in spite of both.
    """
    by_name = {stage.name: stage for stage in stages}
    failed = [stage for stage in stages if stage.verdict is Verdict.FAILED]
    is_found = explanation is not None and explanation.is_match
    for stage in failed:
        match stage.name:
            case "indexed":
                explains = not is_found
            case "extraction":
                needs = (
                    _needs_facts if stage.reason == FACTS_UNREADABLE else _needs_text
                )
                explains = not is_found and needs(case, explanation, by_name)
            case _:
                explains = True
        if explains:
            return stage
    return None


def _needs_facts(
    case: Case, explanation: Explanation | None, stages: dict[str, Stage]
) -> bool:
    """Tell whether only what a file says of itself could have it found."""
    if explanation is None or case.asset is None:
        return False
    failed = set(explanation.failed_filters)
    if failed:
        return failed <= OF_WHAT_FILES_SAY - {"extraction"}
    is_lacking = stages["words"].reason in ("words_missing", "weaker_match")
    return is_lacking and case.asset.type is AssetType.IMAGE and not case.asset.prompt


def _needs_text(
    case: Case, explanation: Explanation | None, stages: dict[str, Stage]
) -> bool:
    if explanation is None or case.asset is None:
        return False
    if case.asset.type is not AssetType.TRANSCRIPT:
        return False
    others = set(explanation.failed_filters) - OF_WHAT_WAS_SAID
    is_needed = bool(explanation.failed_filters) or (
        stages["words"].reason in ("words_missing", "weaker_match")
    )
    return is_needed and not others
