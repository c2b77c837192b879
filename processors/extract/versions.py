"""The extractors there are, with their versions.

A version is raised when the same file would give other facts; then all files are read
again. Here alone, so that a worker knows them without loading what reads files.
"""

from collections.abc import Mapping
from typing import Final

SAFETENSORS: Final = "safetensors"
PICTURE: Final = "picture"
GENERATION: Final = "generation"
EXIF: Final = "exif"
RECORDING: Final = "recording"
TRANSCRIPT_FACTS: Final = "transcript_facts"

VERSIONS: Final[Mapping[str, int]] = {
    SAFETENSORS: 2,
    PICTURE: 1,
    GENERATION: 1,
    EXIF: 1,
    RECORDING: 1,
    TRANSCRIPT_FACTS: 2,
}
