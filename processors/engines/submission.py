"""The steps of a job that a provider makes, so that it is paid for once.

``{}`` → *submitting* (kept before the request) → *submitted* (kept right after it, with
the provider's id). Who finds *submitting* can't know whether the request arrived: it is
never sent again, but looked for until a set time is over.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.clock import Clock
from catalog.errors import DependencyUnavailableError
from processors.engine import EngineError, Step, Waiting, Work
from processors.patience import Patience

LOG = logging.getLogger(__name__)

SUBMITTING, SUBMITTED = "submitting", "submitted"

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(seconds=30)
_LONGEST_WORK = timedelta(hours=24)
"""A provider that has not finished by then never will."""

_SURE_ATTEMPTS = 8
"""Tries at keeping a request id: 20 seconds in all, a new primary is there by then."""


def new_nonce() -> str:
    """Make a secret of 128 bits for a webhook's address."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Submissions:
    """Writes and reads the steps for one provider.

    Attributes:
        provider: Name for messages.
        clock: For ``at``.
        unknown_after: How long a submit of unknown fate is waited for.
        nonces: Makes one for each submit.
    """

    provider: str
    clock: Clock
    unknown_after: timedelta = timedelta(minutes=10)
    nonces: Callable[[], str] = new_nonce

    def begin(self, work: Work, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Keep that a request is about to be sent; send it right after this.

        Args:
            work: The job.
            facts: What is needed to find the request again.

        Returns:
            The step, with ``nonce``, ``webhook`` (``None`` for none) and ``at``.
        """
        work.check()
        nonce = self.nonces()
        step = {
            **facts,
            "phase": SUBMITTING,
            "provider": self.provider,
            "nonce": nonce,
            "webhook": work.webhook(nonce),
            "at": self.clock.now(),
        }
        work.save(step)
        return step

    def keep(self, work: Work, step: Step, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Keep that the provider has it, whatever it takes: the id exists only here.

        Args:
            work: The job.
            step: As ``begin`` gave it, or a later run found it.
            facts: With ``requestId``.

        Returns:
            The step that is kept now.
        """
        submitted = {**step, **facts, "phase": SUBMITTED}
        # In the log as well: a person can find it there if MongoDB stays away.
        LOG.info(
            "job submitted to a provider",
            extra={
                "job_id": work.job_id,
                "provider": self.provider,
                "provider_request_id": submitted["requestId"],
            },
        )
        patience = Patience(self.clock, attempts=_SURE_ATTEMPTS)
        attempt = 0
        while True:
            attempt += 1
            try:
                work.save(submitted)
            except DependencyUnavailableError:
                if not patience.wait(attempt, _go_on):
                    raise
            else:
                return submitted

    def forget(self, work: Work) -> None:
        """Keep that nothing is under way: the next attempt may submit again."""
        work.save({})

    def not_sent(self, work: Work, reason: str) -> EngineError:
        """Say that a submit certainly never arrived; the next attempt sends anew."""
        self.forget(work)
        return EngineError(
            "provider_unavailable",
            f"{self.provider} can't be reached right now ({reason}).",
            is_retryable=True,
        )

    def lost(self, work: Work, step: Step, reason: str) -> Waiting:
        """Wait for word of a submit that may have arrived; see ``wait_for_word``."""
        LOG.warning(
            "fate of a submit is unknown",
            extra={
                "job_id": work.job_id,
                "provider": self.provider,
                "cause": reason,
            },
        )
        return self.wait_for_word(step)

    def wait_for_word(self, step: Step) -> Waiting:
        """Go on waiting for a submit of unknown fate, or give up.

        Raises:
            EngineError: ``submission_unknown``; a person has to look.
        """
        age = self.age(step)
        if step.get("webhook") is None and not step.get("isSearchable"):
            age = self.unknown_after  # nobody will ever tell
        if age < self.unknown_after:
            left = self.unknown_after - age
            return Waiting(step, min(left, _LONGEST_PAUSE))
        raise EngineError(
            "submission_unknown",
            f"The connection to {self.provider} was lost while the job was submitted "
            f"({step.get('at')}), and nothing tells whether it was accepted. Look at "
            f"the dashboard of {self.provider}: retry the job only if it is not there, "
            "or if paying for it twice does not matter.",
            is_retryable=True,
            is_final=True,
        )

    def wait_for_result(self, step: Step, progress: int | None) -> Waiting:
        """Look again later: soon after the submit, then ever more rarely.

        Raises:
            EngineError: It has taken longer than anything takes.
        """
        age = self.age(step)
        if age > _LONGEST_WORK:
            hours = _LONGEST_WORK // timedelta(hours=1)
            raise EngineError(
                "provider_unavailable",
                f"{self.provider} has not finished {step.get('requestId')} within "
                f"{hours} hours; look at its dashboard.",
                is_retryable=True,
                is_final=True,
            )
        pause = min(max(age / 10, _FIRST_PAUSE), _LONGEST_PAUSE)
        return Waiting(step, pause, progress)

    def age(self, step: Step) -> timedelta:
        """Tell how long ago it was submitted."""
        at = step.get("at")
        if not isinstance(at, datetime):
            return self.unknown_after
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(self.clock.now() - at, timedelta(0))


def not_configured(provider: str, setting: str) -> EngineError:
    """Say which setting is missing."""
    return EngineError(
        "not_configured",
        f"{provider} has no key: set {setting}, restart the workers and retry the job.",
        is_retryable=True,
        is_final=True,
    )


def strange_step(step: Step) -> EngineError:
    """Say that a step is none of this engine's."""
    return EngineError(
        "engine_failed",
        f"The job stands at an unknown step ({step.get('phase')!r}); retry it from "
        "its beginning.",
        is_retryable=True,
        is_final=True,
    )


def _go_on() -> None:
    """Neither a cancel nor a shutdown stops the keeping of a request id."""
