"""``RecordReader`` over MongoDB: everything under roots in a handful of queries."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.max_key import MaxKey
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from catalog.errors import MalformedRecordError
from catalog.identity import possible_job_ids
from catalog.models.asset import AssetRow
from catalog.models.collection import Member
from catalog.models.ids import DocumentId, JobId, ObjectKey, RootKey
from catalog.models.job import Job
from catalog.models.stored import Annotation, StoredObject
from catalog.repositories.base import RecordBatch, RootBundle, RootId
from catalog.repositories.mongo.candidates import annotation_targets
from catalog.repositories.mongo.client import (
    Record,
    as_integer,
    as_timestamp,
    translated,
)
from catalog.repositories.mongo.codec import is_identified, job_from_record
from catalog.repositories.mongo.codec_assets import row_from_record
from catalog.repositories.mongo.codec_stored import (
    annotation_from_record,
    key_of_object_record,
    object_from_record,
)
from catalog.repositories.mongo.codec_values import identity, is_text_storable
from catalog.repositories.mongo.collections import (
    asset_of_member_record,
    member_from_record,
)
from catalog.repositories.mongo.extractions import Extractions, read_extractions
from catalog.repositories.mongo.jobs import NEWEST_FIRST, one_of
from catalog.repositories.mongo.roots import root_key_of
from catalog.storage.keys import parse_key

NamedKeys = Callable[[Job], Iterable[ObjectKey]]
"""Lists the objects of our store that a job record names."""


@dataclass(slots=True)
class _Case:
    """What is known of one root while its batch is read."""

    root: RootId
    root_key: RootKey
    job: Job | None = None
    malformed: MalformedRecordError | None = None
    shadowed_by: RootId | None = None
    siblings: tuple[RootId, ...] = ()
    rows: list[AssetRow] = field(default_factory=list)
    job_ids: dict[str, None] = field(default_factory=dict)
    named: tuple[ObjectKey, ...] = ()
    targets: tuple[str, ...] = ()


_MIN_NOT_BEFORE_MAX = 51175


class MongoRecordReader:
    """Reads by majority in one causal session; finds the roots that changes touch."""

    def __init__(self, database: Database[Record], *, named_keys: NamedKeys) -> None:
        """Stand on a database.

        Args:
            database: Whose client acknowledges by majority.
            named_keys: See ``NamedKeys``.
        """
        self._database = database
        self._named_keys = named_keys
        majority = database.with_options(read_concern=ReadConcern("majority"))
        self._jobs = majority["jobs"]
        self._assets = majority["assets"]
        self._annotations = majority["annotations"]
        self._objects = majority["objects"]
        self._extractions = majority["extractions"]
        self._members = majority["collection_members"]

    # --- everything under roots ----------------------------------------------------

    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        """See ``RecordReader.read``.

        ``cluster_time`` is that of the first query: the later ones, causally after
        it, can only be newer.
        """
        with (
            translated(),
            self._database.client.start_session(causal_consistency=True) as session,
        ):
            if not_before:
                session.advance_operation_time(as_timestamp(not_before))
            cases = self._read_jobs(roots, session)
            reached = session.operation_time
            cluster_time = not_before if reached is None else as_integer(reached)
            self._read_rows(cases, session)
            self._find_siblings(cases.values(), session)
            live = [case for case in cases.values() if case.job is not None]
            annotations = self._read_annotations(live, session)
            objects, by_job = self._read_objects(live, session)
            etags = {key: one.etag for key, one in objects.items() if one.is_present}
            extractions = read_extractions(self._extractions, etags, session)
            members = self._read_members(live, session)
        bundles = tuple(
            _bundle(case, annotations, objects, by_job, extractions, members)
            for case in cases.values()
        )
        return RecordBatch(cluster_time, bundles)

    def _read_jobs(
        self, roots: Sequence[RootId], session: ClientSession
    ) -> dict[RootKey, _Case]:
        cases = {(key := root_key_of(root)): _Case(root, key) for root in roots}
        for raw in self._jobs.find({"_id": {"$in": list(roots)}}, session=session):
            case = cases.get(root_key_of(raw["_id"]))
            if case is None:  # equal to MongoDB, another type: another root to us
                continue
            job_id = identity(raw.get("jobId"))
            if job_id is not None:
                case.job_ids[job_id] = None
            try:
                job = job_from_record(raw)
            except MalformedRecordError as exc:
                case.malformed = exc
                continue
            case.job, case.named = job, tuple(self._named_keys(job))
            case.targets = annotation_targets(job, case.named)
        return cases

    def _read_rows(
        self, cases: Mapping[RootKey, _Case], session: ClientSession
    ) -> None:
        wanted = {"rootKey": {"$in": list(cases)}}
        for raw in self._assets.find(wanted, session=session):
            row = row_from_record(raw)
            case = cases[row.root_key]
            case.rows.append(row)
            case.job_ids[row.view["jobId"]] = None

    def _find_siblings(self, cases: Iterable[_Case], session: ClientSession) -> None:
        """Of several records with one jobId, the newest readable one counts."""
        cases = list(cases)
        records = self._newest_first(
            {job_id for case in cases for job_id in case.job_ids}, session
        )
        for case in cases:
            others: dict[RootKey, RootId] = {}
            for job_id in case.job_ids:
                others |= records[job_id]
            others.pop(case.root_key, None)
            case.siblings = tuple(others.values())
            if case.job is not None:
                newest = next(iter(records[case.job.job_id].items()), None)
                if newest is not None and newest[0] != case.root_key:
                    case.job, case.shadowed_by = None, newest[1]

    def _newest_first(
        self, job_ids: Iterable[str], session: ClientSession
    ) -> Mapping[str, dict[RootKey, RootId]]:
        """Roots by jobId, newest first; unreadable ones only after readable ones."""
        found: dict[str, dict[RootKey, RootId]] = defaultdict(dict)
        wanted = [job_id for job_id in job_ids if is_text_storable(job_id)]
        if not wanted:
            return found
        covered = self._jobs.find(
            {"jobId": one_of(wanted)}, {"jobId": 1, "_id": 1}, session=session
        )
        for raw in covered:
            job_id = identity(raw.get("jobId"))
            if job_id is not None:
                found[job_id][root_key_of(raw["_id"])] = raw["_id"]
        repeated = [job_id for job_id, roots in found.items() if len(roots) > 1]
        if not repeated:
            return found
        details = self._jobs.find(
            {"jobId": one_of(repeated)},
            {"jobId": 1, "userId": 1, "type": 1},
            session=session,
        )
        ordered: dict[str, dict[RootKey, RootId]] = defaultdict(dict)
        unreadable: dict[str, dict[RootKey, RootId]] = defaultdict(dict)
        for raw in details.sort(NEWEST_FIRST):
            job_id = identity(raw.get("jobId"))
            if job_id is not None:
                into = ordered if is_identified(raw) else unreadable
                into[job_id][root_key_of(raw["_id"])] = raw["_id"]
        for job_id in repeated:
            found[job_id] = ordered[job_id] | unreadable[job_id]
        return found

    def _read_annotations(
        self, cases: Iterable[_Case], session: ClientSession
    ) -> Mapping[str, Annotation]:
        targets = {target for case in cases for target in case.targets}
        targets |= {row.view["assetId"] for case in cases for row in case.rows}
        wanted = [target for target in targets if is_text_storable(target)]
        found = self._annotations.find({"_id": {"$in": wanted}}, session=session)
        return {raw["_id"]: annotation_from_record(raw) for raw in found}

    def _read_objects(
        self, cases: Iterable[_Case], session: ClientSession
    ) -> tuple[Mapping[ObjectKey, StoredObject], Mapping[str, set[ObjectKey]]]:
        """Read those of the jobs' prefixes and those that the records name."""
        cases = list(cases)
        jobs = [case.job.job_id for case in cases if case.job is not None]
        named = {key for case in cases for key in case.named if is_text_storable(key)}
        objects: dict[ObjectKey, StoredObject] = {}
        by_job: dict[str, set[ObjectKey]] = defaultdict(set)

        def take(wanted: Record) -> None:
            for raw in self._objects.find(wanted, session=session):
                known = object_from_record(raw)
                if known.key not in objects or known.is_present:
                    objects[known.key] = known
                if known.job_id is not None:
                    by_job[known.job_id].add(known.key)

        take({"jobId": {"$in": jobs}})
        # Most of what records name lies under the jobs' own prefixes.
        named -= {key for key, known in objects.items() if known.is_present}
        if named:
            take({"key": {"$in": list(named)}})
        return objects, by_job

    def _read_members(
        self, cases: Iterable[_Case], session: ClientSession
    ) -> Mapping[str, list[Member]]:
        """Read memberships by jobId."""
        jobs = [case.job.job_id for case in cases if case.job is not None]
        members: dict[str, list[Member]] = defaultdict(list)
        wanted = {"jobId": {"$in": [one for one in jobs if is_text_storable(one)]}}
        for raw in self._members.find(wanted, session=session).sort("_id", 1):
            members[raw["jobId"]].append(member_from_record(raw))
        return members

    # --- listing roots -------------------------------------------------------------

    def scan(
        self, after: RootId | None, limit: int, *, until: RootId | None = None
    ) -> tuple[RootId, ...]:
        """See ``RecordReader.scan``.

        A record whose ``_id`` is null never ends a list (it can't be named as
        ``after``): one more is listed instead.
        """
        with translated():
            if until is not None and self._is_passed(after, until):
                return ()
            roots = self._scan(after, limit, until)
            if roots and roots[-1] is None:
                roots = self._scan(after, limit + 1, until)
            if until is not None and len(roots) < limit:
                # The bound itself, which MongoDB's own bound leaves out.
                found = self._jobs.find({"_id": until}, {"_id": 1})
                roots += [raw["_id"] for raw in found]
        return tuple(roots)

    def last(self) -> RootId | None:
        """See ``RecordReader.last``."""
        with translated():
            found = self._jobs.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        return None if found is None else found["_id"]

    def _is_passed(self, after: RootId | None, until: RootId) -> bool:
        """Whether a bound does not come after a place; only the server can tell."""
        if after is None:
            return False
        bounds = self._jobs.find({}, {"_id": 1}).hint([("_id", 1)])
        try:
            bounds.min([("_id", after)]).max([("_id", until)]).limit(-1).next()
        except StopIteration:
            return False
        except OperationFailure as exc:
            if exc.code != _MIN_NOT_BEFORE_MAX:
                raise
            return True
        return False

    def _scan(
        self, after: RootId | None, limit: int, until: RootId | None
    ) -> list[RootId]:
        cursor = self._jobs.find({}, {"_id": 1}).sort("_id", 1).hint([("_id", 1)])
        if until is not None:
            cursor = cursor.max([("_id", until)])  # exclusive
        if after is None:
            return [raw["_id"] for raw in cursor.limit(limit)]
        if isinstance(after, MaxKey):
            return []
        # ``min`` compares across types, where ``$gt`` stays within one; inclusive.
        cursor = cursor.min([("_id", after)]).limit(limit + 1)
        roots = [raw["_id"] for raw in cursor]
        if until is None and len(roots) <= limit:
            # The end; ``min`` passes over MaxKey, the very last.
            last = self._jobs.find({"_id": MaxKey()}, {"_id": 1})
            roots += [raw["_id"] for raw in last]
        if roots and root_key_of(roots[0]) == root_key_of(after):
            del roots[0]
        return roots[:limit]

    def count(self) -> int:
        """See ``RecordReader.count``."""
        with translated():
            return self._jobs.estimated_document_count()

    def orphans(self, limit: int) -> tuple[RootId, ...]:
        """See ``RecordReader.orphans``."""
        pipeline: list[Record] = [
            {"$group": {"_id": "$rootKey", "root": {"$first": "$root"}}},
            {
                "$lookup": {
                    "from": "jobs",
                    "localField": "root",
                    "foreignField": "_id",
                    "as": "job",
                    "pipeline": [{"$project": {"_id": 1}}],
                }
            },
            {"$match": {"job": []}},
            {"$limit": limit},
            {"$project": {"root": 1}},
        ]
        with translated():
            found = self._assets.aggregate(pipeline, allowDiskUse=True)
            return tuple(raw["root"] for raw in found)

    # --- finding roots -------------------------------------------------------------

    def roots_of_jobs(self, job_ids: Iterable[JobId]) -> tuple[RootId, ...]:
        """See ``RecordReader.roots_of_jobs``."""
        wanted = {job_id for job_id in job_ids if is_text_storable(job_id)}
        if not wanted:
            return ()
        with translated():
            found = self._jobs.find({"jobId": one_of(wanted)}, {"jobId": 1, "_id": 1})
            return _distinct(
                raw["_id"] for raw in found if identity(raw.get("jobId")) in wanted
            )

    def roots_of_keys(self, keys: Iterable[ObjectKey]) -> tuple[RootId, ...]:
        """See ``RecordReader.roots_of_keys``."""
        wanted = [key for key in keys if is_text_storable(key)]
        if not wanted:
            return ()
        parsed = (parse_key(key) for key in wanted)
        by_layout = self.roots_of_jobs({one.job_id for one in parsed if one})
        with translated():
            of_files = [{"keys": {"$in": wanted}}, {"sources": {"$in": wanted}}]
            found = self._assets.find({"$or": of_files}, {"root": 1})
            return _distinct([*by_layout, *(raw["root"] for raw in found)])

    def roots_of_changes(
        self, collection: str, record_ids: Sequence[Any]
    ) -> tuple[RootId, ...]:
        """See ``RecordReader.roots_of_changes``."""
        match collection:
            case "jobs":
                return self._roots_of_records(record_ids)
            case "annotations":
                targets = [one for one in record_ids if isinstance(one, str)]
                return self.roots_of_jobs(
                    {job_id for one in targets for job_id in possible_job_ids(one)}
                )
            case "collection_members":
                texts = [one for one in record_ids if isinstance(one, str)]
                assets = filter(None, map(asset_of_member_record, texts))
                return self.roots_of_jobs(
                    {job_id for one in assets for job_id in possible_job_ids(one)}
                )
            case "objects":
                texts = [one for one in record_ids if isinstance(one, str)]
                return self.roots_of_keys(
                    filter(None, map(key_of_object_record, texts))
                )
            case "extractions":
                with translated():
                    found = self._extractions.find(
                        {"_id": {"$in": list(record_ids)}}, {"key": 1}
                    )
                    keys = {ObjectKey(raw["key"]) for raw in found}
                return self.roots_of_keys(keys)
            case _:
                return ()

    def _roots_of_records(self, record_ids: Sequence[RootId]) -> tuple[RootId, ...]:
        """The records themselves and all that bear, or bore, one jobId with them."""
        keys = [root_key_of(one) for one in record_ids]
        with translated():
            job_ids: set[str | None] = {
                identity(raw.get("jobId"))
                for raw in self._jobs.find(
                    {"_id": {"$in": list(record_ids)}}, {"jobId": 1}
                )
            }
            rows = self._assets.find({"rootKey": {"$in": keys}}, {"jobId": 1})
            job_ids |= {raw["jobId"] for raw in rows}
        siblings = self.roots_of_jobs({JobId(one) for one in job_ids if one})
        return _distinct([*record_ids, *siblings])

    def rows_with_tag(
        self,
        owner_key: str,
        tag_key: str,
        *,
        excluding_roots: Sequence[RootId],
        excluding_rows: Sequence[DocumentId] = (),
    ) -> frozenset[str]:
        """See ``RecordReader.rows_with_tag``."""
        wanted: Record = {"ownerKey": owner_key, "tagKeys": tag_key}
        if excluding_roots:
            excluded = [root_key_of(root) for root in excluding_roots]
            wanted["rootKey"] = {"$nin": excluded}
        if excluding_rows:
            wanted["_id"] = {"$nin": list(excluding_rows)}
        with translated():
            return frozenset(self._assets.distinct("acl", wanted))


def _bundle(
    case: _Case,
    annotations: Mapping[str, Annotation],
    objects: Mapping[ObjectKey, StoredObject],
    by_job: Mapping[str, set[ObjectKey]],
    extractions: Extractions,
    members: Mapping[str, Sequence[Member]],
) -> RootBundle:
    rows = tuple(case.rows)
    if case.job is None:
        return RootBundle(
            root=case.root,
            root_key=case.root_key,
            malformed=case.malformed,
            shadowed_by=case.shadowed_by,
            siblings=case.siblings,
            rows=rows,
        )
    targets = dict.fromkeys((*case.targets, *(row.view["assetId"] for row in rows)))
    keys = sorted(by_job.get(case.job.job_id, set()).union(case.named))
    return RootBundle(
        root=case.root,
        root_key=case.root_key,
        job=case.job,
        siblings=case.siblings,
        annotations={one: annotations[one] for one in targets if one in annotations},
        objects={key: objects[key] for key in keys if key in objects},
        extractions={k: extractions.texts[k] for k in keys if k in extractions.texts},
        facts={k: extractions.facts[k] for k in keys if k in extractions.facts},
        rows=rows,
        members=tuple(members.get(case.job.job_id, ())),
    )


def _distinct(roots: Iterable[RootId]) -> tuple[RootId, ...]:
    return tuple({root_key_of(root): root for root in roots}.values())
