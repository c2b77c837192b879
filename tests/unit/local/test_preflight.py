from pathlib import Path

import pytest

from catalog.errors import StackError
from catalog.local.preflight import check_disk, check_libraries, check_platform

MEGABYTE = 1024 * 1024
COMPLETE = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1eeb53e000)\n"


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    listed = (
        "\tlibcurl.so.4 => not found\n"
        "\tlibcrypto.so.3 => not found\n"
        "\tlibssl.so.3 => not found\n" + COMPLETE
    )

    with pytest.raises(StackError) as caught:
        check_libraries("MongoDB", Path("mongod"), lambda _binary: listed)

    assert "MongoDB needs libcrypto.so.3, libcurl.so.4, libssl.so.3" in str(
        caught.value
    )
    assert "apt-get install -y libcurl4 libssl3\n" in str(caught.value)


def test_a_library_without_a_known_package_is_named_too() -> None:
    with pytest.raises(StackError, match=r"packages that hold libodd\.so\.1"):
        check_libraries("MongoDB", Path("m"), lambda _b: "libodd.so.1 => not found")


def test_a_system_that_is_too_old_is_told_so() -> None:
    listed = "mongod: /lib/libc.so.6: version `GLIBC_2.35' not found (required by it)"

    with pytest.raises(StackError, match=r"newer system \(GLIBC_2\.35"):
        check_libraries("MongoDB", Path("mongod"), lambda _binary: listed)


def test_a_complete_system_passes() -> None:
    check_libraries("MongoDB", Path("mongod"), lambda _binary: COMPLETE)
    check_platform("Linux", "x86_64")


@pytest.mark.parametrize(
    ("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")]
)
def test_another_platform_is_pointed_to_docker_compose(
    system: str, machine: str
) -> None:
    with pytest.raises(StackError) as caught:
        check_platform(system, machine)

    assert f"{system} on {machine}" in str(caught.value)
    assert "docker-compose.yml" in str(caught.value)
    assert "CATALOG_MONGO_URI" in str(caught.value)


def test_a_full_disk_is_said_before_anything_starts() -> None:
    with pytest.raises(StackError, match=r"The disk is full: 199 MB left for data"):
        check_disk(Path("data"), 199 * MEGABYTE)


def test_a_disk_with_little_room_is_warned_of() -> None:
    warning = check_disk(Path("data"), 900 * MEGABYTE)

    assert warning == "Only 900 MB of disk are left for data."
    assert check_disk(Path("data"), 5000 * MEGABYTE) is None
