"""What holds of every parsed transcript."""

from typing import Any

from catalog.models.transcript import TranscriptContent


def numbered(count: int) -> str:
    return " ".join(f"w{n}" for n in range(count))


def check(content: TranscriptContent) -> None:
    assert [s.sequence for s in content.segments] == list(range(len(content.segments)))
    for segment in content.segments:
        words = segment.text.split()
        assert segment.text == " ".join(words)
        assert len(segment.word_starts_ms) in {0, len(words)}
        if segment.word_starts_ms:
            assert segment.start_ms == segment.word_starts_ms[0]
        if segment.start_ms is not None and segment.end_ms is not None:
            assert segment.start_ms <= segment.end_ms


def said(content: TranscriptContent) -> list[tuple[Any, ...]]:
    check(content)
    return [(s.speaker, s.start_ms, s.end_ms, s.text) for s in content.segments]
