"""Whom a bearer token belongs to: keys, their end, and what it costs to look."""

from datetime import timedelta
from itertools import count

import pytest

from catalog.callers import Caller
from catalog.clock import ManualClock
from catalog.errors import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
)
from catalog.models.api_key import Permission
from catalog.models.ids import UserId
from catalog.services.api_keys import ApiKeyService, NewApiKey, digest_of
from catalog.services.authentication import (
    MAX_TOKEN_LENGTH,
    WEB_TOKEN_SECONDS,
    Authenticator,
)
from tests.fakes.access import FakeKeyRepository
from tests.fakes.catalog import NOW

READ, WRITE, ADMIN = Permission


class FakeWebTokens:
    """Knows one token."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.checked = 0
        self.expires_at = NOW + timedelta(hours=1)

    def check(self, token: str) -> Caller:
        self.checked += 1
        if token != "a.b.c":
            raise UnauthenticatedError("no")
        return Caller(
            "jwt", UserId("bob"), frozenset({READ}), expires_at=self.expires_at
        )


class Setting:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.records = FakeKeyRepository()
        self.web = FakeWebTokens(self.clock)
        ids, secrets = count(1), count(1)
        self.service = ApiKeyService(
            self.records,
            self.clock,
            new_id=lambda: f"key-{next(ids)}",
            new_secret=lambda: f"{next(secrets):043}",
        )
        self.authenticator = Authenticator(
            self.records, self.web, self.clock, "the-admin's"
        )

    def made(self, *permissions: Permission, days: int | None = None) -> NewApiKey:
        return self.service.create("ann", permissions or (READ, WRITE), days=days)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_key_is_kept_as_its_hash_alone_and_says_who_calls(setting: Setting) -> None:
    made = setting.made()

    caller = setting.authenticator.identify(made.secret)

    assert (caller.user_id, caller.means, caller.key_id) == ("ann", "key", "key-1")
    assert made.secret.startswith("cat_")
    kept = setting.records.kept[made.key.key_id]
    assert kept.digest == digest_of(made.secret)
    assert made.secret not in repr(kept)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((READ,), {READ}),
        ((WRITE,), {READ, WRITE}),
        ((ADMIN,), {READ, WRITE, ADMIN}),
        ((WRITE, READ), {READ, WRITE}),
    ],
)
def test_each_permission_allows_the_lesser_ones(
    setting: Setting, given: tuple[Permission, ...], expected: set[Permission]
) -> None:
    caller = setting.authenticator.identify(setting.made(*given).secret)

    assert caller.permissions == expected
    assert caller.is_admin == (ADMIN in expected)


def test_a_key_costs_one_look_a_second_and_a_note_a_minute(setting: Setting) -> None:
    secret = setting.made().secret

    for _ in range(1000):  # 100 seconds
        setting.authenticator.identify(secret)
        setting.clock.advance(0.1)

    assert 90 <= setting.records.looked <= 100
    assert setting.records.noted == 2


def test_a_revoked_key_is_refused_within_a_second_everywhere(setting: Setting) -> None:
    made = setting.made()
    setting.authenticator.identify(made.secret)
    setting.service.revoke(made.key.key_id)

    setting.clock.advance(1)

    assert setting.authenticator.known(made.secret) is None
    with pytest.raises(UnauthenticatedError, match="revoked"):
        setting.authenticator.identify(made.secret)
    # Again changes nothing; another one is not there to be revoked.
    first = setting.service.revoke(made.key.key_id).revoked_at
    assert first == setting.records.kept[made.key.key_id].revoked_at == NOW
    with pytest.raises(NotFoundError):
        setting.service.revoke("key-x")


def test_a_key_expires_at_its_very_moment(setting: Setting) -> None:
    secret = setting.made(days=1).secret
    setting.clock.advance(24 * 3600 - 0.5)
    setting.authenticator.identify(secret)

    setting.clock.advance(0.5)

    with pytest.raises(UnauthenticatedError, match="expired"):
        setting.authenticator.known(secret)


def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse(setting: Setting) -> None:
    secret = setting.made().secret
    away = DependencyUnavailableError("mongodb", "away")
    find = setting.records.find

    def find_then_fail(digest: str) -> object:
        found = find(digest)
        setting.records.fail_next(away)
        return found

    setting.records.find = find_then_fail  # type: ignore[method-assign,assignment]

    assert setting.authenticator.identify(secret).user_id == "ann"


def test_without_mongodb_nobody_is_let_in_by_a_key(setting: Setting) -> None:
    secret = setting.made().secret
    setting.records.fail_always(DependencyUnavailableError("mongodb", "away"))

    with pytest.raises(DependencyUnavailableError):
        setting.authenticator.identify(secret)
    assert setting.authenticator.identify("the-admin's").is_admin


@pytest.mark.parametrize(
    "token",
    [
        "cat_unknown",
        "the-admin",
        "the-admin's-",
        "a.b",
        "x" * (MAX_TOKEN_LENGTH + 1),
        "a b",
        "a\0b",
        "é",
        "\ud800",
        "cat_\n",
        "",
    ],
)
def test_other_tokens_are_refused(setting: Setting, token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        setting.authenticator.identify(token)


def test_a_signature_is_checked_once_a_minute_but_its_end_counts(
    setting: Setting,
) -> None:
    assert setting.authenticator.identify("a.b.c").user_id == "bob"
    assert setting.authenticator.identify("a.b.c").user_id == "bob"
    assert setting.web.checked == 1
    setting.clock.advance(WEB_TOKEN_SECONDS)
    setting.web.expires_at = setting.clock.now() + timedelta(seconds=5)
    setting.authenticator.identify("a.b.c")
    assert setting.web.checked == 2

    setting.clock.advance(5)

    with pytest.raises(UnauthenticatedError, match="expired"):
        setting.authenticator.identify("a.b.c")


def test_where_no_web_tokens_are_taken_none_is_known(setting: Setting) -> None:
    alone = Authenticator(setting.records, None, setting.clock, None)

    for token in ("a.b.c", "the-admin's", "None"):
        with pytest.raises(UnauthenticatedError):
            alone.identify(token)


@pytest.mark.parametrize(
    ("user", "name", "days", "field"),
    [
        ("", None, None, "user"),
        ("a\0", None, None, "user"),
        ("\ud800", None, None, "user"),
        ("x" * 513, None, None, "user"),
        ("ann", " ", None, "name"),
        ("ann", None, 0, "days"),
        ("ann", None, 4000, "days"),
    ],
)
def test_keys_that_cannot_be_are_refused(
    setting: Setting, user: str, name: str | None, days: int | None, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        setting.service.create(user, [READ], name=name, days=days)

    assert caught.value.field == field
    assert setting.records.kept == {}
