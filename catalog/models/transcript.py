"""What was said in a recording, when and by whom."""

from catalog.models.base import Model


class Segment(Model):
    """One utterance, or a window of a long one.

    Times are whole milliseconds from the start of the recording, ``None`` where the
    source has none (never invented). ``word_starts_ms`` has one entry per
    white-space separated word of ``text``, or is empty where words have no times.
    """

    sequence: int
    utterance: int
    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    speaker: str | None = None
    word_starts_ms: tuple[int, ...] = ()


class TranscriptContent(Model):
    """A transcript as the catalog uses it, whatever its source format was."""

    text: str
    segments: tuple[Segment, ...]
    word_count: int
    speakers: tuple[str, ...] = ()
    language: str | None = None
    duration_seconds: float | None = None
    engine: str | None = None
