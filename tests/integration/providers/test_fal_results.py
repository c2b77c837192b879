"""fal.ai: submits of unknown fate, addresses, files, cancels."""

from datetime import timedelta
from pathlib import Path

import pytest

from catalog.clock import ManualClock
from processors.engine import Waiting
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan
from tests.fakes.provider_files import png
from tests.fakes.provider_server import (
    DROP_AFTER,
    DROP_BEFORE,
    Fault,
    Reply,
    answer,
)
from tests.integration.providers.conftest import Workshop
from tests.integration.providers.harness import WEBHOOKS, Worker, failed, made


def told_by(provider: FakeProvider, worker: Worker) -> None:
    request = provider.fal.submits[-1]
    assert request.webhook is not None
    assert request.webhook.removeprefix(WEBHOOKS) == worker.step["nonce"]
    worker.told = {"requestId": request.request_id, "status": "OK"}


# --- a submit of unknown fate ------------------------------------------------------


@pytest.mark.parametrize("fault", [DROP_AFTER, DROP_BEFORE])
def test_a_lost_submit_waits_its_time_and_is_then_left_to_a_person(
    fault: Fault, workshop: Workshop, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.fail("fal.submit", fault)
    worker = workshop.images()
    began = clock.now()

    error = failed(worker)

    assert (error.code, error.is_final, error.is_retryable) == (
        "submission_unknown",
        True,
        True,
    )
    assert "dashboard" in str(error)
    assert clock.now() - began == timedelta(minutes=10)
    assert provider.count("fal.submit") == 1


def test_where_no_webhook_can_come_nobody_waits_for_one(
    workshop: Workshop, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.fail("fal.submit", DROP_AFTER)
    began = clock.now()

    error = failed(workshop.images(options={"has_webhooks": False}))

    assert error.code == "submission_unknown"
    assert clock.now() == began


def test_a_webhook_finds_a_lost_submit(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.submit", DROP_AFTER)
    worker = workshop.images()
    assert isinstance(worker.advance(), Waiting)

    told_by(provider, worker)
    result = made(worker)

    assert result.provenance["requestId"] == provider.fal.submits[0].request_id
    assert len(provider.fal.submits) == 1


def test_a_request_that_is_not_ours_is_not_taken_whoever_told_of_it(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.submit", DROP_AFTER)
    worker = workshop.images()
    worker.advance()

    worker.told = {"requestId": "of-somebody-else", "status": "OK"}
    assert isinstance(worker.advance(), Waiting)
    assert worker.step["phase"] == "submitting"

    told_by(provider, worker)
    made(worker)


# --- addresses and files -----------------------------------------------------------


def test_addresses_on_another_host_are_not_used_and_the_key_stays_here(
    workshop: Workshop, provider: FakeProvider, clock: ManualClock
) -> None:
    with FakeProvider(clock) as elsewhere:
        provider.fal.plan = FalPlan(url_base=elsewhere.url)

        made(workshop.images())

        assert elsewhere.requests == []


def test_the_key_goes_to_no_address_of_a_result(
    workshop: Workshop, provider: FakeProvider
) -> None:
    made(workshop.images())

    (fetched,) = [seen for name, seen in provider.requests if name == "fal.file"]
    assert "authorization" not in fetched.headers


@pytest.mark.parametrize(
    ("reply", "code", "is_retryable"),
    [
        (Reply(body=b"<html>sorry</html>"), "provider_rejected", False),
        (Reply(body=png()[:-20]), "provider_unavailable", True),
        (Reply(body=png(), cut_at=20), "provider_unavailable", True),
        (Reply(404), "provider_rejected", False),
        (Reply(500), "provider_unavailable", True),
        (
            Reply(302, headers={"location": "http://10.0.0.1/"}),
            "provider_rejected",
            False,
        ),
    ],
    ids=["wrong type", "damaged", "cut off", "gone", "server error", "redirect"],
)
def test_a_file_that_is_not_what_it_should_be_is_never_kept(
    reply: Reply,
    code: str,
    is_retryable: bool,  # noqa: FBT001  (a parameter of the test)
    workshop: Workshop,
    provider: FakeProvider,
) -> None:
    worker = workshop.images()
    worker.advance()
    provider.fal.break_files(reply)

    error = failed(worker)

    assert (error.code, error.is_retryable) == (code, is_retryable)
    assert len(provider.fal.submits) == 1


def test_a_broken_transfer_is_repeated(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.file", Fault(reply=Reply(body=png(64, 64), cut_at=9)))

    made(workshop.images())

    assert provider.count("fal.file") == 2


def test_weights_that_are_none_are_refused(
    workshop: Workshop, provider: FakeProvider
) -> None:
    worker = workshop.training()
    worker.advance()
    provider.fal.break_files(Reply(body=png()))

    assert failed(worker).code == "provider_rejected"


def test_a_completed_request_without_a_result_is_a_failure(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fal.plan = FalPlan(result=answer(200, {"images": []}))

    assert failed(workshop.images()).code == "provider_rejected"


# --- cancelling --------------------------------------------------------------------


def test_a_cancel_is_passed_on_and_never_raises(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fal.plan = FalPlan(running=1000)
    worker = workshop.images()
    worker.engine.cancel(worker.work(), worker.step)
    worker.advance()

    worker.engine.cancel(worker.work(), worker.step)
    provider.fail("fal.cancel", DROP_BEFORE)
    worker.engine.cancel(worker.work(), worker.step)

    assert provider.count("fal.cancel") == 2
    assert provider.fal.submits[0].cancelled


def test_a_lost_submit_is_cancelled_once_a_webhook_has_named_it(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.submit", DROP_AFTER)
    worker = workshop.images()
    worker.advance()
    worker.engine.cancel(worker.work(), worker.step)
    assert provider.count("fal.cancel") == 0

    told_by(provider, worker)
    worker.engine.cancel(worker.work(), worker.step)

    assert provider.fal.submits[0].cancelled


def test_a_step_of_another_engine_is_refused(workshop: Workshop) -> None:
    worker = workshop.images()
    worker.step = {"phase": "decoding"}

    assert failed(worker).code == "engine_failed"


def test_outputs_lie_in_the_folder_of_the_run(
    workshop: Workshop, tmp_path: Path
) -> None:
    (output,) = made(workshop.images()).outputs

    assert output.path.parent.parent == tmp_path
    assert [one.name for one in output.path.parent.iterdir()] == ["image_1.png"]
