"""What files become: kinds, families, names, ids. No server, hostile names."""

import json
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidObjectKeyError
from catalog.estates import contents, naming
from catalog.estates.files import Part, SourceFile, UnitKind, stem_of, units_of
from catalog.estates.inspection import Inspector
from catalog.estates.scratch import Scratch
from catalog.estates.source import FolderSource, Obstacle, likeness, modified_at
from catalog.models.ids import JobId, UserId
from catalog.storage.keys import check_key, parse_key
from tests.unit.estates.estate import lora, png, put, transcript

ANN, JOB = UserId("ann"), JobId("imported-1")
HOSTILE = st.text(
    st.sampled_from(
        string.ascii_letters + "./\\ \x00\n\x1b'\"`$*%?éß写🦁\u202e\u2028-_~"
    ),
    min_size=1,
    max_size=300,
).filter(lambda name: "/" not in name)


def _family(*names: str) -> list[SourceFile]:
    return [SourceFile(f"dir/{name}", 10, 0) for name in names]


def _units(*names: str) -> list[tuple[str, dict[str, str]]]:
    units, _ = units_of(_family(*names))
    return [
        (unit.kind.value, {part.value: file.name for part, file in unit.parts()})
        for unit in units
    ]


def test_files_of_one_name_belong_together() -> None:
    names = ["x.safetensors", "x.preview.png", "x.civitai.info", "x.metadata.json"]

    assert {stem_of(name) for name in names} == {"x"}
    assert stem_of("x.1.png") == "x.1"
    assert stem_of(".preview.png") == ".preview"
    assert stem_of(".civitai.info") == ".civitai"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.png"], [("image", {"main": "a.png"})]),
        (["a.png", "a.txt"], [("image", {"main": "a.png"})]),
        (["a.png", "a.json"], [("image", {"main": "a.png"})]),
        (
            ["a.jpg", "a.png"],
            [("image", {"main": "a.jpg"}), ("image", {"main": "a.png"})],
        ),
        (["a.mp3"], []),
        (["README.txt"], []),
        (["a.srt"], []),
        (
            ["t.json", "t.mp3", "t.srt", "t.txt"],
            [
                (
                    "transcript",
                    {
                        "main": "t.json",
                        "text": "t.txt",
                        "captions": "t.srt",
                        "recording": "t.mp3",
                    },
                )
            ],
        ),
        (["t.txt"], [("transcript", {"main": "t.txt"})]),
        (
            [
                "l.civitai.info",
                "l.json",
                "l.png",
                "l.preview.jpg",
                "l.safetensors",
                "l.txt",
            ],
            [
                (
                    "lora",
                    {
                        "main": "l.safetensors",
                        "preview": "l.preview.jpg",
                        "config": "l.json",
                        "info": "l.civitai.info",
                    },
                ),
                ("image", {"main": "l.png"}),
            ],
        ),
    ],
)
def test_a_family_becomes_assets(
    names: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    assert _units(*names) == expected


@given(st.lists(HOSTILE, min_size=1, max_size=8, unique=True))
def test_no_file_is_lost_or_used_twice(names: list[str]) -> None:
    units, others = units_of(_family(*names))

    used = [file.name for unit in units for _, file in unit.parts()]
    assert sorted(used + [file.name for file in others]) == sorted(names)


@given(st.lists(HOSTILE, min_size=1, max_size=20))
def test_keys_of_images_are_different_and_stay_in_their_job(names: list[str]) -> None:
    keys = naming.image_keys(ANN, JOB, [(name, "png") for name in names])

    assert len({key.lower() for key in keys}) == len(names)
    for key in keys:
        assert check_key(key)
        parsed = parse_key(key)
        assert parsed is not None
        assert (parsed.user_id, parsed.job_id) == (ANN, JOB)
        assert parsed.role is not None
        assert not parsed.is_thumbnail
        assert len(key.rpartition("/")[2].encode()) <= 220


@pytest.mark.parametrize(
    ("name", "ending", "kept"),
    [
        ("00001-7.png", "png", "00001-7.png"),
        ("löwe 写.JPG", "jpg", "löwe 写.JPG"),
        ("a.jpeg", "jpeg", "a.jpeg"),
        ("really.png", "webp", "really.webp"),
        ("x_thumb.png", "png", "image_1.png"),
        ("new\nline.png", "png", "image_1.png"),
        (f"{'x' * 250}.png", "png", "image_1.png"),
    ],
)
def test_a_safe_name_is_kept(name: str, ending: str, kept: str) -> None:
    [key] = naming.image_keys(ANN, JOB, [(name, ending)])

    assert key == f"generated-images/ann/imported-1/{kept}"


@pytest.mark.parametrize("user", ["..", "a/b", "", "\x00"])
def test_a_user_that_no_key_can_hold_is_refused(user: str) -> None:
    with pytest.raises(InvalidObjectKeyError):
        naming.image_keys(UserId(user), JOB, [("a.png", "png")])


@given(HOSTILE)
def test_parts_of_a_lora_or_transcript_never_leave_their_job(name: str) -> None:
    file = SourceFile(f"dir/{name}", 1, 0)
    for kind in (UnitKind.LORA, UnitKind.TRANSCRIPT):
        for part in Part:
            try:
                key = naming.part_key(kind, part, ANN, JOB, file)
            except InvalidObjectKeyError:
                continue
            assert key is None or "/ann/imported-1/" in check_key(key)


def test_ids_depend_on_place_owner_and_content_alone() -> None:
    one = naming.job_id_of(UnitKind.IMAGE, ANN, [("file:///a.png", "x")])

    assert one == naming.job_id_of(UnitKind.IMAGE, ANN, [("file:///a.png", "x")])
    others = [
        naming.job_id_of(UnitKind.LORA, ANN, [("file:///a.png", "x")]),
        naming.job_id_of(UnitKind.IMAGE, UserId("b"), [("file:///a.png", "x")]),
        naming.job_id_of(UnitKind.IMAGE, ANN, [("file:///a.pn", "gx")]),
        naming.job_id_of(UnitKind.IMAGE, ANN, [("file:///a.png", "y")]),
    ]
    assert len({one, *others}) == 5
    assert one.startswith("imported-")
    assert "-" not in one.removeprefix("imported-")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_upset_the_look_at_contents(raw: bytes, size: int) -> None:
    contents.image_ending(raw)
    contents.weights_problem(raw, size)
    contents.transcript_problem(raw)
    contents.read_info(raw)


def test_what_files_are_is_told_by_their_first_bytes(tmp_path: Path) -> None:
    put(tmp_path, "a.png", png("a"))
    put(tmp_path, "b.jpg", png("b"))
    put(tmp_path, "c.png", b"<html>")
    put(tmp_path, "d.safetensors", lora())
    put(tmp_path, "e.safetensors", lora().replace(b"lora", b"text"))
    put(tmp_path, "f.json", transcript("one two"))
    put(tmp_path, "g.json", "[" * 100_000)
    put(tmp_path, "h.txt", b"\x00\x01")
    put(tmp_path, "i.safetensors", lora()[:12])
    source = FolderSource(tmp_path)
    inspector = Inspector(source, most_bytes=10**6)
    seen = {}
    for file in sorted(path.name for path in tmp_path.iterdir()):
        [unit], _ = units_of([source.look(file)])
        found = inspector.look(unit)
        seen[file[0]] = (found.ending, found.problem is None, found.is_other)

    assert seen == {
        "a": ("png", True, False),
        "b": ("png", True, False),
        "c": ("", False, False),
        "d": ("", True, False),
        "e": ("", False, False),
        "f": ("", True, False),
        "g": ("", True, True),
        "h": ("", False, False),
        "i": ("", False, False),
    }


@pytest.mark.parametrize(
    "name",
    [
        "lora_unet_x.lora_down.weight",
        "transformer.blocks.0.lora_A.weight",
        "text_encoder:0:down",
        "unet.x.hada_w1_b",
        "x.lokr_w1",
    ],
)
def test_loras_of_all_trainers_are_known(name: str) -> None:
    known = b"lora_unet_mid.lora_down.weight"
    content = lora()
    header = content[8:-4].replace(known, name.encode())
    content = len(header).to_bytes(8, "little") + header + content[-4:]

    assert contents.weights_problem(content, len(content)) is None
    cut = contents.weights_problem(content, len(content) - 1)
    assert cut is not None
    assert "cut off" in cut


def test_what_stands_beside_a_lora_is_read_tolerantly() -> None:
    info = {
        "model": {"name": " Foggy\x00 ", "description": "<p>Soft &amp; grey</p>"},
        "trainedWords": ["fggy,", "", 7, "fggy", "mist"],
        "baseModel": ["no"],
        "tags": "no",
    }

    found = contents.read_info(json.dumps(info).encode())

    assert found == contents.ModelInfo(
        name="Foggy", triggers=("fggy", "mist"), description="Soft & grey"
    )
    assert contents.read_info(b"\xff") == contents.ModelInfo()


# --- a folder ---------------------------------------------------------------------


def test_links_and_odd_files_are_named_and_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(root, "a.png", png("a"))
    put(tmp_path, "secret.png", png("s"))
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "in.png").symlink_to(root / "a.png")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.png")
    put(root, ".hidden/b.png", png("b"))

    found = {file.path: file for file in FolderSource(root).walk()}

    assert set(found) == {"a.png", "out.png", "in.png", "loop", "pipe.png"}
    assert [p for p, f in found.items() if isinstance(f, SourceFile)] == ["a.png"]
    leads_out = found["out.png"]
    assert isinstance(leads_out, Obstacle)
    assert "leads out" in leads_out.reason


def test_a_file_that_became_a_link_meanwhile_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "secret", "s")
    file = put(tmp_path / "in", "a/b.png", png("b"))
    source = FolderSource(tmp_path / "in")
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(Exception, match=r"b\.png"):
        source.read("a/b.png", length=1)
    file.unlink()
    file.parent.rmdir()
    (tmp_path / "in/a").symlink_to(tmp_path)
    with pytest.raises(Exception, match="secret"):
        source.read("a/secret", length=1)


def test_names_that_are_no_text_are_problems(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff.png"
    Path(os.fsdecode(raw)).write_bytes(png("x"))
    [file] = FolderSource(tmp_path).walk()

    assert naming.name_problem(file.path) is not None
    assert naming.name_problem("a\x1b[2J.png") is not None
    assert naming.name_problem("Bildschirmfoto 3\u202f14.png") is None


def test_likeness_sees_beginning_end_and_size(tmp_path: Path) -> None:
    middle = bytes(300_000)
    for name, content in {
        "a": b"x" + middle + b"y",
        "b": b"x" + middle + b"y",
        "c": b"x" + middle + b"z",
        "d": b"x" + middle + b"\x00y",
    }.items():
        put(tmp_path, name, content)
    source = FolderSource(tmp_path)
    found = [likeness(source, source.look(name)) for name in "abcd"]

    assert found[0] == found[1]
    assert len(set(found)) == 3


@given(st.integers(-(2**62), 2**62))
def test_any_time_of_a_file_can_be_written_down(modified_ns: int) -> None:
    assert modified_at(SourceFile("a", 1, modified_ns)).year >= 1970


def test_the_scratch_gives_families_in_order_and_states_apart() -> None:
    scratch = Scratch()
    names = ["b/2.png", "a/x.txt", "b/1.png", "a/x.json", "c.png"]
    scratch.add_files(SourceFile(name, 5, 0) for name in names)
    families = [[file.path for file in family] for family in scratch.families()]

    assert families == [["c.png"], ["a/x.json", "a/x.txt"], ["b/1.png"], ["b/2.png"]]
    units = [units_of([SourceFile(f"{n}.png", 5, 0)])[0][0] for n in range(2500)]
    scratch.add_units((unit, "png", "new") for unit in units)
    for planned in scratch.units("new"):
        scratch.set_state([planned.number], "new", "there")
    assert scratch.count("there") == {"image": (2500, 12500)}
    assert list(scratch.units("new")) == []
    scratch.close()
