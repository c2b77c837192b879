"""*Describe*: what lies under a root → the job's complete list of assets. Pure.

The other half, *project* (asset → search documents), is ``catalog.search.projection``.
Live indexing, rebuild and reconcile all call these two; nothing else knows how a job
record becomes assets.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.annotate import Annotated, annotated
from catalog.errors import InvalidObjectKeyError
from catalog.file_facts import Assertions, assertions_of
from catalog.identity import asset_id, document_id
from catalog.jobconfig import JobFacts, facts_of
from catalog.models.asset import Asset, AssetFile, AssetType, AssetVersion, FileRole
from catalog.models.ids import AssetId, DocumentId, ObjectKey
from catalog.models.job import Job, JobImage, JobType
from catalog.models.stored import Extraction, StoredObject
from catalog.models.transcript import TranscriptContent
from catalog.places import (
    ParseUrl,
    Place,
    image_numbers,
    laid_out,
    places_of,
    source_of,
)
from catalog.renditions import THUMB_ENDING, rendition_keys
from catalog.repositories.base import RootBundle
from catalog.storage import keys

MAX_DATASET_FILES = 1000
"""Files of a dataset that its view lists; the counts cover all of them."""

_BEARS_JOB_ID = (AssetType.LORA, AssetType.TRANSCRIPT)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Description:
    """What the record says, and what must be looked at to say more.

    Attributes:
        assets: Complete list of the job's assets.
        wanted: Objects of our store that the record names and of which nothing is
            recorded yet: look each up once.
        prefixes: Parts of the store under which nothing is known: list each once.
        transcripts: Present transcript objects that nothing was extracted from yet.
        missing: Named objects that are not in the store: look again later.
        problems: What a reader of the record should know, one sentence each.
    """

    assets: tuple[Asset, ...] = ()
    wanted: tuple[ObjectKey, ...] = ()
    prefixes: tuple[str, ...] = ()
    transcripts: tuple[ObjectKey, ...] = ()
    missing: tuple[ObjectKey, ...] = ()
    problems: tuple[str, ...] = ()


def describe(bundle: RootBundle, parse_url: ParseUrl) -> Description:
    """Derive all assets of one root.

    Args:
        bundle: Everything under the root.
        parse_url: Finds the key that a URL of our store names.

    Returns:
        No assets for a record that is gone, unreadable, superseded by a newer one of
        the same ``jobId``, of a foreign type, or without a version.
    """
    job = bundle.job
    if job is None or not job.versions:
        return Description()
    return _Describer(job, bundle, parse_url).describe()


class _Describer:
    """Describes one job; holds what its steps share."""

    def __init__(self, job: Job, bundle: RootBundle, parse_url: ParseUrl) -> None:
        self.job = job
        self.bundle = bundle
        self.parse_url = parse_url
        self.facts: JobFacts = facts_of(job)
        self.person: Annotated = annotated(
            job.metadata, (bundle.annotations.get(job.job_id),)
        )
        self.wanted: dict[ObjectKey, None] = {}
        self.missing: dict[ObjectKey, None] = {}
        self.prefixes: list[str] = []
        self.transcripts: list[ObjectKey] = []
        self.problems: list[str] = list(job.problems)

    def describe(self) -> Description:
        match self.job.type:
            case JobType.LORA_TRAINING:
                dataset = self._dataset()
                # The engine puts the later of two equal matches first: the LoRA.
                assets = [*([dataset] if dataset else []), self._lora(dataset)]
            case JobType.IMAGE_GENERATION:
                assets = list(self._images())
            case JobType.TRANSCRIPTION:
                assets = [self._transcript()]
            case _:
                return Description(
                    problems=(*self.problems, f"type: {self.job.type!r} is foreign")
                )
        return Description(
            assets=tuple(assets),
            wanted=tuple(self.wanted),
            prefixes=tuple(self.prefixes),
            transcripts=tuple(dict.fromkeys(self.transcripts)),
            missing=tuple(self.missing),
            problems=tuple(self.problems),
        )

    # --- the kinds -----------------------------------------------------------------

    def _lora(self, dataset: Asset | None) -> Asset:
        versions = tuple(
            AssetVersion(
                version=version.version,
                created_at=version.created_at,
                files=self._files(places_of(self.job, version, self.parse_url)),
            )
            for version in self.job.versions
        )
        identifier = asset_id(AssetType.LORA, self.job.job_id)
        previews = (
            laid_out(keys.lora_preview, self.job, versions[-1].version),
            laid_out(lambda u, j, _: keys.lora_preview(u, j), self.job, 0),
        )
        pictures = [
            key
            for preview in previews
            if preview is not None
            for key in (*_thumbnails(preview), preview)
        ]
        uses = (dataset.asset_id,) if dataset else ()
        model = _file(versions[-1], FileRole.MODEL)
        said = self._assertions(model)
        called = [self.facts.trigger] if self.facts.trigger else []
        trigger, *words = dict.fromkeys([*called, *said.facts.trigger_words, None])
        return self._asset(
            AssetType.LORA,
            identifier,
            versions,
            primary=model,
            uses=uses,
            base_model=self.facts.base_model or said.base_model,
            trigger=trigger,
            thumbnail_key=self._first_present(pictures),
            format=_ending(model, "safetensors"),
            file=said.facts.evolve(trigger_words=tuple(filter(None, words))),
        )

    def _images(self) -> Iterator[Asset]:
        places = [
            (version, place)
            for version in self.job.versions
            for place in places_of(self.job, version, self.parse_url)
        ]
        numbers = image_numbers([place for _, place in places])
        for number, (version, place) in zip(numbers, places, strict=True):
            files = self._files([place])
            image = place.image or JobImage()
            source = files[0] if files else None
            thumbnail = (
                self._first_present(_thumbnails(source.key))
                if source and source.key
                else None
            )
            identifier = asset_id(AssetType.IMAGE, self.job.job_id, number)
            said = self._assertions(source)
            seeds = (image.seed, self.facts.seed, said.seed)
            yield self._asset(
                AssetType.IMAGE,
                identifier,
                (
                    AssetVersion(
                        version=version.version,
                        created_at=version.created_at,
                        files=files,
                    ),
                ),
                primary=source,
                created_at=version.created_at,
                uses=self.facts.uses,
                model=self.facts.model or said.model,
                base_model=self.facts.base_model,
                prompt=self.facts.prompt or said.prompt,
                negative_prompt=self.facts.negative_prompt or said.negative_prompt,
                seed=next((seed for seed in seeds if seed is not None), None),
                lora_paths=self.facts.lora_paths,
                width_px=image.width_px or self.facts.width_px or said.width_px,
                height_px=image.height_px or self.facts.height_px or said.height_px,
                thumbnail_key=thumbnail,
                format=_ending(source, "png"),
                file_name=source.name if source else None,
                file=said.facts,
            )

    def _transcript(self) -> Asset:
        versions = tuple(
            AssetVersion(
                version=version.version,
                created_at=version.created_at,
                files=self._files(places_of(self.job, version, self.parse_url)),
            )
            for version in self.job.versions
        )
        content = self._content(versions[-1])
        source = self.job.source_video
        primary = _file(versions[-1], FileRole.TRANSCRIPT)
        if primary is None or primary.is_missing:
            primary = _file(versions[-1], FileRole.TEXT) or primary
        recording = source_of(self.job, self.parse_url)
        said = self._assertions(primary, recording)
        seconds = content.duration_seconds if content else None
        return self._asset(
            AssetType.TRANSCRIPT,
            asset_id(AssetType.TRANSCRIPT, self.job.job_id),
            versions,
            primary=primary,
            model=content.engine if content else None,
            duration_seconds=said.duration_seconds if seconds is None else seconds,
            width_px=said.width_px,
            height_px=said.height_px,
            word_count=content.word_count if content else None,
            speakers=content.speakers if content else (),
            language=content.language if content else None,
            file_name=(source.filename if source else None) or self.facts.source_name,
            format=_ending(primary, "json"),
            transcript_text=content.text if content else "",
            segments=content.segments if content else (),
            source_key=recording,
            file=said.facts,
        )

    def _person_of(self, type_: AssetType, identifier: AssetId) -> Annotated:
        """Tell what a person says of one asset of the job."""
        notes = self.bundle.annotations
        of_job, of_asset = notes.get(self.job.job_id), notes.get(identifier)
        if type_ is AssetType.DATASET:
            # Publishing or throwing away a LoRA must not do so with its training
            # images: these are other files, and often of people.
            if of_job is not None:
                of_job = of_job.evolve(
                    is_public=None, shared_with=None, trashed_at=None
                )
        elif type_ in _BEARS_JOB_ID or of_asset is None:
            return self.person
        return annotated(self.job.metadata, (of_job, of_asset))

    def _dataset(self) -> Asset | None:
        try:
            _, prefix = keys.job_prefixes(
                self.job.user_id, self.job.job_id, JobType.LORA_TRAINING
            )
        except InvalidObjectKeyError:
            return None
        objects = sorted(
            (
                found
                for found in self.bundle.objects.values()
                if found.is_present and found.key.startswith(prefix)
            ),
            key=lambda found: found.key,
        )
        if not objects:
            self.prefixes.append(prefix)
            return None
        files = [
            _recorded_file(
                FileRole.CAPTION if "/captions/" in found.key else FileRole.IMAGE, found
            )
            for found in objects
        ]
        images = sum(file.role is FileRole.IMAGE for file in files)
        asset = self._asset(
            AssetType.DATASET,
            asset_id(AssetType.DATASET, self.job.job_id),
            (AssetVersion(version=1, files=tuple(files[:MAX_DATASET_FILES])),),
            primary=None,
            image_count=images,
            caption_count=len(files) - images,
            trigger=self.facts.trigger,
        )
        return asset.evolve(
            size_bytes=sum(found.size_bytes or 0 for found in objects),
            name=f"{asset.name} dataset",
        )

    # --- shared steps --------------------------------------------------------------

    def _asset(
        self,
        type_: AssetType,
        identifier: AssetId,
        versions: tuple[AssetVersion, ...],
        *,
        primary: AssetFile | None,
        created_at: datetime | None = None,
        uses: tuple[AssetId, ...] = (),
        **facts: object,
    ) -> Asset:
        job = self.job
        person = self._person_of(type_, identifier)
        document: DocumentId = document_id(type_, identifier)
        return Asset(
            document_id=document,
            asset_id=identifier,
            type=type_,
            job_id=job.job_id,
            user_id=job.user_id,
            name=person.name or self.facts.name,
            description=person.description,
            tags=person.tags,
            is_public=person.is_public,
            shared_with=person.shared_with,
            trashed_at=person.trashed_at,
            collections=tuple(
                one.collection_id
                for one in self.bundle.members
                if one.asset_id == identifier
            ),
            own_collections=tuple(
                one.collection_id
                for one in self.bundle.members
                if one.asset_id == identifier and one.owner == job.user_id
            ),
            status=job.status,
            created_at=created_at or job.created_at or self._oldest(versions),
            updated_at=job.updated_at,
            completed_at=job.completed_at,
            versions=versions,
            uses=uses,
            size_bytes=primary.size_bytes if primary else None,
            is_missing=bool(primary and primary.is_missing),
            problems=tuple(self.problems),
            **facts,  # type: ignore[arg-type]  # validated by the model, by name
        )

    def _oldest(self, versions: Iterable[AssetVersion]) -> datetime:
        dates = [v.created_at for v in versions if v.created_at is not None]
        if not dates:
            self.problems.append("createdAt: neither the job nor a version has one")
        return min(dates, default=_EPOCH)

    def _files(self, places: Iterable[Place]) -> tuple[AssetFile, ...]:
        found = (self._file_at(place) for place in places)
        return tuple(file for file in found if file is not None)

    def _file_at(self, place: Place) -> AssetFile | None:
        """Find the file of a place; ``None`` for an optional one that isn't there."""
        objects: Mapping[ObjectKey, StoredObject] = self.bundle.objects
        for key in (place.key, place.fallback):
            known = objects.get(key) if key is not None else None
            if known is not None and known.is_present:
                return _recorded_file(place.role, known)
        if place.key is None:
            if place.url is None:
                return None
            name = place.url.partition("?")[0].rpartition("/")[2] or place.role.value
            return AssetFile(role=place.role, name=name, url=place.url)
        if not place.is_named:
            return None
        is_known = place.key in objects
        (self.missing if is_known else self.wanted)[place.key] = None
        return AssetFile(
            role=place.role,
            name=place.key.rpartition("/")[2],
            key=place.key,
            is_missing=is_known,
        )

    def _first_present(self, candidates: Iterable[ObjectKey]) -> ObjectKey | None:
        for key in candidates:
            known = self.bundle.objects.get(key)
            if known is not None and known.is_present:
                return known.key
        return None

    def _assertions(
        self, file: AssetFile | None, source: ObjectKey | None = None
    ) -> Assertions:
        """Read what was extracted from an asset's main file, and from its source."""
        found: list[Extraction] = []
        for key in filter(None, (file.key if file else None, source)):
            said = self.bundle.extractions.get(key)
            if said is not None and said.error is not None:
                found.append(said)
            found += self.bundle.facts.get(key, ())
        return assertions_of(found)

    def _content(self, version: AssetVersion) -> TranscriptContent | None:
        """Find what was said: from ``transcript.json``, else from the text file."""
        for role in (FileRole.TRANSCRIPT, FileRole.TEXT):
            file = _file(version, role)
            if file is None or file.key is None or file.is_missing:
                continue
            known = self.bundle.objects.get(file.key)
            if known is None or not known.is_present:
                continue
            extraction: Extraction | None = self.bundle.extractions.get(file.key)
            if extraction is None:
                self.transcripts.append(file.key)
                return None
            if extraction.transcript is not None:
                return extraction.transcript
            self.problems.append(f"{file.name}: {extraction.error}")
        return None


def _thumbnails(key: ObjectKey) -> tuple[ObjectKey, ...]:
    """List where a picture's thumbnail may be: the name that only it can have first."""
    return rendition_keys(key, THUMB_ENDING)[::-1]


def _recorded_file(role: FileRole, found: StoredObject) -> AssetFile:
    return AssetFile(
        role=role,
        name=found.key.rpartition("/")[2],
        key=found.key,
        size_bytes=found.size_bytes,
        content_type=found.content_type,
        etag=found.etag,
    )


def _file(version: AssetVersion, role: FileRole) -> AssetFile | None:
    return next((file for file in version.files if file.role is role), None)


def _ending(file: AssetFile | None, default: str) -> str:
    ending = file.name.rpartition(".")[2].lower() if file and "." in file.name else ""
    return ending if ending.isalnum() and ending.isascii() else default
