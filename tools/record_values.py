"""Record the values that fixed jobs produce, or check that they are unchanged: a refactoring must change no number.

    python tools/record_values.py --out tools/recorded/values.json
    python tools/record_values.py --check tools/recorded/values.json [--only JOB …]

Every job runs on the CPU with one thread. Hashes of tensors and of columns of tables are recorded, and single numbers as they are; times,
memory, paths and versions are not. Names do not matter: `tools/recorded/keys.csv` has a row for every name that has changed since the
values were recorded (see `recorded/names.py`), and the inputs of jobs are in `fits.csv` and `commands.csv`, under fixed identifiers.
Values depend on the type of processor and the version of PyTorch; if these differ, the check prints a note and continues.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "recorded"
SOURCE = Path(__file__).parents[1] / "src"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
MOST_LISTED = 200


def main() -> int:
    """Record or check the values; return 1 if any value differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=(), metavar="JOB", help="run only these jobs")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="write the values to this file")
    what.add_argument("--check", type=Path, help="compare the values with those in this file")
    chosen = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before PyTorch and NumPy are imported; processes inherit it
    sys.path.insert(0, str(SOURCE))
    here, found = machine(), record(chosen.only)
    if chosen.out is not None:
        content = {"machine": here, "values": {job: nested(own) for job, own in found.items()}}
        chosen.out.write_text(json.dumps(content, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    stored = json.loads(chosen.check.read_text(encoding="utf-8"))
    for name, value in stored["machine"].items():
        if here.get(name) != value:
            print(f"recorded with {name} {value}, checked with {here.get(name)}: values may differ for that reason")
    return report({job: flat(own) for job, own in stored["values"].items()}, found, chosen.only)


def machine() -> dict[str, str]:
    """Return what values may depend on in addition to the code: processor and versions."""
    import numpy as np
    import torch

    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    facts = dict(line.partition(":")[::2] for line in cpu.partition("\n\n")[0].splitlines())
    model = " ".join(value.strip() for key, value in facts.items() if key.strip() in ("vendor_id", "cpu family", "model", "model name"))
    return {
        "processor": model or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def record(only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Run jobs, and return their values.

    Args:
        only: Names of the jobs; empty for all.
    """
    import torch

    from recorded.jobs import JOBS
    from recorded.names import Names

    unknown = sorted(set(only) - set(JOBS))
    if unknown:
        raise SystemExit(f"no such job: {', '.join(unknown)}; choose from {', '.join(JOBS)}")
    torch.set_num_threads(1)
    names, found = Names.read(HERE / "keys.csv"), {}
    for job in only or JOBS:
        before = _seconds()
        print(f"{job} …", flush=True)
        found[job] = JOBS[job](names)
        print(f"{job}: {len(found[job])} values, {_seconds() - before:.1f} s of the processor", flush=True)
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values by the parts of their names, so that common parts are written once."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *parts, last = name.split("/")
        place = found
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested values to their whole names; the inverse of `nested`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}/") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def report(stored: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], only: Sequence[str] = ()) -> int:
    """Print every value that differs, is missing or is new; return 1 if there is any."""
    before = {f"{job}/{name}": value for job, own in stored.items() if not only or job in only for name, value in own.items()}
    after = {f"{job}/{name}": value for job, own in found.items() for name, value in own.items()}
    lines = [f"differs: {name}: {before[name]} -> {after[name]}" for name in before if name in after and before[name] != after[name]]
    lines += [f"missing: {name}" for name in before if name not in after] + [f"new: {name}" for name in after if name not in before]
    for line in lines[:MOST_LISTED]:
        print(line)
    if len(lines) > MOST_LISTED:
        print(f"and {len(lines) - MOST_LISTED} more")
    print(f"{len(after)} values, of which {len(lines)} are not as recorded" if lines else f"{len(after)} values, all as recorded")
    return 1 if lines else 0


def _seconds() -> float:
    """Return the CPU time of this process and its child processes, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    sys.exit(main())
