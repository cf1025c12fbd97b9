"""Run tests as other processors and numbers of threads would: no test may depend on them.

    python tools/check_processors.py [PYTEST ARGUMENT …] [--setting NAME …]

Each setting chooses the kernels of PyTorch (`ATEN_CPU_CAPABILITY`), of its convolutions (`ONEDNN_MAX_CPU_ISA`), of MKL
(`MKL_ENABLE_INSTRUCTIONS`, `MKL_CBWR`) and of NumPy's OpenBLAS (`OPENBLAS_CORETYPE`), and the number of threads. The settings run one after
the other, with low priority. Kernels that this processor does not have are left out, since their instructions would end the process.
Without arguments for pytest, the fast tests that compute are run: balancing, gradients, training, verdicts, relatedness, metrics, encoders.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
AREAS = ("balancing", "gradients", "training", "verdicts", "relatedness", "metrics", "encoders")


@dataclass(frozen=True)
class Setting:
    """Kernels and threads of one run.

    Attributes:
        name: Name on the command line.
        variables: Environment variables.
        threads: Number of threads.
        needs: Instruction set that the processor must have, as in `/proc/cpuinfo`; empty if every one will do.
    """

    name: str
    variables: Mapping[str, str]
    threads: int = 1
    needs: str = ""


def _kernels(aten: str, mkl: str, openblas: str, onednn: str, bitwise: str) -> dict[str, str]:
    return {
        "ATEN_CPU_CAPABILITY": aten,
        "MKL_ENABLE_INSTRUCTIONS": mkl,
        "MKL_CBWR": bitwise,
        "OPENBLAS_CORETYPE": openblas,
        "ONEDNN_MAX_CPU_ISA": onednn,
    }


SETTINGS = (
    Setting("nehalem", _kernels("default", "SSE4_2", "Nehalem", "SSE41", "COMPATIBLE")),
    Setting("sandybridge", _kernels("default", "AVX", "Sandybridge", "AVX", "AVX"), threads=2, needs="avx"),
    Setting("haswell", _kernels("avx2", "AVX2", "Haswell", "AVX2", "AVX2"), needs="avx2"),
    Setting("haswell-2", _kernels("avx2", "AVX2", "Haswell", "AVX2", "AUTO"), threads=2, needs="avx2"),
    Setting("skylake", _kernels("avx512", "AVX512", "SkylakeX", "AVX512_CORE", "AVX512"), needs="avx512f"),
    Setting("skylake-2", _kernels("avx512", "AVX512", "SkylakeX", "AVX512_CORE", "AUTO"), threads=2, needs="avx512f"),
)


def main() -> int:
    """Run the tests in every setting; return 1 if any of them fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [setting.name for setting in SETTINGS]
    parser.add_argument("--setting", nargs="+", choices=names, default=names, help="run only these settings")
    chosen, arguments = parser.parse_known_args()
    failed = [setting.name for setting in SETTINGS if setting.name in chosen.setting and not passes(setting, arguments)]
    print(f"failed: {', '.join(failed)}" if failed else "no setting failed")
    return int(bool(failed))


def passes(setting: Setting, arguments: Sequence[str]) -> bool:
    """Return whether the tests pass in a setting, or cannot run on this processor."""
    if setting.needs and setting.needs not in instructions():
        print(f"{setting.name}: left out, this processor has no {setting.needs}")
        return True
    print(
        f"{setting.name}: {setting.threads} thread(s), {' '.join(f'{key}={value}' for key, value in setting.variables.items())}", flush=True
    )
    own = dict.fromkeys(THREADS, str(setting.threads))
    tests = list(arguments) or ["-m", "not slow", *(f"tests/{area}" for area in AREAS)]
    command = [sys.executable, "-m", "pytest", *tests]
    environment = os.environ | own | dict(setting.variables)
    return subprocess.run(command, cwd=ROOT, env=environment, preexec_fn=_yield_to_others, check=False).returncode == 0


def instructions() -> frozenset[str]:
    """Return the instruction sets of this processor, as Linux names them."""
    cpu = Path("/proc/cpuinfo")
    text = cpu.read_text(encoding="utf-8") if cpu.exists() else ""
    return frozenset(next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "").split())


def _yield_to_others() -> None:
    os.nice(10)


if __name__ == "__main__":
    sys.exit(main())
