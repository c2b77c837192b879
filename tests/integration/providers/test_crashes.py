"""Whatever dies or drops where: one job is never submitted twice."""

from collections.abc import Callable, Sequence
from itertools import combinations

import pytest

from processors.engine import EngineError, Made
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan, no_runner
from tests.fakes.provider_server import (
    DROP_AFTER,
    DROP_BEFORE,
    Fault,
    Reply,
    answer,
)
from tests.integration.providers.conftest import Workshop
from tests.integration.providers.harness import Worker

Make = Callable[[Workshop], Worker]

KINDS: dict[str, Make] = {
    "images": lambda shop: shop.images(),
    "training": lambda shop: shop.training(),
    "transcript": lambda shop: shop.transcript(),
}

TOO_MANY = Fault(reply=answer(429, {"detail": "slow down"}, retry_after="1"))
AWAY = Fault(reply=Reply(502, b"<html>bad gateway</html>"))


def submits(provider: FakeProvider) -> int:
    return len(provider.fal.submits) + len(provider.assemblyai.submits)


def moments_of(make: Make, shop: Workshop) -> int:
    worker = make(shop)
    assert isinstance(worker.run(), Made)
    return worker.mortal.moments


def check(worker: Worker, provider: FakeProvider, before: int) -> Made | EngineError:
    outcome = worker.run()
    made = submits(provider) - before
    if isinstance(outcome, Made):
        assert made == 1
    else:
        assert outcome.code == "submission_unknown", outcome
        assert outcome.is_final
        assert outcome.is_retryable
        assert made <= 1
    return outcome


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_killed_at_any_moment_a_job_ends_once_and_is_paid_for_once(
    make: Make, workshop: Workshop, provider: FakeProvider
) -> None:
    outcomes = []
    for moment in range(1, moments_of(make, workshop) + 1):
        worker = make(workshop)
        worker.mortal.dies_at = {moment}
        before = submits(provider)
        outcomes.append(check(worker, provider, before))
        assert worker.deaths == 1

    # Only between "about to submit" and "submitted" nobody knows: after the one save,
    # before and after the request, before the other save. AssemblyAI's list tells.
    unknown = [isinstance(outcome, EngineError) for outcome in outcomes]
    expected = 2 if make is KINDS["transcript"] else 4
    assert sum(unknown) == expected
    assert True not in unknown[6:]


def test_webhooks_leave_unknown_only_what_never_arrived(
    workshop: Workshop, provider: FakeProvider
) -> None:
    make = KINDS["images"]
    outcomes = []
    for moment in range(1, moments_of(make, workshop) + 1):
        worker = make(workshop)
        worker.mortal.dies_at = {moment}
        before = len(provider.fal.submits)

        def tell(worker: Worker = worker, before: int = before) -> None:
            for request in provider.fal.submits[before:]:
                worker.told = {"requestId": request.request_id, "status": "OK"}

        worker.before_round = tell
        outcomes.append(check(worker, provider, before))

    assert sum(isinstance(outcome, EngineError) for outcome in outcomes) == 2


@pytest.mark.parametrize("kind", ["images", "transcript"])
def test_killed_twice_it_is_still_submitted_once(
    kind: str, workshop: Workshop, provider: FakeProvider
) -> None:
    make = KINDS[kind]
    provider.fal.plan = FalPlan(positions=(1,), running=1)
    moments = range(1, moments_of(make, workshop) + 1)
    for pair in combinations(moments, 2):
        worker = make(workshop)
        worker.mortal.dies_at = set(pair)
        check(worker, provider, submits(provider))


ROUTES = {
    "images": ("fal.submit", "fal.status", "fal.result", "fal.file"),
    "training": ("fal.submit", "fal.status", "fal.result", "fal.file"),
    "transcript": ("aai.submit", "aai.get", "aai.list"),
}
FAULTS: dict[str, Sequence[Fault]] = {
    "dropped before": (DROP_BEFORE,),
    "dropped after": (DROP_AFTER,),
    "429": (TOO_MANY,),
    "502": (AWAY,),
    "503 as fal says it": (Fault(reply=no_runner()),),
    "dropped often": (DROP_AFTER, DROP_BEFORE, DROP_AFTER, DROP_BEFORE, DROP_AFTER),
    "answered with nonsense": (Fault(reply=Reply(200, b"<html>")),),
    "cut off": (Fault(reply=Reply(200, b'{"request_id": "x"}', cut_at=5)),),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(
    ("kind", "route"), [(kind, route) for kind in KINDS for route in ROUTES[kind]]
)
def test_whatever_is_dropped_where_a_job_is_submitted_once(
    kind: str,
    route: str,
    fault: Sequence[Fault],
    workshop: Workshop,
    provider: FakeProvider,
) -> None:
    worker = KINDS[kind](workshop)
    provider.fail(route, *fault)
    if route == "aai.list":
        provider.fail("aai.submit", DROP_AFTER)

    outcome = worker.run()

    assert submits(provider) <= 1
    if isinstance(outcome, Made):
        assert submits(provider) == 1
    else:
        is_submit = route.endswith(("submit", "list"))
        is_wrong_file = (route, outcome.code) in {
            ("fal.file", "provider_rejected"),
            ("fal.result", "provider_rejected"),
        }
        assert is_wrong_file or (is_submit and outcome.code == "submission_unknown")


def test_faults_and_deaths_together_make_no_second_submit(
    workshop: Workshop, provider: FakeProvider
) -> None:
    for kind, make in KINDS.items():
        submit = ROUTES[kind][0]
        for fault in (DROP_BEFORE, DROP_AFTER, TOO_MANY, AWAY):
            for moment in range(1, 9):
                worker = make(workshop)
                worker.mortal.dies_at = {moment}
                before = submits(provider)
                provider.fail(submit, fault)
                worker.run()
                assert submits(provider) - before <= 1
                provider.forgive()
