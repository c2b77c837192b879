import pytest

from catalog.access import MACHINE_OWNER, Asker
from catalog.models.ids import UserId
from catalog.services.jobs import may_see_job


@pytest.mark.parametrize(
    ("owner", "asker", "may"),
    [
        ("user-1", "user-1", True),
        ("user-1", "user_1", False),
        (7, "7", True),
        (7, "8", False),
        (True, "True", False),
        (None, "None", False),
        (["a"], "['a']", False),
    ],
)
def test_an_owner_sees_a_job_whatever_type_the_id_was_written_in(
    owner: object, asker: str, *, may: bool
) -> None:
    assert may_see_job(Asker(UserId(asker)), {"userId": owner}) is may


def test_the_machines_owner_sees_every_job() -> None:
    assert may_see_job(MACHINE_OWNER, {})
