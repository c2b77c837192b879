"""A queue of notifications in memory: what is not deleted in time comes back."""

from collections.abc import Sequence
from dataclasses import replace

from catalog.storage.base import QueuedMessage
from tests.fakes.failing import Failing


class FakeQueue(Failing):
    """Messages are hidden when received, until ``expire`` or ``hold`` with 0."""

    def __init__(self) -> None:
        super().__init__()
        self.visible: list[QueuedMessage] = []
        self.hidden: dict[str, QueuedMessage] = {}
        self.deleted: list[QueuedMessage] = []
        self.held: list[tuple[str, float]] = []
        self._sent = 0
        self._receipts = 0

    def send(self, body: str) -> None:
        self._sent += 1
        self.visible.append(QueuedMessage(f"m{self._sent}", "", body, 0))

    def receive(
        self, *, limit: int, wait_seconds: float, visibility_seconds: float
    ) -> Sequence[QueuedMessage]:
        assert 0 <= wait_seconds <= 20 < visibility_seconds
        self.check()
        taken, self.visible = self.visible[:limit], self.visible[limit:]
        received = []
        for message in taken:
            self._receipts += 1
            ours = replace(
                message, receipt=f"r{self._receipts}", receives=message.receives + 1
            )
            self.hidden[ours.receipt] = ours
            received.append(ours)
        return received

    def hold(
        self, messages: Sequence[QueuedMessage], visibility_seconds: float
    ) -> None:
        self.check()
        for message in messages:
            self.held.append((message.message_id, visibility_seconds))
            if not visibility_seconds and message.receipt in self.hidden:
                self.visible.append(self.hidden.pop(message.receipt))

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        self.check()
        for message in messages:
            if self.hidden.pop(message.receipt, None) is not None:
                self.deleted.append(message)

    def expire(self) -> None:
        """Let the time of everything that is hidden be over."""
        self.visible += self.hidden.values()
        self.hidden.clear()
