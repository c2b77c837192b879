"""What a job is asked to make: one model for each type, a union over ``type``.

Taken apart three times by the same code: the body of a POST, the ``config`` of the job
record, and what a worker reads back from it. Field names are the seed's (camelCase) on
the wire and in the record; what a platform adds beside them inside ``inputs`` is kept
and handed to the engine as it is.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from pydantic.alias_generators import to_camel

from catalog.models.base import Model
from catalog.models.job import JobType

MAX_IMAGES = 16
"""Images of one job; more are several jobs."""

MAX_LORAS = 8
MAX_TRAINING_IMAGES = 1_000
MIN_TRAINING_IMAGES = 4
"""Of fewer a LoRA learns the pictures themselves; fal.ai's trainers advise as many."""

MAX_SIDE_PX = 4096
"""Longest side of a picture; what an engine can do may be less."""

MAX_EXTRAS = 50
"""Further fields of ``inputs`` that are handed on."""

_MAX_SEED = 2**63 - 1

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[Text, Field(max_length=200)]
Location = Annotated[Text, Field(max_length=2048)]
"""``s3://…`` of our store or ``https://…``; of a LoRA also its asset's or job's id."""


class Asked(Model):
    """Read leniently (lists for tuples), written with the seed's names."""

    model_config = ConfigDict(
        strict=False, alias_generator=to_camel, populate_by_name=True
    )


class Metadata(Asked):
    """First values of what a person may change later."""

    name: Name | None = None
    tags: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    description: Annotated[str, Field(max_length=10_000)] | None = None
    is_public: bool = False


class LoraUse(Asked):
    """A LoRA to generate with."""

    path: Location
    scale: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = 1.0


class ImageInputs(Asked):
    """What images are made from; sizes in pixels.

    ``width`` and ``height`` must be multiples of 8, as every diffusion model demands.
    """

    model_config = ConfigDict(extra="allow")

    prompt: Annotated[Text, Field(max_length=20_000)]
    negative_prompt: Annotated[str, Field(max_length=20_000)] | None = None
    loras: Annotated[tuple[LoraUse, ...], Field(max_length=MAX_LORAS)] = ()
    width: Annotated[int, Field(ge=64, le=MAX_SIDE_PX, multiple_of=8)] = 1024
    height: Annotated[int, Field(ge=64, le=MAX_SIDE_PX, multiple_of=8)] = 1024
    num_images: Annotated[int, Field(ge=1, le=MAX_IMAGES)] = 1
    seed: Annotated[int, Field(ge=0, le=_MAX_SEED)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=500)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None

    @property
    def extras(self) -> dict[str, Any]:
        """What the platform added, as it wrote it."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _few_extras(self) -> Self:
        if len(self.extras) > MAX_EXTRAS:
            message = f"more than {MAX_EXTRAS} further fields; send fewer"
            raise ValueError(message)
        return self


class ImageGeneration(Asked):
    """Make images from a prompt."""

    type: Literal[JobType.IMAGE_GENERATION] = JobType.IMAGE_GENERATION
    model: Name
    inputs: ImageInputs
    metadata: Metadata = Metadata()


class CaptionStyle(StrEnum):
    """What the captions of a training are written from, behind the trigger."""

    NATURAL = "natural"
    """The job's description, then its tags; so it is where nothing is asked for."""

    SENTENCE = "sentence"
    """The same by another name."""

    DESCRIPTION = "description"
    """The description alone."""

    TAGS = "tags"
    """The tags alone, parted by commas."""

    TRIGGER = "trigger"
    """Nothing: the trigger stands alone."""


class LoraTraining(Asked):
    """Train a LoRA on the frames of a video, or on images; exactly one of the two.

    ``caption_style`` is one of ``CaptionStyle``, in any case. It is looked at when a
    job is submitted; records that say something else mean ``natural``.
    ``sampling`` tells where the frames of a video are taken: equally far apart
    (``interval``, the default), or wherever the picture has become another one.
    ``resolution`` is the side in pixels of the squares that are trained on. Which of
    ``steps rank learning_rate resolution seed`` an engine takes is its own matter.
    """

    type: Literal[JobType.LORA_TRAINING] = JobType.LORA_TRAINING
    lora_name: Name
    video_url: Location | None = None
    images: Annotated[tuple[Location, ...], Field(max_length=MAX_TRAINING_IMAGES)] = ()
    sampling: Literal["interval", "scenes"] | None = None
    trigger: Annotated[Text, Field(max_length=100)] | None = None
    caption_style: Annotated[Text, Field(max_length=100)] | None = None
    steps: Annotated[int, Field(ge=1, le=20_000)] | None = None
    rank: Annotated[int, Field(ge=1, le=256)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    resolution: Annotated[int, Field(ge=64, le=MAX_SIDE_PX, multiple_of=8)] | None = (
        None
    )
    seed: Annotated[int, Field(ge=0, le=_MAX_SEED)] | None = None
    model: Name | None = None
    metadata: Metadata = Metadata()

    @property
    def style(self) -> CaptionStyle | None:
        """What ``caption_style`` says; ``None`` for a word that says nothing here."""
        if self.caption_style is None:
            return CaptionStyle.NATURAL
        try:
            return CaptionStyle(self.caption_style.lower())
        except ValueError:
            return None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.video_url is None) == (not self.images):
            message = "send either videoUrl or images"
            raise ValueError(message)
        return self


class Transcription(Asked):
    """Write down a recording: at an address, or uploaded; exactly one of the two.

    ``speakers`` is how many are expected, ``language`` a code such as ``en`` or
    ``pt-BR``; both are found out where they are left open.
    """

    type: Literal[JobType.TRANSCRIPTION] = JobType.TRANSCRIPTION
    url: Location | None = None
    upload: Location | None = None
    speakers: Annotated[int, Field(ge=1, le=50)] | None = None
    language: (
        Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] | None
    ) = None
    model: Name | None = None
    metadata: Metadata = Metadata()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.upload is None):
            message = "send either url or upload"
            raise ValueError(message)
        return self


JobRequest = Annotated[
    ImageGeneration | LoraTraining | Transcription, Field(discriminator="type")
]

_REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)


def config_of(request: JobRequest) -> dict[str, Any]:
    """Write the ``config`` of a job record: all that was asked but the metadata."""
    return request.model_dump(
        mode="json",
        by_alias=True,
        exclude={"type", "metadata"},
        exclude_none=True,
    )


def request_from(job_type: JobType, config: Any) -> JobRequest:  # noqa: ANN401  (a record's)
    """Read ``config`` back; the metadata stays in its own part of the record.

    Raises:
        pydantic.ValidationError: Somebody has changed the record since.
    """
    return _REQUEST.validate_python({**dict(config), "type": job_type})
