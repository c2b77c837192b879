"""Becomes another program that dies with the process that started it.

Run by path as ``python -I -S leash.py PARENT_PID COMMAND…``: standard library only.
A wrapper and not a ``preexec_fn``, which is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel for ``SIGKILL`` at the parent's death, then become the command.

    The request survives ``exec``. It is bound to the parent's *thread*, so the
    parent starts its children on a thread that lives as long as itself.
    """
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("The parent process has ended already.")
    try:
        os.execv(command[0], command)  # noqa: S606  (becoming it is the purpose)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
