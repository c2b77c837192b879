"""Who sees what, over every endpoint: a new route without a row here fails.

Everything about a private asset bears the word ``zebraprivate``, and so on; an answer
may hold the words of what its asker may see, and no others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_hex, token_urlsafe
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from catalog.models.api_key import Permission
from catalog.models.asset import Asset
from catalog.models.group import Group
from catalog.models.ids import GroupId, UserId
from catalog.models.sharing import Grant
from catalog.services.api_keys import ApiKeyService
from tests.integration.api.library import (
    START,
    Library,
    dataset,
    image,
    lora,
    open_library,
    transcript,
)
from tests.servers import TypesenseServer

RIGHTS = ("private", "shared", "grouped", "public")
OWNER, FRIEND, MEMBER, STRANGER, MACHINE_OWNER = "ann-1", "ann_1", "ann1", "ANN 1", None
"""User ids that the engine's tokeniser would take for one and the same."""

TEAM, OTHERS = GroupId("team-1"), GroupId("team_1")

VISIBLE = {
    OWNER: set(RIGHTS),
    FRIEND: {"shared", "public"},
    MEMBER: {"grouped", "public"},
    STRANGER: {"public"},
    MACHINE_OWNER: set(RIGHTS),
}
OWNED = {
    OWNER: set(RIGHTS),
    FRIEND: set[str](),
    MEMBER: set[str](),
    STRANGER: set[str](),
    MACHINE_OWNER: set(RIGHTS),
}
GIVEN = {
    OWNER: {"shared", "grouped"},
    FRIEND: set[str](),
    MEMBER: set[str](),
    STRANGER: set[str](),
    MACHINE_OWNER: {"shared", "grouped"},
}
"""What each has shared with others."""

_GRANTS = {"shared": (Grant(user=FRIEND),), "grouped": (Grant(group=TEAM),)}
ALL_TYPES = ("lora", "image", "talk", "dataset")


@dataclass(frozen=True)
class Listed:
    """A list or search: answers what is visible, and counts no more than that."""

    params: dict[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ALL_TYPES
    seen: dict[str | None, set[str]] = field(default_factory=lambda: VISIBLE)
    counted: str | None = "header"


@dataclass(frozen=True)
class ById:
    """One asset or job: answered, or not found."""

    types: tuple[str, ...] = ALL_TYPES
    seen: dict[str | None, set[str]] = field(default_factory=lambda: VISIBLE)
    is_job: bool = False


@dataclass(frozen=True)
class Silent:
    """Says nothing of any asset to anybody."""

    status: frozenset[int] = frozenset({200})


def _lists(kind: str) -> Listed:
    return Listed({"scope": "visible"}, (kind,))


_ADMINS = Silent(frozenset({200, 202, 403, 404, 409, 422}))

MATRIX: dict[tuple[str, str], Listed | ById | Silent] = {
    ("get", "/api/assets/loras"): _lists("lora"),
    ("get", "/api/loras"): _lists("lora"),
    ("get", "/api/assets/images"): _lists("image"),
    ("get", "/api/images"): _lists("image"),
    ("get", "/api/assets/transcripts"): _lists("talk"),
    ("get", "/api/transcripts"): _lists("talk"),
    ("get", "/api/assets/datasets"): _lists("dataset"),
    ("get", "/api/datasets"): _lists("dataset"),
    ("get", "/api/assets/search"): Listed({"q": "wildfires"}, counted="found"),
    ("get", "/api/search/transcripts"): Listed(
        {"q": "wildfires"}, ("talk",), counted="found"
    ),
    ("get", "/api/suggest"): Listed({"q": "zebra", "limit": "20"}, counted=None),
    ("get", "/api/assets/{assetId}"): ById(),
    # Without a body nothing is changed.
    ("patch", "/api/assets/{assetId}"): Silent(frozenset({404, 415})),
    ("delete", "/api/assets/{assetId}"): Silent(frozenset({404})),
    ("post", "/api/assets/{assetId}/restore"): Silent(frozenset({404})),
    ("get", "/api/trash"): Silent(),
    ("get", "/api/collections"): Silent(),
    ("post", "/api/collections"): Silent(frozenset({415})),
    ("get", "/api/collections/{collectionId}"): Silent(frozenset({404})),
    ("patch", "/api/collections/{collectionId}"): Silent(frozenset({415})),
    ("delete", "/api/collections/{collectionId}"): Silent(frozenset({404})),
    ("get", "/api/collections/{collectionId}/assets"): Silent(frozenset({404})),
    ("post", "/api/collections/{collectionId}/assets"): Silent(frozenset({415})),
    ("delete", "/api/collections/{collectionId}/assets"): Silent(frozenset({415})),
    ("post", "/api/collections/{collectionId}/assets/order"): Silent(frozenset({415})),
    # Groups tell of users, never of assets; whoever is in none sees none.
    ("get", "/api/groups"): Silent(),
    ("post", "/api/groups"): Silent(frozenset({415})),
    ("get", "/api/groups/{groupId}"): Silent(frozenset({404})),
    ("patch", "/api/groups/{groupId}"): Silent(frozenset({415})),
    ("delete", "/api/groups/{groupId}"): Silent(frozenset({404})),
    ("get", "/api/assets/{assetId}/sharing"): Silent(frozenset({404})),
    ("put", "/api/assets/{assetId}/sharing"): Silent(frozenset({415})),
    ("post", "/api/assets/{assetId}/sharing"): Silent(frozenset({415})),
    ("delete", "/api/assets/{assetId}/sharing/{kind}/{grantee}"): Silent(
        frozenset({400})
    ),
    # Nobody shares yet; the links themselves ask for no user.
    ("get", "/api/shares"): Listed(seen=GIVEN, counted="total"),
    ("post", "/api/shares"): Silent(frozenset({415})),
    ("get", "/api/shares/{shareId}"): Silent(frozenset({404})),
    ("patch", "/api/shares/{shareId}"): Silent(frozenset({415})),
    ("delete", "/api/shares/{shareId}"): Silent(frozenset({404})),
    ("get", "/api/shared/{token}"): Silent(frozenset({404})),
    ("post", "/api/shared/{token}/unlock"): Silent(frozenset({415})),
    ("get", "/api/shared/{token}/assets/{assetId}"): Silent(frozenset({404})),
    ("get", "/api/shared/{token}/assets/{assetId}/thumbnail"): Silent(frozenset({404})),
    ("get", "/api/shared/{token}/assets/{assetId}/download"): Silent(frozenset({404})),
    ("get", "/api/assets/{assetId}/why"): ById(),
    ("get", "/api/assets/{assetId}/download"): ById(),
    ("get", "/api/assets/{assetId}/stats"): ById(),
    ("get", "/api/assets/{assetId}/thumbnail"): ById(("image",)),
    ("get", "/api/jobs"): Listed({}, ALL_TYPES[:3], OWNED, counted="total"),
    ("get", "/api/jobs/{jobId}"): ById(ALL_TYPES[:3], OWNED, is_job=True),
    ("get", "/api/stream/job/{jobId}"): ById(ALL_TYPES[:3], OWNED, is_job=True),
    # Without a body nothing is submitted; only their owners' jobs are known at all.
    ("post", "/api/lora/train"): Silent(frozenset({415})),
    ("post", "/api/images/generate"): Silent(frozenset({415})),
    ("post", "/api/transcribe"): Silent(frozenset({415})),
    ("post", "/api/jobs/{jobId}/cancel"): Silent(frozenset({404})),
    ("post", "/api/jobs/{jobId}/retry"): Silent(frozenset({404})),
    ("post", "/api/jobs/{jobId}/versions"): Silent(frozenset({404})),
    # The provider's signature, or the nonce, is the right.
    ("post", "/api/webhooks/fal/{jobId}/{nonce}"): Silent(frozenset({403, 404})),
    ("post", "/api/webhooks/assemblyai/{jobId}/{nonce}"): Silent(frozenset({403, 404})),
    # The link is the right; without one there is nothing to be had.
    ("get", "/api/files/{key}"): Silent(frozenset({403})),
    ("head", "/api/files/{key}"): Silent(frozenset({403})),
    ("get", "/api/index/token"): Silent(),
    # Of the caller's own assets; there is no sweep here that adds anything up.
    ("get", "/api/usage"): Silent(),
    ("get", "/api/search/analytics"): Silent(),
    ("get", "/api/search/analytics/settings"): Silent(),
    ("put", "/api/search/analytics/settings"): Silent(frozenset({415})),
    ("post", "/api/search/clicks"): Silent(frozenset({415})),
    ("get", "/api/usage/never-used"): Listed(seen=OWNED, counted=None),
    # For the admin, and on one machine for its owner; nobody else gets anywhere.
    ("get", "/api/admin/index"): _ADMINS,
    ("get", "/api/admin/generations"): _ADMINS,
    ("get", "/api/admin/schedule"): _ADMINS,
    ("get", "/api/admin/reconciles"): _ADMINS,
    ("get", "/api/admin/audit"): _ADMINS,
    ("get", "/api/admin/dead-letters"): _ADMINS,
    ("get", "/api/admin/dead-letters/{letterId}"): _ADMINS,
    ("get", "/api/admin/requests"): _ADMINS,
    ("get", "/api/admin/requests/{requestId}"): _ADMINS,
    ("post", "/api/admin/reindex"): _ADMINS,
    ("post", "/api/admin/rollback"): _ADMINS,
    ("post", "/api/admin/reconcile"): _ADMINS,
    ("post", "/api/admin/schedule/{name}/run"): _ADMINS,
    ("post", "/api/admin/dead-letters/redrive"): _ADMINS,
    ("post", "/api/admin/dead-letters/{letterId}/redrive"): _ADMINS,
    ("get", "/health/live"): Silent(),
    ("get", "/health/ready"): Silent(frozenset({200, 503})),
    ("get", "/metrics"): Silent(),
}


def _assets(right: str) -> Iterator[Asset]:
    word = f"zebra{right}"
    common: dict[str, Any] = {
        "is_public": right == "public",
        "shared_with": _GRANTS.get(right, ()),
        "tags": (word,),
        "description": f"{word} wildfires",
    }
    job = f"lora{word}"
    yield lora(job, OWNER, name=f"{word} lora", model=word, **common)
    yield dataset(job, OWNER, name=f"{word} dataset", **common)
    prompt = f"{word} wildfires"
    yield image(f"image{word}", 1, OWNER, name=f"{word} image", prompt=prompt, **common)
    said = ["nothing here", f"the {word} wildfires reached the coast"]
    yield transcript(f"talk{word}", OWNER, said, name=f"{word} talk", **common)


@pytest.fixture(scope="module")
def library(
    mongo_uri: str,
    typesense_server: TypesenseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("store")
    # Strangers type the words of others' assets here: their log would repeat them.
    with open_library(mongo_uri, typesense_server, folder, search_log=False) as made:
        for group, member in ((TEAM, MEMBER), (OTHERS, STRANGER)):
            members = (UserId("boss"), UserId(member))
            made.catalog.groups.create(
                Group(
                    group_id=group,
                    name="zebra",
                    owner=UserId("boss"),
                    members=members,
                    created_at=START,
                    updated_at=START,
                )
            )
        for right in RIGHTS:
            made.add(*_assets(right))
            for kind in ("lora", "image", "talk"):
                made.catalog.jobs.insert(
                    {
                        "jobId": f"{kind}zebra{right}",
                        "userId": OWNER,
                        "type": "lora-training",
                        "status": "completed",
                        "progress": 100,
                        "config": {"loraName": f"zebra{right}"},
                    }
                )
        yield made


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[TestClient]:
    with TestClient(create_app(library.catalog)) as made:
        yield made


def _operations() -> list[tuple[str, str]]:
    from tests.fakes.catalog import FakeParts  # noqa: PLC0415  (at collection only)

    paths = create_app(FakeParts().catalog()).openapi()["paths"]
    return sorted((method, path) for path in paths for method in paths[path])


def _ask(
    client: TestClient, method: str, path: str, asker: str | None, **params: str
) -> Any:  # noqa: ANN401  (whatever response class the client has)
    if asker is not None:
        params["userId"] = asker
    return client.request(method, path, params=params, follow_redirects=False)


def _words_in(text: str) -> set[str]:
    return set(
        re.findall(r"zebra(private|shared|grouped|public)", text.replace("<mark>", ""))
    )


def _asset_id(kind: str, right: str, *, is_job: bool = False) -> str:
    tail = {"image": "-1", "dataset": "-dataset"}.get(kind, "")
    return f"{'lora' if kind == 'dataset' else kind}zebra{right}" + (
        "" if is_job else tail
    )


def test_every_route_has_a_row() -> None:
    operations = {
        (method, path.replace("{key:path}", "{key}")) for method, path in _operations()
    }

    assert operations == set(MATRIX)


@pytest.mark.parametrize("asker", VISIBLE, ids=str)
@pytest.mark.parametrize(
    ("operation", "row"),
    [(o, r) for o, r in MATRIX.items() if isinstance(r, Listed)],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_lists_show_and_count_what_the_asker_may_see(
    client: TestClient, operation: tuple[str, str], row: Listed, asker: str | None
) -> None:
    answer = _ask(client, *operation, asker, **row.params)

    assert answer.status_code == 200
    assert _words_in(answer.text) == row.seen[asker]
    expected = len(row.seen[asker]) * len(row.types)
    if row.counted == "header":
        assert answer.headers["x-total-count"] == str(expected)
    elif row.counted is not None:
        assert answer.json()[row.counted] == expected
    facets = answer.json().get("facets", {}) if row.counted == "found" else {}
    if "type" in facets:
        assert sum(one["count"] for one in facets["type"]) == expected
        assert {one["value"] for one in facets["tags"]} == {
            f"zebra{right}" for right in row.seen[asker]
        }


@pytest.mark.parametrize("asker", VISIBLE, ids=str)
@pytest.mark.parametrize(
    ("operation", "row"),
    [(o, r) for o, r in MATRIX.items() if isinstance(r, ById)],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_the_asker_may_not_see_is_not_found(
    client: TestClient, operation: tuple[str, str], row: ById, asker: str | None
) -> None:
    method, path = operation
    for kind in row.types:
        for right in RIGHTS:
            identifier = _asset_id(kind, right, is_job=row.is_job)
            address = re.sub(r"\{\w+\}", identifier, path)

            answer = _ask(client, method, address, asker)

            if right in row.seen[asker]:
                assert answer.status_code in (200, 302), answer.text
            else:
                assert answer.status_code == 404
                unknown = _ask(client, method, address + "x", asker)
                assert answer.json()["code"] == unknown.json()["code"]


@pytest.mark.parametrize("asker", VISIBLE, ids=str)
@pytest.mark.parametrize(
    ("operation", "row"),
    [(o, r) for o, r in MATRIX.items() if isinstance(r, Silent)],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_other_routes_say_nothing_of_any_asset(
    client: TestClient, operation: tuple[str, str], row: Silent, asker: str | None
) -> None:
    method, path = operation
    key = f"loras/{OWNER}/lorazebraprivate/v1/model.safetensors"

    answer = _ask(client, method, path.replace("{key}", key), asker)

    assert answer.status_code in row.status
    assert row is not _ADMINS or (answer.status_code == 403) == (asker is not None)
    assert not _words_in(answer.text.replace(key, ""))


@pytest.mark.parametrize("asker", VISIBLE, ids=str)
@pytest.mark.parametrize("right", RIGHTS)
def test_why_tells_of_nothing_that_the_asker_may_not_see(
    client: TestClient, right: str, asker: str | None
) -> None:
    path, nobody = "/api/assets/{}/why", "nobody-1"
    unknown = _ask(client, "get", path.format(nobody), asker, q="wildfires")
    for kind in ALL_TYPES:
        for is_job in (False, True):
            target = _asset_id(kind, right, is_job=is_job)

            answer = _ask(client, "get", path.format(target), asker, q="wildfires")

            assert _words_in(answer.text.replace(target, "")) <= VISIBLE[asker]
            if right in VISIBLE[asker]:
                assert answer.status_code == 200, answer.text
                is_told = "mayBeSeenBy" in answer.text
                assert not is_told or asker in (OWNER, MACHINE_OWNER)
                continue
            assert answer.status_code == unknown.status_code == 404
            alike = answer.text.replace(target, nobody).replace(
                answer.json()["requestId"], unknown.json()["requestId"]
            )
            assert alike == unknown.text


@pytest.mark.parametrize("scope", ["own", "shared", "public"])
@pytest.mark.parametrize("asker", [OWNER, FRIEND, MEMBER, STRANGER])
@pytest.mark.parametrize("path", ["/api/assets/search", "/api/loras", "/api/suggest"])
def test_a_scope_only_ever_narrows(
    client: TestClient, path: str, asker: str, scope: str
) -> None:
    answer = _ask(client, "get", path, asker, scope=scope, q="zebra")

    expected = {
        "own": OWNED[asker],
        "shared": {FRIEND: {"shared"}, MEMBER: {"grouped"}}.get(asker, set()),
        "public": {"public"},
    }
    assert answer.status_code == 200
    assert _words_in(answer.text) == expected[scope]


@pytest.mark.parametrize(
    "sneaky",
    [
        "x`) || (acl:=pub",
        "*) || acl:!=[x",
        "private && acl:=[`",
        "zebraprivate) || (_seq:>=0",
    ],
)
@pytest.mark.parametrize(
    "name", ["q", "tags", "tagsAny", "model", "status", "speaker", "language", "format"]
)
def test_no_parameter_talks_its_way_around_the_filter(
    client: TestClient, name: str, sneaky: str
) -> None:
    answer = _ask(client, "get", "/api/assets/search", STRANGER, **{name: sneaky})

    assert answer.status_code == 200
    found = answer.json()
    assert _words_in(str(found["hits"]) + str(found["facets"])) <= {"public"}


# --- the same with tokens ----------------------------------------------------------


@pytest.fixture(scope="module")
def bearers(library: Library) -> dict[str, dict[str, str]]:
    """Headers with an API key of each user."""
    service = ApiKeyService(
        library.catalog.api_keys,
        library.catalog.clock,
        new_id=lambda: token_hex(8),
        new_secret=token_urlsafe,
    )
    users = (OWNER, FRIEND, STRANGER)
    made = {user: service.create(user, [Permission.WRITE]) for user in users}
    return {
        user: {"Authorization": f"Bearer {one.secret}"} for user, one in made.items()
    }


@pytest.mark.parametrize("named", [None, OWNER], ids=["own", "foreign"])
@pytest.mark.parametrize("asker", [FRIEND, STRANGER])
@pytest.mark.parametrize(
    ("operation", "row"),
    [(o, r) for o, r in MATRIX.items() if isinstance(r, Listed | ById)],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_token_shows_its_users_view_and_with_a_foreign_user_an_unknown_ones(
    client: TestClient,
    bearers: dict[str, dict[str, str]],
    operation: tuple[str, str],
    row: Listed | ById,
    asker: str,
    named: str | None,
) -> None:
    seen = row.seen[asker if named is None else STRANGER]
    method, path = operation
    params = {"userId": named} if named else {}
    if isinstance(row, Listed):
        answer = client.request(
            method, path, params=params | row.params, headers=bearers[asker]
        )
        assert answer.status_code == 200
        assert _words_in(answer.text) == seen
        return
    for kind in row.types:
        for right in RIGHTS:
            identifier = _asset_id(kind, right, is_job=row.is_job)
            answer = client.request(
                method,
                re.sub(r"\{\w+\}", identifier, path),
                params=params,
                headers=bearers[asker],
                follow_redirects=False,
            )
            assert (answer.status_code != 404) == (right in seen), answer.text
