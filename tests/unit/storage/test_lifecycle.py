"""The rule that empties ``temp/`` of a bucket, among other people's rules."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from catalog.cli_storage import installed
from catalog.errors import DependencyUnavailableError, StackError
from catalog.storage.base import ObjectStore
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.lifecycle import with_rule
from catalog.storage.s3 import S3ObjectStore, connect_s3

DAY = timedelta(days=1)
ARCHIVE = {
    "ID": "archive",
    "Status": "Enabled",
    "Filter": {"Prefix": "loras/"},
    "Transitions": [{"Days": 90, "StorageClass": "GLACIER"}],
}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client: Any = connect_s3(None, "us-east-1")
        client.create_bucket(Bucket="assets")
        yield client


def rules(client: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    found = client.get_bucket_lifecycle_configuration(Bucket="assets")
    kept: list[dict[str, Any]] = found["Rules"]
    return kept


def test_the_rule_is_installed_once(client: Any) -> None:  # noqa: ANN401
    store = S3ObjectStore("assets", client=client)
    assert installed(store)[0] == "installed"
    assert installed(store)[0] == "present"

    (rule,) = rules(client)
    assert rule["Filter"] == {"Prefix": "temp/"}
    assert rule["Expiration"] == {"Days": 1}
    assert store.expires_after("temp/") == DAY
    assert store.expires_after("loras/") is None


def test_other_rules_stay_as_they_are(client: Any) -> None:  # noqa: ANN401
    client.put_bucket_lifecycle_configuration(
        Bucket="assets", LifecycleConfiguration={"Rules": [ARCHIVE]}
    )
    before = rules(client)
    assert installed(S3ObjectStore("assets", client=client))[0] == "installed"

    after = rules(client)
    assert after[:1] == before
    assert [rule["ID"] for rule in after] == ["archive", "catalog-temp"]


def test_a_shorter_life_that_somebody_chose_stays() -> None:
    whole = {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    assert with_rule([whole], "catalog-temp", "temp/", DAY) is None


def test_a_longer_one_and_an_older_one_of_ours_are_not_enough() -> None:
    longer = {"ID": "a", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 9}}
    disabled = {"ID": "catalog-temp", "Status": "Disabled", "Filter": {}}
    wanted = with_rule([longer, disabled], "catalog-temp", "temp/", DAY)
    assert wanted is not None
    assert [rule["ID"] for rule in wanted] == ["a", "catalog-temp"]
    assert wanted[1]["Status"] == "Enabled"


def test_rules_of_the_older_form_get_one_of_theirs() -> None:
    older = {"ID": "a", "Status": "Enabled", "Prefix": "x/", "Expiration": {"Days": 9}}
    wanted = with_rule([older], "catalog-temp", "temp/", DAY)
    assert wanted is not None
    assert wanted[1]["Prefix"] == "temp/"
    assert "Filter" not in wanted[1]


def test_a_directory_needs_none(tmp_path: Any) -> None:  # noqa: ANN401
    directory: ObjectStore = DirectoryObjectStore(tmp_path)
    assert installed(directory)[0] == "unneeded"
    assert installed(None)[0] == "unneeded"


class RefusingClient:
    """Lets rules be read, and refuses to change them."""

    def __init__(self, code: str, status: int, *, reads: bool = True) -> None:
        self.code = code
        self.status = status
        self.reads = reads

    def get_bucket_lifecycle_configuration(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        assert parameters == {"Bucket": "b"}
        if not self.reads:
            raise self._error("GetBucketLifecycleConfiguration")
        return {"Rules": [ARCHIVE], "TransitionDefaultMinimumObjectSize": "varies"}

    def put_bucket_lifecycle_configuration(self, **parameters: Any) -> object:  # noqa: ANN401
        assert parameters["TransitionDefaultMinimumObjectSize"] == "varies"
        raise self._error("PutBucketLifecycleConfiguration")

    def _error(self, call: str) -> ClientError:
        answer: Any = {
            "Error": {"Code": self.code},
            "ResponseMetadata": {"HTTPStatusCode": self.status},
        }
        return ClientError(answer, call)


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501)]
)
@pytest.mark.parametrize("reads", [True, False])
def test_where_it_is_not_allowed_the_message_says_what_to_do(
    code: str,
    status: int,
    reads: bool,  # noqa: FBT001  (a parameter)
) -> None:
    client: Any = RefusingClient(code, status, reads=reads)
    with pytest.raises(StackError, match="s3:PutLifecycleConfiguration") as caught:
        installed(S3ObjectStore("b", client=client))
    assert code in str(caught.value)


def test_a_store_in_trouble_is_told_as_such() -> None:
    client: Any = RefusingClient("SlowDown", 503)
    with pytest.raises(DependencyUnavailableError):
        installed(S3ObjectStore("b", client=client))
