"""The platform as the catalog sees it: somebody who writes jobs and files, seeded.

It does everything that a real one does, several times a second hundred: new jobs,
changes, new versions, deletions, a jobId used again, rights that flip, annotations,
transactions that commit and that abort, files that are replaced, removed and restored.
Writes that fail are counted and forgotten: what the database says is the truth.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pymongo
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.e2e.stack import BUCKET_URL
from tests.torture.outcome import pause

Record = dict[str, Any]

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven")
STATUSES = ("completed", "completed", "completed", "processing", "failed")
_EXTRACTORS = ("exif", "safetensors")
_CAUSES = ("corrupt", "too_large", "timeout")
_START = datetime(2025, 5, 1, tzinfo=UTC)
_STARTING_SECONDS = 30.0


class Gateway:
    """Writes jobs and files; one thread at a time may use it."""

    def __init__(
        self,
        uri: str,
        database: str,
        storage: Path,
        seed: int,
        *,
        most: int = 500,
    ) -> None:
        """Write nothing yet.

        Args:
            uri: Of MongoDB.
            database: Name of the database with ``jobs``.
            storage: Directory that is the store.
            seed: All that is drawn follows from it.
            most: Jobs that there are about, once so many have been made.
        """
        self.client = pymongo.MongoClient[Record](
            uri,
            serverSelectionTimeoutMS=1_000,
            socketTimeoutMS=20_000,
            tz_aware=True,
            w=1,  # one thread must do hundreds a second; what is lost was never true
        )
        self.database: Database[Record] = self.client[database]
        self.jobs = self.database["jobs"]
        self.storage = storage
        self.random = random.Random(seed)
        self.alive: list[Record] = []
        self.most = most
        self.made = 0
        self.operations = 0
        self.failed = 0
        self.writing_seconds = 0.0
        self._paced = 0
        self.also: Callable[[Gateway], None] | None = None
        self._partial = storage.parent / "partial"
        self._changes: tuple[tuple[int, Callable[[], None]], ...] = (
            (20, self._insert),
            (18, self._describe),
            (18, self._flip_rights),
            (6, self._hand_over),
            (6, self._set_status),
            (10, self._change_versions),
            (8, self._replace_transcript),
            (2, self._remove_transcript),
            (3, self._restore_transcript),
            (4, self._extract),
            (7, self._annotate),
            (2, self._transact),
            (9, self._delete),
            (3, self._use_again),
            (1, self._supersede),
        )

    def close(self) -> None:
        self.client.close()

    # --- running -------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing; an error of the driver is the caller's."""
        if self.also is not None and self.random.random() < 0.01:
            self.also(self)
        weights = [weight for weight, _ in self._changes]
        (change,) = self.random.choices([do for _, do in self._changes], weights)
        if len(self.alive) < 20:
            change = self._insert
        elif len(self.alive) > self.most and change == self._insert:
            change = self._delete
        change()

    def fill(self, count: int) -> None:
        """Do so many things, as fast as it goes.

        Raises:
            PyMongoError: The database takes nothing for longer than it takes to start.
        """
        for _ in range(count):
            deadline = time.monotonic() + _STARTING_SECONDS
            while True:
                try:
                    self.step()
                except PyMongoError:  # it has just been started, say
                    self.failed += 1
                    if time.monotonic() > deadline:
                        raise
                    pause(0.1)
                else:
                    break

    @contextmanager
    def writing(self, per_second: float = 260) -> Iterator[None]:
        """Write in a thread while the block runs; failed writes go uncounted."""
        done = threading.Event()
        broken: list[BaseException] = []

        def write() -> None:
            begun, paced = time.monotonic(), 0
            try:
                while not done.is_set():
                    before = self.operations
                    if not self._try():
                        begun, paced = time.monotonic(), 0
                        continue
                    paced += self.operations - before
                    ahead = paced / per_second - (time.monotonic() - begun)
                    if ahead > 0.002:
                        done.wait(ahead)
                    self.writing_seconds += max(ahead, 0.0)
            except BaseException as error:  # noqa: BLE001  (told by the main thread)
                broken.append(error)

        thread = threading.Thread(target=write, name="gateway")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        if broken:
            raise broken[0]

    def _try(self) -> bool:
        """Do one thing; time during which the database was away does not count."""
        begun, before = time.monotonic(), self.operations
        try:
            self.step()
        except PyMongoError:
            self.failed += 1
            return False
        self._paced += self.operations - before
        self.writing_seconds += time.monotonic() - begun
        return True

    @property
    def rate(self) -> float:
        """Writes per second while the database took writes."""
        return self._paced / max(self.writing_seconds, 0.001)

    # --- jobs ----------------------------------------------------------------------

    def words(self, count: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(count))

    def _pick(self, *types: str) -> Record:
        found = [job for job in self.alive if not types or job["type"] in types]
        return self.random.choice(found) if found else self.random.choice(self.alive)

    def new_job(self, job_id: str | None = None) -> Record:
        """Make a job record and its files; not written yet."""
        self.made += 1
        type_ = self.random.choice(
            ("lora-training", "image-generation", "transcription")
        )
        job: Record = {
            "jobId": job_id or f"job-{self.made}",
            "userId": f"user-{self.random.randrange(3)}",
            "type": type_,
            "status": self.random.choice(STATUSES),
            "createdAt": _START + timedelta(seconds=self.made),
            "metadata": {
                "tags": [self.words(1)],
                "isPublic": self.random.random() < 0.3,
            },
            "config": {},
        }
        if type_ == "lora-training":
            job["config"] = {"loraName": self.words(2)}
            job["versions"] = [
                {"version": 1, "modelUrl": "https://elsewhere.example/m"}
            ]
        elif type_ == "image-generation":
            job["config"] = {"prompt": self.words(6)}
            job["versions"] = [{"version": 1, "images": self._images(job)}]
        else:
            job["versions"] = [self._transcript(job, 1)]
        if self.random.random() < 0.05:
            job["versions"] = []
        return job

    def _insert(self) -> None:
        job = self.new_job()
        self.operations += 1
        self.jobs.insert_one(job)
        self.alive.append(job)

    def _save(self, job: Record, session: ClientSession | None = None) -> None:
        self.operations += 1
        self.jobs.replace_one({"_id": job["_id"]}, job, session=session)

    def _describe(self) -> None:
        job = self._pick()
        job["metadata"] = job["metadata"] | {"description": self.words(4)}
        self._save(job)

    def _flip_rights(self) -> None:
        job = self._pick()
        job["metadata"] = job["metadata"] | {
            "isPublic": not job["metadata"]["isPublic"],
            "tags": [self.words(1) for _ in range(self.random.randrange(2))],
        }
        self._save(job)

    def _hand_over(self) -> None:
        job = self._pick("lora-training", "image-generation")
        if job["type"] != "transcription":  # whose files lie under the owner
            job["userId"] = f"user-{self.random.randrange(3)}"
        self._save(job)

    def _set_status(self) -> None:
        job = self._pick()
        job["status"] = self.random.choice(STATUSES)
        self.operations += 1
        self.jobs.update_one({"_id": job["_id"]}, {"$set": {"status": job["status"]}})

    def _change_versions(self) -> None:
        job = self._pick("image-generation", "transcription")
        if job["type"] == "image-generation":
            job["versions"] = [{"version": 1, "images": self._images(job)}]
        elif job["type"] == "transcription" and len(job["versions"]) < 6:
            number = len(job["versions"]) + 1
            job["versions"] = [*job["versions"], self._transcript(job, number)]
        self._save(job)

    def _delete(self) -> None:
        job = self.alive.pop(self.random.randrange(len(self.alive)))
        self.operations += 1
        self.jobs.delete_one({"_id": job["_id"]})

    def _use_again(self) -> None:
        """Delete a job and give its jobId to another."""
        old = self.alive.pop(self.random.randrange(len(self.alive)))
        self.operations += 1
        self.jobs.delete_one({"_id": old["_id"]})
        job = self.new_job(old["jobId"])
        self.operations += 1
        self.jobs.insert_one(job)
        self.alive.append(job)

    def _supersede(self) -> None:
        """The other way round: for a moment, two records have one jobId."""
        old = self.alive.pop(self.random.randrange(len(self.alive)))
        job = self.new_job(old["jobId"])
        self.operations += 2
        self.jobs.insert_one(job)
        self.alive.append(job)
        self.jobs.delete_one({"_id": old["_id"]})

    def _transact(self) -> None:
        """Change several jobs at once; every fourth time, none of them."""
        count = self.random.randrange(2, 9)
        chosen = self.random.sample(self.alive, min(count, len(self.alive)))
        is_aborted = self.random.random() < 0.25
        label = self.words(1)
        with self.client.start_session() as session, session.start_transaction():
            for job in chosen:
                tags = {"tags": [label], "description": self.words(3)}
                changed = job | {"metadata": job["metadata"] | tags}
                self.operations += 1
                self.jobs.replace_one({"_id": job["_id"]}, changed, session=session)
                if not is_aborted:
                    job["metadata"] = changed["metadata"]
            if is_aborted:
                session.abort_transaction()

    def _annotate(self) -> None:
        job = self._pick()
        draw = self.random.randrange(4)
        self.operations += 1
        annotations = self.database["annotations"]
        if draw == 0:
            annotations.delete_one({"_id": job["jobId"]})
            return
        change: Record = {"description": self.words(3)}
        if draw == 1:
            change = {"isPublic": self.random.random() < 0.5}
        elif draw == 2:
            change = {"tagsAdded": [self.words(1)], "tagsRemoved": [self.words(1)]}
        annotations.update_one({"_id": job["jobId"]}, {"$set": change}, upsert=True)

    # --- files ---------------------------------------------------------------------

    def _images(self, job: Record) -> list[Record]:
        count = self.random.randrange(1, 5)
        return [
            {"url": f"https://elsewhere.example/{job['jobId']}/image_{n + 1}.png"}
            for n in range(count)
        ]

    def _transcript(self, job: Record, version: int) -> Record:
        suffix = "" if version == 1 else f"v{version}/"
        key = f"transcripts/{job['userId']}/{job['jobId']}/{suffix}transcript.json"
        self.write_transcript(key)
        return {"version": version, "transcriptUrl": f"{BUCKET_URL}/{key}"}

    def write_transcript(self, key: str) -> None:
        """Put a transcript into the store, whole, in one step."""
        utterances = [
            {
                "speaker": "A",
                "text": self.words(9),
                "start": 1000 * n,
                "end": 1000 * n + 900,
            }
            for n in range(self.random.randrange(1, 12))
        ]
        text = " ".join(str(u["text"]) for u in utterances)
        self.put_file(key, orjson.dumps({"text": text, "utterances": utterances}))

    def put_file(self, key: str, content: bytes) -> None:
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.write_bytes(content)
        self._partial.rename(path)

    def _last_key(self) -> str | None:
        job = self._pick("transcription")
        if job["type"] != "transcription" or not job["versions"]:
            return None
        url: str = job["versions"][-1]["transcriptUrl"]
        return url.removeprefix(f"{BUCKET_URL}/")

    def _replace_transcript(self) -> None:
        key = self._last_key()
        if key is not None:
            self.operations += 1
            self.write_transcript(key)

    def _remove_transcript(self) -> None:
        key = self._last_key()
        if key is not None:
            self.operations += 1
            (self.storage / key).unlink(missing_ok=True)

    def _extract(self) -> None:
        """Say something of a file as it was last seen, as a worker does."""
        key = self._last_key()
        found = key and self.database["objects"].find_one({"key": key})
        if not found:
            return
        version, extractor = self.random.randint(1, 2), self.random.choice(_EXTRACTORS)
        record: Record = {
            "_id": f"{key} {found.get('etag')} {extractor} {version}",
            "store": found["store"],
            "key": key,
            "etag": found.get("etag") or "",
            "extractor": extractor,
            "version": version,
        }
        if self.random.random() < 0.3:
            record |= {"error": "it is broken", "cause": self.random.choice(_CAUSES)}
        else:
            camera, rank = self.words(1), self.random.randrange(99)
            record["facts"] = {"cameraModel": camera, "family": camera, "rank": rank}
        self.operations += 1
        self.database["extractions"].replace_one(
            {"_id": record["_id"]}, record, upsert=True
        )

    def _restore_transcript(self) -> None:
        for _ in range(20):
            key = self._last_key()
            if key is not None and not (self.storage / key).exists():
                self.operations += 1
                self.write_transcript(key)
                return
