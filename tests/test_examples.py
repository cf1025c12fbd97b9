"""The examples run as their first lines say."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from polytask.datasets.dataset_cache import find_local_file
from polytask.datasets.remote_files import remote_files_in

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[1] / "examples"
BESIDE = Path(__file__).parents[2] / "shared" / "data"
OF_ATIS = ("hugging_face_trainer", "train_hugging_face")


def said_by(*command: str, seconds: int = 900) -> str:
    """What a command prints; it has to end well."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def atis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentences of ATIS are on this machine."""
    if "POLYTASK_DATA" not in os.environ and BESIDE.is_dir():
        monkeypatch.setenv("POLYTASK_DATA", str(BESIDE))
    if any(find_local_file(file) is None for file in remote_files_in("atis")):
        pytest.skip("ATIS is not on this machine (POLYTASK_DATA)")


@pytest.mark.parametrize("name", OF_ATIS)
def test_without_its_data_an_example_says_which_files_to_put_where(unset_data_folder: Path, name: str) -> None:
    pytest.importorskip("transformers")
    done = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), "2", "1"], capture_output=True, text=True, timeout=900)
    last = done.stderr.splitlines()[-1]
    assert "Put atis/train.seq.in.gz, " in last
    assert str(unset_data_folder / "polytask") in last


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
        ("hugging_face_trainer", "1", "accelerate", "of the test labels"),
        ("loop_with_mlflow", "runs.db", "mlflow", "logged as train/up/loss, train/down/loss, weight/up, weight/down, cosine/up/down"),
    ],
)
def test_loops_of_other_libraries_are_balanced(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, argument: str, library: str, text: str
) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if name in OF_ATIS:
        request.getfixturevalue("atis")
    example = EXAMPLES / f"{name}.py"
    assert len(example.read_text().splitlines()) <= 60
    done = subprocess.run([sys.executable, str(example), argument], capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert text in done.stdout, done.stderr[-2000:]


def test_the_toy_problem_is_drawn(tmp_path: Path) -> None:
    output = said_by(str(EXAMPLES / "two_task_toy.py"), "--steps", "3", "--out", str(tmp_path / "toy.png"))
    assert output.count("does not arrive") == 30
    assert (tmp_path / "toy.png").read_bytes().startswith(b"\x89PNG")


def test_vectors_and_labels_that_are_not_known_are_studied(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "vector_targets.py"), "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(name in done.stdout for name in ("hand_x", "hand_y", "side"))


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
    ("name", "arguments", "text"),
    [
        ("sklearn", ["2"], "bp"),
        ("with_program", ["2"], "square"),
        ("pytorch", ["1"], "garment"),
        ("hugging_face", ["2", "1"], "slots"),
        ("lightning", ["2"], "bp"),
    ],
)
def test_training_of_ones_own_is_studied(request: pytest.FixtureRequest, name: str, arguments: list[str], text: str) -> None:
    if name in ("hugging_face", "lightning"):
        library = {"hugging_face": "transformers"}.get(name, name)
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    example = EXAMPLES / f"train_{name}.py"
    if example.stem in OF_ATIS:
        request.getfixturevalue("atis")
    own = example.read_text()
    assert len(own.splitlines()) <= 40
    assert f"{text}: " in said_by(str(example), *arguments)
    shown = (EXAMPLES.parent / "docs" / "own_training.md").read_text()
    assert own.partition("def train(")[2].partition("if __name__")[0].strip() in shown
