"""Who asks for a change: the address says so, or the body."""

from typing import Any

from api.bodies import Body, validated
from api.schemas.submissions import WhoAsks
from catalog.access import Asker
from catalog.errors import InvalidRequestError
from catalog.models.ids import UserId


def named_user(asker: Asker, data: dict[str, Any]) -> UserId | None:
    """Take ``userId`` out of a body; it must not contradict the address.

    Raises:
        InvalidRequestError: It does, or it is none.
    """
    who = validated(WhoAsks, {k: data.pop(k) for k in ("userId",) if k in data})
    if who.user_id is None:
        return asker.user_id
    if asker.user_id is not None and who.user_id != asker.user_id:
        problem = "The body names another userId than the address; send one of them."
        raise InvalidRequestError("userId", problem)
    return UserId(who.user_id)


def named_asker(asker: Asker, data: dict[str, Any], body: Body) -> Asker:
    """Tell who asks where the body may say so, too.

    Args:
        asker: By the address and the token.
        data: What the body says; its ``userId`` is taken out.
        body: The body itself: where no token came with it, it is the body that tells
            who asks, and no machine's owner.

    Raises:
        InvalidRequestError: The body contradicts the address.
        DependencyUnavailableError: MongoDB did not answer; retryable.
    """
    if "userId" not in data:
        return asker
    user_id = named_user(asker, data)
    if user_id == asker.user_id:
        return asker
    is_admin = asker.sees_everything and body.has_token
    named = Asker(user_id, sees_everything=is_admin)
    return body.memberships.complete(named, is_fresh=True)
