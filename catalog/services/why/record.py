"""The stages before the index: is it in the record, in the trash, whose is it. Pure."""

from collections.abc import Mapping

from catalog.access import Scope, may_see
from catalog.models.job import JobStatus, JobType
from catalog.models.sharing import users_of
from catalog.repositories.base import RootBundle
from catalog.search.view import grant_view, iso_time
from catalog.services.why.case import MAX_NAMED, Case, Stage, Verdict, quoted
from catalog.services.why.rights import is_shared_with, keys_of

_UNFINISHED: Mapping[str, tuple[str, str, str]] = {
    JobStatus.QUEUED: ("job_queued", "Its job waits to be started.", "Wait for it."),
    JobStatus.PROCESSING: (
        "job_running",
        "Its job is running and has made nothing yet.",
        "Wait until it is done; the event stream of the job tells.",
    ),
    JobStatus.CANCELLED: (
        "job_cancelled",
        "Its job was cancelled before it made anything.",
        "Start it again.",
    ),
}


def record_stage(case: Case) -> Stage:
    """Judge whether the record has the asset at all."""
    asset, bundle = case.asset, case.bundle
    if asset is not None:
        newest = asset.versions[-1].version if asset.versions else 0
        facts = {"jobId": asset.job_id, "status": asset.status, "version": newest}
        older = len(bundle.siblings) if bundle is not None else 0
        detail = f"Its job is {asset.status!r}; this is version {newest}."
        if older and case.is_told_all:
            facts["otherRecords"] = older
            detail += f" Records with the same jobId that do not count: {older}."
        return Stage("record", Verdict.OK, detail, facts)
    if not case.is_told_all:
        return _unrecorded("gone", "It is no longer in the record.", "It will go.")
    if case.defect is not None:
        return _unrecorded(
            "unreadable_record",
            f"Its job record cannot be used: {case.defect}.",
            "Repair the record; it is looked at again as soon as it changes.",
        )
    if bundle is None:
        return _unrecorded(
            "gone", "Its job record was deleted.", "Write the record again."
        )
    if bundle.job is None:
        return _without_job(bundle)
    return _without_asset(case, bundle)


def _unrecorded(reason: str, detail: str, advice: str, **facts: object) -> Stage:
    return Stage("record", Verdict.FAILED, detail, facts, reason, advice)


def _without_job(bundle: RootBundle) -> Stage:
    if bundle.malformed is not None:
        return _unrecorded(
            "unreadable_record",
            f"Its job record cannot be read: {bundle.malformed}.",
            "Repair the record; it is looked at again as soon as it changes.",
            field=bundle.malformed.field,
        )
    if bundle.shadowed_by is not None:
        return _superseded()
    return _unrecorded("gone", "Its job record was deleted.", "Write the record again.")


def _superseded() -> Stage:
    return _unrecorded(
        "superseded",
        "A newer record has the same jobId, and only the newest counts.",
        "Give each job a jobId of its own.",
    )


def _without_asset(case: Case, bundle: RootBundle) -> Stage:
    job = bundle.job
    assert job is not None  # noqa: S101  (see ``record_stage``)
    known: dict[str, object] = {"jobId": job.job_id, "status": job.status}
    if job.type not in list(JobType):
        return _unrecorded(
            "foreign_type",
            f"Its job is of type {job.type!r}, of which no assets are known.",
            f"Jobs with assets are of type {quoted(JobType)}.",
            **known,
        )
    if job.versions:
        if bundle.siblings:
            return _superseded()
        ids = [asset.asset_id for asset in case.description.assets]
        return _unrecorded(
            "no_such_asset",
            f"Its job has no such asset; it has {quoted(ids)}.",
            "Ask for one of these.",
            **known,
            assets=ids[:MAX_NAMED],
        )
    if job.status == JobStatus.FAILED:
        cause = f": {case.job_error}" if case.job_error else "."
        return _unrecorded(
            "job_failed",
            f"Its job failed before it made anything{cause}",
            "Mend the cause and start it again.",
            **known,
        )
    reason, detail, advice = _UNFINISHED.get(
        job.status,
        (
            "no_version",
            f"Its job is {job.status!r}, but its record lists no version.",
            "An asset exists once its job has a version: let its writer add it.",
        ),
    )
    return _unrecorded(reason, detail, advice, **known)


def trash_stage(case: Case) -> Stage:
    """Judge whether it lies in the trash."""
    if case.asset is None:
        return Stage("trash", Verdict.SKIPPED, "There is no asset to look at.")
    trashed_at = case.asset.trashed_at
    if trashed_at is None:
        return Stage("trash", Verdict.OK, "It is not in the trash.")
    since = iso_time(trashed_at)
    return Stage(
        "trash",
        Verdict.FAILED,
        f"It is in the trash since {since}.",
        {"trashedAt": since},
        "trashed",
        "Take it out of the trash.",
    )


def rights_stage(case: Case) -> Stage:
    """Judge whether the asker may see it."""
    asset, asker = case.asset, case.query.asker
    if asset is None:
        return Stage("rights", Verdict.SKIPPED, "There is no asset to look at.")
    facts: dict[str, object] = {}
    if case.is_told_all:
        facts["mayBeSeenBy"] = {
            "owner": asset.user_id,
            "isPublic": asset.is_public,
            "sharedWith": list(users_of(asset.shared_with)),
            "sharing": [grant_view(one) for one in asset.shared_with],
        }
    if not may_see(asker, keys_of(asset)):
        return Stage(
            "rights",
            Verdict.FAILED,
            f"User '{asker.user_id}' may not see it: it is '{asset.user_id}'s.",
            facts,
            "no_right",
            "Share it with them, or make it public.",
        )
    if asker.user_id is None:
        return Stage("rights", Verdict.OK, "The asker sees everything.", facts)
    ways = {"own": "It is the asker's own.", "shared": "It is shared with the asker."}
    way = next((ways[one] for one in relations(case) if one in ways), "It is public.")
    return Stage("rights", Verdict.OK, way, facts)


def relations(case: Case) -> list[str]:
    """List the scopes that the asset is in for this asker."""
    asset, user = case.asset, case.query.asker.user_id
    if asset is None:
        return []
    is_in = {
        Scope.OWN: asset.user_id == user,
        Scope.SHARED: user is not None and is_shared_with(case.query.asker, asset),
        Scope.PUBLIC: asset.is_public,
    }
    return [scope.value for scope, holds in is_in.items() if holds]
