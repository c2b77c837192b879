"""fal.ai's queue as an engine: submit, look, fetch (steps: ``submission``)."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.models.job import JobType
from processors.downloads import Fetch
from processors.engine import EngineError, Made, Step, Waiting, Work
from processors.engines.fal_errors import failure, is_verdict, refusal
from processors.engines.fal_tasks import FalTask
from processors.engines.submission import (
    SUBMITTED,
    SUBMITTING,
    Submissions,
    strange_step,
)
from processors.http import Answer, Lost, NotSent, ProviderHttp

LOG = logging.getLogger(__name__)

NAME = "fal"

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\Z")
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+\Z")
_NAMESPACES = frozenset({"workflows", "comfy"})
"""First parts of an endpoint id that stand before the owner."""

_OK = range(200, 300)
_ERROR, _NOT_FOUND, _TIMEOUT, _TOO_MANY = 400, 404, 408, 429


@dataclass(frozen=True, slots=True)
class _Addresses:
    status: str
    response: str
    cancel: str


class FalEngine:
    """See ``Engine``."""

    name = NAME
    reads_addresses = True

    def __init__(
        self,
        task: FalTask,
        http: ProviderHttp,
        fetch: Fetch,
        submissions: Submissions,
        models: Mapping[str, str],
    ) -> None:
        """Make one type of job.

        Args:
            task: Which.
            http: The queue's API, with the key.
            fetch: For results; knows no key.
            submissions: For the steps.
            models: Configured names of endpoints, see ``fal_models``.
        """
        self._task = task
        self._http = http
        self._fetch = fetch
        self._submissions = submissions
        self._models = models

    @property
    def type(self) -> JobType:
        """See ``Engine.type``."""
        return self._task.type

    def advance(self, work: Work, step: Step) -> Waiting | Made:
        """See ``Engine.advance``."""
        match step.get("phase"):
            case None:
                return self._submit(work)
            case "submitting":
                return self._find(work, step)
            case "submitted":
                return self._look(work, step)
            case _:
                raise strange_step(step)

    def cancel(self, work: Work, step: Step) -> None:
        """See ``Engine.cancel``; without a request id there is nothing to name."""
        if step.get("phase") == SUBMITTING:
            step = _with_told_id(work, step)
        if step.get("phase") != SUBMITTED:
            return
        try:
            answer = self._http.put(self._addresses(step).cancel)
        except EngineError as exc:
            outcome = str(exc)
        else:
            outcome = str(answer.json_object().get("status") or answer.status)
        LOG.info(
            "cancel sent to fal", extra={"job_id": work.job_id, "outcome": outcome}
        )

    # --- submitting ----------------------------------------------------------------

    def _submit(self, work: Work) -> Waiting | Made:
        request = self._task.request(work, self._models)
        if not _ENDPOINT.match(request.endpoint):
            raise EngineError(
                "not_configured",
                f"CATALOG_FAL_MODELS names no endpoint by {request.endpoint!r}.",
                is_retryable=True,
                is_final=True,
            )
        facts: dict[str, Any] = {"model": request.model, "endpoint": request.endpoint}
        if work.dataset is not None:
            # It may have gone by the time at which there is something to tell of it.
            facts["dataset"] = dict(work.dataset().facts)
        step = self._submissions.begin(work, facts)
        webhook = step["webhook"]
        answer = self._http.post_once(
            self._http.url(request.endpoint),
            request.payload,
            params=None if webhook is None else {"fal_webhook": webhook},
        )
        match answer:
            case NotSent(reason):
                raise self._submissions.not_sent(work, reason)
            case Lost(reason):
                return self._submissions.lost(work, step, reason)
            case Answer():
                return self._answered(work, step, answer)

    def _answered(self, work: Work, step: Step, answer: Answer) -> Waiting | Made:
        if answer.status not in _OK:
            is_refused = answer.status == _TOO_MANY or is_verdict(answer)
            if answer.status == _TIMEOUT or not is_refused:
                return self._submissions.lost(work, step, f"HTTP {answer.status}")
            self._submissions.forget(work)
            raise refusal(answer, step["endpoint"])
        body = answer.json_object()
        request_id = body.get("request_id")
        if not isinstance(request_id, str) or not _REQUEST_ID.match(request_id):
            return self._submissions.lost(work, step, "an answer without a request id")
        given = {
            name: body.get(field)
            for name, field in (
                ("statusUrl", "status_url"),
                ("responseUrl", "response_url"),
                ("cancelUrl", "cancel_url"),
            )
        }
        kept = self._submissions.keep(work, step, {"requestId": request_id, **given})
        return self._submissions.wait_for_result(kept, 0)

    def _find(self, work: Work, step: Step) -> Waiting | Made:
        """Go on with a request whose id only a webhook can tell."""
        known = _with_told_id(work, step)
        if "requestId" not in known:
            return self._submissions.wait_for_word(step)
        # Signed by fal, but perhaps for another customer's request.
        answer = self._http.get(self._addresses(known).status, work.check)
        if answer.status not in _OK:
            return self._submissions.wait_for_word(step)
        kept = self._submissions.keep(work, step, {"requestId": known["requestId"]})
        return self._look(work, kept)

    # --- after that ----------------------------------------------------------------

    def _look(self, work: Work, step: Step) -> Waiting | Made:
        addresses = self._addresses(step)
        answer = self._http.get(addresses.status, work.check)
        if answer.status == _NOT_FOUND:
            raise _gone(step)
        if answer.status >= _ERROR:
            # The request lives on: whatever is wrong with the key or the road, the
            # next attempt looks again.
            refused = refusal(answer, step["endpoint"])
            raise EngineError(refused.code, str(refused), is_retryable=True)
        status = answer.json_object()
        match status.get("status"):
            case "COMPLETED":
                failed = failure(status)
                if failed is not None:
                    raise self._failed(work, failed)
                return self._collect(work, step, addresses)
            case "IN_QUEUE":
                return self._submissions.wait_for_result(step, 0)
            case _:
                return self._submissions.wait_for_result(step, None)

    def _collect(self, work: Work, step: Step, addresses: _Addresses) -> Made:
        answer = self._http.get(addresses.response, work.check, is_settled=is_verdict)
        if answer.status == _NOT_FOUND:
            raise _gone(step)
        if answer.status not in _OK:
            raise self._failed(work, refusal(answer, step["endpoint"]))
        result = answer.json_object()
        parts = self._task.parts(result)
        if not parts:
            raise EngineError(
                "provider_rejected",
                f"fal completed {step['requestId']} without a result.",
                is_retryable=False,
            )
        outputs = []
        for part in parts:
            work.check()
            target = work.folder / f"{part.name}.part"
            self._fetch(
                part.url, target, limit_bytes=part.limit_bytes, check=work.check
            )
            outputs.append(self._task.output(part, target, result))
        provenance: dict[str, Any] = {
            "engine": NAME,
            "model": step.get("model"),
            "endpoint": step["endpoint"],
            "requestId": step["requestId"],
            "results": [part.url for part in parts],
        }
        if isinstance(result.get("has_nsfw_concepts"), list):
            provenance["hasNsfwConcepts"] = [
                bool(x) for x in result["has_nsfw_concepts"]
            ]
        return Made(tuple(outputs), provenance)

    def _failed(self, work: Work, error: EngineError) -> EngineError:
        """Let the next attempt submit anew: this request has certainly ended."""
        if error.is_retryable and not error.is_final:
            self._submissions.forget(work)
        return error

    def _addresses(self, step: Step) -> _Addresses:
        """Take fal's own addresses, but only those on the configured host.

        Others are made as the official client makes them. (Behind a proxy fal's
        addresses name fal, and a wrong one must not cost a request that is paid for.)
        """
        base = f"{_app(step['endpoint'])}/requests/{step['requestId']}"
        made = {
            "statusUrl": self._http.url(f"{base}/status"),
            "responseUrl": self._http.url(base),
            "cancelUrl": self._http.url(f"{base}/cancel"),
        }
        for name in made:
            given = step.get(name)
            if isinstance(given, str) and self._http.owns(given):
                made[name] = given
            elif given is not None:
                LOG.warning("fal gave an address on another host", extra={"at": name})
        return _Addresses(made["statusUrl"], made["responseUrl"], made["cancelUrl"])


def _app(endpoint: str) -> str:
    """Leave out the subpath, which only a submit has (``fal-ai/flux/dev``)."""
    parts = endpoint.split("/")
    return "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])


def _with_told_id(work: Work, step: Step) -> Step:
    told = work.told.get("requestId")
    if isinstance(told, str) and _REQUEST_ID.match(told):
        return {**step, "phase": SUBMITTED, "requestId": told}
    return step


def _gone(step: Step) -> EngineError:
    return EngineError(
        "provider_rejected",
        f"fal does not know {step['requestId']} any more; look at its dashboard before "
        "the job is retried.",
        is_retryable=True,
        is_final=True,
    )
