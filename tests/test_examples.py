"""The examples run as their first lines say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[1] / "examples"


def said_by(*command: str, seconds: int = 900) -> str:
    """What a command prints; it has to end well."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_several_processes_end_with_the_same_weights() -> None:
    """What they print is the proof: gloo's threads sometimes abort an interpreter that shuts down, whatever it has run."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(EXAMPLES / "several_processes.py")]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=900)
    assert done.stdout.count("same weights as process 0: True") == 2, done.stderr[-2000:]


@pytest.mark.sampled(2, sweep=2)
@pytest.mark.parametrize(
    ("name", "argument", "library", "text"),
    [
        ("lightning_loop", "2", "lightning", "val/sold/loss"),
        ("accelerate_loop", "2", "accelerate", "16 steps: sum "),
        ("hugging_face_trainer", "1", "accelerate", "sum of the validation losses: "),
        ("loop_with_mlflow", "runs.db", "mlflow", "logged as train/up/loss, train/down/loss, weight/up, weight/down, cosine/up/down"),
    ],
)
def test_loops_of_other_libraries_are_balanced(tmp_path: Path, name: str, argument: str, library: str, text: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    example = EXAMPLES / f"{name}.py"
    assert len(example.read_text().splitlines()) <= 60
    done = subprocess.run([sys.executable, str(example), argument], capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert text in done.stdout, done.stderr[-2000:]


def test_the_toy_problem_is_drawn(tmp_path: Path) -> None:
    output = said_by(str(EXAMPLES / "two_task_toy.py"), "--steps", "3", "--out", str(tmp_path / "toy.png"))
    assert output.count("does not arrive") == 30
    assert (tmp_path / "toy.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_is_learned() -> None:
    output = said_by(str(EXAMPLES / "table.py"), "--rows", "600")
    assert "'segment': 'ordinal'" in output
    assert float(output.partition("score: ")[2].split()[0]) > 0.2


def test_several_series_are_predicted_better_than_by_no_change() -> None:
    output = said_by(str(EXAMPLES / "time_series.py"), "--rows", "2000")
    ratios = [float(line.rpartition(" ")[2]) for line in output.splitlines()]
    assert len(ratios) == 3
    assert max(ratios) < 0.9


def test_a_network_of_ones_own_is_studied() -> None:
    example = EXAMPLES / "own_model.py"
    assert len(example.read_text().splitlines()) <= 40
    assert "digit" in said_by(str(example), "1")
    shown = (EXAMPLES.parent / "docs" / "own_model.md").read_text()
    assert example.read_text().partition("class Net")[2].partition("if __name__")[0].strip() in shown


def test_a_data_set_of_ones_own_is_studied() -> None:
    example = EXAMPLES / "own_dataset.py"
    assert len(example.read_text().splitlines()) <= 60
    assert "disk: accuracy" in said_by(str(example), "1")


@pytest.mark.sampled(5, sweep=5)
@pytest.mark.parametrize(
    ("name", "argument", "text"),
    [
        ("sklearn", "2", "bp"),
        ("with_program", "2", "square"),
        ("pytorch", "1", "garment"),
        ("hugging_face", "2", "names"),
        ("lightning", "2", "bp"),
    ],
)
def test_training_of_ones_own_is_studied(name: str, argument: str, text: str) -> None:
    if name in ("hugging_face", "lightning"):
        library = {"hugging_face": "transformers"}.get(name, name)
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    example = EXAMPLES / f"train_{name}.py"
    own, _, data = example.read_text().partition("\n\n\ndef sentences")
    assert len(own.splitlines()) <= 40
    assert f"{text}: " in said_by(str(example), argument)
    shown = (EXAMPLES.parent / "docs" / "own_training.md").read_text()
    assert own.partition("def train(")[2].partition("if __name__")[0].strip() in shown
    assert bool(data) is (name == "hugging_face")
