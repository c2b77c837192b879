"""``IndexKeys`` over the official client: the fence that the engine itself holds up.

0.24.1 has no conditional write, but a deleted key is refused at once and an expired
one after its time (measured), and a key can be limited to our physical indexes: names
are matched whole, as they stand in the address, before any alias is followed. Expired
keys stay listed until they are deleted (26 has ``autodelete``; we delete anyway).
"""

import re
import secrets
import weakref
from collections.abc import Iterator
from datetime import timedelta

from typesense.types.key import ApiKeyCreateSchema

from catalog.clock import Clock
from catalog.errors import NotFoundError
from catalog.search.typesense.client import close_clients, open_client, translated

_DESCRIPTION = re.compile(
    r"asset catalog indexer, prefix '(?P<prefix>[a-z0-9_]*)', "
    r"epoch (?P<epoch>\d+), nonce (?P<nonce>[0-9a-f]+)"
)
_SHOWN = 4
"""Characters of a key that the engine shows once it has been made."""


class TypesenseIndexKeys:
    """See ``IndexKeys``."""

    def __init__(
        self,
        url: str,
        api_key: str,
        prefix: str,
        *,
        clock: Clock,
        timeout_seconds: float = 5.0,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Address of the server.
            api_key: Its admin key.
            prefix: Of our indexes; keys of other prefixes are not ours.
            clock: Tells when keys expire. Off by a minute, it would make keys that
                the engine refuses from the start.
            timeout_seconds: For every request.
        """
        self._prefix = prefix
        self._clock = clock
        self._client = open_client(url, api_key, timeout_seconds=timeout_seconds)
        weakref.finalize(self, close_clients, self._client)

    def mint(self, epoch: int, ttl: timedelta) -> str:
        """See ``IndexKeys.mint``."""
        expires_at = (self._clock.now() + ttl).timestamp()
        wanted: ApiKeyCreateSchema = {
            "description": f"asset catalog indexer, prefix '{self._prefix}', "
            f"epoch {epoch}, nonce {secrets.token_hex(4)}",
            "actions": ["documents:*"],
            # Physical names only: no alias has two underscores and a number in it.
            "collections": [f"{self._prefix}(assets|segments|tags)__g[0-9]+_[0-9a-f]+"],
            "expires_at": int(expires_at) + 1,
        }
        with translated():
            return self._client.keys.create(wanted)["value"]

    def revoke(self, *, before_epoch: int) -> int:
        """See ``IndexKeys.revoke``."""
        return sum(
            self._delete(key_id)
            for key_id, epoch, _ in self._ours()
            if epoch < before_epoch
        )

    def revoke_superseded(self, epoch: int, keep: str) -> int:
        """See ``IndexKeys.revoke_superseded``."""
        return sum(
            self._delete(key_id)
            for key_id, of_epoch, start in self._ours()
            if of_epoch == epoch and start != keep[:_SHOWN]
        )

    def _ours(self) -> Iterator[tuple[int, int, str]]:
        """List id, epoch and first characters of our keys; others are not ours."""
        with translated():
            keys = self._client.keys.retrieve()["keys"]
        for key in keys:
            match = _DESCRIPTION.fullmatch(key.get("description", ""))
            if match is not None and match["prefix"] == self._prefix:
                yield key["id"], int(match["epoch"]), str(key.get("value_prefix", ""))

    def _delete(self, key_id: int) -> int:
        try:
            with translated(str(key_id)):
                self._client.keys[key_id].delete()
        except NotFoundError:
            return 0  # another leader was quicker
        return 1
