"""Training functions of a user: sound ones, careless ones, and hostile ones."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polytask import Outputs, TrainingRequest


def least_squares(request: TrainingRequest, ridge: float = 0.0) -> dict[str, Any]:
    """Fit one linear map per task, and predict both parts."""
    found: dict[str, dict[str, Any]] = {"validation": {}, "test": {}}
    for task in request.tasks:
        inputs, targets = request.stacked(task.name)
        noise = np.random.default_rng(request.seed).normal(size=targets.shape) * request.options.get("noise", 0.01)
        design = np.hstack([inputs, np.ones((len(inputs), 1))])
        weights = np.linalg.solve(design.T @ design + ridge * np.eye(design.shape[1]), design.T @ (targets + noise))
        for part in found:
            rows = request.rows_to_predict(part)["toy"].inputs
            found[part][task.name] = np.hstack([rows, np.ones((len(rows), 1))]) @ weights
    return found


def untidy(request: TrainingRequest) -> dict[str, Any]:
    """Leave a file, links to it, to nothing and to the folder itself, and a pipe."""
    (request.folder / "weights.txt").write_text("1 2 3")
    for name, target in {"last.txt": "weights.txt", "nowhere": "/no/such/file", "all": "."}.items():
        (request.folder / name).symlink_to(target)
    os.mkfifo(request.folder / "pipe")
    return least_squares(request)


def of_entries(request: TrainingRequest) -> dict[str, Any]:
    """Fit one linear map per task to one of the entries of the inputs."""
    (test,) = request.test.values()
    assert len(test) == len(test.inputs["x"]) == len(test.inputs["more"])
    found = {}
    for task in request.tasks:
        inputs, targets = request.stacked(task.name)
        found[task.name] = test.inputs["x"] @ np.linalg.lstsq(inputs["x"], targets, rcond=None)[0]
    return found


def constant(request: TrainingRequest) -> dict[str, Any]:
    """Predict zeros."""
    return {task.name: [0.0] * sum(map(len, request.test.values())) for task in request.tasks}


def fragile(request: TrainingRequest) -> dict[str, Any]:
    """Fail for one arm and seed as long as a file exists."""
    asked, file = f"{request.arm} {request.seed}", Path(os.environ.get("USER_TRAINS_FAIL", ""))
    (request.folder / "called").write_text(asked)
    if file.is_file() and file.read_text() == asked:
        raise RuntimeError("not yet\nready")
    return least_squares(request)


def reporting(request: TrainingRequest) -> dict[str, Any]:
    """Report two epochs, say something, and leave a file."""
    for epoch in (1, 2):
        request.report(epoch, validation={task.name: 1.0 / epoch for task in request.tasks}, loss={request.tasks[0].name: 0.5})
    subprocess.run([sys.executable, "-c", "print('from a program')"], check=True)
    Path("weights.txt").write_text("1 2 3")
    return least_squares(request)


def searching(request: TrainingRequest, disguised: str = "") -> dict[str, Any]:
    """Look for numbers, which are told in disguise, wherever they could be: objects, frames, files, environment, and all memory."""
    mask, *masked = (int(word, 16) for word in disguised.split())
    wanted = np.array(masked, dtype=np.uint64)
    found = {"objects": 0, "memory": 0, "files": 0, "environment": 0}
    for one in walk([request, *gc.get_objects(), *(frame.f_locals for frame in sys._current_frames().values())]):
        found["objects"] += hits(one, wanted, mask)
    for region in readable_memory():
        found["memory"] += hits(np.frombuffer(region[: len(region) // 8 * 8], dtype=np.float64), wanted, mask)
    for path in request.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found["files"] += hits(np.frombuffer(content[: len(content) // 8 * 8], dtype=np.float64), wanted, mask)
    numbers = [float(word) for text in [*os.environ.values(), *sys.argv] for word in re.findall(r"-?\d+\.\d+", text)]
    found["environment"] += hits(np.array(numbers), wanted, mask)
    Path("found.json").write_text(json.dumps(found))
    return least_squares(request)


def hits(one: object, wanted: Any, mask: int) -> int:
    """How many of the numbers an object holds."""
    if isinstance(one, float):
        one = np.array([one])
    if not isinstance(one, np.ndarray) or one.dtype.kind != "f":
        return 0
    return int(np.isin(np.ascontiguousarray(one, dtype=np.float64).view(np.uint64) ^ np.uint64(mask), wanted).sum())


def walk(start: list[Any]) -> Iterator[Any]:
    """All objects that can be reached."""
    seen: dict[int, Any] = {}  # holds the objects, so that no identifier is used again
    waiting = list(start)
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            yield one
            waiting += gc.get_referents(one)


def readable_memory() -> Iterator[bytes]:
    """The content of all memory of this process that is not code."""
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", buffering=0) as memory:
        regions = [line.split() for line in maps if " r-x" not in line and line.split()[1].startswith("r")]
        for region in regions:
            start, end = (int(part, 16) for part in region[0].split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start) or b""
            except (OSError, ValueError, OverflowError):
                continue


def raises(request: TrainingRequest) -> dict[str, Any]:
    raise ZeroDivisionError("a\nb" + "x" * 10_000)


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def mute(request: TrainingRequest) -> dict[str, Any]:
    raise MuteError


def leaves(request: TrainingRequest) -> dict[str, Any]:
    sys.exit("I am done")


def interrupts(request: TrainingRequest) -> dict[str, Any]:
    raise KeyboardInterrupt


def ends(request: TrainingRequest) -> dict[str, Any]:
    os._exit(0)


def killed(request: TrainingRequest) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def crashes(request: TrainingRequest) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def recurses(request: TrainingRequest) -> dict[str, Any]:
    return recurses(request)


def hangs(request: TrainingRequest) -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (request.folder / "child").write_text(str(child.pid))
    time.sleep(600)
    return {}


def lingers(request: TrainingRequest) -> dict[str, Any]:
    """Leave a thread and a program behind that never end."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (request.folder / "child").write_text(str(child.pid))
    return least_squares(request)


def closes(request: TrainingRequest) -> dict[str, Any]:
    sys.stdout.close()
    sys.stderr.close()
    raise ValueError("said before the end")


def spoils(request: TrainingRequest) -> dict[str, Any]:
    """Overwrite what it got, and delete its folder."""
    found = least_squares(request)
    for rows in (*request.training.values(), *request.validation.values(), *request.test.values()):
        rows.inputs[:] = 0
        rows.units[:] = 0
    shutil.rmtree(request.folder)
    return found


def reads(request: TrainingRequest) -> dict[str, Any]:
    return {"sum": float(input("answer? "))}


def misreports(request: TrainingRequest) -> dict[str, Any]:
    request.report(1, accuracy={"sum": 1.0})
    return least_squares(request)


def reports_others(request: TrainingRequest) -> dict[str, Any]:
    request.report(1, validation={"third": 1.0})
    return least_squares(request)


def too_few(request: TrainingRequest) -> dict[str, Any]:
    return {task.name: [0.0] * 3 for task in request.tasks}


def not_finite(request: TrainingRequest) -> dict[str, Any]:
    return {task.name: [float("nan")] * 40 for task in request.tasks}


def nothing(request: TrainingRequest) -> None:
    return None


def answer_of(request: TrainingRequest) -> Path:
    """The file that the process would write to when the function is done."""
    (exchange,) = request.folder.parent.glob(".call-*")
    return exchange / "answer.json"


def forges(request: TrainingRequest) -> dict[str, Any]:
    """Write an answer without predictions in place of the process."""
    answer_of(request).write_text('{"seconds": -1, "peak_memory": 0, "predictions": []}')
    os._exit(0)


def scribbles(request: TrainingRequest) -> dict[str, Any]:
    """Write what is no answer."""
    answer_of(request).write_text("[")
    os._exit(0)


def scribbles_reports(request: TrainingRequest) -> dict[str, Any]:
    """Write what is no report to the files of reports."""
    for name in ("report.json", "reports.jsonl"):
        answer_of(request).with_name(name).write_text('[\n{"loss": 3}\n7\n')
    return least_squares(request)


def deletes_exchange(request: TrainingRequest) -> dict[str, Any]:
    """Delete the folder of the answer."""
    shutil.rmtree(answer_of(request).parent)
    return least_squares(request)


def forgets_tasks(request: TrainingRequest) -> dict[str, Any]:
    """Take the tasks out of the request, which is frozen, and return nothing for them."""
    object.__setattr__(request, "tasks", ())
    return {}


def yields(request: TrainingRequest) -> Any:
    """Be a generator."""
    yield least_squares(request)


async def waits_for_a_loop(request: TrainingRequest) -> dict[str, Any]:
    """Be a coroutine, for which nobody waits."""
    return least_squares(request)


def words(request: TrainingRequest) -> dict[str, Any]:
    """Predict words where numbers are needed."""
    return {task.name: ["a"] * 40 for task in request.tasks}


def complex_numbers(request: TrainingRequest) -> dict[str, Any]:
    """Predict numbers that no metric takes."""
    return {task.name: np.ones(40) * 1j for task in request.tasks}


def paints(request: TrainingRequest) -> dict[str, Any]:
    """Raise an error whose text would change the colors of a terminal."""
    raise ValueError("\x1b[31mred\x00 \ud800")


def several(request: TrainingRequest) -> dict[str, Any]:
    """Raise several errors at once."""
    raise ExceptionGroup("many", [ValueError("a"), TypeError("b")])


def ends_later(request: TrainingRequest) -> dict[str, Any]:
    """Let a thread end the process."""
    threading.Timer(0.2, os._exit, [7]).start()
    time.sleep(60)
    return {}


def imports(request: TrainingRequest) -> dict[str, Any]:
    import no_such_package

    return {"sum": no_such_package}


def waits(request: TrainingRequest) -> dict[str, Any]:
    """Wait as long as a file exists, once another one says that it does."""
    file = Path(os.environ.get("USER_TRAINS_FAIL", ""))
    while request.arm == "joint" and file.is_file():
        file.with_suffix(".pid").write_text(str(os.getpid()))
        time.sleep(0.05)
    return least_squares(request)


def like_built_in(request: TrainingRequest) -> dict[str, Any]:
    """Train the built-in network from its own start, with the rows, the split, the order of batches, and the averaging of the study."""
    import polytask as pt
    from polytask.architectures import NetworkPlan
    from polytask.training.trained_network import TrainedNetwork

    parts = request.training["toy"], request.validation["toy"]
    labels = {task.name: np.concatenate([part.labels[task.name] for part in parts]) for task in request.tasks}
    held_out = np.repeat([False, True], [len(part) for part in parts])
    source = pt.Source("toy", np.concatenate([part.inputs for part in parts]), labels, held_out=held_out)
    plan = NetworkPlan("mlp", source.inputs.shape[1:])
    model = plan.build(request.tasks, request.seed)
    run = pt.fit(model, [source], seed=request.seed, epochs=request.epochs, threads=request.threads, validation_fraction=0.2)
    trained = TrainedNetwork.of(plan, run)
    of_parts = {part: trained.outputs_for("toy", request.rows_to_predict(part)["toy"].inputs) for part in ("validation", "test")}
    return {part: {name: Outputs(values) for name, values in of_part.items()} for part, of_part in of_parts.items()}


def many_kinds(request: TrainingRequest) -> dict[str, Any]:
    """Predict from the rule that made the labels, in a form that fits each kind."""
    found: dict[str, Any] = {}
    for task in request.tasks:
        x = np.concatenate([rows.inputs for rows in request.test.values() if task.name in rows.tasks])
        codes = np.digitize(x[:, 0], [-0.5, 0.5])
        found[task.name] = {
            "kind": np.eye(3)[codes] * 0.7 + 0.1,
            "churn": Outputs(x[:, 1] * 3),
            "visits": np.exp(x[:, 2]),
            "time": Outputs(np.zeros((len(x), task.outputs))),
            "level": np.digitize(x[:, 2], [-1, 0, 1]),
            "range": x[:, :1] + np.array([[-1.0, 0.0, 1.0]]),
        }[task.name]
    return found


def tabular(request: TrainingRequest) -> dict[str, Any]:
    """Write the columns of the table to a file."""
    (rows,), (test,) = request.training.values(), request.test.values()
    told = ", ".join(f"{name} {count}" for name, count in zip(rows.columns, rows.cardinalities, strict=True))
    (request.folder / "columns").write_text(told)
    return {task.name: test.inputs[:, 0] for task in request.tasks}


def with_processes(request: TrainingRequest) -> dict[str, Any]:
    """Use processes of both kinds, loaders, and a Python program that imports what lies beside it."""
    import multiprocessing

    from torch.utils.data import DataLoader

    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(abs, [-1, 2]) == [1, 2]
    assert [batch.tolist() for batch in DataLoader(list(range(4)), batch_size=2, num_workers=2)] == [[0, 1], [2, 3]]
    Path("beside.py").write_text("number = 7")
    Path("program.py").write_text("from beside import number; print(number)")
    done = subprocess.run([sys.executable, "program.py"], check=True, capture_output=True, text=True)
    assert done.stdout == "7\n"
    return least_squares(request)
