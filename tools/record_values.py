"""Record the values that fixed jobs give, or check that they still give them: a redesign must change no number.

    python tools/record_values.py --out tools/recorded/values.json
    python tools/record_values.py --check tools/recorded/values.json [--only JOB …]

Every job runs on the CPU with one thread. Recorded are hashes of tensors and of tables' columns, and numbers as they are; never
seconds, memory, paths or versions. What things are called does not count: `tools/recorded/keys.csv` has a row for every name that has
changed since (see `recorded/names.py`), and what users write stands in `fits.csv` and `commands.csv`, under identifiers that stay.
Values are those of one type of processor and of one version of PyTorch: on another, a check says so and goes on.
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
    """Record or check; return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=(), metavar="JOB", help="run these jobs alone")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="write the values to this file")
    what.add_argument("--check", type=Path, help="compare the values with those of this file")
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
    """Return what values may depend on beside the code."""
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
    """Run the jobs, all or some, and return their values."""
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
    """Return values by the parts of their names, so that no part is written with every one of them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *parts, last = name.split("/")
        place = found
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values under their whole names again."""
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
    """Return the seconds that the processor has worked for this process and those that it started."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    sys.exit(main())
