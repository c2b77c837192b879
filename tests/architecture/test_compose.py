"""``docker-compose.yml`` without an engine; ``.ci/check-compose`` asks the schema."""

import ast
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CANNOT_INSTALL = 75
"""Exit code of ``.ci/check-compose`` when it could not check anything."""


def test_only_loopback_addresses_are_published() -> None:
    published = [port for one in SERVICES.values() for port in one.get("ports", [])]

    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)
    assert not [name for name, one in SERVICES.items() if "network_mode" in one]


def test_databases_are_not_published() -> None:
    assert "ports" not in SERVICES["mongo"]
    assert "ports" not in SERVICES["typesense"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", ["mongo", "typesense", "s3"])
def test_images_of_others_have_an_exact_tag(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"])


def test_our_image_stands_on_an_exact_tag() -> None:
    text = (ROOT / ".ci" / "Dockerfile").read_text()

    assert re.search(r"^FROM python:3\.11\.\d+-slim-[a-z]+$", text, flags=re.MULTILINE)
    assert re.search(r"^USER (?!root$)", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_and_has_bounds(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["mem_limit"]
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_what_must_last_lies_in_named_volumes() -> None:
    mounts = [mount for one in SERVICES.values() for mount in one.get("volumes", [])]

    assert {mount.partition(":")[0] for mount in mounts} == COMPOSE["volumes"].keys()
    assert len(mounts) == len(COMPOSE["volumes"])


@pytest.mark.parametrize("name", ["api", "indexer", "processors"])
def test_health_checks_in_python_can_be_parsed(name: str) -> None:
    assert ast.parse(SERVICES[name]["healthcheck"]["test"][-1])


def test_secrets_come_from_outside_and_have_no_default() -> None:
    secret = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD)")
    values = {
        f"{service}.{name}": value
        for service, one in SERVICES.items()
        for name, value in one.get("environment", {}).items()
        if secret.search(name)
    }

    assert len(values) > 5
    for name, value in values.items():
        assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?[^}]+\}", value), name


def test_mongodb_is_a_replica_set_that_initiates_itself() -> None:
    mongo = SERVICES["mongo"]

    assert "--replSet" in mongo["command"]
    assert "rs.initiate" in mongo["healthcheck"]["test"][-1]


def test_our_processes_wait_for_healthy_servers() -> None:
    for name in ("api", "indexer", "processors"):
        conditions = {d["condition"] for d in SERVICES[name]["depends_on"].values()}
        assert conditions == {"service_healthy"}
        assert SERVICES[name]["depends_on"].keys() == {"mongo", "typesense", "s3"}


def test_every_setting_it_gives_exists() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    ours = {
        name
        for one in SERVICES.values()
        for name in one.get("environment", {})
        if name.startswith("CATALOG_")
    }

    assert {name for name in ours if f"`{name}`" not in page} == set()


@pytest.mark.timeout(180)  # installs docker-compose the first time: some 20 seconds
def test_docker_compose_and_the_schema_accept_it_and_want_its_secrets() -> None:
    checked = subprocess.run(
        [ROOT / ".ci" / "check-compose"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    if checked.returncode == CANNOT_INSTALL and not os.environ.get("CI"):
        pytest.skip("docker-compose 1.29.2 could not be installed; CI does it")
    assert checked.returncode == 0, checked.stderr
