"""The benchmark itself: that it measures what it says, on little."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.sections import NEEDS, UnknownSectionError, result_file, sections
from bench.transcription import transcription
from tests.fakes.media import RATE_HZ, WILDFIRES, samples_of, write_wav

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_is_whole_or_what_is_asked_for_with_what_it_stands_on() -> None:
    assert sections(None) == tuple(NEEDS)
    assert sections("queue,media") == ("media", "queue")
    assert sections(" rollback ,") == ("build", "repair", "rollback")


def test_a_part_never_takes_the_place_of_a_whole_run() -> None:
    assert result_file(None) != result_file("media")


@pytest.mark.parametrize("asked", ["media,nothing", "", ","])
def test_what_is_no_section_is_refused_with_all_there_are(asked: str) -> None:
    with pytest.raises(UnknownSectionError) as caught:
        sections(asked)

    assert all(name in str(caught.value) for name in NEEDS)


def test_a_section_that_nobody_knows_is_told_before_anything_runs() -> None:
    command = [sys.executable, "-m", "bench", "--only", "nothing"]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "no section nothing; there are media, transcription" in done.stderr
    assert done.stdout == ""


def test_child_and_bare_loop_hear_the_same_and_are_compared(tmp_path: Path) -> None:
    sentence = samples_of(WILDFIRES)[: 3 * RATE_HZ * 2]
    speech = write_wav(tmp_path / "speech.wav", sentence)

    figures = transcription(1, speech=speech, repeats=2)

    by_name = {figure.name: figure for figure in figures}
    factors = [f.value for f in figures if f.unit == "s of work / s of recording"]
    assert [name for name in by_name if name.startswith("transcribing WAV")] == [
        "transcribing WAV of 3 s",
        "transcribing WAV of 10 s",
    ]
    assert len(factors) == 4
    assert all(0 < factor < 60 for factor in factors)
    peak = by_name["transcribing child RSS, highest"]
    assert (peak.at_most, peak.is_met) == (512, True)
    assert peak.value > 50, "the model alone is larger"
    assert by_name["video, child / bare loop, processor"].at_most == 1.3


def test_without_the_extra_it_says_that_nothing_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert transcription(1, needed=("no_such_module", "json")) == []

    said = capsys.readouterr().err
    assert "transcription is not measured: no_such_module missing" in said
    assert "the extra `processors`" in said
