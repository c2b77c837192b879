"""What an asset's files say of themselves, bounded and typed."""

from catalog.models.base import Model


class FileFacts(Model):
    """What only files tell; absent means unknown.

    Attributes:
        family: Whose models a LoRA fits: ``flux sd1 sd2 sdxl sd3 unknown``.
        rank: Of a LoRA.
        trigger_words: Words that call a LoRA up, the job's own not among them.
        generator: Program that made an image: ``automatic1111 comfyui …``.
        sampler: As the generator calls it.
        scheduler: Likewise.
        steps: Of the sampler.
        cfg: Scale of classifier-free guidance.
        lora_names: LoRAs that an image was made with, by the generator's names.
        hashes: Of models and LoRAs that an image was made with, lower-case hex.
        camera: Make and model.
        taken_at: When a photo was taken, ISO 8601, as the camera wrote it.
        audio_codec: Of the recording, as ``video_codec``.
        video_codec: See ``audio_codec``.
        keywords: What a transcript is about.
        tag_suggestions: What could be tags; only a person makes them so.
        outcome: ``ok``, or ``failed:`` and a cause for each cause there is; empty
            while nothing was read.
    """

    family: str | None = None
    rank: int | None = None
    trigger_words: tuple[str, ...] = ()
    generator: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    lora_names: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    camera: str | None = None
    taken_at: str | None = None
    audio_codec: str | None = None
    video_codec: str | None = None
    keywords: tuple[str, ...] = ()
    tag_suggestions: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()


NO_FILE_FACTS = FileFacts()
"""What an asset has whose files were not read yet."""
