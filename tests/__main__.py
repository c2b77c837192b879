"""``python -m tests``: the whole suite, in two passes.

Most tests run two at a time. Those marked ``alone`` promise something within seconds on
real servers, or demand a rate of writes; beside another suite they would measure that
one, so they run one after the other. Arguments go to pytest.
"""

import subprocess
import sys
from collections.abc import Sequence

import pytest

_PASSES = (
    ("-m", "not alone", "-n", "2", "--dist", "loadfile"),
    ("-m", "alone"),
)


def main(arguments: Sequence[str]) -> int:
    """Run both passes, the second one also after a failure of the first.

    Returns:
        The first exit code that is a failure; that nothing was collected is one only
        if it is true of both.
    """
    codes = [
        subprocess.run(
            [sys.executable, "-m", "pytest", *chosen, *arguments], check=False
        )
        for chosen in _PASSES
    ]
    return verdict([done.returncode for done in codes])


def verdict(codes: Sequence[int]) -> int:
    """Unite the exit codes of all passes."""
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    if not ran:
        return int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return next((code for code in ran if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
