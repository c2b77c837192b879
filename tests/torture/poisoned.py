"""Row ``poison``: records and files as nobody should write them.

Each goes in alone between two good neighbours, then a hundredth of live traffic is of
their kind. Neighbours are indexed all the same; whoever can't be indexed, and nobody
else, is a dead letter; and nobody keeps rights that the record takes away.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from tests.e2e.stack import BUCKET_URL
from tests.oracle import document_id, exported, owner_key
from tests.torture.gateway import Gateway, Record
from tests.torture.outcome import Outcome, Violation, pause
from tests.torture.watching import await_that
from tests.torture.world import PREFIX, World, running_world
from tests.unit.repositories.poison import ODD_VALUES, corpus, job, nested, unidentified

USERS = frozenset({"user123", "turncoat", "turned"})
"""Owners of everything bad; the judge of good jobs looks past them."""

UNREADABLE: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\x00\x01\x02\x03",
    b'{"utterances": 5}',
    b'{"utterances": [5]}',
    b'{"utterances": [{"text": {"a": 1}}]}',
    b'{"utterances": [{"text": "a", "start": "soon"}]}',
    b'{"text": 5}',
    b'{"words": "many"}',
    b'{"status": "error", "error": "no speech"}',
    b"[" * 200_000,
    b'{"text": "cut off in the mid',
)
"""Transcripts that nothing can be read from: dead letters, each."""

ODD: tuple[bytes, ...] = (
    b"{}",
    b'{"utterances": null, "text": null}',
    b'\xef\xbb\xbf{"text": "a byte order mark"}',
    '{"text": "sixteen bits"}'.encode("utf-16"),
    b'{"text": "broken \xff\xfe bytes"}',
    b'{"text": "lone \\ud800 surrogate"}',
    b'{"text": "nul \\u0000 inside"}',
    b'{"text": "not a number", "audio_duration": NaN}',
    b'{"text": "endless", "audio_duration": 1e400}',
    b'{"utterances": [{"text": "late", "start": 99999999999999999999, "end": -1}]}',
    b'{"text": "twice", "text": "again"}',
    b'{"text": "' + b"word " * 200_000 + b'"}',
    b'{"text": "' + b"x" * 500_000 + b'"}',
)
"""Transcripts that are strange, and indexed all the same."""


class Poisoner:
    """Makes bad records, and knows which of them must become dead letters."""

    def __init__(self, gateway: Gateway, *, documents: int | None) -> None:
        """Write nothing yet; ``documents``: how many of the corpus, all by default."""
        self._gateway = gateway
        records = corpus()
        if documents is not None:
            records = gateway.random.sample(records, documents)
        self._ways: list[Callable[[], None]] = [
            *(self._insertion(record) for record in records),
            *(self._unidentified(record) for record in unidentified()),
            *(self._transcript(raw, is_dead=True) for raw in UNREADABLE),
            *(self._transcript(raw, is_dead=False) for raw in ODD),
            self._broken_text,
            *[self._turncoat] * 5,
        ]
        self._loose: Collection[Record] = gateway.jobs.with_options(
            CodecOptions(tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
        )
        self._number = 0
        self.letters: set[str] = set()
        """``_id`` of every record that must be a dead letter, as text."""
        self.turned: dict[str, str] = {}
        """Owner by document id, of those whose rights were taken away."""
        self.written = 0

    def __len__(self) -> int:
        return len(self._ways)

    def __iter__(self) -> Iterator[Callable[[], None]]:
        return iter(self._ways)

    def poison(self, _: Gateway) -> None:
        """Write any of them."""
        self._gateway.random.choice(self._ways)()

    def _next(self) -> int:
        self._number += 1
        self.written += 1
        return self._number

    def _insertion(self, record: Record) -> Callable[[], None]:
        def write() -> None:
            fields = _with_images(record)
            fields["jobId"] = f"odd-{self._next()}"
            self._loose.insert_one(fields)

        return write

    def _unidentified(self, record: Record) -> Callable[[], None]:
        def write() -> None:
            self._next()
            done = self._loose.insert_one(dict(record))
            self.letters.add(str(done.inserted_id))

        return write

    def _transcript(self, raw: bytes, *, is_dead: bool) -> Callable[[], None]:
        def write() -> None:
            job_id = f"unread-{self._next()}"
            key = f"transcripts/user123/{job_id}/transcript.json"
            self._gateway.put_file(key, raw)
            version = {"version": 1, "transcriptUrl": f"{BUCKET_URL}/{key}"}
            record = job(job_id, type="transcription", versions=[version])
            done = self._loose.insert_one(record)
            if is_dead:
                self.letters.add(str(done.inserted_id))

        return write

    def _broken_text(self) -> None:
        """Strings that are no UTF-8, which MongoDB takes and drivers refuse to read."""
        texts = {"description": "BROKEN", "tags": ["BROKEN"]}
        record = _with_images(job(f"bytes-{self._next()}", metadata=texts))
        record["_id"] = record["jobId"]
        raw = bson.encode(record).replace(b"BROKEN", b"\xff\xfe\xc0\xaf\xed\xa0")
        self._gateway.client.get_database(self._gateway.database.name)[
            "jobs"
        ].with_options(CodecOptions(RawBSONDocument)).insert_one(RawBSONDocument(raw))

    def _turncoat(self) -> None:
        """A public asset becomes private, somebody else's, and bad in one write."""
        job_id = f"turncoat-{self._next()}"
        record = _with_images(job(job_id, metadata={"isPublic": True}))
        record["userId"] = "turncoat"
        self._loose.insert_one(record)
        pause(0.1)
        change = {
            "userId": "turned",
            "metadata": {"isPublic": False, "tags": self._odd(), "name": self._odd()},
            "config": {"prompt": self._odd(), "seed": self._odd(), "x": nested(60)},
            "status": self._odd(),
            "createdAt": self._odd(),
        }
        self._loose.update_one({"_id": record["_id"]}, {"$set": change})
        self.turned[document_id("i", f"{job_id}-1")] = "turned"

    def _odd(self) -> Any:  # noqa: ANN401  (anything at all)
        return self._gateway.random.choice(ODD_VALUES)


def _with_images(record: Record) -> Record:
    url = "https://elsewhere.example/image_1.png"
    return {"versions": [{"version": 1, "images": [{"url": url}]}]} | record


class PoisonedWorld(World):
    """Judges the good jobs alone."""

    ignored = USERS


def poison(
    seed: int, folder: Path, *, documents: int | None = 60, seconds: float = 8
) -> Outcome:
    """Write each alone, then mix them into live traffic."""
    with running_world(PoisonedWorld(folder, seed, most=300)) as world:
        world.begin()
        poisoner = Poisoner(world.gateway, documents=documents)
        for write in poisoner:
            _between_neighbours(world, write)
        world.settle()
        world.gateway.also = poisoner.poison
        with world.gateway.writing():
            pause(seconds)
        world.settle()
        _check_letters(world, poisoner)
        _check_rights(world, poisoner)
        figures = world.figures() | {
            "poison": poisoner.written,
            "dead letters": len(poisoner.letters),
        }
        return Outcome(len(poisoner), world.worst_settle, figures)


def whole_corpus(seed: int, folder: Path) -> Outcome:
    """Write all of it, and mix for longer; counts as one."""
    done = poison(seed, folder, documents=None, seconds=60)
    figures = dict(done.figures) | {"poison alone": done.count}
    return Outcome(1, done.settle_seconds, figures)


def _between_neighbours(world: World, write: Callable[[], None]) -> None:
    neighbours = [world.gateway.new_job() for _ in range(2)]
    for neighbour in neighbours:
        url = f"https://elsewhere.example/{neighbour['jobId']}/image_1.png"
        neighbour["type"] = "image-generation"
        neighbour["config"] = {"prompt": "neighbour"}
        neighbour["versions"] = [{"version": 1, "images": [{"url": url}]}]
    world.gateway.jobs.insert_one(neighbours[0])
    write()
    world.gateway.jobs.insert_one(neighbours[1])
    wanted = [document_id("i", f"{one['jobId']}-1") for one in neighbours]

    def are_there() -> bool:
        world.indexer.check()
        for one in wanted:
            world.call("GET", f"/collections/{PREFIX}assets/documents/{one}")
        return True

    await_that(are_there, 15, "indexing the neighbours of poison")
    world.gateway.alive += neighbours


def _check_letters(world: World, poisoner: Poisoner) -> None:
    def found() -> set[str]:
        letters = world.database["index_dead_letters"].find({}, {"root": 1})
        return {str(letter["root"]) for letter in letters}

    try:
        await_that(lambda: found() == poisoner.letters, 15, "exact dead letters")
    except Violation as error:
        there = list(world.database["index_dead_letters"].find())
        extra = [one for one in there if str(one["root"]) not in poisoner.letters]
        lacking = poisoner.letters - found()
        records = world.gateway.jobs.find({"_id": {"$in": list(lacking)}})
        message = f"not dead: {list(records)[:5]} {lacking}; dead: {extra[:5]}"
        raise Violation(message) from error


def _check_rights(world: World, poisoner: Poisoner) -> None:
    found = exported(world.engine.url, world.engine.api_key, f"{PREFIX}assets")
    for document in found:
        owner = poisoner.turned.get(document["id"])
        if owner is not None and document["acl"] != [owner_key(owner)]:
            message = f"stale rights: {document['id']} has {document['acl']}"
            raise Violation(message)
