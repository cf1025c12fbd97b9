"""Kill a process of a command before a chosen file operation.

`benchmarks/kills.py` puts this folder on PYTHONPATH; polytask knows nothing of it.

The environment variable KILL_POINTS holds JSON: `root` is the folder that is observed, `ledger` an empty folder for the counts. With
`point` and `occurrence`, the process that reaches that occurrence of the point, in any process of the command, is killed: `whole` kills the
process group, `torn` first cuts the file that is being flushed to half of its bytes. Without a point, operations are only counted.
"""

import contextlib
import hashlib
import json
import os
import re
import signal
import sys
from pathlib import Path

_PLAN = json.loads(os.environ.get("KILL_POINTS", "{}"))
_ROOT = os.path.realpath(_PLAN.get("root", "/nowhere"))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def point_of(operation: str, path: str) -> str:
    """Return the name of a failpoint: the operation, and the file without what differs between runs."""
    inner = os.path.relpath(path, _ROOT) if path != _ROOT else "."
    inner = re.sub(r"\.[a-z0-9_]{8}\.part$|\.\d+\.part", ".part", inner)
    inner = re.sub(r"shared-[0-9a-f]{32}", "shared", inner)
    parts = [re.sub(r"^(seed|arm|look-|network-)\d.*", r"\1*", part) for part in Path(inner).parts]
    return f"{operation} {Path(*parts)}"


def reached(operation: str, path: object, handle: int | None = None) -> None:
    """Count an operation on a file of the observed folder, and kill if it is the chosen one."""
    try:
        full = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    if full != _ROOT and not full.startswith(_ROOT + os.sep):
        return
    point = point_of(operation, full)
    ledger = Path(_PLAN["ledger"], hashlib.sha256(point.encode()).hexdigest()[:16])
    descriptor = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{point}\n".encode())
    count = os.fstat(descriptor).st_size // len(f"{point}\n".encode())
    os.close(descriptor)
    if point == _PLAN.get("point") and count == _PLAN["occurrence"]:
        if _PLAN["torn"] and handle is not None:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
        if _PLAN["whole"]:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Pass on the operations that change files."""
    if event == "open":
        path, _, flags = arguments
        changes = isinstance(flags, int) and flags & _WRITES
        if changes and not isinstance(path, int) and not str(path).startswith(_PLAN["ledger"]):
            reached("write", path)
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        reached(event.removeprefix("os."), arguments[0])


def _flushing(handle: int) -> None:
    with contextlib.suppress(OSError):
        reached("flush", Path(f"/proc/self/fd/{handle}").readlink(), handle)
    _fsync(handle)


if _PLAN:
    _fsync = os.fsync
    os.fsync = _flushing  # type: ignore[assignment]  # polytask gives descriptors only
    sys.addaudithook(watch)
