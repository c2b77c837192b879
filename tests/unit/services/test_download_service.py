from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from catalog.access import Asker
from catalog.errors import (
    DependencyUnavailableError,
    FileMissingError,
    InvalidLinkError,
    InvalidQueryError,
    NotFoundError,
)
from catalog.models.asset import AssetView, FileView
from catalog.models.ids import UserId
from catalog.services.assets import AssetService
from catalog.services.downloads import Download, DownloadService
from catalog.services.files import FileService, is_displayed
from catalog.storage.links import LinkSigner
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import NOW, FakeParts
from tests.fakes.store import FakeStore

OWNER = Asker(UserId("user123"))
OTHER = Asker(UserId("user456"))

V1 = "loras/user123/a/v1/model.safetensors"
V2 = "loras/user123/a/v2/model.safetensors"
CONFIG = "loras/user123/a/v2/config.json"


def lora() -> AssetView:
    return view(
        "a",
        versions=[
            {"version": 1, "createdAt": None, "files": [file("model", V1)]},
            {
                "version": 2,
                "createdAt": None,
                "files": [file("model", V2), file("config", CONFIG)],
            },
        ],
    )


def file(role: str, key: str) -> FileView:
    return {"role": role, "name": key.rpartition("/")[2], "key": key}


def parts_with(*views: AssetView, store: FakeStore | None = None) -> FakeParts:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(*views)
    parts.store = store or FakeStore()
    for key in (V1, V2, CONFIG):
        parts.store.objects[key] = key.encode()
    return parts


def services(parts: FakeParts) -> tuple[DownloadService, FileService]:
    links = LinkSigner(b"secret", parts.clock)
    assets = AssetService(parts.assets)
    return (
        DownloadService(assets, parts.store, links, parts.clock),
        FileService(parts.store, links, parts.clock),
    )


def download(
    parts: FakeParts,
    *,
    asker: Asker = OWNER,
    expires: int = 3600,
    version: int | None = None,
    file_name: str | None = None,
) -> Download:
    service, _ = services(parts)
    return service.download(
        asker, "a", expires_seconds=expires, version=version, file_name=file_name
    )


def fetched(parts: FakeParts, address: str | None) -> bytes:
    assert address is not None
    _, files = services(parts)
    url = urlsplit(address)
    link = files.verify(
        url.path.removeprefix("/api/files/"), dict(parse_qsl(url.query))
    )
    found = files.look(link)
    return b"".join(files.stream(found, 0, found.size_bytes))


def test_the_newest_version_comes_with_the_most_important_file_first() -> None:
    parts = parts_with(lora())

    found = download(parts)

    assert found.chosen.name == "model.safetensors"
    assert found.chosen.size_bytes == len(V2)
    assert found.expires_at == NOW + timedelta(hours=1)
    assert fetched(parts, found.chosen.address) == V2.encode()
    assert [fetched(parts, one.address) for one in found.files] == [
        V2.encode(),
        CONFIG.encode(),
    ]


def test_an_older_version_and_another_file_can_be_asked_for() -> None:
    parts = parts_with(lora())

    assert fetched(parts, download(parts, version=1).chosen.address) == V1.encode()
    by_name = download(parts, file_name="config.json").chosen.address
    assert fetched(parts, by_name) == CONFIG.encode()


def test_what_the_asset_does_not_have_is_not_found() -> None:
    parts = parts_with(lora())

    with pytest.raises(NotFoundError):
        download(parts, version=3)
    with pytest.raises(NotFoundError):
        download(parts, file_name="config.json", version=1)
    with pytest.raises(NotFoundError):
        download(parts, asker=OTHER)


@pytest.mark.parametrize("expires", [59, 0, -1, 604_801])
def test_an_expiry_out_of_range_is_refused_by_name(expires: int) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        download(parts_with(lora()), expires=expires)

    assert caught.value.field == "expires"


@pytest.mark.parametrize("expires", [60, 604_800])
def test_a_link_works_exactly_as_long_as_it_says(expires: int) -> None:
    parts = parts_with(lora())
    address = download(parts, expires=expires).chosen.address

    parts.clock.advance(expires - 1)
    assert fetched(parts, address)
    parts.clock.advance(1)
    with pytest.raises(InvalidLinkError):
        fetched(parts, address)


def test_missing_bytes_are_said_to_be_missing() -> None:
    parts = parts_with(lora())
    del parts.store.objects[V2]

    with pytest.raises(FileMissingError, match=r"model\.safetensors.*missing"):
        download(parts)


def test_a_file_known_to_be_missing_is_passed_over_and_listed_without_address() -> None:
    asset = lora()
    asset["versions"][1]["files"][0]["missing"] = True
    parts = parts_with(asset)
    del parts.store.objects[V2]

    found = download(parts)

    assert found.chosen.name == "config.json"
    assert [one.address is None for one in found.files] == [True, False]
    with pytest.raises(FileMissingError):
        download(parts, file_name="model.safetensors")


def test_a_store_with_addresses_of_its_own_signs_the_chosen_file_itself() -> None:
    parts = parts_with(lora(), store=FakeStore(presigns=True))

    found = download(parts, expires=120)

    assert found.chosen.address == (
        f"https://store.test/{V2}?expires=120&name=model.safetensors&type="
        "&attachment=True"
    )


def test_a_foreign_address_passes_through_unchanged() -> None:
    url = "https://elsewhere.test/model.safetensors?x=1"
    foreign: FileView = {"role": "model", "name": "model.safetensors", "url": url}
    parts = parts_with(
        view("a", versions=[{"version": 1, "createdAt": None, "files": [foreign]}])
    )

    found = download(parts)

    assert found.chosen.address == url
    assert found.expires_at is None


def test_storage_away_is_not_taken_for_a_missing_file() -> None:
    parts = parts_with(lora())
    parts.store.fail_always(DependencyUnavailableError("storage", "refused"))

    with pytest.raises(DependencyUnavailableError):
        download(parts)


def test_a_redirect_never_outlives_its_link() -> None:
    parts = parts_with(lora(), store=FakeStore(presigns=True))
    _, files = services(parts)
    links = LinkSigner(b"secret", parts.clock)
    path = urlsplit(
        links.path(
            parts.store.head(next(iter(parts.store.list(V2))).key).key,
            expires_at=int(NOW.timestamp()) + 90,
        )
    )
    parts.clock.advance(30)

    link = files.verify(
        path.path.removeprefix("/api/files/"), dict(parse_qsl(path.query))
    )
    found = files.elsewhere(link)

    assert found is not None
    assert found[1] == 60
    assert "expires=60" in found[0]


@pytest.mark.parametrize(
    ("content_type", "displayed"),
    [
        ("image/png", True),
        ("text/plain; charset=utf-8", True),
        ("audio/mpeg", True),
        ("image/svg+xml", False),
        ("text/html", False),
        ("application/xhtml+xml", False),
        ("text/javascript", False),
        ("application/pdf", False),
        ("application/octet-stream", False),
        (None, False),
    ],
)
def test_nothing_active_is_displayed(content_type: str | None, displayed: bool) -> None:  # noqa: FBT001
    assert is_displayed(content_type) is displayed
