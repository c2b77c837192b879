"""A dataset packed into one file, and what else may lie in its place."""

import zipfile
from pathlib import Path

import pytest

from processors.datasets.archive import BrokenArchiveError, pack, unpack
from processors.engine import Dataset


def dataset(folder: Path, count: int = 2) -> Dataset:
    for name in ("images", "captions"):
        (folder / name).mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / "images" / f"{number:04d}.jpg").write_bytes(b"jpeg %d" % number)
        (folder / "captions" / f"{number:04d}.txt").write_text(f"jf, {number}\n")
    return Dataset(folder, count, is_stored=False, facts={"images": count})


def test_what_is_packed_comes_out_again_and_always_as_the_same_bytes(
    tmp_path: Path,
) -> None:
    made = dataset(tmp_path / "made")
    pack(made, tmp_path / "a.zip")
    pack(made, tmp_path / "b.zip")

    found = unpack(tmp_path / "a.zip", tmp_path / "found", lambda: None)

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (found.count, found.is_stored, found.facts) == (2, False, {"images": 2})
    assert (found.folder / "images" / "0002.jpg").read_bytes() == b"jpeg 2"
    assert (found.folder / "captions" / "0002.txt").read_text() == "jf, 2\n"


def test_trainers_find_images_with_captions_of_the_same_name_and_nothing_else(
    tmp_path: Path,
) -> None:
    pack(dataset(tmp_path / "made"), tmp_path / "a.zip")

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()

    assert names == ["0001.jpg", "0001.txt", "0002.jpg", "0002.txt"]


def broken(folder: Path) -> dict[str, Path]:
    whole = folder / "whole.zip"
    pack(dataset(folder / "made"), whole)
    found = {
        name: folder / f"{name}.zip"
        for name in ("cut", "text", "climbing", "silent", "alone")
    }
    found["cut"].write_bytes(whole.read_bytes()[:-40])
    found["text"].write_text("no zip")
    for name, entry in (("climbing", "../0001.jpg"), ("alone", "0001.jpg")):
        with zipfile.ZipFile(found[name], "w") as archive:
            archive.writestr(entry, b"x")
            archive.comment = b'{"isStored": false, "facts": {}}'
    with zipfile.ZipFile(found["silent"], "w") as archive:
        archive.writestr("0001.jpg", b"x")
        archive.writestr("0001.txt", b"x")
    return found


@pytest.mark.parametrize("kind", ["cut", "text", "climbing", "silent", "alone"])
def test_what_is_no_dataset_is_told(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BrokenArchiveError):
        unpack(broken(tmp_path)[kind], tmp_path / "found", lambda: None)

    assert not (tmp_path / "0001.jpg").exists()
