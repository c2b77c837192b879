"""Who asks for a change: the address says so, or the body."""

from dataclasses import replace
from typing import Any

from api.bodies import validated
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


def named_asker(asker: Asker, data: dict[str, Any], *, has_token: bool) -> Asker:
    """Tell who asks where the body may say so, too.

    Args:
        asker: By the address and the token.
        data: The body; its ``userId`` is taken out.
        has_token: Whether a token came with it: without one it is the body that tells
            who asks, and no machine's owner.

    Raises:
        InvalidRequestError: The body contradicts the address.
    """
    user_id = named_user(asker, data)
    is_admin = asker.sees_everything and (has_token or user_id is None)
    return replace(asker, user_id=user_id, sees_everything=is_admin)
