"""What a Typesense server can do, derived from its version.

0.24.1 was measured; 27 to 30 are known from their documents and source alone
(``docs`` of the project say so): nothing here was ever run on those.
"""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Optional abilities; everything else that we use, 0.24.1 has.

    Attributes:
        facet_strategy: Facets can be asked to be counted exhaustively (27).
        exact_facet_identity: A facet value is the raw string, not a hash of its
            tokens (27). Filters are tokenised in every version.
        group_found_docs: Answers with groups say how many documents there are (27).
        approximate_groups: The number of groups is an estimate (29).
        stem: Fields can be stemmed (27).
        facet_ranges: Numbers can be faceted by ranges (27).
        synonym_sets: Synonyms and curations are sets beside the indexes (30).
    """

    facet_strategy: bool
    exact_facet_identity: bool
    group_found_docs: bool
    approximate_groups: bool
    stem: bool
    facet_ranges: bool
    synonym_sets: bool


def capabilities_of(version: str) -> Capabilities:
    """Derive the capabilities of a server from what ``GET /debug`` calls itself.

    An unreadable version (``nightly``) counts as the oldest: what it can't do
    without asking, we don't ask for.
    """
    match = _NUMBER.match(version)
    major = int(match[1]) if match else 0
    return Capabilities(
        facet_strategy=major >= 27,  # noqa: PLR2004  (release numbers)
        exact_facet_identity=major >= 27,  # noqa: PLR2004
        group_found_docs=major >= 27,  # noqa: PLR2004
        approximate_groups=major >= 29,  # noqa: PLR2004
        stem=major >= 27,  # noqa: PLR2004
        facet_ranges=major >= 27,  # noqa: PLR2004
        synonym_sets=major >= 30,  # noqa: PLR2004
    )
