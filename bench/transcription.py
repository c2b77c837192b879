"""Recordings written down by the limited child, against a bare loop.

Both hear the same samples and must find the same words. The child decodes them out of
a video first, cuts them into utterances as they come, under limits and watched by its
worker, and writes files; the bare loop is given the decoded samples whole and prints.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from bench.report import Figure, say
from catalog.demo.transcribing import RECORDING
from catalog.models.generation import Transcription
from catalog.models.ids import JobId, UserId
from processors.engine import Work
from processors.engines.local_transcription import LocalTranscription

SPEECH = RECORDING
"""Seventeen seconds, whose words are known."""

REPEATS = 4
ROUNDS = 3
NEEDED = ("av", "numpy", "pocketsphinx")

MOST_OF_BARE = 1.3
"""Recognising is nearly all of the work: 1.06 and 1.12 of the bare loop were measured
beside a busy machine. What is around it (start, decoding, cutting, writing) may grow to
a quarter of the whole."""

MOST_MIB = 512
"""What one file may cost a process."""

_CHILD = "processors.engines.pocketsphinx_child"
_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class _Run:
    """What one recording cost: time on the wall, on the processor, and memory."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    words: list[str]


def transcription(
    rounds: int,
    *,
    speech: Path = SPEECH,
    repeats: int = REPEATS,
    needed: Sequence[str] = NEEDED,
) -> list[Figure]:
    """Write down a short and a long WAV and a video of the long one, and compare.

    Args:
        rounds: Of all of them in turns; the median counts. More than three are not
            made, each takes as long as the long recording and more.
        speech: 16-bit samples, one channel, 16 kHz.
        repeats: How often the long ones say it, with pauses between.
        needed: Modules without which nothing can be measured.

    Returns:
        None where the extra ``processors`` is not installed, which is said.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        say(
            f"transcription is not measured: {' and '.join(missing)} missing "
            "(the extra `processors` brings them)"
        )
        return []
    from bench.recordings import recordings, seconds_of  # noqa: PLC0415  (the extra)

    short, long, video, bare = list[_Run](), list[_Run](), list[_Run](), list[_Run]()
    with TemporaryDirectory(prefix="bench-transcription-") as place:
        folder = Path(place)
        made = recordings(folder, speech, repeats)
        for number in range(min(rounds, ROUNDS)):
            short.append(_by_child(speech, folder / f"short{number}"))
            long.append(_by_child(made.wav, folder / f"long{number}"))
            video.append(_by_child(made.video, folder / f"video{number}"))
            bare.append(_bare(made.samples))
            _check_same(video[-1], bare[-1])
    shortest, longest = seconds_of(speech), made.seconds
    ratio = median(
        v.cpu_seconds / b.cpu_seconds for v, b in zip(video, bare, strict=True)
    )
    say(
        f"transcription: {_factor(video, longest):.3f} s a second of video, "
        f"{_factor(bare, longest):.3f} by the bare loop"
    )
    per_second = "s of work / s of recording"
    return [
        Figure(
            f"transcribing WAV of {shortest:.0f} s",
            _factor(short, shortest),
            per_second,
        ),
        Figure(
            f"transcribing WAV of {longest:.0f} s", _factor(long, longest), per_second
        ),
        Figure("the same in a video", _factor(video, longest), per_second),
        Figure(
            "the same, bare loop on its samples", _factor(bare, longest), per_second
        ),
        Figure(
            "video, child / bare loop, processor", ratio, "ratio", at_most=MOST_OF_BARE
        ),
        Figure(
            "transcribing child RSS, highest",
            _mib([*short, *long, *video]),
            "MiB",
            at_most=MOST_MIB,
        ),
        Figure("the same, bare loop", _mib(bare), "MiB"),
    ]


def _factor(runs: Sequence[_Run], seconds: float) -> float:
    """Real-time factor: seconds on the wall for each second of the recording."""
    return median(run.seconds for run in runs) / seconds


def _mib(runs: Sequence[_Run]) -> float:
    return max(run.peak_bytes for run in runs) / 2**20


@dataclass(slots=True)
class _Peak:
    """Looks at the highest resident memory of the child, whenever it is asked."""

    highest_bytes: int = 0
    _pid: int | None = field(default=None, init=False)

    def look(self) -> None:
        """Ask the kernel, which keeps the highest itself: nothing between is missed."""
        if self._pid is None:
            own = psutil.Process().children()
            pids = [child.pid for child in own if _CHILD in child.cmdline()]
            self._pid = pids[0] if pids else None
        if self._pid is not None:
            peak = _peak_bytes(f"/proc/{self._pid}/status")
            self.highest_bytes = max(self.highest_bytes, peak)


def _by_child(source: Path, folder: Path) -> _Run:
    """Let the engine make a transcript, as a worker does."""
    folder.mkdir()
    peak = _Peak()
    work = Work(
        job_id=JobId("bench"),
        user_id=UserId("bench"),
        version=1,
        request=Transcription(url="https://example.org/recording"),
        folder=folder,
        save=lambda step: None,  # noqa: ARG005  (it has no steps)
        report=lambda percent: None,  # noqa: ARG005  (nobody looks)
        check=peak.look,
        webhook=lambda nonce: None,  # noqa: ARG005  (nobody calls)
        source=source,
    )
    cpu_before, start = _cpu_seconds(), time.perf_counter()
    LocalTranscription().advance(work, {})
    seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - cpu_before
    transcript = json.loads((folder / "transcript.json").read_bytes())
    words = [word["text"] for word in transcript["words"]]
    return _Run(seconds, cpu_seconds, peak.highest_bytes, words)


def _bare(samples: Path) -> _Run:
    command = [sys.executable, "-m", "bench.transcription", str(samples)]
    cpu_before, start = _cpu_seconds(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - cpu_before
    told = json.loads(done.stdout)
    return _Run(seconds, cpu_seconds, told["peak_bytes"], told["words"])


def _cpu_seconds() -> float:
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_bytes(status: str) -> int:
    lines = Path(status).read_text().splitlines()
    peak = next((line for line in lines if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(peak.split()[1]) * 1024  # an ended process has none


def _check_same(ours: _Run, bare: _Run) -> None:
    if not bare.words or ours.words != bare.words:
        message = (
            f"the child heard {len(ours.words)} words, the bare loop "
            f"{len(bare.words)}, or others: they are not comparable"
        )
        raise RuntimeError(message)


def _loop(path: str) -> None:
    """Write down as a short script would: its own imports, all samples at once."""
    from pocketsphinx import (  # type: ignore[import-untyped]  # noqa: PLC0415
        Decoder,
        Endpointer,
    )

    decoder = Decoder(samprate=_RATE_HZ, loglevel="FATAL")
    endpointer = Endpointer(sample_rate=_RATE_HZ)
    sound, words, speech = Path(path).read_bytes(), list[str](), b""
    size = endpointer.frame_bytes
    last = len(sound) - len(sound) % size
    frames = [sound[at : at + size] for at in range(0, last, size)]
    for number in range(len(frames) + 1):
        part = (
            endpointer.process(frames[number])
            if number < len(frames)
            else endpointer.end_stream(sound[last:] or bytes(2))
        )
        speech += part or b""
        if speech and not endpointer.in_speech:
            decoder.start_utt()
            decoder.process_raw(speech, full_utt=True)
            decoder.end_utt()
            found = decoder.hyp()
            words += found.hypstr.split() if found else []
            speech = b""
    peak_bytes = _peak_bytes("/proc/self/status")
    print(json.dumps({"words": words, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    _loop(sys.argv[1])
