import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typing_extensions import override

from catalog.clock import ManualClock, SystemClock
from catalog.errors import DependencyRejectedError, FencedError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.s3 import S3ObjectStore
from indexer.sweep_run import Run
from indexer.temporary import TemporaryFiles
from tests.fakes.terms import ScriptedTerm

NOW = SystemClock().now()
CLOCK = ManualClock(NOW)


def run(term: ScriptedTerm | None = None) -> Run:
    return Run(term or ScriptedTerm(), CLOCK, is_asked=True)


def put(folder: Path, key: str, *, hours_ago: float) -> None:
    DirectoryObjectStore(folder).write(ObjectKey(key), b"x")
    then = (NOW - timedelta(hours=hours_ago)).timestamp()
    os.utime(folder / key, (then, then))


def keys(folder: Path) -> list[str]:
    return [info.key for info in DirectoryObjectStore(folder).list()]


def test_only_what_is_temporary_and_a_day_old_is_removed(tmp_path: Path) -> None:
    put(tmp_path, "temp/job1/old.bin", hours_ago=25)
    put(tmp_path, "temp/job1/new.bin", hours_ago=23)
    put(tmp_path, "temporary/old.bin", hours_ago=25)
    put(tmp_path, "loras/ann/job1/v1/model.safetensors", hours_ago=1000)

    told = TemporaryFiles(DirectoryObjectStore(tmp_path), CLOCK).sweep(run())

    assert told == "1 objects were removed."
    assert keys(tmp_path) == [
        "loras/ann/job1/v1/model.safetensors",
        "temp/job1/new.bin",
        "temporary/old.bin",
    ]


class Rewriting(DirectoryObjectStore):
    """Somebody writes each file anew between the listing and the second look."""

    @override
    def head(self, key: ObjectKey) -> ObjectInfo:
        self.write(key, b"new content")
        return super().head(key)


def test_what_is_written_anew_meanwhile_stays(tmp_path: Path) -> None:
    put(tmp_path, "temp/job1/old.bin", hours_ago=25)

    told = TemporaryFiles(Rewriting(tmp_path), CLOCK).sweep(run())

    assert told == "0 objects were removed."
    assert keys(tmp_path) == ["temp/job1/old.bin"]


def test_nothing_is_removed_outside_the_term(tmp_path: Path) -> None:
    put(tmp_path, "temp/job1/old.bin", hours_ago=25)
    files = TemporaryFiles(DirectoryObjectStore(tmp_path), CLOCK)

    over = ScriptedTerm()
    over.is_over = True
    with pytest.raises(FencedError):
        files.sweep(run(over))

    assert keys(tmp_path) == ["temp/job1/old.bin"]


class RuleClient:
    """A bucket's lifecycle rules; nothing else may be asked."""

    def __init__(self, *rules: dict[str, Any], code: str = "") -> None:
        self.rules = rules
        self.code = code

    def get_bucket_lifecycle_configuration(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        assert parameters == {"Bucket": "b"}
        if self.code:
            error = {"Error": {"Code": self.code}}
            raise ClientError(error, "GetBucketLifecycleConfiguration")  # type: ignore[arg-type]
        return {"Rules": list(self.rules)}


def advice(*rules: dict[str, Any], code: str = "") -> str:
    client: Any = RuleClient(*rules, code=code)
    return TemporaryFiles(S3ObjectStore("b", client=client), CLOCK).sweep(run())


def rule(days: int = 1, *, status: str = "Enabled", **scope: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"Status": status, "Expiration": {"Days": days}, **scope}


LACKS = (
    "The bucket has no lifecycle rule that expires temp/: `catalog temp-rule` adds one."
)


def test_a_buckets_rule_is_told_of_and_its_lack_too() -> None:
    fitting = rule(Filter={"Prefix": "temp/"})
    assert advice(fitting) == "The bucket expires temp/ after 1 days."
    assert advice(rule(7, Prefix="")) == "The bucket expires temp/ after 7 days."
    assert advice(rule(9, Filter={}), fitting).endswith("after 1 days.")
    assert advice() == LACKS
    assert advice(code="NoSuchLifecycleConfiguration") == LACKS


def test_rules_that_do_not_cover_all_of_it_do_not_count() -> None:
    assert advice(rule(Filter={"Prefix": "loras/"})) == LACKS
    assert advice(rule(Filter={"Prefix": "temp/job1/"})) == LACKS
    assert advice(rule(status="Disabled", Prefix="temp/")) == LACKS
    tagged = {"And": {"Prefix": "temp/", "Tags": [{"Key": "k", "Value": "v"}]}}
    assert advice(rule(Filter=tagged)) == LACKS
    assert advice({"Status": "Enabled", "Prefix": "temp/", "Transitions": []}) == LACKS


def test_a_bucket_whose_rules_may_not_be_read_says_so() -> None:
    with pytest.raises(DependencyRejectedError):
        advice(code="AccessDenied")
