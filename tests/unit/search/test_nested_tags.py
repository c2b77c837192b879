"""``style/anime`` is found under ``style``."""

import pytest

from catalog.search.values import with_ancestors


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["avatar"], ("avatar",)),
        (["Style/Anime/80s"], ("Style/Anime/80s", "Style/Anime", "Style")),
        (["a/b", "a/c", "A"], ("a/b", "a", "a/c")),
        (["a / b"], ("a / b", "a")),
        (["/a", "a//b", "b/"], ("/a", "a//b", "b/")),
        (["/".join("abcdefghijk")], ("/".join("abcdefghijk"),)),
        ([], ()),
    ],
)
def test_a_tag_lies_under_its_beginnings(
    labels: list[str], found: tuple[str, ...]
) -> None:
    assert with_ancestors(labels) == found
