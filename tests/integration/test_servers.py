from typing import Any

from pymongo.database import Database

from tests.servers import TypesenseServer


def test_real_servers_serve_the_tests(
    mongo_database: Database[dict[str, Any]],
    typesense_server: TypesenseServer,
    index_prefix: str,
) -> None:
    mongo_database["jobs"].insert_one({"jobId": "a"})

    with mongo_database.client.start_session() as session:
        found = mongo_database["jobs"].find_one({}, session=session)
        assert session.operation_time is not None

    assert found is not None
    assert typesense_server.url.startswith("http://127.0.0.1:")
    assert index_prefix
