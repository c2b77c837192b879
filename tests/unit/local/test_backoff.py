from catalog.local.backoff import Backoff


def test_the_wait_doubles_from_half_a_second_to_thirty() -> None:
    backoff = Backoff()

    waits = [backoff.after_death(lived_seconds=1.0) for _ in range(9)]

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_stable_minute_starts_the_waits_anew() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.after_death(lived_seconds=59.9)

    assert backoff.after_death(lived_seconds=60.0) == 0.5
    assert backoff.after_death(lived_seconds=0.0) == 1.0


def test_a_hundred_thousand_deaths_do_not_overflow() -> None:
    backoff = Backoff(failures=100_000)

    assert backoff.after_death(lived_seconds=0.0) == 30.0
