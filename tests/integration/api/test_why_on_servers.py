"""Why an asset is not found: real records, a real index, the whole way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import pymongo
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pymongo.database import Database
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.why import WhyAnswer, WhyOfJob
from catalog.describe import describe
from catalog.models.ids import JobId, ObjectKey
from catalog.repositories.index_state import DeadLetter, Generation, GenerationState
from catalog.search.base import IndexName
from catalog.search.generation import physical_name
from catalog.search.projection import documents_of, minimal_document, row_of
from catalog.search.schema import schema_hash
from catalog.search.typesense.reader import TypesenseSearchReader
from catalog.storage.seen import look_at
from indexer.stored import extract_transcript
from tests.fakes.recording import put
from tests.integration.api.library import Library, open_library
from tests.servers import TypesenseServer
from tests.unit.repositories import poison

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
SAID = "the wildfires reached the coast"
ADMIN = {"Authorization": "Bearer admin"}
Records = Database[dict[str, Any]]


@dataclass(frozen=True)
class Desk:
    """Writes records as the platform does, and does the indexer's work by hand."""

    library: Library
    records: Records

    def write(self, job_id: str, kind: str = "image-generation", **fields: Any) -> None:  # noqa: ANN401
        image = {"s3Key": f"generated-images/ann/{job_id}/image_1.png"}
        record = {
            "_id": f"root-{job_id}",
            "jobId": job_id,
            "userId": "ann",
            "type": kind,
            "status": "completed",
            "createdAt": NOW,
            "versions": [{"version": 1, "images": [image]}],
            "metadata": {"name": f"lighthouse {job_id}", "tags": ["coast"]},
        } | fields
        self.records["jobs"].insert_one(record)

    def write_talk(self, job_id: str, content: bytes | None) -> None:
        key = ObjectKey(f"transcripts/ann/{job_id}/transcript.json")
        store = self.library.catalog.store
        if content is not None:
            store.write(key, content)
        version = {"version": 1, "transcriptUrl": f"{store.url}/{key}"}
        self.write(job_id, "transcription", versions=[version])

    def learn(self, job_id: str) -> None:
        """Look into the store for what the record names."""
        catalog = self.library.catalog
        roots = catalog.records.roots_of_jobs([JobId(job_id)])
        for bundle in catalog.records.read(roots).bundles:
            told = describe(bundle, catalog.store.parse_url)
            put(
                catalog.objects,
                [look_at(catalog.store, key, NOW) for key in told.wanted],
            )
        for bundle in catalog.records.read(roots).bundles:
            told = describe(bundle, catalog.store.parse_url)
            found = [
                extract_transcript(catalog.store, bundle.objects[key])
                for key in told.transcripts
            ]
            catalog.extractions.record([one for one in found if one is not None])

    def index(self, job_id: str, *, refuse: bool = False, rows: bool = True) -> None:
        catalog = self.library.catalog
        self.learn(job_id)
        roots = catalog.records.roots_of_jobs([JobId(job_id)])
        for bundle in catalog.records.read(roots).bundles:
            for asset in describe(bundle, catalog.store.parse_url).assets:
                made = documents_of(
                    asset, root_key=bundle.root_key, sequence=1, generation=1
                )
                small = minimal_document(
                    asset, "no", root_key=bundle.root_key, sequence=1, generation=1
                )
                document = small if refuse else made.document
                name = physical_name(
                    self.library.prefix, IndexName.ASSETS, 1, schema_hash()
                )
                if document is not None:
                    (line,) = catalog.index_writer.upsert(name, [document])
                    assert line.error is None
                if rows:
                    digest = "" if refuse else made.hash
                    row = row_of(
                        asset, bundle.root, bundle.root_key, document_hash=digest
                    )
                    catalog.rows.replace([row])

    def annotate(self, target: str, **fields: Any) -> None:  # noqa: ANN401
        self.records["annotations"].replace_one({"_id": target}, fields, upsert=True)


@pytest.fixture(scope="module")
def desk(
    mongo_uri: str,
    typesense_server: TypesenseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("store")
    token = SecretStr("admin")
    with (
        open_library(mongo_uri, typesense_server, folder, admin_token=token) as library,
        pymongo.MongoClient[dict[str, Any]](
            mongo_uri, uuidRepresentation="standard"
        ) as client,
    ):
        library.catalog.generations.save(
            Generation(
                1, "s", GenerationState.SERVING, settled_time=1_700_000_000 << 32
            )
        )
        library.beat(lag_ms=40)
        yield Desk(library, client[library.catalog.settings.mongo_db])


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk.library.catalog)) as made:
        yield made


def why(
    client: TestClient,
    target: str,
    headers: dict[str, str] | None = None,
    **query: str,
) -> Any:  # noqa: ANN401
    asked = {"userId": "ann"} | query
    answer = client.get(f"/api/assets/{target}/why", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    (WhyOfJob if "assets" in found else WhyAnswer).model_validate(found)
    return found


def stage(found: Any, name: str) -> Any:  # noqa: ANN401
    return next(one for one in found["stages"] if one["stage"] == name)


def test_an_asset_on_its_way_tells_where_it_is(desk: Desk, client: TestClient) -> None:
    desk.write("way", status="queued", versions=[])
    assert why(client, "way")["reason"] == "job_queued"

    versions = [{"version": 1, "images": [{"s3Key": "generated-images/ann/way/a.png"}]}]
    change = {"$set": {"status": "completed", "versions": versions}}
    desk.records["jobs"].update_one({"jobId": "way"}, change)
    waiting = why(client, "way-1", q="lighthouse")
    assert (waiting["isFound"], waiting["reason"]) == (False, "not_indexed_yet")
    assert stage(waiting, "indexed")["behindSeconds"] > 1_000_000

    desk.index("way")
    found = why(client, "way-1", q="lighthouse way")
    assert (found["isFound"], found["reason"]) == (True, "found")
    assert {one["verdict"] for one in found["stages"]} <= {"ok", "failed"}
    assert stage(found, "extraction")["missing"] == ["a.png"]
    assert found["index"]["generation"] == 1


def test_filters_and_words_of_the_very_search_are_judged(
    desk: Desk, client: TestClient
) -> None:
    desk.write("judged")
    desk.index("judged")

    tagged = why(client, "judged-1", q="lighthouse judged", tags="sea")
    worded = why(client, "judged-1", q="judged -lighthouse")
    lacking = why(client, "judged-1", q="judged lightship")
    scoped = why(client, "judged-1", q="judged", scope="public")
    later: dict[str, Any] = {"from": "2025-06-02"}
    late = why(client, "judged-1", q="judged", **later)

    assert tagged["reason"] == "filtered_out"
    assert "'sea', it has 'coast'" in tagged["explanation"]
    assert worded["reason"] == "excluded_word"
    assert stage(worded, "words")["excludedBy"] == ["-lighthouse"]
    assert stage(lacking, "words")["unmatched"] == ["lightship"]
    assert "scope asks for 'public', it has 'own'" in scoped["explanation"]
    assert "from asks for '2025-06-02T00:00:00Z'" in late["explanation"]
    for found in (tagged, worded, scoped, late):
        assert found["isFound"] is False


def test_a_change_is_told_from_what_the_index_has(
    desk: Desk, client: TestClient
) -> None:
    desk.write("changed")
    desk.index("changed")
    desk.annotate("changed", tagsAdded=["new"])

    before = why(client, "changed-1", tags="new")
    desk.index("changed")
    after = why(client, "changed-1", tags="new")

    assert before["reason"] == "not_indexed_yet"
    assert before["explanation"].startswith("Its last change")
    assert after["reason"] == "found"


def test_a_lost_document_is_drift(desk: Desk, client: TestClient) -> None:
    desk.write("lost")
    desk.index("lost")
    name = physical_name(desk.library.prefix, IndexName.ASSETS, 1, schema_hash())
    row = desk.records["assets"].find_one({"view.assetId": "lost-1"})
    assert row is not None
    desk.library.catalog.index_writer.delete(name, [row["_id"]])

    assert why(client, "lost-1")["reason"] == "index_drift"


def test_a_refused_document_tells_owner_and_admin_its_cause(
    desk: Desk, client: TestClient
) -> None:
    desk.write("poison", metadata={"name": "poison", "isPublic": True})
    desk.index("poison", refuse=True)
    letter = DeadLetter(
        root="root-poison",
        stage="index",
        error="Field `seed` must be an int64.",
        attempts=1,
        first_seen_at=NOW,
        last_seen_at=NOW,
        job_id="poison",
    )
    desk.library.catalog.dead_letters.record([letter])

    mine = why(client, "poison-1", type="image", tags="x")
    others = why(client, "poison-1", type="image", tags="x", userId="eve")

    assert mine["reason"] == others["reason"] == "index_refused"
    assert "seed" in stage(mine, "indexed")["deadLetter"]["error"]
    assert "seed" not in json.dumps(others)


@pytest.mark.parametrize(
    ("job_id", "content", "reason"),
    [
        ("talk-good", json.dumps({"text": SAID}).encode(), "found"),
        ("talk-bad", b"{not json", "text_unreadable"),
        ("talk-gone", None, "file_missing"),
    ],
)
def test_a_transcript_tells_whether_it_could_be_read(
    desk: Desk, client: TestClient, job_id: str, content: bytes | None, reason: str
) -> None:
    desk.write_talk(job_id, content)
    desk.index(job_id)

    found = why(client, job_id, q="wildfires")

    assert found["reason"] == reason
    assert found["isFound"] is (reason == "found")


def test_the_trash_is_its_owners_and_the_admins(desk: Desk, client: TestClient) -> None:
    desk.write("binned", metadata={"name": "binned", "isPublic": True})
    desk.index("binned")
    assert why(client, "binned-1", userId="eve")["reason"] == "found"
    desk.annotate("binned", trashedAt=NOW)

    mine = why(client, "binned-1")
    admins = why(client, "binned-1", headers=ADMIN, userId="eve")
    strangers = client.get("/api/assets/binned-1/why?userId=eve")

    assert mine["reason"] == admins["reason"] == "trashed"
    assert strangers.status_code == 404


def test_the_admin_asks_in_a_users_name(desk: Desk, client: TestClient) -> None:
    desk.write("secret")
    desk.index("secret")
    desk.annotate("secret", sharedWith=["bob"])

    told = why(client, "secret-1", headers=ADMIN, userId="eve", q="lighthouse")

    assert (told["isFound"], told["reason"]) == (False, "no_right")
    sharing = [{"user": "bob", "right": "view"}]
    seen_by = {"owner": "ann", "isPublic": False, "sharedWith": ["bob"]}
    seen_by |= {"sharing": sharing}
    assert stage(told, "rights")["mayBeSeenBy"] == seen_by
    assert stage(told, "filters")["filters"][0]["verdict"] == "failed"
    assert client.get("/api/assets/secret-1/why?userId=eve").status_code == 404


def test_of_records_with_one_job_id_the_newest_counts(
    desk: Desk, client: TestClient
) -> None:
    images = [{"s3Key": f"generated-images/ann/twice/image_{n}.png"} for n in (1, 2)]
    desk.write("twice", versions=[{"version": 1, "images": images}])
    newer: dict[str, Any] = {
        "_id": "root-newer",
        "createdAt": datetime(2025, 7, 1, tzinfo=UTC),
    }
    desk.write("twice", **newer)
    desk.index("twice")

    assert why(client, "twice-1")["reason"] == "found"
    assert stage(why(client, "twice-1"), "record")["otherRecords"] == 1
    assert why(client, "twice-2")["reason"] == "superseded"


def test_without_the_engine_the_rest_is_still_told(desk: Desk) -> None:
    desk.write("alone")
    desk.index("alone")
    desk.write("unready", status="failed", versions=[], error="out of memory")
    reader = TypesenseSearchReader(
        "http://127.0.0.1:9", "none", "", timeout_seconds=2.0, cutoff_ms=500
    )
    app = create_app(replace(desk.library.catalog, search=reader))
    with TestClient(app) as client:
        found = why(client, "alone-1", q="lighthouse")
        failed = why(client, "unready")

    assert (found["isFound"], found["reason"]) == (None, "index_away")
    assert found["degraded"] is True
    assert stage(found, "record")["verdict"] == "ok"
    assert "out of memory" in failed["explanation"]


def test_an_answer_takes_a_fraction_of_a_second(desk: Desk, client: TestClient) -> None:
    desk.write("quick")
    desk.index("quick")
    why(client, "quick-1", q="lighthouse")

    started = perf_counter()
    for _ in range(10):
        why(
            client, "quick-1", q="lighthouse quick -nothing", type="image", tags="coast"
        )

    assert (perf_counter() - started) / 10 < 0.3


# --- whatever is sent --------------------------------------------------------------

_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "`",
            '"',
            "-",
            '-"',
            "x) || (_seq:>=0",
            "*",
            "\x00",
            "\ud800",
            "播客",
            "a,b,,c",
        ]
    ),
)
_ODD = st.dictionaries(
    st.sampled_from(
        [
            *("type", "from", "to", "sort", "order", "page", "perPage", "facets"),
            *("scope", "userId", "waitFor", "waitMs", "unknown"),
        ]
    ),
    _TEXT,
    max_size=2,
)
_FREE = st.dictionaries(
    st.sampled_from(
        [
            *("q", "tags", "tagsAny", "tagsNone", "status", "model", "speaker"),
            *("language", "format"),
        ]
    ),
    _TEXT,
    max_size=5,
)
"""Parameters that take any text: most of these get as far as the engine."""


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    target=st.one_of(
        st.sampled_from(["fuzzed-1", "fuzzed", "fuzzed-9"]),
        st.just("fuzzed-1"),
        st.text(min_size=1, max_size=30).filter(lambda text: "/" not in text),
    ),
    free=_FREE,
    odd=st.one_of(st.just({}), st.just({}), _ODD),
)
def test_nothing_that_is_sent_makes_it_fail(
    desk: Desk,
    client: TestClient,
    target: str,
    free: dict[str, str],
    odd: dict[str, str],
) -> None:
    if desk.records["jobs"].count_documents({"jobId": "fuzzed"}) == 0:
        desk.write("fuzzed")
        desk.index("fuzzed")
    params = {k: v.encode("utf-8", "replace").decode() for k, v in (free | odd).items()}
    identifier = target.encode("utf-8", "replace").decode()

    answer = client.get(
        f"/api/assets/{_quoted(identifier)}/why",
        params={"userId": "ann"} | params,
        follow_redirects=False,
    )

    assert answer.status_code in (200, 400, 404), answer.text


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def test_no_record_however_odd_makes_it_fail(desk: Desk, client: TestClient) -> None:
    records = poison.corpus()[::4]
    desk.records["jobs"].insert_many(records)

    reasons = {
        why(client, record["jobId"], userId="user123").get("reason")
        for record in records
    }

    assert "no_version" in reasons
    assert "not_indexed_yet" in reasons
