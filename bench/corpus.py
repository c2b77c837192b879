"""A corpus of realistic size and shape: Zipf-distributed words, tags and owners.

Everything is derived from one seed, so two runs measure the same thing.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import orjson

IMAGES_PER_JOB = 4
SEGMENTS_PER_TRANSCRIPT = 100
WORDS_PER_SEGMENT = 22
VOCABULARY = 30_000
TAGS = 1_500
OWNERS = 500
MODELS = ("flux-pro", "flux-lora", "flux-dev", "sdxl", "sd15", "qwen-image")
BUCKET_URL = "https://content-generation-assets.s3.amazonaws.com"

_START = datetime(2025, 1, 1, tzinfo=UTC)


class Zipf:
    """Draws ranks with probability proportional to 1 / (rank + 2.7)."""

    def __init__(self, size: int) -> None:
        self._ranks = range(size)
        self._weights = list(accumulate(1 / (rank + 2.7) for rank in range(size)))

    def draw(self, random_: random.Random, count: int) -> list[int]:
        """Draw ``count`` ranks, from 0."""
        return random_.choices(self._ranks, cum_weights=self._weights, k=count)


def _make_words(random_: random.Random, count: int) -> list[str]:
    onsets = (*"bcdfghjklmnprstvwz", "br", "cl", "dr", "fl", "st", "tr", "sh")
    vowels = (*"aeiou", "ai", "ea", "ou")
    codas = ("", *"nrstlm", "ck", "nd", "st")
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = 1 + min(3, int(random_.expovariate(0.9)))
        word = "".join(
            random_.choice(onsets) + random_.choice(vowels) for _ in range(syllables)
        ) + random_.choice(codas)
        words.setdefault(word)
    return list(words)


@dataclass(frozen=True, slots=True)
class Piece:
    """A job record and the files that it names."""

    record: dict[str, Any]
    files: tuple[tuple[str, bytes], ...]


class Corpus:
    """Makes jobs of all three types in any number."""

    def __init__(self, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.words = _make_words(self.random, VOCABULARY)
        self.tags = [f"{self.words[200 + 3 * n]}" for n in range(TAGS)]
        self._word_ranks = Zipf(VOCABULARY)
        self._tag_ranks = Zipf(TAGS)
        self._owner_ranks = Zipf(OWNERS)

    def owner(self) -> str:
        """Draw an owner; few own much."""
        return f"user-{self._owner_ranks.draw(self.random, 1)[0]}"

    def sentence(self, words: int) -> str:
        """Draw words by their frequency."""
        ranks = self._word_ranks.draw(self.random, words)
        return " ".join(self.words[rank] for rank in ranks)

    def query(self) -> str:
        """One to three words by frequency, without the 60 commonest."""
        wanted, found = self.random.choice((1, 2, 2, 3)), list[str]()
        while len(found) < wanted:
            rank = self._word_ranks.draw(self.random, 1)[0]
            if rank >= 60:
                found.append(self.words[rank])
        return " ".join(found)

    def pieces(self, assets: int, segments: int) -> Iterator[Piece]:
        """Make jobs until there are about so many assets and segments."""
        transcripts = segments // SEGMENTS_PER_TRANSCRIPT
        loras = assets // 20
        image_jobs = max(0, assets - loras - transcripts) // IMAGES_PER_JOB
        kinds = ["t"] * transcripts + ["l"] * loras + ["i"] * image_jobs
        self.random.shuffle(kinds)
        makers = {"t": self.transcript, "l": self.lora, "i": self.images}
        for number, kind in enumerate(kinds):
            yield makers[kind](f"job{number:07d}")

    def _job(self, job_id: str, type_: str) -> dict[str, Any]:
        created = _START + timedelta(seconds=self.random.randrange(86400 * 600))
        ranks = self._tag_ranks.draw(self.random, self.random.randrange(5))
        return {
            "jobId": job_id,
            "userId": self.owner(),
            "type": type_,
            "config": {},
            "status": "completed",
            "progress": 100,
            "createdAt": created,
            "completedAt": created + timedelta(seconds=90),
            "metadata": {
                "tags": list(dict.fromkeys(self.tags[rank] for rank in ranks)),
                "isPublic": self.random.random() < 0.15,
            },
        }

    def images(self, job_id: str, count: int = IMAGES_PER_JOB) -> Piece:
        """An image job with ``count`` images."""
        record = self._job(job_id, "image-generation")
        prefix = f"generated-images/{record['userId']}/{job_id}"
        names = [f"{prefix}/image_{n}.png" for n in range(1, count + 1)]
        record["config"] = {
            "model": self.random.choice(MODELS),
            "inputs": {"prompt": self.sentence(self.random.randrange(8, 40))},
        }
        images = [
            {"url": f"{BUCKET_URL}/{k}", "s3Key": k, "width": 1024, "height": 1024}
            for k in names
        ]
        record["versions"] = [
            {"version": 1, "images": images, "createdAt": record["completedAt"]}
        ]
        return Piece(record, tuple((name, b"\x89PNG\r\n\x1a\n") for name in names))

    def lora(self, job_id: str) -> Piece:
        """A LoRA with one version."""
        record = self._job(job_id, "lora-training")
        key = f"loras/{record['userId']}/{job_id}/v1/model.safetensors"
        record["config"] = {
            "loraName": "_".join(self.sentence(2).split()),
            "trigger": self.random.choice(self.words),
        }
        record["metadata"]["description"] = self.sentence(12)
        record["versions"] = [
            {
                "version": 1,
                "modelUrl": f"{BUCKET_URL}/{key}",
                "createdAt": record["completedAt"],
            }
        ]
        return Piece(record, ((key, b"\x02\0\0\0\0\0\0\0{}"),))

    def transcript(self, job_id: str, segments: int = SEGMENTS_PER_TRANSCRIPT) -> Piece:
        """A transcript in AssemblyAI's shape."""
        record = self._job(job_id, "transcription")
        key = f"transcripts/{record['userId']}/{job_id}/transcript.json"
        record["sourceVideo"] = {
            "filename": f"{'-'.join(self.sentence(2).split())}.mp3"
        }
        record["versions"] = [
            {
                "version": 1,
                "transcriptUrl": f"{BUCKET_URL}/{key}",
                "createdAt": record["completedAt"],
            }
        ]
        return Piece(record, ((key, orjson.dumps(self._response(segments))),))

    def _response(self, segments: int) -> dict[str, Any]:
        utterances, clock = list[dict[str, Any]](), 0
        for number in range(segments):
            words = list[dict[str, Any]]()
            for text in self.sentence(WORDS_PER_SEGMENT).split():
                words.append({"text": text, "start": clock, "end": clock + 250})
                clock += 300
            utterances.append(
                {
                    "speaker": "AB"[number % 2],
                    "text": " ".join(w["text"] for w in words),
                    "start": words[0]["start"],
                    "end": words[-1]["end"],
                    "words": words,
                }
            )
        texts: Sequence[str] = [u["text"] for u in utterances]
        return {
            "id": "bench",
            "status": "completed",
            "language_code": "en_us",
            "audio_duration": clock // 1000,
            "text": " ".join(texts),
            "utterances": utterances,
            "words": [w for u in utterances for w in u["words"]],
        }
