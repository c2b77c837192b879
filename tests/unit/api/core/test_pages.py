import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

WEB = Path(__file__).parents[4] / "api" / "web"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere_and_run_no_inline_script(
    client: TestClient, path: str
) -> None:
    page = client.get(path)

    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    assert not re.search(r"\s(on\w+|style)=", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith("/")
        assert client.get(address).status_code == 200


def test_the_script_of_the_search_page_stays_small_and_parses_no_answer_as_html() -> (
    None
):
    script = (WEB / "search.js").read_text("utf-8")

    assert len(script.splitlines()) <= 250
    assert "innerHTML" not in script


@pytest.mark.parametrize(
    "path",
    ["/web/../app.py", "/web/%2e%2e/app.py", "/swagger/../core.py", "/swagger/x.js"],
)
def test_only_files_of_the_pages_are_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
