"""Who asks for a change: the address says so, or the body."""

from typing import Any

from api.bodies import Body, validated
from api.callers import note_user
from api.schemas.submissions import WhoAsks
from catalog.access import Asker
from catalog.errors import InvalidRequestError, NotFoundError
from catalog.models.ids import UserId


def named_user(
    asker: Asker, data: dict[str, Any], *, has_token: bool = False
) -> UserId | None:
    """Take ``userId`` out of a body; it must not contradict the address or the token.

    Args:
        asker: By the address and the token.
        data: The body.
        has_token: Whether a token came with it.

    Raises:
        InvalidRequestError: It contradicts the address, or is none.
        NotFoundError: It is foreign to the token's user.
    """
    who = validated(WhoAsks, {k: data.pop(k) for k in ("userId",) if k in data})
    if who.user_id is None:
        return asker.user_id
    if asker.user_id is not None and who.user_id != asker.user_id:
        if has_token and not asker.sees_everything:
            raise NotFoundError("user", who.user_id)
        problem = "The body names another userId than the address; send one of them."
        raise InvalidRequestError("userId", problem)
    note_user(who.user_id)
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
        NotFoundError: Its ``userId`` is foreign to the token's user.
        DependencyUnavailableError: MongoDB did not answer; retryable.
    """
    if "userId" not in data:
        return asker
    user_id = named_user(asker, data, has_token=body.has_token)
    if user_id == asker.user_id:
        return asker
    is_admin = asker.sees_everything and body.has_token
    named = Asker(user_id, sees_everything=is_admin)
    return body.memberships.complete(named, is_fresh=True)
