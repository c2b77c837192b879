"""Pages that must not drift from the code."""

import re
import shlex
from pathlib import Path

import pytest

from catalog import settings_page
from catalog.cli import make_parser
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


def _commands(text: str) -> list[list[str]]:
    """Arguments of every ``catalog …`` command, in examples and in running text."""
    fences = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()]
    found = [line for line in lines if line.startswith("catalog ")]
    found += re.findall(r"`(catalog\s+[a-z][^`…]*)`", prose)
    return [shlex.split(command, comments=True)[1:] for command in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_text_is_one(page: Path) -> None:
    for arguments in _commands(page.read_text(encoding="utf-8")):
        is_bare = len(arguments) == 1  # its name, in the middle of a sentence
        try:
            make_parser().parse_args([*arguments, "--help"] if is_bare else arguments)
        except SystemExit as end:
            assert end.code == 0, arguments  # noqa: PT017  (argparse ends like this)


def test_commands_are_found_in_examples_and_in_text() -> None:
    text = "Say `catalog up\n--demo`, `catalog …`.\n```bash\ncatalog status  # x\n```\n"

    assert _commands(text) == [["status"], ["up", "--demo"]]


def test_every_reason_to_be_degraded_is_explained() -> None:
    readiness = (ROOT / "api" / "readiness.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'_because\(\s*"([a-z_]+)"', readiness))
    operations = (DOCS / "operations.md").read_text(encoding="utf-8")

    assert len(codes) == 8
    assert [code for code in sorted(codes) if f"`{code}`" not in operations] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wanted = set(re.findall(r"\]\(#([^)]+)\)", text))
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)

    assert wanted <= {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings
    }
