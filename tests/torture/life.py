"""What people, gateways and disks do to the world in memory, drawn from one seed."""

import random
from collections.abc import Callable
from datetime import timedelta

from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobType, JobVersion
from catalog.models.stored import Annotation, Extraction
from tests.unit.indexer.processes import assemblyai, list_store, ports_to
from tests.unit.indexer.world import POISON, START, TOXIC, Faults, World

USERS = ("ann", "bob")
TAGS = ("avatar", "C++", "c#", "sea/beach", "sea")


class Life:
    """What people, gateways and disks do to a world, drawn from one seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.next_root = 0
        self._acts: tuple[Callable[[], None], ...] = (
            *[self.submit] * 4,
            *[self.update] * 4,
            *[self.arrive] * 3,
            *[self.extract] * 2,
            *[self.annotate] * 2,
            self.vanish,
            self.delete,
            self.rewrite_transcript,
            self.duplicate,
            self.transact,
            self.doubt,
        )
        self._upheavals: tuple[Callable[[], None], ...] = (
            world.drop_jobs,
            self.replace_jobs,
            self.reindex,
            world.lose_history,
            self.move_to_other_servers,
            self.outgrow,
            self.shorten,
            self.lose_tokens,
            self.lose_cursor,
        )

    def act(self) -> None:
        """Do one thing; now and then one that touches everything."""
        if self.random.random() < 0.03:
            self.random.choice(self._upheavals)()
        else:
            self.random.choice(self._acts)()

    def submit(self) -> None:
        self.next_root += 1
        self.world.put_job(self.next_root, self._job(f"job{self.next_root}"))

    def update(self) -> None:
        if root := self._some_root():
            self.world.put_job(root, self._job(self.world.jobs[root].job_id))

    def duplicate(self) -> None:
        if root := self._some_root():
            self.next_root += 1
            self.world.put_job(self.next_root, self._job(self.world.jobs[root].job_id))

    def delete(self) -> None:
        if root := self._some_root():
            self.world.delete_job(root)

    def annotate(self) -> None:
        if root := self._some_root():
            self.world.annotate(
                Annotation(
                    target=self.world.jobs[root].job_id,
                    is_public=self.random.choice([True, False, None]),
                    tags_removed=self.random.choice([(), ("avatar",)]),
                    trashed_at=self.random.choice([None, None, START]),
                )
            )

    def arrive(self) -> None:
        if key := self._named_key():
            self._put(key, self.random.random())

    def extract(self) -> None:
        """Let a processor read a file as it was recorded, which may be over by now."""
        known = [one for one in self.world.objects.values() if one.is_present]
        if not known:
            return
        found = self.random.choice(sorted(known, key=lambda one: one.key))
        extractor = self.random.choice(["generation", "exif", "safetensors"])
        error = self.random.choice([None, None, "it is broken"])
        facts = {
            "source": self.random.choice(["a1111", "comfyui"]),
            "prompt": self.random.choice(["a duck", POISON]),
            "family": self.random.choice(["flux", "sdxl"]),
            "cameraModel": self.random.choice(["D50", TOXIC]),
        }
        self.world.extract(
            Extraction(
                store=found.store,
                key=found.key,
                etag=found.etag or "",
                extractor=extractor,
                version=self.random.randint(1, 2),
                error=error,
                cause="corrupt" if error else None,
                facts={} if error else facts,
            )
        )

    def vanish(self) -> None:
        if self.world.files:
            key = self.random.choice(sorted(self.world.files))
            del self.world.files[key]
            self._tell(key)

    def rewrite_transcript(self) -> None:
        keys = [k for k in sorted(self.world.files) if k.endswith(".json")]
        if keys:
            self._put(self.random.choice(keys), self.random.random())

    def reindex(self) -> None:
        self.world.ask("reindex")

    def transact(self) -> None:
        """Change several jobs at once: their events share one cluster time."""
        changed = [self._some_root() for _ in range(self.random.randint(2, 4))]
        roots = sorted({root for root in changed if root is not None})
        for root in roots:
            if self.random.random() < 0.2:
                del self.world.jobs[root]
            else:
                self.world.jobs[root] = self._job(self.world.jobs[root].job_id)
        self.world.emit_together(("jobs", root) for root in roots)

    def doubt(self) -> None:
        """Mark a root dirty, as a repair does; it may be gone, or never have been."""
        self.world.mark(self.random.randint(1, self.next_root + 2), "redrive")

    # --- upheavals -----------------------------------------------------------------

    def replace_jobs(self) -> None:
        """Rename another collection onto the jobs: no event tells of any of them."""
        jobs = {
            root: job if self.random.random() < 0.5 else self._job(job.job_id)
            for root, job in self.world.jobs.items()
            if self.random.random() < 0.8
        }
        self.next_root += 1
        jobs[self.next_root] = self._job(f"job{self.next_root}")
        self.world.replace_jobs(jobs)

    def move_to_other_servers(self) -> None:
        self.world.replica_set += "r"

    def outgrow(self) -> None:
        """Write something whose event no stream can carry (10334)."""
        self.update()
        self.world.too_large = len(self.world.events) - 1

    def shorten(self) -> None:
        """Have so much happen that our position is about to fall off the oplog."""
        for _ in range(6):
            self.random.choice(self._acts)()
        reached = [g.position for g in self.world.generations.values() if g.position]
        oldest = min((at.cluster_time for at in reached), default=0)
        self.world.oldest_event = max(self.world.oldest_event, oldest - 1)

    def lose_tokens(self) -> None:
        """Let no resume token be good any more (280, 260)."""
        self.world.tokens += 1

    def lose_cursor(self) -> None:
        """Let the open stream fall off the oplog (136), or nearly."""
        self.world.is_cursor_lost = True

    # --- drawing -------------------------------------------------------------------

    def _put(self, key: ObjectKey, luck: float) -> None:
        words = ["wildfires", "garden", f"number {luck}", POISON]
        said = self.random.choices(words, [5, 5, 5, 1], k=self.random.randint(1, 6))
        self.world.files[key] = b"not json" if luck < 0.1 else assemblyai(*said)
        self._tell(key)

    def _tell(self, key: ObjectKey) -> None:
        """The hint that comes with a file, most of the time."""
        if self.random.random() < 0.7:
            world = self.world
            faults, fails = world.faults, world.store_fails
            world.faults, world.store_fails = Faults(), 0
            list_store(ports_to(world), key)
            world.faults, world.store_fails = faults, fails

    def _some_root(self) -> int | None:
        return self.random.choice(sorted(self.world.jobs)) if self.world.jobs else None

    def _named_key(self) -> ObjectKey | None:
        root = self._some_root()
        if root is None:
            return None
        job = self.world.jobs[root]
        folder = f"{job.user_id}/{job.job_id}"
        match job.type:
            case JobType.LORA_TRAINING:
                names = [
                    f"loras/{folder}/v1/model.safetensors",
                    f"datasets/{folder}/images/0001.jpg",
                    f"datasets/{folder}/captions/0001.txt",
                ]
            case JobType.TRANSCRIPTION:
                names = [f"transcripts/{folder}/transcript.json"]
            case _:
                number = self.random.randint(1, 3)
                names = [f"generated-images/{folder}/image_{number}.png"]
        return ObjectKey(self.random.choice(names))

    def _job(self, job_id: str) -> Job:
        choose, user = self.random.choice, self.random.choice(USERS)
        type_ = choose(list(JobType))
        folder = f"{user}/{job_id}"
        images = tuple(
            JobImage(s3_key=f"generated-images/{folder}/image_{n}.png")
            for n in range(1, self.random.randint(1, 4))
        )
        versions: tuple[JobVersion, ...] = (JobVersion(version=1, images=images),)
        if type_ is JobType.TRANSCRIPTION:
            place = f"transcripts/{folder}/transcript.json"
            versions = (JobVersion(version=1, transcript_url=place),)
        if self.random.random() < 0.15:
            versions = ()
        prompt = choose(["a beach", "a city", POISON]) if choose([0, 0, 1]) else "x"
        name = choose(["name", "other", TOXIC]) if choose([0, 0, 1]) else "plain"
        tags = tuple(self.random.sample(TAGS, self.random.randint(0, 2)))
        return Job(
            job_id=JobId(job_id),
            user_id=UserId(user),
            type=type_,
            status=choose(["queued", "completed", "weird"]),
            progress=self.random.random(),
            config={"prompt": prompt},
            versions=versions,
            metadata=JobMetadata(name=name, tags=tags, is_public=choose([True, False])),
            created_at=START + timedelta(minutes=self.random.randint(0, 99)),
        )
