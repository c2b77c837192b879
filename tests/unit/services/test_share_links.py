"""A share link opens what it names, while its owner has it, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from pydantic import ValidationError

from catalog.access import MACHINE_OWNER, Asker, collection_key
from catalog.clock import ManualClock
from catalog.errors import (
    ForbiddenError,
    InvalidQueryError,
    InvalidRequestError,
    NotFoundError,
    PasswordRequiredError,
    PreconditionFailedError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from catalog.models.collection import NewCollection
from catalog.models.ids import UserId
from catalog.models.share_link import LinkState, NewShareLink, ShareLink, ShareLinkEdit
from catalog.passwords import Argon2Passwords
from catalog.services.assets import AssetService
from catalog.services.collections import CollectionService
from catalog.services.downloads import DownloadService
from catalog.services.pictures import PictureService
from catalog.services.share_links import ShareLinkService, Sources, share_tag
from catalog.services.shared import MOST_ATTEMPTS, SharedService
from catalog.share_sessions import ShareSessions
from catalog.storage.links import LinkSigner
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.collections import FakeCollectionRepository
from tests.fakes.object_work import FakeObjectWork
from tests.fakes.share_links import FakeShareLinkRepository, PlainPasswords
from tests.fakes.store import FakeStore

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
ANN, EVE = Asker(UserId("ann")), Asker(UserId("eve"))


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.links = FakeShareLinkRepository()
        self.kept_collections = FakeCollectionRepository()
        self.rows = FakeAssetRepository(
            view("lora", userId="ann"),
            view("pic-1", "image", jobId="pic", userId="ann"),
            view("pic-2", "image", jobId="pic", userId="ann", uses=["lora"]),
            view("open", userId="eve", isPublic=True),
            view("hidden", userId="eve"),
        )
        assets = AssetService(self.rows)
        numbers = count(1)
        self.collections = CollectionService(
            self.kept_collections, assets, self.clock, lambda: f"c{next(numbers)}"
        )
        self.service = ShareLinkService(
            links=self.links,
            shared=self.rows,
            assets=assets,
            collections=self.collections,
            passwords=PlainPasswords(),
            clock=self.clock,
            sources=Sources(lambda: f"s{next(numbers)}", lambda: f"t{next(numbers)}"),
        )
        store = FakeStore()
        self.public = SharedService(
            links=self.links,
            assets=self.rows,
            collections=self.kept_collections,
            pictures=PictureService(assets, FakeObjectWork(), store),
            downloads=DownloadService(
                assets, store, LinkSigner(b"s", self.clock), self.clock
            ),
            passwords=PlainPasswords(),
            sessions=ShareSessions(b"s", self.clock),
            clock=self.clock,
        )

    def make(self, asker: Asker = ANN, **fields: object) -> tuple[ShareLink, str]:
        return self.service.create(asker, NewShareLink.model_validate(fields))

    def shown(self, token: str) -> list[str]:
        link = self.public.open(token, None).link
        return [one["assetId"] for one in self.public.assets(link, 50, None).items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_link_opens_what_it_names_and_nothing_beside_it(desk: Desk) -> None:
    link, token = desk.make(assets=["pic-2"])

    assert desk.shown(token) == ["pic-2"]
    assert desk.public.asset(link, "pic-2")["assetId"] == "pic-2"
    for other in ("pic-1", "pic", "lora", "open", "hidden", "", "pic-2/..", "\ud800"):
        with pytest.raises(NotFoundError):
            desk.public.asset(link, other)
        with pytest.raises(NotFoundError):
            desk.public.picture(link, other, size=256, types=frozenset())
        with pytest.raises(NotFoundError):
            desk.public.download(link, other)


def test_to_view_is_not_to_download(desk: Desk) -> None:
    link, _ = desk.make(assets=["pic-2"])
    keeper, _ = desk.make(assets=["pic-2"], right="download")

    with pytest.raises(NotFoundError, match="download"):
        desk.public.download(link, "pic-2")
    with pytest.raises(NotFoundError, match="file"):  # it has none here
        desk.public.download(keeper, "pic-2")


def test_what_its_owner_has_no_longer_vanishes(desk: Desk) -> None:
    _, token = desk.make(assets=["pic", "lora"])
    assert desk.shown(token) == ["pic-1", "pic-2", "lora"]

    desk.rows.rows[1].is_trashed = True
    desk.rows.rows[2].view["userId"] = "eve"
    desk.rows.rows[2].view["isPublic"] = True

    assert desk.shown(token) == ["lora"]
    link = desk.public.open(token, None).link
    assert desk.public.assets(link, 50, None).total == 1


def test_only_its_owner_makes_a_link(desk: Desk) -> None:
    with pytest.raises(ForbiddenError):
        desk.make(assets=["open"])
    for missing in ("hidden", "nothing"):
        with pytest.raises(InvalidRequestError) as told:
            desk.make(assets=["lora", missing])
        assert told.value.field == "assets.1"
    with pytest.raises(ForbiddenError):
        desk.make(MACHINE_OWNER, assets=["lora", "open"])
    link, _ = desk.make(MACHINE_OWNER, assets=["lora"])
    assert link.user_id == "ann"


def _revoke(desk: Desk, link: ShareLink) -> None:
    desk.service.revoke(ANN, link.share_id)


def _expire(desk: Desk, link: ShareLink) -> None:
    assert link.expires_at is not None
    desk.clock.advance(61)


def _exhaust(desk: Desk, link: ShareLink) -> None:
    while desk.links.use(link.share_id, NOW):
        pass


@pytest.mark.parametrize("end", [_revoke, _expire, _exhaust])
@pytest.mark.parametrize("password", [None, "open sesame"])
def test_a_link_that_ended_is_like_one_that_never_was(
    desk: Desk, end: Callable[[Desk, ShareLink], None], password: str | None
) -> None:
    link, token = desk.make(assets=["lora"], expiresIn=60, maxUses=3, password=password)

    end(desk, link)

    told = set()
    for one in (token, "t-unknown", "", "\ud800"):
        for call in (desk.public.open, desk.public.unlock):
            with pytest.raises(NotFoundError) as error:
                call(one, password or "")
            told.add(str(error.value))
    assert len(told) == 1
    assert desk.service.find(ANN, link.share_id).state(desk.clock.now()) in (
        LinkState.REVOKED,
        LinkState.EXPIRED,
        LinkState.EXHAUSTED,
    )


def test_a_session_is_one_use_and_ends_with_link_and_password(desk: Desk) -> None:
    link, token = desk.make(assets=["lora"], maxUses=1)
    session = desk.public.open(token, None).session
    assert session is not None

    for _ in range(3):
        assert desk.public.open(token, session).session is None
    with pytest.raises(NotFoundError):
        desk.public.open(token, None)
    other, others = desk.make(assets=["pic-1"])
    assert desk.public.open(others, session).session is not None
    assert desk.service.find(ANN, other.share_id).uses == 1
    for forged in (session[:-1], f"9{session}", "9999999999.x", "", "é", ".", "1e9.x"):
        with pytest.raises(NotFoundError):
            desk.public.open(token, forged)
    edit = ShareLinkEdit.model_validate({"password": "new", "maxUses": None})
    desk.service.edit(ANN, link.share_id, edit)
    with pytest.raises(PasswordRequiredError):
        desk.public.open(token, session)
    desk.clock.advance(3601)
    edit = ShareLinkEdit.model_validate({"password": None})
    desk.service.edit(ANN, link.share_id, edit)
    assert desk.public.open(token, session).session is not None
    revoked = desk.public.open(token, None).session
    desk.service.revoke(ANN, link.share_id)
    with pytest.raises(NotFoundError):
        desk.public.open(token, revoked)


def test_a_password_may_be_tried_ten_times_in_a_quarter_of_an_hour(desk: Desk) -> None:
    link, token = desk.make(assets=["lora"], password="correct horse")
    with pytest.raises(PasswordRequiredError):
        desk.public.open(token, None)

    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(WrongPasswordError):
            desk.public.unlock(token, "wrong")
    with pytest.raises(TooManyAttemptsError):
        desk.public.unlock(token, "correct horse")
    desk.clock.advance(901)
    opened = desk.public.unlock(token, "correct horse")

    assert desk.public.open(token, opened.session).link.share_id == link.share_id
    assert desk.service.find(ANN, link.share_id).uses == 1


def test_a_collection_is_opened_as_far_as_it_is_its_owners(desk: Desk) -> None:
    new = NewCollection.model_validate(
        {"name": "c", "assets": [{"assetId": "pic-2"}, {"assetId": "open"}]}
    )
    made = desk.collections.create(ANN, UserId("ann"), new)
    key = collection_key(made.collection_id)
    desk.rows.rows[2].acl += (key,)
    link, token = desk.make(collectionId=made.collection_id)

    assert desk.shown(token) == ["pic-2"]
    assert desk.public.assets(link, 50, None).total == 1
    for other in ("open", "pic-1"):
        with pytest.raises(NotFoundError):
            desk.public.asset(link, other)
    with pytest.raises(InvalidRequestError) as told:
        desk.make(EVE, collectionId=made.collection_id)
    assert told.value.field == "collectionId"
    desk.collections.delete(ANN, made.collection_id)
    with pytest.raises(NotFoundError, match="share link"):
        desk.shown(token)


def test_pages_of_a_link_and_of_all_that_is_shared(desk: Desk) -> None:
    link, _ = desk.make(assets=["pic", "lora"])
    first = desk.public.assets(link, 2, None)
    rest = desk.public.assets(link, 2, first.next_token)
    assert [len(first.items), len(rest.items)] == [2, 1]
    assert (first.total, rest.next_token) == (3, None)
    for odd in ("x", "-1", "²", "1" * 9):
        with pytest.raises(InvalidQueryError):
            desk.public.assets(link, 2, odd)

    desk.make(assets=["lora"])
    for row in desk.rows.rows[:2]:
        row.view["sharing"] = [{"user": "eve", "right": "view"}]
    for limit in (1, 2, 3, 4, 50):
        seen, token, pages = [], None, 0
        while pages == 0 or token is not None:
            page = desk.service.page(ANN, limit, token)
            seen += [isinstance(one, ShareLink) for one in page.items]
            assert page.total == 4
            token, pages = page.next_token, pages + 1
        assert seen == [True, True, False, False]
        assert pages == -(-4 // limit)
    assert desk.service.page(EVE, 50, None).total == 0
    for odd in ("2.", "x", "0", "-1.", "."):
        with pytest.raises(InvalidQueryError):
            desk.service.page(ANN, 1, odd)


def test_a_link_is_its_makers_and_what_it_opens_never_changes(desk: Desk) -> None:
    link, _ = desk.make(assets=["lora"])
    edit = ShareLinkEdit.model_validate({"name": "n", "expiresIn": 60})

    for call in (desk.service.find, desk.service.revoke):
        with pytest.raises(NotFoundError):
            call(EVE, link.share_id)
    with pytest.raises(NotFoundError):
        desk.service.edit(EVE, link.share_id, edit)
    changed = desk.service.edit(ANN, link.share_id, edit, if_match=share_tag(link))
    assert (changed.name, changed.expires_at) == ("n", NOW + timedelta(seconds=60))
    with pytest.raises(PreconditionFailedError):
        desk.service.edit(ANN, link.share_id, edit, if_match=share_tag(link))
    with pytest.raises(ValidationError):
        ShareLinkEdit.model_validate({"assets": ["pic-1"]})


_TIMES = (
    "2025-12-01T12:00:00Z",
    "2020-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
)


@pytest.mark.parametrize("moment", _TIMES)
def test_a_link_expires_in_the_future_and_within_ten_years(
    desk: Desk, moment: str
) -> None:
    with pytest.raises(InvalidRequestError) as told:
        desk.make(assets=["lora"], expiresAt=moment)

    assert told.value.field == "expiresAt"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"assets": []},
        {"assets": ["a"], "collectionId": "c"},
        {"assets": ["a"], "expiresIn": 60, "expiresAt": "2030-01-01T00:00:00Z"},
        {"assets": ["a"], "expiresAt": "2030-01-01T00:00:00"},
        {"assets": ["a"], "expiresIn": 59},
        {"assets": ["a"], "maxUses": 0},
        {"assets": ["a"], "right": "edit"},
        {"assets": ["a"], "password": ""},
        {"assets": ["a"] * 1001},
    ],
)
def test_what_makes_no_link(odd: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NewShareLink.model_validate(odd)


def test_a_password_is_kept_as_a_slow_hash() -> None:
    passwords = Argon2Passwords()

    kept = passwords.hash("correct horse")

    assert kept.startswith("$argon2id$")
    assert "horse" not in kept
    assert passwords.matches("correct horse", kept)
    assert not passwords.matches("Correct horse", kept)
    assert not passwords.matches("correct horse", "junk")
