import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidObjectKeyError
from catalog.models.asset import FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType
from catalog.storage import keys
from catalog.storage.keys import Area, ParsedKey, check_key, parse_key

USER = UserId("user-123")
JOB = JobId("job 7")

parts = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"),
    min_size=1,
    max_size=40,
).filter(lambda part: part not in {".", ".."})
numbers = st.integers(1, 999_999_999)


def parsed(key: str) -> ParsedKey:
    found = parse_key(key)
    assert found is not None
    return found


def test_the_builders_write_the_seed_s_layout() -> None:
    built = [
        keys.lora_model(USER, JOB, 2),
        keys.lora_config(USER, JOB, 2),
        keys.lora_preview(USER, JOB),
        keys.lora_preview(USER, JOB, 3),
        keys.dataset_image(USER, JOB, 1),
        keys.dataset_caption(USER, JOB, 12345),
        keys.generated_image(USER, JOB, 1),
        keys.generated_image(USER, JOB, 10, "webp"),
        keys.generated_image_thumb(USER, JOB, 1),
        keys.transcript_json(USER, JOB),
        keys.transcript_text(USER, JOB, 2),
        keys.temp(JOB, "audio/part.wav"),
    ]

    assert built == [
        "loras/user-123/job 7/v2/model.safetensors",
        "loras/user-123/job 7/v2/config.json",
        "loras/user-123/job 7/preview.png",
        "loras/user-123/job 7/v3/preview.png",
        "datasets/user-123/job 7/images/0001.jpg",
        "datasets/user-123/job 7/captions/12345.txt",
        "generated-images/user-123/job 7/image_1.png",
        "generated-images/user-123/job 7/image_10.webp",
        "generated-images/user-123/job 7/image_1_thumb.png",
        "transcripts/user-123/job 7/transcript.json",
        "transcripts/user-123/job 7/v2/transcript.txt",
        "temp/job 7/audio/part.wav",
    ]


@given(user=parts, job=parts, n=numbers)
def test_what_is_built_is_read_back(user: str, job: str, n: int) -> None:
    user_id, job_id = UserId(user), JobId(job)
    expected = {
        keys.lora_model(user_id, job_id, n): (FileRole.MODEL, n, None),
        keys.lora_config(user_id, job_id, n): (FileRole.CONFIG, n, None),
        keys.lora_preview(user_id, job_id): (FileRole.PREVIEW, None, None),
        keys.dataset_image(user_id, job_id, n): (FileRole.IMAGE, None, n),
        keys.dataset_caption(user_id, job_id, n): (FileRole.CAPTION, None, n),
        keys.generated_image(user_id, job_id, n): (FileRole.IMAGE, None, n),
        keys.generated_image_thumb(user_id, job_id, n): (FileRole.THUMBNAIL, None, n),
        keys.transcript_json(user_id, job_id, n): (FileRole.TRANSCRIPT, n, None),
        keys.transcript_text(user_id, job_id, n): (FileRole.TEXT, n, None),
    }

    for key, (role, version, number) in expected.items():
        found = parsed(key)
        assert (found.user_id, found.job_id) == (user, job)
        assert (found.role, found.version, found.number) == (role, version, number)
        assert any(key.startswith(p) for p in keys.job_prefixes(user_id, job_id))


@given(job=parts, name=st.lists(parts, min_size=1, max_size=3).map("/".join))
def test_passing_files_are_read_back(job: str, name: str) -> None:
    found = parsed(keys.temp(JobId(job), name))

    assert found == ParsedKey(Area.TEMP, None, JobId(job), None, None, None, name)


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    found = parse_key(text)

    assert found is None or check_key(text) == text


def test_a_lora_without_a_version_folder_is_known_and_has_no_version() -> None:
    found = parsed("loras/u/j/model.safetensors")

    assert (found.role, found.version) == (FileRole.MODEL, None)


def test_the_first_transcript_is_version_1_without_a_folder() -> None:
    assert parsed("transcripts/u/j/transcript.json").version == 1
    assert parsed("transcripts/u/j/v2/transcript.json").version == 2


def test_ids_that_look_like_version_folders_stay_ids() -> None:
    found = parsed("loras/v1/v2/v3/model.safetensors")

    assert (found.user_id, found.job_id, found.version) == ("v1", "v2", 3)


@pytest.mark.parametrize(
    "key",
    [
        "loras/u/j/v1/optimizer.bin",
        "generated-images/u/j/notes.txt",
        "datasets/u/j/images/deep/0001.jpg",
        "transcripts/u/j/transcript.srt",
    ],
)
def test_an_unknown_file_still_belongs_to_its_job(key: str) -> None:
    found = parsed(key)

    assert (found.user_id, found.job_id, found.role) == ("u", "j", None)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "loras",
        "loras/u/j",
        "temp/j",
        "videos/u/j/a.mp4",
        "loras/u//x.png",
        "/loras",
    ],
)
def test_a_key_of_no_job_is_not_read(key: str) -> None:
    assert parse_key(key) is None


def test_a_number_that_is_too_long_is_no_number() -> None:
    key = f"generated-images/u/j/image_{'9' * 500}.png"

    assert parsed(key).number is None


def test_a_foreign_image_name_has_no_number() -> None:
    found = parsed("generated-images/u/j/final ²3.png")

    assert (found.role, found.number) == (FileRole.IMAGE, None)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "../a",
        "a/..",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "\ud800",
        "é" * 513,
        "a" * 1025,
    ],
)
def test_a_key_that_could_leave_or_break_a_store_is_refused(key: str) -> None:
    with pytest.raises(InvalidObjectKeyError) as caught:
        check_key(key)

    assert caught.value.field == "key"


@pytest.mark.parametrize(
    "key", ["...", "a/.b/c..", "a b", "ä/日本", "%2e%2e", "é" * 512]
)
def test_an_odd_but_safe_key_is_accepted(key: str) -> None:
    assert check_key(key) == ObjectKey(key)


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\0"])
def test_ids_that_would_change_the_layout_are_refused(part: str) -> None:
    with pytest.raises(InvalidObjectKeyError) as of_user:
        keys.lora_model(UserId(part), JOB, 1)
    with pytest.raises(InvalidObjectKeyError) as of_job:
        keys.job_prefixes(USER, JobId(part))

    assert (of_user.value.field, of_job.value.field) == ("userId", "jobId")


def test_numbers_start_at_1() -> None:
    with pytest.raises(InvalidObjectKeyError):
        keys.generated_image(USER, JOB, 0)


def test_the_type_of_a_job_narrows_its_prefixes() -> None:
    of_lora = keys.job_prefixes(USER, JOB, JobType.LORA_TRAINING)
    of_any = keys.job_prefixes(USER, JOB)

    assert of_lora == ("loras/user-123/job 7/", "datasets/user-123/job 7/")
    assert len(of_any) == 4
    assert keys.temp_prefix(JOB) == "temp/job 7/"
