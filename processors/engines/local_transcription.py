"""Transcription on this machine, without a network: English, without punctuation.

What it can and can't do is told in ``docs/jobs.md``; it is never to be taken
for a provider's quality, so what it makes bears its name.
"""

import re
from importlib.metadata import version

from catalog.clock import Clock, SystemClock
from catalog.models.asset import FileRole
from catalog.models.generation import Transcription
from catalog.models.job import JobType
from processors.engine import EngineError, Made, Output, Step, Work
from processors.engines.child import ChildLimits, run_child

NAME = "local-pocketsphinx"
MODEL = "pocketsphinx-en-us"
LONGEST_SECONDS = 4 * 3600

_CHILD = "processors.engines.pocketsphinx_child"
_ENGLISH = re.compile(r"(en|eng)([-_].*)?", re.IGNORECASE)
_MIB = 1024 * 1024


class LocalTranscription:
    """``Engine`` on ``pocketsphinx``, whose wheel ships its model.

    It has one step: a worker that dies leaves nothing, and the next begins anew.
    """

    name = NAME
    type = JobType.TRANSCRIPTION
    reads_addresses = False

    def __init__(
        self, *, longest_seconds: int = LONGEST_SECONDS, clock: Clock | None = None
    ) -> None:
        """Load nothing yet.

        Args:
            longest_seconds: Longest recording that is taken.
            clock: For the limits on time.
        """
        self._longest_seconds = longest_seconds
        self._clock = clock or SystemClock()

    def advance(self, work: Work, step: Step) -> Made:
        """See ``Engine.advance``; takes about 0.3 s per second of speech, one core."""
        del step
        request = work.request
        if not isinstance(request, Transcription):
            raise _invalid(f"The engine {NAME} only makes transcripts.")
        _check(request)
        if work.source is None or not work.source.is_file():
            raise EngineError(
                "source_missing", "There is no recording.", is_retryable=False
            )
        task = {
            "source": str(work.source.resolve()),
            "folder": str(work.folder.resolve()),
            "id": f"{work.job_id}-v{work.version}",
            "engine": NAME,
            "longest_seconds": self._longest_seconds,
        }
        made = run_child(
            _CHILD,
            task,
            _limits(self._longest_seconds),
            folder=work.folder.resolve(),
            report=work.report,
            check=work.check,
            clock=self._clock,
        )
        outputs = (
            Output(
                FileRole.TRANSCRIPT, work.folder / "transcript.json", "application/json"
            ),
            Output(
                FileRole.TEXT,
                work.folder / "transcript.txt",
                "text/plain; charset=utf-8",
            ),
        )
        facts = {"engine": NAME, "model": MODEL, "version": version("pocketsphinx")}
        return Made(outputs, facts | made)

    def cancel(self, work: Work, step: Step) -> None:
        """See ``Engine.cancel``: nothing goes on elsewhere."""


def _check(request: Transcription) -> None:
    language, model = request.language, request.model
    if language is not None and not _ENGLISH.fullmatch(language):
        raise _invalid(
            f"The engine {NAME} understands English only, not {language!r}; leave "
            "`language` out or send `en`, or use a provider for other languages."
        )
    if model is not None and model not in (NAME, MODEL, "pocketsphinx"):
        raise _invalid(
            f"The engine {NAME} has one model, {MODEL!r}, and not {model!r}; leave "
            "`model` out."
        )


def _limits(longest_seconds: int) -> ChildLimits:
    """Three times and more of what was measured: 0.3 s a second of speech, 160 MiB."""
    return ChildLimits(
        memory_bytes=1024 * _MIB,
        file_bytes=256 * _MIB,
        cpu_seconds=60,
        cpu_seconds_per_unit=4.0,
        wall_seconds=180,
        wall_seconds_per_unit=20.0,
        most_units=longest_seconds,
    )


def _invalid(message: str) -> EngineError:
    return EngineError("invalid_input", message, is_retryable=False)
