"""What every ``ObjectStore`` promises; each implementation runs all of it."""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, timedelta

import pytest

from catalog.errors import InvalidObjectKeyError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo, ObjectStore

KEY = ObjectKey("generated-images/user-1/job/image_1.png")
ODD_KEYS = [
    ObjectKey("temp/j/a b+c&d=e?f#g%20h;i@j'k\"l.txt"),
    ObjectKey("temp/j/ünï/日本語 😀.txt"),
    ObjectKey("temp/j/.hidden"),
    ObjectKey("temp/.../~"),
]
BAD_KEYS = ["", "/abs", "a/../b", "../up", "a//b", "a/", "a\0b", "a\nb", "k" * 1025]

Use = Callable[[ObjectStore, ObjectKey], object]
USES: dict[str, Use] = {
    "head": lambda store, key: store.head(key),
    "read": lambda store, key: store.read(key),
    "stream": lambda store, key: store.stream(key),
    "write": lambda store, key: store.write(key, b"x"),
    "delete": lambda store, key: store.delete(key),
    "copy": lambda store, key: store.copy(key, KEY),
    "copy to": lambda store, key: store.copy(KEY, key),
    "presign": lambda store, key: store.presign(key, expires_in=timedelta(hours=1)),
}


class ObjectStoreContract(ABC):
    @abstractmethod
    def store_holding(self, objects: dict[ObjectKey, bytes]) -> ObjectStore: ...

    def test_what_is_written_is_read(self) -> None:
        store = self.store_holding({})

        written = store.write(KEY, b"\x89PNG")

        assert store.read(KEY) == b"\x89PNG"
        assert store.head(KEY) == written
        assert written.key == KEY
        assert written.size_bytes == 4
        assert written.content_type == "image/png"
        assert written.modified_at.utcoffset() == UTC.utcoffset(None)
        assert written.etag
        assert '"' not in written.etag

    def test_an_empty_object_is_an_object(self) -> None:
        store = self.store_holding({KEY: b""})

        assert store.head(KEY).size_bytes == 0
        assert store.read(KEY) == b""
        assert list(store.stream(KEY)) == []

    def test_a_copy_is_an_object_of_its_own(self) -> None:
        large = b"0123456789abcdef" * 1_000_000
        other = ObjectKey("temp/job/copy.png")
        store = self.store_holding({KEY: large, other: b"old"})

        copied = store.copy(KEY, other)
        store.write(KEY, b"changed")

        assert store.read(other) == large
        assert copied == store.head(other)
        assert copied.content_type == "image/png"

    def test_what_is_not_there_can_not_be_copied(self) -> None:
        other = ObjectKey("temp/job/copy.png")
        store = self.store_holding({other: b"old"})

        with pytest.raises(NotFoundError):
            store.copy(KEY, other)

        assert store.read(other) == b"old"

    def test_writing_again_replaces_and_changes_the_etag(self) -> None:
        store = self.store_holding({KEY: b"old"})
        before = store.head(KEY)

        after = store.write(KEY, b"new")

        assert store.read(KEY) == b"new"
        assert after.etag != before.etag
        assert [info.key for info in store.list()] == [KEY]

    def test_a_file_is_written_from_where_it_stands_and_left_open(self) -> None:
        store = self.store_holding({})
        file = io.BytesIO(b"skipped|content")
        file.seek(8)

        store.write(KEY, file)

        assert store.read(KEY) == b"content"
        assert not file.closed

    def test_a_large_file_arrives_whole_and_is_streamed_in_pieces(self) -> None:
        content = bytes(range(256)) * 4096 * 18  # 18 MiB: several parts
        store = self.store_holding({})

        written = store.write(KEY, io.BytesIO(content))

        pieces = list(store.stream(KEY))
        assert written.size_bytes == len(content)
        assert max(map(len, pieces)) <= 1024 * 1024
        assert (
            hashlib.sha256(b"".join(pieces)).digest()
            == hashlib.sha256(content).digest()
        )

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (0, 3, b"012"),
            (4, None, b"456789"),
            (4, 2, b"45"),
            (8, 100, b"89"),
            (9, 1, b"9"),
            (10, None, b""),
            (10, 5, b""),
            (99, 1, b""),
            (3, 0, b""),
        ],
    )
    def test_a_range_is_cut_at_the_end(
        self, start: int, length: int | None, expected: bytes
    ) -> None:
        store = self.store_holding({KEY: b"0123456789"})

        assert store.read(KEY, start=start, length=length) == expected
        assert b"".join(store.stream(KEY, start=start, length=length)) == expected

    @pytest.mark.parametrize("use", ["head", "read", "stream"])
    def test_a_missing_key_is_named_at_once(self, use: str) -> None:
        store = self.store_holding({ObjectKey(KEY + "x"): b""})

        with pytest.raises(NotFoundError) as caught:
            USES[use](store, KEY)

        assert (caught.value.kind, caught.value.identifier) == ("object", KEY)

    def test_an_empty_range_of_a_missing_object_is_missing_too(self) -> None:
        store = self.store_holding({})

        with pytest.raises(NotFoundError):
            store.read(KEY, length=0)

    @pytest.mark.parametrize("key", BAD_KEYS)
    @pytest.mark.parametrize("use", list(USES))
    def test_a_key_that_could_leave_the_store_is_refused(
        self, use: str, key: str
    ) -> None:
        store = self.store_holding({})

        with pytest.raises(InvalidObjectKeyError):
            USES[use](store, ObjectKey(key))

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_characters_stay_as_they_are(self, key: ObjectKey) -> None:
        store = self.store_holding({key: b"x"})

        assert store.read(key) == b"x"
        assert [info.key for info in store.list(key[:-1])] == [key]
        store.delete(key)
        assert list(store.list()) == []

    def test_what_is_deleted_is_gone_and_may_be_deleted_again(self) -> None:
        other = ObjectKey(KEY.replace("_1", "_2"))
        store = self.store_holding({KEY: b"1", other: b"2"})

        store.delete(KEY)
        store.delete(KEY)

        assert [info.key for info in store.list()] == [other]
        with pytest.raises(NotFoundError):
            store.head(KEY)

    def test_a_listing_has_every_object_of_the_prefix_in_byte_order(self) -> None:
        keys = [
            "a-b/x",
            "a.b",
            "a/b-c",
            "a/b/c",
            "a/b0",
            "a0",
            "b/\uff5e",
            "b/\U0001f600",
            "Z",
        ]
        store = self.store_holding({ObjectKey(key): key.encode() for key in keys})

        ordered = sorted(keys, key=str.encode)
        for prefix in ["", "a", "a/", "a/b", "a/b/", "b/", "a-b/x", "none", "a/b/c/"]:
            assert [info.key for info in store.list(prefix)] == [
                key for key in ordered if key.startswith(prefix)
            ]

    def test_a_listing_tells_what_head_tells(self) -> None:
        store = self.store_holding({KEY: b"1234"})

        (listed,) = store.list()

        assert described(listed) == described(store.head(KEY))

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../", "..", "//", "\0"])
    def test_a_prefix_that_no_key_can_have_lists_nothing(self, prefix: str) -> None:
        store = self.store_holding({KEY: b""})

        assert list(store.list(prefix)) == []

    def test_a_long_listing_is_complete(self) -> None:
        keys = [ObjectKey(f"temp/j/{number:04d}") for number in range(1, 1102)]
        store = self.store_holding(dict.fromkeys(keys, b""))

        assert [info.key for info in store.list("temp/")] == keys

    def test_a_stream_that_is_left_early_harms_nothing(self) -> None:
        store = self.store_holding({KEY: b"x" * 3_000_000})

        assert len(next(store.stream(KEY))) <= 1024 * 1024
        assert store.stream(KEY) is not None

        assert len(store.read(KEY)) == 3_000_000

    def test_a_store_that_is_there_passes_the_check(self) -> None:
        self.store_holding({}).check()

    def test_the_seed_s_public_address_names_our_object(self) -> None:
        store = self.store_holding({})
        url = f"https://content-generation-assets.s3.amazonaws.com/{KEY}?X-Amz-Date=1"

        assert store.parse_url(url) == KEY
        assert store.parse_url(f"s3://content-generation-assets/{KEY}") == KEY

    @pytest.mark.parametrize("url", ["", "x", "https://[", f"s3://else/{KEY}", KEY])
    def test_a_foreign_address_names_none(self, url: str) -> None:
        assert self.store_holding({}).parse_url(url) is None

    def test_its_own_address_with_a_key_names_our_object(self) -> None:
        store = self.store_holding({})

        assert store.parse_url(f"{store.url}/{KEY}") == KEY


def described(info: ObjectInfo) -> tuple[str, int, str, int]:
    return info.key, info.size_bytes, info.etag, int(info.modified_at.timestamp())
