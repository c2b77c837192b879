"""Turns the demo's cards into job records and recipes of files."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from catalog.demo.drawing import encoded
from catalog.demo.image_cards import IMAGES, ImageCard
from catalog.demo.lora_cards import LORAS, LoraCard
from catalog.demo.speech import assemblyai_response, parse_lines, plain_text
from catalog.demo.stage import DemoFile, DemoJob, Record, Stage
from catalog.demo.talk_cards import TALKS, TalkCard
from catalog.demo.weights import lora_weights, trainer_metadata
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobStatus, JobType
from catalog.storage import keys

_VIDEO_BYTES = 150_000_000
_STEPS = 1000


def demo_jobs(stage: Stage) -> list[DemoJob]:
    """Plan all jobs of the demo, the oldest first, as they would have come in."""
    lora_ids = {card.name: stage.job_id() for card in LORAS}
    lora_models = {
        card.name: keys.lora_model(
            UserId(card.card.user), lora_ids[card.name], card.versions
        )
        for card in LORAS
    }
    planned = [_lora_job(stage, card, lora_ids[card.name]) for card in LORAS]
    planned += [_image_job(stage, card, lora_models) for card in IMAGES]
    planned += [_talk_job(stage, card) for card in TALKS]
    return sorted(planned, key=lambda job: str(job.record["createdAt"]))


# --- LoRAs -------------------------------------------------------------------------


def _lora_job(stage: Stage, card: LoraCard, job_id: JobId) -> DemoJob:
    user = UserId(card.card.user)
    is_done = card.card.status is JobStatus.COMPLETED
    created = stage.created(card.card)
    versions: list[Record] = []
    files: list[DemoFile] = []
    for number in range(1, (card.versions if is_done else 0) + 1):
        trained_at = created + timedelta(hours=20 * (number - 1), minutes=24)
        model = keys.lora_model(user, job_id, number)
        versions.append(
            {
                "version": number,
                "modelUrl": stage.url(model),
                "createdAt": trained_at,
            }
        )
        files += _lora_files(stage, card, job_id, number, trained_at)
    if is_done:
        files += _dataset_files(stage, card, job_id)
    name = f"{card.name}.mp4"
    config = {
        "loraName": card.name,
        "trigger": card.trigger,
        "baseModel": card.base_model,
        "captionStyle": "tags",
        "steps": _STEPS,
    }
    record = stage.record(
        card.card,
        job_id,
        JobType.LORA_TRAINING,
        config=config,
        versions=versions,
        source_video=_source(stage, job_id, name),
    )
    return DemoJob(record, tuple(files))


def _captions(card: LoraCard) -> list[str]:
    looks = ("front view", "side view", "close-up", "wide shot", "low light")
    return [
        f"{card.trigger}, {card.subject}, {looks[number % len(looks)]}"
        for number in range(max(card.dataset_images, 5))
    ]


def _lora_files(
    stage: Stage, card: LoraCard, job_id: JobId, number: int, trained_at: datetime
) -> Iterator[DemoFile]:
    user = UserId(card.card.user)
    steps = _STEPS + 250 * (number - 1)
    metadata = trainer_metadata(
        name=card.name,
        trigger=card.trigger,
        base_model=card.base_model,
        captions=_captions(card),
        steps=steps,
        trained_at=trained_at,
    )
    config = {
        "name": card.name,
        "version": number,
        "trigger": card.trigger,
        "baseModel": card.base_model,
        "steps": steps,
        "rank": 8,
        "learningRate": 0.0001,
    }
    yield DemoFile(
        keys.lora_model(user, job_id, number),
        partial(lora_weights, seed=stage.sub_seed(), metadata=metadata),
    )
    yield DemoFile(
        keys.lora_config(user, job_id, number),
        partial(str.encode, json.dumps(config, indent=2)),
    )


def _dataset_files(stage: Stage, card: LoraCard, job_id: JobId) -> Iterator[DemoFile]:
    user = UserId(card.card.user)
    palettes = ("cool", "warm", "pastel", "dusk", "green")
    for number, caption in enumerate(_captions(card)[: card.dataset_images], 1):
        palette = palettes[number % len(palettes)]
        yield DemoFile(
            keys.dataset_image(user, job_id, number),
            partial(encoded, card.scene, palette, (320, 320), "jpg", stage.sub_seed()),
        )
        yield DemoFile(
            keys.dataset_caption(user, job_id, number), partial(str.encode, caption)
        )


# --- generated images --------------------------------------------------------------


def _image_job(
    stage: Stage, card: ImageCard, lora_models: Mapping[str, ObjectKey]
) -> DemoJob:
    user, job_id = UserId(card.card.user), stage.job_id()
    is_done = card.card.status is JobStatus.COMPLETED
    created = stage.created(card.card)
    width, height = card.size
    versions: list[Record] = []
    files: list[DemoFile] = []
    for number in range(1, (card.versions if is_done else 0) + 1):
        images: list[Record] = []
        for _ in range(card.count):
            key = keys.generated_image(user, job_id, len(files) + 1, card.ending)
            images.append(
                {
                    "url": stage.url(key),
                    "s3Key": key,
                    "width": width,
                    "height": height,
                }
            )
            draw = partial(
                encoded,
                card.scene,
                card.palette,
                card.size,
                card.ending,
                stage.sub_seed(),
            )
            files.append(DemoFile(key, draw))
        versions.append(
            {
                "version": number,
                "images": images,
                "createdAt": created + timedelta(hours=number - 1, seconds=40),
            }
        )
    inputs: Record = {
        "prompt": card.prompt,
        "width": width,
        "height": height,
        "numImages": card.count,
        "seed": stage.sub_seed(),
    }
    if card.loras:
        inputs["loras"] = [
            {"path": stage.s3_uri(lora_models[name]), "scale": 0.9}
            for name in card.loras
        ]
    record = stage.record(
        card.card,
        job_id,
        JobType.IMAGE_GENERATION,
        config={"model": card.model, "inputs": inputs},
        versions=versions,
    )
    return DemoJob(record, tuple(files))


# --- transcripts -------------------------------------------------------------------


def _talk_job(stage: Stage, card: TalkCard) -> DemoJob:
    user, job_id = UserId(card.card.user), stage.job_id()
    created = stage.created(card.card)
    lines = parse_lines(card.lines)
    source = _source(stage, job_id, card.file_name)
    versions: list[Record] = []
    files: list[DemoFile] = []
    for number in range(1, (card.versions if lines else 0) + 1):
        json_key = keys.transcript_json(user, job_id, number)
        text_key = keys.transcript_text(user, job_id, number)
        versions.append(
            {
                "version": number,
                "transcriptUrl": stage.url(json_key),
                "textUrl": stage.url(text_key),
                "createdAt": created + timedelta(days=number - 1, minutes=2),
            }
        )
        respond = partial(
            assemblyai_response,
            lines,
            transcript_id=stage.job_id(),
            audio_url=str(source["url"]),
            seed=stage.sub_seed(),
        )
        files += [
            DemoFile(json_key, respond),
            DemoFile(text_key, partial(str.encode, plain_text(lines))),
        ]
    config = {"provider": "assemblyai", "speakerLabels": True, "language": "en"}
    record = stage.record(
        card.card,
        job_id,
        JobType.TRANSCRIPTION,
        config=config,
        versions=versions,
        source_video=source,
    )
    return DemoJob(record, tuple(files))


def _source(stage: Stage, job_id: JobId, name: str) -> Record:
    """What was uploaded; ``temp/`` is emptied after a day, so the file is gone."""
    return {
        "url": stage.s3_uri(keys.temp(job_id, name)),
        "filename": name,
        "sizeBytes": _VIDEO_BYTES - stage.sub_seed() % 90_000_000,
    }
