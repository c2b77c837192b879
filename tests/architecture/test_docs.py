"""Pages that must not drift from the code."""

import re
from pathlib import Path

import pytest

from catalog import settings_page
from catalog.config import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FIELD_TERMS = (  # noqa: SIM905  (a list for people)
    "asset, rendition, job, version, owner, projection, index task, lease, attempt, "
    "backoff, dead letter, lag, drain, sweep, reconcile, rebuild, alias swap, upsert, "
    "tombstone, hit, facet, page token, resume token, presigned URL, idempotency key, "
    "heartbeat, fuse, record, document, collection, segment, key, index, generation, "
    "root, dirty, checkpoint, moment, scope, asker, read model"
).split(", ")


def test_the_settings_page_is_what_the_settings_say() -> None:
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()


def test_every_setting_is_described() -> None:
    silent = [n for n, f in Settings.model_fields.items() if not f.description]

    assert silent == []


def test_the_command_tells_whether_the_page_is_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings_page, "PAGE", tmp_path / "settings.md")

    assert settings_page.main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert settings_page.main(["--write"]) == 0
    assert settings_page.main(["--check"]) == 0


def test_the_glossary_explains_every_field_term() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    entries = {
        name.strip()
        for heading in re.findall(r"^\*\*(.+?)\*\*", text, flags=re.MULTILINE)
        for name in heading.split(",")
    }

    assert [term for term in FIELD_TERMS if term not in entries] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)

    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_decision_has_its_four_parts_on_one_page() -> None:
    for page in sorted((DOCS / "adr").glob("[0-9]*.md")):
        text = page.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)

        assert headings == ["Context", "Decision", "Status", "Consequences"], page
        assert len(text.splitlines()) < 60, page
