"""The port to whatever makes what a job asks for: a provider, or this machine.

An engine is a machine of durable steps, so that a job goes on elsewhere when its
worker dies. The worker calls ``advance`` with the last step that was kept; the engine
does one piece of work, keeps steps on the way where repeating the piece would cost
something, and says how it went.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from catalog.errors import CatalogError
from catalog.models.asset import FileRole
from catalog.models.generation import JobRequest
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobType

Step = Mapping[str, Any]
"""What MongoDB can hold. Empty at the beginning; its ``phase`` says where it stands."""


class EngineError(CatalogError):
    """The job can't be made, or not now.

    Attributes:
        code: For programs: ``invalid_input``, ``source_missing``,
            ``source_unreadable``, ``provider_rejected``, ``provider_unavailable``,
            ``submission_unknown``, ``not_configured``, ``out_of_limits``,
            ``engine_failed``.
        is_retryable: Whether the very same job may succeed later.
        is_final: Whether the worker must leave it to a person although it may succeed
            (the fate of something that is paid for is unknown).
    """

    def __init__(
        self, code: str, message: str, *, is_retryable: bool, is_final: bool = False
    ) -> None:
        """Say what went wrong and, for a person, what to do about it."""
        super().__init__(message)
        self.code = code
        self.is_retryable = is_retryable
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a LoRA is trained on.

    Attributes:
        folder: On this machine: ``images/0001.jpg`` … and ``captions/0001.txt`` ….
        count: How many images; each has its caption.
        is_stored: Whether it lies in the store already, where an earlier version of
            this job left it.
        facts: For the record: where it comes from, and what was dropped.
    """

    folder: Path
    count: int
    is_stored: bool
    facts: Mapping[str, Any]


class Shelf(Protocol):
    """Files of a job that outlive its worker; gone some time after the job has ended.

    Whatever raises ``DependencyError`` may be repeated.
    """

    def put(self, name: str, path: Path) -> None:
        """Keep a copy of a file, whole or not at all, replacing any of this name."""
        ...

    def take(self, name: str, path: Path) -> bool:
        """Bring a copy to ``path``; ``False`` where there is none (any more)."""
        ...

    def drop(self, name: str) -> None:
        """Keep it no longer; succeeds where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One job as an engine sees it.

    Attributes:
        job_id: Which.
        user_id: Whose.
        version: Number of the version that is made.
        request: What is asked for, validated.
        folder: Of this run alone, empty at first, removed afterwards.
        source_url: Address from which a provider can read the source for a while;
            ``None`` where there is no source, no address, or a provider that has been
            given it: from its first step on nothing is looked for again.
        source: The source on this machine (of a training the folder of its dataset);
            ``None`` where there is none, or where the engine reads it from
            ``source_url``, for a training a zip of images and captions.
        loras: Files of the LoRAs to use, as ``request.inputs.loras`` orders them: for a
            provider an address, for a local engine a path. None for a provider that has
            been given them.
        webhook: Gives the address at which a provider may tell that it is done, by a
            nonce that only it is given; ``None`` where the API has no public address.
        told: What a webhook with the nonce of the last step has said, verified; empty
            when none came.
        dataset: Brings what a LoRA is trained on to this machine, once; ``None`` for
            other jobs. A provider's step keeps its ``facts`` as ``dataset``: what is
            told of it once its files have gone.
        shelf: For files that the next run of this job may go on from; ``None`` for
            engines that have none.
        save: Keeps a step durably before the engine goes on.
        report: Shows progress, 0 to 100; cheap, may be called often.
        check: Raises once the job was cancelled or the claim is lost; call it often.
    """

    job_id: JobId
    user_id: UserId
    version: int
    request: JobRequest
    folder: Path
    save: Callable[[Step], None]
    report: Callable[[int], None]
    check: Callable[[], None]
    webhook: Callable[[str], str | None]
    source_url: str | None = None
    source: Path | None = None
    loras: tuple[str, ...] = ()
    dataset: Callable[[], Dataset] | None = None
    shelf: Shelf | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody else works on it.

    Attributes:
        step: To go on from.
        pause: After which to look again, unless a webhook comes first.
        progress: 0 to 100; ``None`` when it can't be told.
    """

    step: Step
    pause: timedelta
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One file that was made.

    Attributes:
        role: What it is to the asset.
        path: Where it lies, inside ``Work.folder``.
        content_type: As it is to be stored.
        number: Of an image, from 1 within this run.
        facts: Of an image: ``width height seed`` (pixels).
    """

    role: FileRole
    path: Path
    content_type: str
    number: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """All is done.

    Attributes:
        outputs: At least one.
        provenance: For the record: ``engine``, ``endpoint``, the provider's request id,
            its own addresses of the results.
    """

    outputs: tuple[Output, ...]
    provenance: Mapping[str, Any]


class Engine(Protocol):
    """Makes one type of job. Used by several threads, each with a job of its own."""

    @property
    def name(self) -> str:
        """As it is shown with what it made (``fal``, ``assemblyai``, ``local-…``)."""
        ...

    @property
    def type(self) -> JobType:
        """What it makes."""
        ...

    @property
    def reads_addresses(self) -> bool:
        """Whether sources and LoRAs are given to it as addresses, not as files."""
        ...

    def advance(self, work: Work, step: Step) -> Waiting | Made:
        """Do one piece of work.

        Args:
            work: The job.
            step: The last one that was kept; empty at the beginning.

        Raises:
            EngineError: It can't be made, or not now. The next attempt goes on from
                the last step that was kept: an engine whose step leads nowhere any
                more keeps ``{}`` before.
            CancelledError: ``work.check`` raised it; let it through.
        """
        ...

    def cancel(self, work: Work, step: Step) -> None:
        """Tell whoever works on it to stop, as well as that goes; never raises."""
        ...


class CancelledError(CatalogError):
    """Somebody asked for the end of the job."""

    code = "cancelled"
