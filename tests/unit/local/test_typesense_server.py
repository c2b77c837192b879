import stat
from pathlib import Path

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
