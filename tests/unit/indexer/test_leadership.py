"""One leader at a time: who leads, for how long, and with which key."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from catalog.clock import SystemClock
from catalog.errors import DependencyUnavailableError, FencedError
from catalog.repositories.index_control import Lease
from indexer.leader_term import LeaderTerm
from indexer.leadership import KEY_LIFE, Leadership, owner_name
from tests.fakes.leading import (
    FakeIndexKeys,
    FakeKeyedWriter,
    FakeLeaseRepository,
    Timeline,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=10)
TRUSTED = 2 / 3 * 10
AWAY = DependencyUnavailableError("mongodb", "nobody is there")


class Scene:
    """Contenders share servers and time; ``process`` makes one of them."""

    def __init__(self) -> None:
        self.time = Timeline(START)
        self.leases = FakeLeaseRepository(self.time)
        self.keys = FakeIndexKeys(self.time)
        self.writer = FakeKeyedWriter()
        self.stop = threading.Event()

    def process(self, owner: str = "first") -> Leadership:
        return Leadership(
            leases=self.leases,
            keys=self.keys,
            writer=self.writer,
            clock=self.time,
            ttl=TTL,
            jitter=lambda: 0.5,
            owner=owner,
            start_loop=self.time.start_loop,
        )

    def lead(self, work: Callable[[LeaderTerm], None]) -> None:
        """Run the first process; it is told to stop when its work returns."""

        def work_once(term: LeaderTerm) -> None:
            try:
                work(term)
            except FencedError as exc:
                message = "the term ended too early"
                raise AssertionError(message) from exc
            self.stop.set()

        self.process().run(work_once, self.stop)

    def let_another_lead(self, seconds: float = 10.0, epoch: int = 1) -> Lease:
        """Have a process lead that nobody sees, and that is gone without a word."""
        expires_at = self.time.now() + timedelta(seconds=seconds)
        self.leases.lease = Lease(epoch, "other", expires_at)
        return self.leases.lease


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_one_leads_and_writes_with_a_key_of_its_epoch(scene: Scene) -> None:
    seen: list[tuple[int, str, bool]] = []

    def work(term: LeaderTerm) -> None:
        term.check()
        seen.append((term.epoch, term.owner, term.is_held()))
        assert scene.keys.is_good(scene.writer.key)

    scene.lead(work)

    assert seen == [(1, "first", True)]


def test_a_leader_leads_for_as_long_as_it_renews(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        for _ in range(3600):
            scene.time.advance(1.0)
            term.check()
            assert scene.leases.acquire("second", TTL) is None

    scene.lead(work)


def test_the_engine_takes_the_leaders_key_at_any_time(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        used = set()
        for _ in range(600):
            scene.time.advance(1.0)
            used.add(scene.writer.key)
            assert scene.keys.is_good(scene.writer.key)
            assert len(scene.keys.keys) <= 2
        assert len(used) == 20 or len(used) == 21
        assert not term.stop.is_set()

    scene.lead(work)


def test_a_superseded_key_lives_on_for_the_requests_that_bear_it(scene: Scene) -> None:
    def work(_: LeaderTerm) -> None:
        first = scene.writer.key
        while scene.writer.key == first:
            scene.time.advance(0.1)

        assert scene.keys.is_good(first)
        scene.time.advance(6.0)
        assert not scene.keys.is_good(first)

    scene.lead(work)


def test_an_engine_that_is_away_while_keys_change_costs_no_term(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        scene.time.advance(29.0)
        scene.keys.fail_always(AWAY)
        scene.time.advance(25.0)
        scene.keys.fail_always(None)
        scene.time.advance(4.0)

        assert scene.writer.key == "key 2"
        term.check()

    scene.lead(work)


# --- taking over ---------------------------------------------------------------------


def test_a_standby_leads_within_the_lease_and_a_little(scene: Scene) -> None:
    scene.let_another_lead(10.0, epoch=6)
    epochs = []

    def work(term: LeaderTerm) -> None:
        epochs.append(term.epoch)
        assert 10.0 <= scene.time.monotonic() <= 12.0

    scene.lead(work)

    assert epochs == [7]


def test_no_older_key_is_good_when_the_work_begins(scene: Scene) -> None:
    old = [scene.keys.mint(epoch, KEY_LIFE) for epoch in (3, 4)]
    newer = scene.keys.mint(9, KEY_LIFE)
    scene.let_another_lead(0.0, epoch=4)

    def work(term: LeaderTerm) -> None:
        assert term.epoch == 5
        assert not any(map(scene.keys.is_good, old))
        assert scene.keys.is_good(newer)

    scene.lead(work)


def test_an_engine_that_is_away_at_takeover_is_waited_for_with_the_lease_kept(
    scene: Scene,
) -> None:
    scene.keys.fail_always(AWAY)
    scene.time.at(45.0, lambda: scene.keys.fail_always(None))
    began_at = []

    def work(term: LeaderTerm) -> None:
        began_at.append(scene.time.monotonic())
        assert term.epoch == 1

    scene.lead(work)

    assert 45.0 <= began_at[0] <= 56.0


def test_a_stop_is_heeded_while_an_engine_is_waited_for(scene: Scene) -> None:
    scene.keys.fail_always(AWAY)
    scene.time.at(45.0, scene.stop.set)

    scene.process().run(fail, scene.stop)

    assert scene.leases.lease is not None
    assert scene.leases.lease.owner == ""


def test_a_standby_that_cannot_reach_mongodb_goes_on_trying(scene: Scene) -> None:
    scene.leases.fail_next(*[AWAY] * 20)
    led = []

    scene.lead(lambda term: led.append(term.epoch))

    assert led == [1]


@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize("pause", [Timeline.pause, Timeline.suspend])
def test_a_key_made_by_a_process_that_slept_through_a_takeover_is_never_used(
    scene: Scene, *, pause: Callable[[Timeline, float], None], at_start: bool
) -> None:
    def sleep() -> None:
        """Stop right after the key was made; another one leads meanwhile."""
        scene.keys.after_mint = lambda: None
        pause(scene.time, 11.0)
        scene.let_another_lead(5.0, epoch=2)
        slept.append(scene.keys.minted)

    slept: list[int] = []
    if at_start:
        scene.keys.after_mint = sleep
    else:
        scene.time.at(29.0, lambda: setattr(scene.keys, "after_mint", sleep))
    epochs = []

    def work(term: LeaderTerm) -> None:
        epochs.append(term.epoch)
        while term.epoch == 1 and not slept:
            scene.time.advance(1.0)
        if slept:
            assert scene.writer.key != f"key {slept[0]}"

    def until_it_leads_again(term: LeaderTerm) -> None:
        work(term)
        if term.epoch > 1:
            scene.stop.set()

    scene.process().run(until_it_leads_again, scene.stop)

    assert slept
    assert epochs == ([3] if at_start else [1, 3])


# --- losing it -----------------------------------------------------------------------


def test_mongodb_may_be_away_for_two_thirds_of_the_lease(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        scene.time.advance(20.9)  # last renewed 2.9 seconds ago
        scene.leases.fail_always(AWAY)
        scene.time.advance(TRUSTED - 3.0)
        term.check()
        scene.time.advance(0.1)
        with pytest.raises(FencedError):
            term.check()
        scene.leases.fail_always(None)

    scene.lead(work)


def test_a_short_absence_of_mongodb_costs_no_term(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        for _ in range(20):
            scene.leases.fail_always(AWAY)
            scene.time.advance(2.5)
            scene.leases.fail_always(None)
            scene.time.advance(1.1)
            term.check()

    scene.lead(work)


def test_a_leader_without_mongodb_stops_before_another_can_lead(scene: Scene) -> None:
    epochs = []

    def work(term: LeaderTerm) -> None:
        epochs.append(term.epoch)
        if len(epochs) > 1:
            scene.stop.set()
            return
        assert scene.leases.lease is not None
        scene.leases.fail_always(AWAY)
        while not term.stop.is_set():
            scene.time.advance(0.1)
        assert scene.time.now() < scene.leases.lease.expires_at
        assert not term.is_held()
        scene.time.at(
            scene.time.monotonic() + 60, lambda: scene.leases.fail_always(None)
        )
        term.check()

    scene.process().run(work, scene.stop)

    # Nobody has led meanwhile: it is still its lease.
    assert epochs == [1, 1]


def test_one_that_wakes_up_knows_at_once_that_it_leads_no_longer(scene: Scene) -> None:
    epochs = []

    def work(term: LeaderTerm) -> None:
        epochs.append(term.epoch)
        if term.epoch > 1:
            scene.stop.set()
            return
        scene.time.pause(TRUSTED + 0.1)
        assert not term.is_held()
        scene.time.pause(4.0)
        scene.let_another_lead(20.0, epoch=2)
        with pytest.raises(FencedError):
            term.check()
        assert term.stop.is_set()
        term.check()

    scene.process().run(work, scene.stop)

    assert epochs == [1, 3]
    assert scene.time.monotonic() >= 30.0


def test_one_that_was_overtaken_is_told_by_its_next_renewal(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        scene.let_another_lead(60.0, epoch=2)
        scene.time.advance(3.2)
        assert term.stop.is_set()
        assert not term.is_held()
        scene.stop.set()

    scene.lead(work)

    assert scene.leases.lease is not None
    assert scene.leases.lease.owner == "other"


def test_what_is_still_on_its_way_is_cut_off_by_changing_the_key(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        first = scene.writer.key
        term.cut_off()
        second = scene.writer.key
        assert not scene.keys.is_good(first)
        assert scene.keys.is_good(second)
        scene.time.advance(29.0)
        while scene.writer.key == second:
            scene.time.advance(0.5)
        third = scene.writer.key
        term.cut_off()  # within the grace of the one that was changed by itself
        for _ in range(20):
            scene.time.advance(1.0)
            assert scene.keys.is_good(scene.writer.key)
        assert not scene.keys.is_good(second)
        assert not scene.keys.is_good(third)

    scene.lead(work)


def test_nothing_counts_as_cut_off_while_the_engine_is_away(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        first = scene.writer.key
        scene.keys.fail_always(AWAY)
        with pytest.raises(DependencyUnavailableError):
            term.cut_off()
        assert scene.writer.key == first
        scene.keys.fail_always(None)
        term.cut_off()
        assert not scene.keys.is_good(first)

    scene.lead(work)


def test_who_leads_no_more_cuts_off_nobody(scene: Scene) -> None:
    def work(term: LeaderTerm) -> None:
        term.end()
        minted = scene.keys.minted
        with pytest.raises(FencedError):
            term.cut_off()
        assert scene.keys.minted == minted
        scene.stop.set()

    scene.process().run(work, scene.stop)


def test_a_term_that_is_over_is_not_revived_by_a_late_answer(scene: Scene) -> None:
    lease = scene.let_another_lead()
    term = LeaderTerm(lease, clock=scene.time, trusted_until=5.0, cut_off=print)
    term.end()

    term.extend(lease, 100.0)

    assert not term.is_held()
    assert not term.do_if_held(fail_without_term)
    with pytest.raises(FencedError):
        term.check()


def test_answers_in_another_order_shorten_no_trust(scene: Scene) -> None:
    lease = scene.let_another_lead()
    term = LeaderTerm(lease, clock=scene.time, trusted_until=5.0, cut_off=print)

    term.extend(lease, 50.0)
    term.extend(lease, 20.0)

    scene.time.pause(30.0)
    assert term.is_held()


def test_a_leader_that_is_refused_by_the_engine_takes_a_new_epoch(scene: Scene) -> None:
    epochs = []

    def work(term: LeaderTerm) -> None:
        epochs.append(term.epoch)
        if len(epochs) < 5:
            message = "the key is refused"
            raise FencedError(message)
        scene.stop.set()

    scene.process().run(work, scene.stop)

    assert epochs == [1, 2, 3, 4, 5]
    assert scene.time.monotonic() > 1.0  # with growing pauses between


def test_a_term_that_is_to_end_ends_in_order_and_gives_the_lease_back(
    scene: Scene,
) -> None:
    def work(term: LeaderTerm) -> None:
        term.stop.set()
        assert term.stop.is_set()
        term.check()  # what was begun may be finished
        scene.time.advance(30.0)
        term.check()
        scene.stop.set()

    scene.process().run(work, scene.stop)

    assert scene.leases.acquire("other", TTL) is not None
    assert scene.keys.keys == {}


# --- the end -------------------------------------------------------------------------


def test_the_work_is_told_when_the_process_is_to_end(scene: Scene) -> None:
    terms = []

    def work(term: LeaderTerm) -> None:
        terms.append(term)
        scene.stop.set()
        scene.time.advance(0.5)
        assert term.stop.is_set()
        scene.time.advance(20.0)  # draining takes time, in which it goes on leading
        term.check()

    scene.process().run(work, scene.stop)

    assert not terms[0].is_held()
    assert scene.keys.keys == {}
    lease = scene.leases.acquire("other", TTL)
    assert lease is not None
    assert lease.epoch == 2


def test_the_lease_is_given_back_also_when_the_engine_is_away(scene: Scene) -> None:
    scene.lead(lambda _: scene.keys.fail_always(AWAY))

    assert scene.leases.acquire("other", TTL) is not None


def test_a_stop_without_mongodb_is_no_failure(scene: Scene) -> None:
    scene.lead(lambda _: scene.leases.fail_always(AWAY))

    assert scene.keys.keys == {}


def test_any_other_failure_is_the_callers_and_the_lease_is_given_back(
    scene: Scene,
) -> None:
    def work(_: LeaderTerm) -> None:
        message = "a bug"
        raise ValueError(message)

    with pytest.raises(ValueError, match="a bug"):
        scene.process().run(work, scene.stop)

    assert scene.leases.acquire("other", TTL) is not None
    assert scene.keys.keys == {}


def test_owners_are_readable_and_unique() -> None:
    assert owner_name() != owner_name()
    assert owner_name().count(":") == 2


def test_it_leads_with_real_threads_too() -> None:
    clock = SystemClock()
    leases = FakeLeaseRepository(Timeline(START))
    renewals = threading.Semaphore(0)
    renew = leases.renew

    def counted(lease: Lease, ttl: timedelta) -> Lease | None:
        renewals.release()
        return renew(lease, ttl)

    leases.renew = counted  # type: ignore[method-assign]
    stop = threading.Event()
    process = Leadership(
        leases=leases,
        keys=FakeIndexKeys(Timeline(START)),
        writer=FakeKeyedWriter(),
        clock=clock,
        ttl=timedelta(seconds=1),
        jitter=lambda: 0.5,
    )

    def work(term: LeaderTerm) -> None:
        for _ in range(5):  # 1.2 seconds: more than the lease would last
            assert renewals.acquire(timeout=5)
        term.check()
        stop.set()
        assert term.stop.wait(5)

    process.run(work, stop)

    assert leases.lease is not None
    assert leases.lease.owner == ""


def fail(_: LeaderTerm) -> None:
    message = "must not lead"
    raise AssertionError(message)


def fail_without_term() -> None:
    message = "must not be done"
    raise AssertionError(message)
