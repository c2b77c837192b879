"""Small audio and video files, made when a test needs them."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from catalog.demo.transcribing import RECORDING

WILDFIRES = RECORDING
RATE_HZ = 16_000


def samples_of(path: Path) -> bytes:
    """Samples of a WAV file of 16 bits, one channel, 16 kHz."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, RATE_HZ)
        return bytes(file.readframes(file.getnframes()))


def write_wav(path: Path, samples: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples)
    return path


def write_video(
    path: Path, *, seconds: float, sound: bytes | None, sound_from: float = 0.0
) -> Path:
    """A grey picture, 64 by 64, ten a second; the sound begins at ``sound_from``."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        assert isinstance(picture, VideoStream)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        voice = None
        if sound is not None:
            voice = container.add_stream("aac", rate=RATE_HZ)
            assert isinstance(voice, AudioStream)
            voice.layout = "mono"
        for number in range(round(seconds * 10)):
            shade = np.full((64, 64, 3), number % 256, np.uint8)
            frame = VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        if voice is not None and sound is not None:
            wave_form = np.frombuffer(sound, "<i2").reshape(1, -1)
            frame_of_sound = AudioFrame.from_ndarray(wave_form, "s16", "mono")
            frame_of_sound.sample_rate = RATE_HZ
            frame_of_sound.time_base = Fraction(1, RATE_HZ)
            frame_of_sound.pts = round(sound_from * RATE_HZ)
            container.mux(voice.encode(frame_of_sound))
            container.mux(voice.encode())
    return path
