"""How long to wait before a child that died is started again."""

from dataclasses import dataclass

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
STABLE_SECONDS = 60.0


@dataclass(slots=True)
class Backoff:
    """Doubles from 0.5 s to 30 s; a stable minute starts it anew."""

    failures: int = 0

    def after_death(self, lived_seconds: float) -> float:
        """Count a death.

        Args:
            lived_seconds: How long the process had run.

        Returns:
            Seconds to wait before the next start.
        """
        if lived_seconds >= STABLE_SECONDS:
            self.failures = 0
        delay = min(FIRST_SECONDS * 2.0 ** min(self.failures, 10), LONGEST_SECONDS)
        self.failures += 1
        return delay
