"""The tasks that a child can be given, by name."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """Where a task is, and with which others it shares a child.

    Attributes:
        entry: ``module:function``, called with source, folder and options.
        modules: Loaded once by the child that it runs in. Pictures have a child
            without PyAV, whose libraries would take 100 MB of their address space.
    """

    entry: str
    modules: tuple[str, ...]


_PICTURES = ("processors.media.images", "processors.media.metadata")
_TRAINING = ("processors.media.training_image",)
_RECORDINGS = (
    "processors.media.probe",
    "processors.media.waveform",
    "processors.media.poster",
    "processors.media.frames",
)

TRAINING_IMAGE_NAME = "picture.jpg"
"""What ``training_image`` writes."""

TASKS: Mapping[str, Task] = {
    "image": Task("processors.media.images:task", _PICTURES),
    "training_image": Task("processors.media.training_image:task", _TRAINING),
    "preview": Task("processors.media.images:preview", _PICTURES),
    "metadata": Task("processors.media.metadata:picture", _PICTURES),
    "weights": Task("processors.media.metadata:weights", _PICTURES),
    "transcript": Task("processors.media.metadata:transcript", _PICTURES),
    "probe": Task("processors.media.probe:task", _RECORDINGS),
    "waveform": Task("processors.media.waveform:task", _RECORDINGS),
    "poster": Task("processors.media.poster:task", _RECORDINGS),
    "frames": Task("processors.media.frames:task", _RECORDINGS),
}
