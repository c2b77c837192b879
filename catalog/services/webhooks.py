"""What to do when a provider says that it is done."""

from collections.abc import Mapping
from contextlib import suppress

from catalog.clock import Clock
from catalog.errors import NotFoundError
from catalog.models.ids import JobId
from catalog.repositories.queue import QueueRepository
from catalog.webhooks import (
    ASSEMBLYAI_HEADER,
    PublicKeys,
    WebhookFacts,
    WrongSignatureError,
    assemblyai_facts,
    verify_assemblyai,
    verify_fal,
)


class WebhookService:
    """Verifies, then wakes the job; the same webhook may come any number of times."""

    def __init__(self, queue: QueueRepository, keys: PublicKeys, clock: Clock) -> None:
        """Stand on the queue, and on fal's keys."""
        self._queue = queue
        self._keys = keys
        self._clock = clock

    def fal(
        self, job_id: JobId, nonce: str, headers: Mapping[str, str], raw_body: bytes
    ) -> None:
        """Take in a webhook of fal.ai.

        Raises:
            ForbiddenError: fal did not sign it, or long ago.
            InvalidRequestError: It can't be read.
            NotFoundError: No job of ours waits for it.
            DependencyUnavailableError: MongoDB or fal's keys; it will come again.
        """
        self._wake(job_id, nonce, self._verified(headers, raw_body))

    def assemblyai(
        self, job_id: JobId, nonce: str, headers: Mapping[str, str], raw_body: bytes
    ) -> None:
        """Take in a webhook of AssemblyAI; raises as ``fal``."""
        verify_assemblyai(headers.get(ASSEMBLYAI_HEADER), nonce)
        self._wake(job_id, nonce, assemblyai_facts(raw_body))

    def _verified(self, headers: Mapping[str, str], raw_body: bytes) -> WebhookFacts:
        now = self._clock.now()
        # Without keys first: what has no signature at all must not make us fetch any.
        with suppress(WrongSignatureError):
            return verify_fal(headers, raw_body, (), now)
        with suppress(WrongSignatureError):
            return verify_fal(headers, raw_body, self._keys.get(), now)
        # Perhaps by a key that is newer than those we know.
        return verify_fal(headers, raw_body, self._keys.get(renew=True), now)

    def _wake(self, job_id: JobId, nonce: str, facts: WebhookFacts) -> None:
        told = {"requestId": facts.request_id, "status": facts.status}
        if not self._queue.wake(job_id, nonce=nonce, told=told):
            raise NotFoundError("job", job_id)
