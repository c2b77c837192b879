"""Recordings of speech for a run: a long WAV, a video of the same, and its samples."""

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from processors.engines.audio import RATE_HZ, SAMPLE_BYTES, Recording

PAUSE_SECONDS = 2
VIDEO_RATE_HZ = 48_000
PICTURES_PER_SECOND = 10
PICTURE_PX = (640, 360)


@dataclass(frozen=True, slots=True)
class Recordings:
    """Files that say the same.

    Attributes:
        seconds: How long they are.
        wav: 16-bit samples, one channel, 16 kHz: nothing is to be decoded.
        video: AAC in two channels at 48 kHz, and pictures, in an MP4.
        samples: Those of the video, decoded, without any header.
    """

    seconds: float
    wav: Path
    video: Path
    samples: Path


def seconds_of(wav: Path) -> float:
    """Length of a WAV."""
    with wave.open(str(wav)) as file:
        seconds: float = file.getnframes() / file.getframerate()
    return seconds


def recordings(folder: Path, speech: Path, repeats: int) -> Recordings:
    """Let a speaker repeat herself, with pauses.

    Args:
        folder: Where to.
        speech: A WAV of 16-bit samples, one channel, 16 kHz.
        repeats: How often it is said.
    """
    with wave.open(str(speech)) as file:
        layout = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if layout != (1, SAMPLE_BYTES, RATE_HZ):
            message = f"{speech}: not 16-bit samples, one channel, 16 kHz: {layout}"
            raise ValueError(message)
        said = file.readframes(file.getnframes())
    pause = bytes(PAUSE_SECONDS * RATE_HZ * SAMPLE_BYTES)
    sound = (said + pause) * repeats
    wav, video, samples = (folder / name for name in ("a.wav", "a.mp4", "a.raw"))
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE_HZ)
        file.writeframes(sound)
    _write_video(video, sound)
    with Recording(video) as recording:
        samples.write_bytes(b"".join(recording.pieces()))
    return Recordings(seconds_of(wav), wav, video, samples)


def _write_video(path: Path, sound: bytes) -> None:
    """Pictures of noise that changes, so that they take their share of the file."""
    rng = np.random.default_rng(4)
    width, height = PICTURE_PX
    noise = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=PICTURES_PER_SECOND)
        voice = container.add_stream("aac", rate=VIDEO_RATE_HZ)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        voice.layout = "stereo"
        resampler = AudioResampler(format="fltp", layout="stereo", rate=VIDEO_RATE_HZ)
        second_bytes = RATE_HZ * SAMPLE_BYTES
        for at in range(0, len(sound), second_bytes):
            second = at // second_bytes
            for number in range(PICTURES_PER_SECOND):
                turned = np.roll(noise, number, axis=1).repeat(8, 0).repeat(8, 1)
                shown = VideoFrame.from_ndarray(turned, format="rgb24")
                shown.pts = second * PICTURES_PER_SECOND + number
                shown.time_base = Fraction(1, PICTURES_PER_SECOND)
                container.mux(picture.encode(shown))
            part = np.frombuffer(sound[at : at + second_bytes], "<i2").reshape(1, -1)
            heard = AudioFrame.from_ndarray(part, "s16", "mono")
            heard.sample_rate, heard.pts = RATE_HZ, at // SAMPLE_BYTES
            heard.time_base = Fraction(1, RATE_HZ)
            for frame in resampler.resample(heard):
                container.mux(voice.encode(frame))
        for frame in resampler.resample(None):
            container.mux(voice.encode(frame))
        container.mux(picture.encode())
        container.mux(voice.encode())
