"""An object loop on a real MongoDB, and somebody who puts files into its store."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from pymongo.database import Database

from catalog.clock import SystemClock
from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.assets import MongoAssetRepository
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.repositories.mongo.object_work import MongoObjectWorkRepository
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.object_work import WorkResult
from catalog.repositories.sightings import Sighting
from catalog.storage.base import ObjectStore
from catalog.storage.seen import look_at
from processors.media.pool import MediaPool
from processors.objects.loop import LEASE, ObjectLoop
from processors.objects.previews import PreviewsTask
from processors.objects.renditions import RenditionsTask
from processors.objects.storing import RenditionStore
from processors.objects.task import ObjectTask

Mongo = Database[dict[str, Any]]
HOUR = timedelta(hours=1)
MOST_BYTES = 50_000_000


def picture(colour: str = "red", size: tuple[int, int] = (640, 320)) -> bytes:
    """Draw a picture as PNG."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return file.getvalue()


class Studio:
    """What a worker stands on, and one worker."""

    def __init__(
        self,
        database: Mongo,
        store: ObjectStore,
        pool: MediaPool,
        folder: Path,
        *,
        tasks: tuple[ObjectTask, ...] = (),
        at_once: int = 1,
    ) -> None:
        self.database = database
        self.store = store
        self.clock = SystemClock()
        self.objects = MongoObjectRepository(database)
        self.work = MongoObjectWorkRepository(database, store.store_id)
        self.jobs = MongoJobRepository(database)
        self.assets = MongoAssetRepository(database)
        self.tasks = tasks or (
            RenditionsTask(store, self.jobs, pool, most_bytes=MOST_BYTES),
            PreviewsTask(self.assets, store, pool),
        )
        self.folder = folder
        self.draining = threading.Event()
        self.loop = ObjectLoop(
            tasks=self.tasks,
            work=self.work,
            store=store,
            renditions=RenditionStore(store, self.work, self.objects, self.clock),
            at_once=at_once,
            clock=self.clock,
            jitter=lambda: 0.0,
            name="studio",
            folder=folder,
            draining=self.draining,
        )

    def put(self, key: str, content: bytes) -> ObjectKey:
        """Write a file, as anybody may, and record it, as the indexer does."""
        name = ObjectKey(key)
        self.store.write(name, content)
        self.look(name)
        return name

    def remove(self, key: str) -> None:
        self.store.delete(ObjectKey(key))
        self.look(ObjectKey(key))

    def look(self, key: ObjectKey) -> None:
        known = self.objects.recorded(self.store.store_id, [key]).get(key)
        found = look_at(self.store, key, self.clock.now())
        self.objects.settle([Sighting(found, known)])

    def sweep(self) -> None:
        self.work.begin_sweep(self.tasks)
        while self.work.sweep(self.tasks, 100, every=HOUR) is not None:
            pass

    def work_off(self) -> int:
        """Sweep, and do all that is due; returns how much that was."""
        self.sweep()
        count = 0
        while claim := self.work.claim(self.tasks, worker="studio", lease=LEASE):
            self.loop.do(claim)
            count += 1
        return count

    def step(self) -> None:
        """Let the loop begin what it has room for, and end it."""
        with ThreadPoolExecutor(4) as threads:
            self.loop.step(threads)

    def due_now(self) -> None:
        """Let no work wait any longer."""
        self.database["object_work"].update_many(
            {"state": "waiting"}, [{"$set": {"dueAt": "$$NOW"}}]
        )

    def result(self, key: str, task: str = "renditions") -> WorkResult | None:
        return self.work.results(task, [ObjectKey(key)]).get(ObjectKey(key))

    def stored(self) -> Mapping[str, int]:
        """What is in the store, with sizes."""
        return {info.key: info.size_bytes for info in self.store.list()}
