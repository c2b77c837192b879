"""The rule by which a state of an object becomes its record, without input or output.

Whoever looks into the store (HEAD, listing) is slower than the store changes, and
several look at once. So a state is written only over the very record that was read
*before* looking: any other write in between means that the look may be the older one,
and it is repeated. Events add their sequencer: one that is lower than the recorded one
has nothing to say any more.
"""

import re
from dataclasses import dataclass

from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject

SEQUENCER_WIDTH = 64
"""Sequencers of S3 have 16 to 18 digits today; all are padded to this many."""

_HEXADECIMAL = re.compile(r"[0-9A-F]+")
_ABSENT = frozenset({ObjectState.MISSING, ObjectState.TOMBSTONE})


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record of ``objects`` as it was read.

    Attributes:
        state: What it says.
        revision: Goes up with every write; 0 in a record that never had one.
    """

    state: StoredObject
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the store said of an object, and what was known when it was asked.

    Attributes:
        found: State to be recorded; ``sequencer`` is the event's, if one sent us.
        known: The record as read before looking; ``None`` if there was none.
        is_told: Whether an event sent us. Then the record is written even when
            nothing differs, unless this very event was recorded before: that is what
            makes older looks lose.
    """

    found: StoredObject
    known: Recorded | None = None
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of sightings.

    Attributes:
        changed: How many records now say something else.
        outdone: Keys whose record was written by somebody else since it was read: the
            sighting may be old, look again.
    """

    changed: int = 0
    outdone: tuple[ObjectKey, ...] = ()


def padded_sequencer(text: str | None) -> str:
    """Make a sequencer comparable with others of the same key, as text.

    Returns:
        Upper case, padded on the right with zeros; empty for none, or for one that is
        no hexadecimal number (it then guards nothing, which only costs a look).
    """
    upper = (text or "").upper()
    if len(upper) > SEQUENCER_WIDTH or not _HEXADECIMAL.fullmatch(upper):
        return ""
    return upper.ljust(SEQUENCER_WIDTH, "0")


def is_outdated(sequencer: str, known: Recorded | None) -> bool:
    """Tell whether the record was written for a later event of the key."""
    return bool(sequencer) and known is not None and sequencer < known.state.sequencer


def decide(sighting: Sighting) -> StoredObject | None:
    """Find the state to write over ``known``; ``None`` if it may stay as it is."""
    found, known = sighting.found, sighting.known
    if known is None:
        return found
    old = known.state
    if is_outdated(found.sequencer, known):
        return None
    if not found.sequencer:
        found = found.evolve(sequencer=old.sequencer)
    is_news = sighting.is_told and (
        not sighting.found.sequencer or found.sequencer != old.sequencer
    )
    return found if is_news or not is_same(old, found) else None


def is_same(old: StoredObject, new: StoredObject) -> bool:
    """Tell whether two states mean the same to whoever reads the record."""
    if old.state in _ABSENT and new.state in _ABSENT:
        return True
    return (old.state, old.etag, old.size_bytes) == (
        new.state,
        new.etag,
        new.size_bytes,
    )
