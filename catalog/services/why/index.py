"""The stages of the index: is it there as in the record, was its text read. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from catalog.file_facts import FAILED
from catalog.models.asset import Asset, AssetType
from catalog.search.base import Explanation
from catalog.search.view import iso_time
from catalog.services.index_monitor import IndexState
from catalog.services.why.case import MAX_NAMED, Case, Stage, Verdict, quoted


def indexed_stage(
    case: Case, explanation: Explanation | None, index: IndexState
) -> Stage:
    """Judge whether the index has what the record says.

    Args:
        case: What the record and the read model have.
        explanation: What the engine says; ``None`` when it does not answer.
        index: How far the index is.
    """
    if case.asset is None or case.asset.trashed_at is not None:
        return Stage("indexed", Verdict.SKIPPED, "It need not be in the index.")
    facts = _position(case, index)
    if explanation is not None:
        facts["isIndexed"] = explanation.is_indexed
        facts["isMinimal"] = explanation.is_minimal
    if index.generation == 0:
        return Stage(
            "indexed",
            Verdict.FAILED,
            "The search index is being built for the first time.",
            facts,
            "index_building",
            "Wait until it is done; `catalog status` shows how far it is.",
        )
    if explanation is None and case.row is not None:
        return _unanswered(case, facts)
    is_whole = explanation is not None and (
        explanation.is_indexed and not explanation.is_minimal
    )
    is_current = case.row is not None and case.is_current is not False
    if is_whole and is_current:
        detail = "It is in the index as it is in the record."
        return Stage("indexed", Verdict.OK, detail, facts)
    refusal = _refusal(case, facts)
    if refusal is not None:
        return refusal
    return _lost(facts) if is_current else _late(case, index, facts)


def _unanswered(case: Case, facts: Mapping[str, Any]) -> Stage:
    rest = "" if case.is_current else "; that lags behind the record"
    detail = f"The search index does not answer; the read model has it{rest}."
    return Stage("indexed", Verdict.UNKNOWN, detail, facts)


def _lost(facts: Mapping[str, Any]) -> Stage:
    return Stage(
        "indexed",
        Verdict.FAILED,
        "The index does not hold what the read model says that it holds.",
        facts,
        "index_drift",
        "Run `catalog reconcile`; the next one on schedule mends it, too.",
    )


def _refusal(case: Case, facts: Mapping[str, Any]) -> Stage | None:
    """Tell of a dead letter; an unread transcript is another stage's."""
    if case.letter is None or case.letter.stage == "extract":
        return None
    cause = f": {case.letter.error}." if case.is_told_all else "."
    return Stage(
        "indexed",
        Verdict.FAILED,
        f"It could not be indexed as it is{cause}",
        facts,
        "index_refused",
        "Mend the cause in the record, or let it be tried again: redrive it.",
    )


def _late(case: Case, index: IndexState, facts: Mapping[str, Any]) -> Stage:
    what = "It is" if case.row is None else "Its last change is"
    lag = "unknown" if index.lag_ms is None else f"{index.lag_ms / 1000:.1f} s"
    again = f" It was looked at again {case.attempts} times." if case.attempts else ""
    return Stage(
        "indexed",
        Verdict.FAILED,
        f"{what} not searchable yet; the index lags by {lag}.{again}",
        facts,
        "not_indexed_yet",
        "Ask again in a moment; if the lag grows, see whether an indexer runs.",
    )


def _position(case: Case, index: IndexState) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "lagMs": index.lag_ms,
        "isInReadModel": case.row is not None,
        "isCurrent": case.is_current,
        "attempts": case.attempts,
    }
    if case.settled_time and case.read_time:
        behind = (case.read_time >> 32) - (case.settled_time >> 32)
        facts["recordReadAt"] = _time_of(case.read_time)
        facts["indexedUntil"] = _time_of(case.settled_time)
        facts["behindSeconds"] = max(behind, 0)
    if case.letter is not None and case.is_told_all:
        facts["deadLetter"] = {
            "letterId": case.letter.letter_id,
            "stage": case.letter.stage,
            "error": case.letter.error,
            "attempts": case.letter.attempts,
        }
    return facts


def _time_of(cluster_time: int) -> str:
    return iso_time(datetime.fromtimestamp(cluster_time >> 32, tz=UTC))


def extraction_stage(case: Case) -> Stage:
    """Judge whether its files are there and what they say could be read."""
    asset = case.asset
    if asset is None:
        return Stage("extraction", Verdict.SKIPPED, "There is no asset to look at.")
    stage = _content_stage(case, asset)
    outcome = asset.file.outcome
    if stage.verdict is not Verdict.OK or not outcome:
        return stage
    facts = {**stage.facts, "extraction": list(outcome)}
    causes = [one.removeprefix(FAILED) for one in outcome if one.startswith(FAILED)]
    if not causes:
        return replace(stage, facts=facts, detail=f"{stage.detail} {_WAS_READ}")
    told = ""
    if case.is_told_all:
        facts["causes"] = errors = _errors(case, asset)
        told = f": {'; '.join(f'{name}: {why}' for name, why in errors.items())}"
    return Stage(
        "extraction",
        Verdict.FAILED,
        f"Reading what its files say of themselves failed ({', '.join(causes)}){told}.",
        facts,
        FACTS_UNREADABLE,
        "Write the file again whole; what the job's record says is searchable anyway.",
    )


FACTS_UNREADABLE = "facts_unreadable"
_WAS_READ = "What its files say of themselves was read."


def _errors(case: Case, asset: Asset) -> dict[str, str]:
    """List why files can't be read, by their names."""
    keys = [f.key for version in asset.versions[-1:] for f in version.files]
    found = case.bundle.facts if case.bundle is not None else {}
    return {
        key.rpartition("/")[2]: one.error
        for key in (*keys, asset.source_key)
        if key is not None
        for one in found.get(key, ())
        if one.error is not None
    }


def _content_stage(case: Case, asset: Asset) -> Stage:
    files = asset.versions[-1].files if asset.versions else ()
    missing = [file.name for file in files if file.is_missing]
    is_text = asset.type is AssetType.TRANSCRIPT
    facts: dict[str, Any] = {"missing": missing[:MAX_NAMED]} if missing else {}
    if asset.transcript_text:
        facts["segments"] = len(asset.segments)
        return Stage(
            "extraction", Verdict.OK, "What was said can be searched for.", facts
        )
    if missing:
        lost = "what was said cannot be searched for" if is_text else "it is searchable"
        return Stage(
            "extraction",
            Verdict.FAILED,
            f"The store does not have {quoted(missing)}; {lost}.",
            facts,
            "file_missing",
            "Put the file back; it is looked for again from time to time.",
        )
    if not is_text:
        return Stage("extraction", Verdict.OK, "Nothing has to be read for it.", facts)
    return _unread(case, asset, facts)


def _unread(case: Case, asset: Asset, facts: dict[str, Any]) -> Stage:
    names = {f.key: f.name for version in asset.versions[-1:] for f in version.files}
    extractions = case.bundle.extractions if case.bundle is not None else {}
    causes = {
        names[key]: found.error
        for key, found in extractions.items()
        if key in names and found.error is not None
    }
    if causes:
        told = ""
        if case.is_told_all:
            facts["causes"] = causes
            listed = "; ".join(f"{name}: {cause}" for name, cause in causes.items())
            told = f" ({listed})"
        return Stage(
            "extraction",
            Verdict.FAILED,
            f"What was said could not be read{told}.",
            facts,
            "text_unreadable",
            "Write the file again in a form that can be read.",
        )
    if case.description.transcripts or case.description.wanted:
        return Stage(
            "extraction",
            Verdict.FAILED,
            "What was said has not been read yet.",
            facts,
            "text_not_read_yet",
            "Ask again in a moment; while the store does not answer it must wait.",
        )
    return Stage("extraction", Verdict.OK, "Nothing was said in it.", facts)
