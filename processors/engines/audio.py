"""The sound of any audio or video file, as a recogniser wants it.

Runs only inside a child under limits: the file may be anything.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from processors.engines.child_side import ChildFailedError

RATE_HZ = 16_000
SAMPLE_BYTES = 2

FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,"
    "ogg,tta,voc,w64,wav,webm,wv"
)
"""Containers that hold sound themselves. Playlists (``hls``, ``concat`` …) are left
out: they make the reader open whatever other file or address they name."""

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
_GAP_SECONDS = 0.25
_LONGEST_GAP_SECONDS = 600.0
"""A greater jump is a broken time, not a pause."""

_SILENCE_BYTES = RATE_HZ * SAMPLE_BYTES
_SECOND = 1_000_000


class Recording:
    """One file, read once from its beginning; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            ChildFailedError: There is no sound in it, or it can't be read.
        """
        self._size_bytes = path.stat().st_size
        if not self._size_bytes:
            raise _unreadable("The file is empty.")
        self._file = path.open("rb")
        try:
            self._container = av.open(
                self._file, "r", options=dict(_OPTIONS), metadata_errors="replace"
            )
        except (av.error.FFmpegError, ValueError) as exc:
            _let_memory_error_through(exc)
            raise _unreadable(
                "The file is neither audio nor video of a format that is known here, "
                "or it is damaged, whatever its name says."
            ) from exc
        stream = self._container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise _unreadable("There is no sound in the file.")
        self._stream = stream
        stream.codec_context.thread_type = "NONE"
        self._place = 0.0
        self.broken_packets = 0
        self.whole_packets = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()
        self._file.close()

    @property
    def header_seconds(self) -> float | None:
        """Its length as its header says; ``None`` where that says nothing."""
        length = self._container.duration
        return length / _SECOND if length is not None and length > 0 else None

    @property
    def share(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return min(self._place / self._size_bytes, 1.0)

    def pieces(self) -> Iterator[bytes]:
        """Read the sound: 16-bit samples in this machine's order, one channel, 16 kHz.

        A byte's place tells its time on the container's clock: pauses in it (sound
        that starts after the picture, lost packets) become silence.

        Raises:
            ChildFailedError: More of it is damaged than whole.
        """
        resampler = _resampler()
        sent_bytes = 0
        origin = (self._container.start_time or 0) / _SECOND
        for frame in self._frames():
            if frame.time is not None:
                gap = frame.time - origin - sent_bytes / SAMPLE_BYTES / RATE_HZ
                for silence in _silence(gap):
                    sent_bytes += len(silence)
                    yield silence
            frame.pts = None
            try:
                converted = resampler.resample(frame)
            except ValueError:  # rate or channels change inside the stream
                converted = _rest(resampler)
                resampler = _resampler()
                converted += resampler.resample(frame)
            for piece in map(_bytes, converted):
                sent_bytes += len(piece)
                yield piece
        yield from map(_bytes, _rest(resampler))
        if self.broken_packets > self.whole_packets:
            raise _unreadable("The file is damaged: most of its sound can't be read.")

    def _frames(self) -> Iterator[AudioFrame]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.pos is not None:
                    self._place = packet.pos
                yield from self._decoded(packet)
        except av.error.FFmpegError as exc:  # the container breaks off
            _let_memory_error_through(exc)
            self.broken_packets += 1

    def _decoded(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as exc:
            _let_memory_error_through(exc)
            self.broken_packets += 1
            return []
        self.whole_packets += 1
        return frames


def _resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=RATE_HZ)


def _rest(resampler: AudioResampler) -> list[AudioFrame]:
    """What it still holds; nothing where it was given nothing."""
    with suppress(ValueError, av.error.FFmpegError):
        return resampler.resample(None)
    return []


def _bytes(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]


def _silence(gap: float) -> Iterator[bytes]:
    if not _GAP_SECONDS < gap <= _LONGEST_GAP_SECONDS:
        return
    rest = int(gap * RATE_HZ) * SAMPLE_BYTES
    while rest > 0:
        yield bytes(min(rest, _SILENCE_BYTES))
        rest -= _SILENCE_BYTES


def _let_memory_error_through(error: Exception) -> None:
    if isinstance(error, MemoryError):  # FFmpeg's is both
        raise error


def _unreadable(message: str) -> ChildFailedError:
    return ChildFailedError("source_unreadable", message)
