"""The files of the demo hold what their records and their formats promise."""

import io
import json

from PIL import Image
from safetensors.numpy import load

from catalog.storage.keys import parse_key
from catalog.transcripts import parse_assemblyai
from tests.unit.demo.filled import Demo


def test_pictures_are_what_their_record_says(demo: Demo) -> None:
    formats, sizes = set(), set()
    for job in demo.of("image-generation"):
        for version in job["versions"]:
            for image in version["images"]:
                with Image.open(io.BytesIO(demo.content(image["url"]))) as picture:
                    picture.load()
                    assert picture.size == (image["width"], image["height"])
                    formats.add((picture.format, image["url"].rpartition(".")[2]))
                    sizes.add(picture.size)

    assert formats == {("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")}
    assert len(sizes) > 10


def test_all_training_pictures_open_and_have_captions(demo: Demo) -> None:
    folders = [key for key in demo.store.objects if key.startswith("datasets/")]
    pictures = [key for key in folders if "/images/" in key]

    assert len(pictures) > 20
    for key in pictures:
        with Image.open(io.BytesIO(demo.store.objects[key])) as picture:
            picture.verify()
        caption = key.replace("/images/", "/captions/").replace(".jpg", ".txt")
        assert demo.store.objects[caption]


def test_no_two_binary_files_are_equal(demo: Demo) -> None:
    binary = {
        key: content
        for key, content in demo.store.objects.items()
        if not key.endswith((".txt", ".json"))
    }

    assert len(binary) > 100
    assert len(set(binary.values())) == len(binary)


def test_every_version_of_every_lora_loads(demo: Demo) -> None:
    loras = demo.of("lora-training")

    for job in loras:
        for version in job["versions"]:
            tensors = load(demo.content(version["modelUrl"]))
            down = [name for name in tensors if name.endswith(".lora_down.weight")]
            assert down
            for name in down:
                up = tensors[name.replace("lora_down", "lora_up")]
                assert up.shape == tensors[name].shape[::-1]
    assert sum(len(job["versions"]) > 1 for job in loras) >= 6


def test_loras_carry_a_trainers_metadata(demo: Demo) -> None:
    (jesse,) = [
        job
        for job in demo.jobs.records
        if job["config"].get("loraName") == "jesse_avatar"
    ]

    content = demo.content(jesse["versions"][-1]["modelUrl"])

    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    assert length % 8 == 0
    assert list(metadata) == sorted(metadata)
    assert metadata["ss_base_model_version"] == "flux1"
    assert "10_jf" in json.loads(metadata["ss_tag_frequency"])
    assert jesse["config"]["trigger"] == "jf"
    assert jesse["metadata"]["tags"] == ["avatar", "headshot", "professional"]
    assert len(jesse["versions"]) == 3


def test_images_name_loras_that_were_there_and_seen_by_their_owner(
    demo: Demo,
) -> None:
    jobs = {job["jobId"]: job for job in demo.jobs.records}
    used = [
        (job, lora["path"])
        for job in demo.jobs.records
        for lora in job["config"].get("inputs", {}).get("loras", ())
    ]

    assert len({path for _, path in used}) >= 8
    for job, path in used:
        assert path.startswith("s3://")
        assert load(demo.content(path))
        parsed = parse_key(path.split("/", 3)[3])
        assert parsed is not None
        assert parsed.job_id is not None
        lora = jobs[parsed.job_id]
        assert lora["userId"] == job["userId"] or lora["metadata"]["isPublic"]
        assert lora["versions"][-1]["createdAt"] <= job["createdAt"]


def test_transcripts_have_the_shape_that_assemblyai_answers_in(demo: Demo) -> None:
    for job in demo.of("transcription"):
        for version in job["versions"]:
            answer = json.loads(demo.content(version["transcriptUrl"]))
            text = demo.content(version["textUrl"]).decode()
            words, said = answer["words"], answer["utterances"]
            times = [time for word in words for time in (word["start"], word["end"])]

            assert answer["status"] == "completed"
            assert len({utterance["speaker"] for utterance in said}) >= 2
            assert " ".join(word["text"] for word in words) == answer["text"]
            assert text.split() == answer["text"].split()
            assert [word for one in said for word in one["words"]] == words
            assert all(isinstance(time, int) for time in times)
            assert times == sorted(times)
            assert times[-1] <= answer["audio_duration"] * 1000
            assert all(0 < word["confidence"] <= 1 for word in words)


def test_transcripts_are_read_with_their_moments_and_speakers(demo: Demo) -> None:
    for job in demo.of("transcription"):
        raw = demo.content(job["versions"][-1]["transcriptUrl"])
        answer = json.loads(raw)

        read = parse_assemblyai(raw)

        assert read.text == answer["text"]
        assert read.word_count == len(answer["words"])
        assert len(read.speakers) >= 2
        assert read.duration_seconds == answer["audio_duration"]
        assert len(read.segments) >= len(answer["utterances"])
        for segment in read.segments:
            assert segment.start_ms is not None
            assert segment.end_ms is not None
            assert segment.start_ms < segment.end_ms
            assert len(segment.word_starts_ms) == len(segment.text.split())


def test_user123_hears_of_wildfires_at_a_moment(demo: Demo) -> None:
    moments = [
        segment.word_starts_ms[number]
        for job in demo.of("transcription")
        if job["userId"] == "user123"
        for segment in parse_assemblyai(
            demo.content(job["versions"][-1]["transcriptUrl"])
        ).segments
        for number, word in enumerate(segment.text.split())
        if word == "wildfires"
    ]

    assert len(moments) >= 2
    assert min(moments) > 0


def test_the_seeds_names_occur(demo: Demo) -> None:
    names = {job["sourceVideo"]["filename"] for job in demo.of("transcription")}
    loras = {job["config"]["loraName"] for job in demo.of("lora-training")}

    assert "podcast-ep-01.mp3" in names
    assert "jesse_avatar" in loras
    assert "SEO Workshop Campaign" in str(demo.jobs.records)
