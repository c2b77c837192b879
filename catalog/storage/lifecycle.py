"""A bucket's lifecycle rules: what they remove, and one of ours among them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

Rule = Mapping[str, Any]
"""As S3's API has it."""


def expires_after(rules: Sequence[Rule], prefix: str) -> timedelta | None:
    """Tell after which time everything under a prefix is removed.

    Rules that ask for more than a prefix (tags, sizes) don't count.
    """
    days = [
        rule["Expiration"]["Days"]
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "Days" in rule.get("Expiration", {})
        and (scope := _prefix_of(rule)) is not None
        and prefix.startswith(scope)
    ]
    return timedelta(days=min(days)) if days else None


def with_rule(
    rules: Sequence[Rule], name: str, prefix: str, after: timedelta
) -> list[Rule] | None:
    """Add a rule that removes everything under a prefix, whatever else there is.

    Args:
        rules: All of the bucket; they stay as they are, but for an older one of ours.
        name: Of our rule, by which it is known again.
        prefix: Start of the keys.
        after: Whole days.

    Returns:
        The rules to be; ``None`` where it is so already.
    """
    there = expires_after(rules, prefix)
    if there is not None and there <= after:
        return None
    ours: dict[str, Any] = {
        "ID": name,
        "Status": "Enabled",
        "Expiration": {"Days": after.days},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": after.days},
    }
    others = [rule for rule in rules if rule.get("ID") != name]
    # The older form of a rule and the newer one can't stand side by side.
    is_older = any("Filter" not in rule for rule in others)
    ours |= {"Prefix": prefix} if is_older else {"Filter": {"Prefix": prefix}}
    return [*others, ours]


def _prefix_of(rule: Rule) -> str | None:
    """Which keys a rule is for; ``None`` where it asks for more than that."""
    if "Filter" not in rule:
        return str(rule.get("Prefix", ""))
    asked = rule["Filter"]
    if set(asked) <= {"Prefix"}:
        return str(asked.get("Prefix", ""))
    return None
