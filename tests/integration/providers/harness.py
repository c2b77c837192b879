"""A worker as simple as can be: keeps steps, dies where it is told to, goes on."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
from bson import decode, encode
from bson.codec_options import CodecOptions
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.models.generation import JobRequest
from catalog.models.ids import JobId, UserId
from processors.engine import Engine, EngineError, Made, Step, Waiting, Work

WEBHOOKS = "https://catalog.example/hooks/"
_ATTEMPTS = 6
_ROUNDS = 500


class DeathError(BaseException):
    """The process is gone: nothing may catch this."""


class Mortal:
    """Counts the moments at which a process can die, and dies at one of them."""

    def __init__(self) -> None:
        self.moments = 0
        self.dies_at: set[int] = set()

    def moment(self) -> None:
        self.moments += 1
        if self.moments in self.dies_at:
            raise DeathError


class MortalTransport(httpx.BaseTransport):
    """The real network, with a moment before and after each request."""

    def __init__(self, mortal: Mortal) -> None:
        self._mortal = mortal
        # Plain http, no kept connections, as the engines have it themselves.
        self._inner = httpx.HTTPTransport(
            verify=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._mortal.moment()
        response = self._inner.handle_request(request)
        try:
            self._mortal.moment()
        except DeathError:
            response.close()
            raise
        return response


class Worker:
    """Runs one job to its end; a step survives only if MongoDB can hold it."""

    def __init__(
        self,
        engine: Engine,
        request: JobRequest,
        clock: ManualClock,
        folder: Path,
        *,
        mortal: Mortal | None = None,
        has_webhooks: bool = True,
        **given: Any,  # noqa: ANN401
    ) -> None:
        self.engine = engine
        self.mortal = mortal or Mortal()
        self.step: Step = {}
        self.told: Mapping[str, Any] = {}
        self.saved: list[Step] = []
        self.attempts = 0
        self.deaths = 0
        self.pauses: list[timedelta] = []
        self.progress: list[int | None] = []
        self.before_round: Callable[[], None] = lambda: None
        self._clock = clock
        self._request = request
        self._folder = folder
        self._has_webhooks = has_webhooks
        self._given = given

    def work(self) -> Work:
        return Work(
            job_id=JobId("job-1"),
            user_id=UserId("ann"),
            version=1,
            request=self._request,
            folder=Path(mkdtemp(dir=self._folder)),
            save=self._save,
            report=lambda _: None,
            check=lambda: None,
            webhook=lambda n: WEBHOOKS + n if self._has_webhooks else None,
            told=self.told,
            **self._given,
        )

    def advance(self) -> Waiting | Made:
        """Do one piece of work from the last step that was kept."""
        outcome = self.engine.advance(self.work(), self.step)
        if isinstance(outcome, Waiting):
            self._save(outcome.step)
            self.pauses.append(outcome.pause)
            self.progress.append(outcome.progress)
        return outcome

    def run(self) -> Made | EngineError:
        """Go on, whatever happens, until the job has ended."""
        for _ in range(_ROUNDS):
            self.before_round()
            try:
                outcome = self.advance()
            except DeathError:
                self.deaths += 1
                continue
            except EngineError as exc:
                self.attempts += 1
                if exc.is_final or not exc.is_retryable or self.attempts == _ATTEMPTS:
                    return exc
                continue
            if isinstance(outcome, Made):
                return outcome
            self._clock.advance(outcome.pause.total_seconds())
        message = "the job never ends"
        raise AssertionError(message)

    def _save(self, step: Step) -> None:
        self.mortal.moment()
        options: CodecOptions[Mapping[str, Any]] = CodecOptions(tz_aware=True)
        self.step = decode(encode(dict(step)), codec_options=options)
        self.saved.append(self.step)
        self.mortal.moment()


def made(worker: Worker) -> Made:
    """Run to the end, which must be a good one."""
    outcome = worker.run()
    assert isinstance(outcome, Made), outcome
    return outcome


def failed(worker: Worker) -> EngineError:
    """Run to the end, which must be a failure."""
    outcome = worker.run()
    assert isinstance(outcome, EngineError), outcome
    return outcome
