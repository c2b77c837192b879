"""``catalog keys``: API keys, made, listed and revoked."""

import argparse
import json
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli_common import out, say
from catalog.models.api_key import ApiKey, Permission
from catalog.services.api_keys import ApiKeyService


def permissions(text: str) -> frozenset[Permission]:
    """Read what a key may be used for.

    Raises:
        ArgumentTypeError: One is unknown.
    """
    names = [one.strip() for one in text.split(",") if one.strip()]
    try:
        found = frozenset(map(Permission, names))
    except ValueError as exc:
        message = f"name some of {', '.join(Permission)}"
        raise argparse.ArgumentTypeError(message) from exc
    if not found:
        message = f"name one of {', '.join(Permission)} at least"
        raise argparse.ArgumentTypeError(message)
    return found


def run(chosen: argparse.Namespace, service: ApiKeyService) -> None:
    """Do what the command line says.

    Raises:
        CatalogError: It can't be done; says why.
    """
    match chosen.action:
        case "create":
            _create(chosen, service)
        case "revoke":
            key = service.revoke(chosen.key)
            told = f"{key.key_id} is refused from now on."
            out(json.dumps(key_json(key)) if chosen.json else told)
        case _:
            found = service.all(chosen.user)
            if chosen.json:
                out(json.dumps([key_json(key) for key in found]))
            else:
                _render(found, Console())


def _create(chosen: argparse.Namespace, service: ApiKeyService) -> None:
    made = service.create(
        chosen.user, chosen.scopes, name=chosen.name, days=chosen.days
    )
    if chosen.json:
        out(json.dumps({**key_json(made.key), "key": made.secret}))
        return
    say(f"key {made.key.key_id}, shown this once:")
    out(made.secret)


def key_json(key: ApiKey) -> dict[str, Any]:
    """Spell what is known of a key for ``--json``; not the key, nor its hash."""
    return {
        "keyId": key.key_id,
        "hint": key.hint,
        "userId": key.user_id,
        "name": key.name,
        "scopes": [one.value for one in Permission if one in key.permissions],
        "createdAt": _time(key.created_at),
        "expiresAt": _time(key.expires_at),
        "revokedAt": _time(key.revoked_at),
        "lastUsedAt": _time(key.last_used_at),
    }


def _render(found: tuple[ApiKey, ...], console: Console) -> None:
    if not found:
        console.print("No API keys.")
        return
    table = Table(box=None)
    for title in ("key", "begins", "expires", "last used"):
        table.add_column(title, no_wrap=True)
    for title in ("user", "name", "scopes", "state"):
        table.add_column(title, overflow="fold")
    for key in found:
        facts = key_json(key)
        table.add_row(
            key.key_id,
            key.hint,
            (facts["expiresAt"] or "never")[:10],
            facts["lastUsedAt"] or "never",
            Text(key.user_id),  # what others wrote is no markup
            Text(key.name or ""),
            " ".join(facts["scopes"]),
            "revoked" if key.revoked_at else "",
        )
    console.print(table)


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None
