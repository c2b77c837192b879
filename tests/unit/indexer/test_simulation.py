"""A seeded life of the catalog with crashes and outages at every step."""

import random
import threading
from datetime import timedelta

import pytest

from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobType, JobVersion
from catalog.models.stored import Annotation
from indexer.intake_directory import Intake
from tests.unit.indexer.processes import (
    actual_index,
    assemblyai,
    expected_index,
    ports_to,
    run_process,
    until_quiet,
)
from tests.unit.indexer.world import POISON, START, TOXIC, CrashError, Faults, World

USERS = ("ann", "bob")
TAGS = ("avatar", "C++", "c#", "beach")


class Life:
    """What people, gateways and disks do to a world, drawn from one seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.next_root = 0

    def act(self) -> None:
        acts = [
            *[self.submit] * 4,
            *[self.update] * 4,
            *[self.arrive] * 3,
            self.vanish,
            self.delete,
            self.annotate,
            self.rewrite_transcript,
            self.duplicate,
        ]
        if self.random.random() < 0.02:
            acts = [self.world.drop_jobs, self.reindex, self.world.lose_history]
        self.random.choice(acts)()

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

    def _put(self, key: ObjectKey, luck: float) -> None:
        words = ["wildfires", "garden", f"number {luck}", POISON]
        said = self.random.choices(words, [5, 5, 5, 1], k=self.random.randint(1, 6))
        self.world.files[key] = b"not json" if luck < 0.1 else assemblyai(*said)
        self._tell(key)

    def _tell(self, key: ObjectKey) -> None:
        """The hint that comes with a file, most of the time."""
        if self.random.random() < 0.7:
            ports = ports_to(World(files=self.world.files, objects=self.world.objects))
            quiet = Intake(store=ports.store, objects=ports.objects, clock=ports.clock)
            before = dict(self.world.objects)
            quiet.rescan(key)
            for changed in self.world.objects:
                if before.get(changed) != self.world.objects[changed]:
                    self.world.emit("objects", changed)

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


def live(world: World, seed: int, acts: int) -> None:
    """Let a world live through its acts while indexers crash and servers fail."""
    life, fate = Life(world, seed), random.Random(seed + 1)
    for _ in range(fate.randint(0, 12)):
        life.act()
    left = acts
    while left > 0:
        world.faults.crash_in = fate.choice([-1, fate.randint(1, 60)])
        share = fate.choice([0.0, 0.0, 0.02])
        world.faults.fail = lambda share=share: fate.random() < share  # type: ignore[misc]
        budget = fate.randint(1, 12)

        def between(stop: threading.Event) -> int:
            nonlocal left, budget
            world.store_fails = 5 if fate.random() < 0.05 else 0
            for _ in range(fate.choice([0, 0, 1, 3])):
                life.act()
                left -= 1
                budget -= 1
            if budget <= 0:
                stop.set()
            return fate.randint(1, 6)

        try:
            run_process(world, between)
        except CrashError:
            left -= 1
    world.faults.crash_in, world.faults.fail = -1, lambda: False
    world.store_fails = 0
    ports = ports_to(world)
    run_process(world, until_quiet(world))
    Intake(store=ports.store, objects=ports.objects, clock=ports.clock).rescan()
    world.clock.advance(7200)
    run_process(world, until_quiet(world))


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_missing_nothing_is_left_and_nothing_is_stale(seed: int) -> None:
    world = World(faults=Faults())

    live(world, seed, acts=60)

    assert actual_index(world) == expected_index(world)
