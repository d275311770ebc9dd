"""The last step before a supervised program runs: tie its life to the supervisor's.

The supervisor starts `python supervised_child.py <supervisor's process id> <program> ...`; this
asks Linux to send SIGTERM when the supervisor dies, however it dies, and becomes the program.
A step of its own, because code between fork and exec may hang in a process that has threads.
It imports nothing of ours, so that it costs a few milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_FOUND = 127  # as shells say it


def become_child(supervisor_process_id: int, program: list[str]) -> None:
    """Replace this process by the program. Returns only by ending the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit(f"supervised_child: prctl failed: {os.strerror(ctypes.get_errno())}")
    # It may have died before the request was heard; then nobody would ever tell us.
    if os.getppid() != supervisor_process_id:
        sys.exit("supervised_child: the supervisor is gone")
    try:
        os.execvp(program[0], program)  # noqa: S606 - a program of our own, no shell
    except OSError as error:
        sys.stderr.write(f"supervised_child: {program[0]}: {error.strerror}\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    become_child(int(sys.argv[1]), sys.argv[2:])
