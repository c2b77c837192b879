"""A small indexer in a process of its own, to be stopped at the worst moment.

``python -m tests.integration.indexer.contender``; settings come as JSON on the command
line, what happens goes to standard output, one line each. SIGUSR1 has it stop itself
(SIGSTOP) after the next read of the truth and before the write that follows from it.
"""

import json
import os
import random
import signal
import sys
import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pymongo

from catalog.clock import SystemClock
from catalog.errors import FencedError
from catalog.models.ids import RootKey
from catalog.repositories.mongo.index_control import MongoLeaseRepository
from catalog.search.base import Document, IndexKeys
from catalog.search.projection import documents_of
from catalog.search.typesense.keys import TypesenseIndexKeys
from catalog.search.typesense.writer import TypesenseIndexWriter
from indexer.leader_term import LeaderTerm
from indexer.leadership import Leadership
from tests.unit.search.assets import an_image

ROOT = RootKey("a" * 24)


def document_of(value: int) -> Document:
    """Say in a document what the truth is."""
    projected = documents_of(
        an_image("job-1-1"), root_key=ROOT, sequence=value, generation=1
    )
    assert projected.document is not None
    return projected.document


@dataclass(frozen=True)
class NoFence:
    """``IndexKeys`` as a catalog without a fence would have them: one for everybody."""

    key: str

    def mint(self, epoch: int, ttl: timedelta) -> str:
        del epoch, ttl
        return self.key

    def revoke(self, *, before_epoch: int) -> int:
        return before_epoch * 0

    def revoke_superseded(self, epoch: int, keep: str) -> int:
        return epoch * len(keep) * 0


@dataclass
class Contender:
    """Writes the truth into the index whenever it has changed, and it leads."""

    mongo_uri: str
    database: str
    engine_url: str
    engine_key: str
    prefix: str
    index: str
    ttl_seconds: float
    is_fenced: bool
    stop: threading.Event = field(default_factory=threading.Event)
    is_to_pause: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        clock = SystemClock()
        client: pymongo.MongoClient[dict[str, int]] = pymongo.MongoClient(
            self.mongo_uri, tz_aware=True
        )
        truth = client[self.database]["truth"]
        writer = TypesenseIndexWriter(self.engine_url, "none", self.prefix)
        keys: IndexKeys = NoFence(self.engine_key)
        if self.is_fenced:
            keys = TypesenseIndexKeys(
                self.engine_url, self.engine_key, self.prefix, clock=clock
            )

        def work(term: LeaderTerm) -> None:
            say("leading", term.epoch)
            written = 0
            while not clock.wait(term.stop, 0.02):
                record = truth.find_one()
                value = record["value"] if record else 0
                if value == written:
                    continue
                if self.is_to_pause.is_set():
                    self.is_to_pause.clear()
                    os.kill(os.getpid(), signal.SIGSTOP)
                try:
                    writer.upsert(self.index, [document_of(value)])
                except FencedError:
                    say("fenced", value)
                    raise
                written = value
                say("wrote", value)

        Leadership(
            leases=MongoLeaseRepository(client[self.database]),
            keys=keys,
            writer=writer,
            clock=clock,
            ttl=timedelta(seconds=self.ttl_seconds),
            jitter=random.random,
        ).run(work, self.stop)
        say("ended", 0)


def say(what: str, number: int) -> None:
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    contender = Contender(**json.loads(sys.argv[1]))
    signal.signal(signal.SIGUSR1, lambda *_: contender.is_to_pause.set())
    signal.signal(signal.SIGTERM, lambda *_: contender.stop.set())
    contender.run()
