"""Several inputs per row, as a dict, from the source to the saved model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.data import Normalization, Source, fingerprint
from polytask.errors import ConfigError, DataError
from polytask.options import TrainingOptions
from polytask.tasks import Binary, Regression, Task
from polytask.training import fit, prepare_data, prepare_source

TASKS = (Regression(name="brightness"), Binary(name="bought"))
TRAINING = {"epochs": 2, "batch_size": 32, "lr": 0.01, "threads": 1, "precision": "float32"}


def shop(rows: int, seed: int = 0) -> Source:
    """Pictures of items, facts on them, and codes of who looks at them."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (rows, 1, 4, 4), dtype=np.uint8)
    table = random.normal(5, 3, (rows, 2)).astype(np.float32)
    person = random.integers(0, 10, rows)
    labels = {"brightness": image.mean((1, 2, 3)), "bought": table[:, 0] > person}
    return Source("shop", {"image": image, "table": table, "person": person}, labels)


def joined(source: Source) -> Source:
    """The numbers of a source in one array."""
    inputs = np.concatenate([source.inputs["image"].reshape(len(source), -1), source.inputs["table"]], axis=1)
    return Source("shop", inputs.astype(np.float32), source.labels)


def test_every_entry_is_normalized_as_it_would_be_alone(nets: ModuleType) -> None:
    source = shop(200)
    run = fit(nets.Shop(TASKS), [source], tasks=TASKS, options=TrainingOptions(**TRAINING))
    found = run.normalizations["shop"].entries
    for name in ("image", "table"):
        alone = Source("shop", source.inputs[name], source.labels)
        assert prepare_data([alone], TASKS, validation_fraction=None, seed=0).training["shop"].rows.normalization == found[name]
    assert found["person"].mean == ()  # codes stay codes


def test_a_network_of_the_same_numbers_learns_the_same_whether_they_come_in_one_array_or_in_several() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            found = self.layer(inputs)
            return {"brightness": found[:, :1], "bought": found[:, 1:]}

    class Split(Whole):
        def forward(self, inputs: Any) -> dict[str, Tensor]:
            return super().forward(torch.cat([inputs["left"], inputs["right"]], dim=1))

    random = np.random.default_rng(0)
    x, labels = random.normal(size=(300, 4)).astype(np.float32), {"brightness": random.normal(size=300), "bought": random.random(300) > 0.5}
    one, two = Source("s", x, labels), Source("s", {"left": x[:, :1], "right": x[:, 1:]}, labels)
    options = TrainingOptions(**TRAINING, micro_batches=2)
    states = []
    for source, kind in ((one, Whole), (two, Split)):
        torch.manual_seed(0)
        states.append(fit(kind(), [source], tasks=TASKS, options=options).model.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-5, atol=1e-7)


def test_a_run_goes_on_with_the_same_bytes_and_not_with_other_inputs(nets: ModuleType, tmp_path: Path) -> None:
    source, options = shop(150), TrainingOptions(**TRAINING)
    whole, part = nets.Shop(TASKS), nets.Shop(TASKS)
    part.load_state_dict(whole.state_dict())
    fit(whole, [source], tasks=TASKS, options=options)
    fit(part, [source], tasks=TASKS, options=options, checkpoint=tmp_path, stop_after_epoch=1)
    again = nets.Shop(TASKS)
    fit(again, [source], tasks=TASKS, options=options, checkpoint=tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())
    other = Source("shop", source.inputs | {"person": source.inputs["person"] * 0}, source.labels)
    assert fingerprint(source) != fingerprint(other)
    with pytest.raises(ConfigError, match="belongs to another run"):
        fit(again, [other], tasks=TASKS, options=options, checkpoint=tmp_path)


@pytest.mark.parametrize(("workers", "rows"), [(1, 200), pytest.param(2, 9_000, marks=pytest.mark.slow)])
def test_a_study_of_a_network_with_several_inputs(nets: ModuleType, tmp_path: Path, workers: int, rows: int) -> None:
    training = TRAINING | {"batch_size": rows // 10, "epochs": 1}
    study = pt.Study(
        [shop(rows)], TASKS, ["single", "equal"], 2, test=lambda: (shop(60, 1),), model=nets.make_shop, training=training, workers=workers
    )
    result = study.run(tmp_path / "run")
    assert set(result.verdict.tasks) == {"brightness", "bought"}
    model = pt.load(result.folder, components=[nets.make_shop])
    inputs = shop(60, 1).inputs
    found = model.predict(inputs)
    assert len(found) == 60
    backwards = {name: inputs[name] for name in reversed(inputs)}
    assert found.equals(model.predict(backwards))
    with pytest.raises(ConfigError, match="entries image, table, person"):
        model.predict({"image": inputs["image"]})
    with pytest.raises(ConfigError, match=r"inputs, entry 'table': inputs must have the shape \(N, 2\)"):
        model.predict(inputs | {"table": inputs["table"][:, :1]})


def test_rows_of_another_form_than_those_of_training_are_refused(nets: ModuleType) -> None:
    source = shop(40)
    normalization = Normalization.of(source)
    for inputs in ({name: source.inputs[name] for name in ("image", "person")}, source.inputs["table"]):
        with pytest.raises(
            DataError, match=r"source 'shop': .*the entries image, table, person \(found (entries image, person|one array)\)"
        ):
            prepare_source(Source("shop", inputs, source.labels), (), normalization)
    with pytest.raises(DataError, match=r"of training, one array \(found entries image, table, person\)"):
        prepare_source(source, (), Normalization.of(Source("shop", source.inputs["table"], {})))


def test_codes_that_are_no_integers_are_refused() -> None:
    source = shop(40)
    wrong = Source("shop", source.inputs | {"person": source.inputs["person"].astype("float32")}, source.labels)
    with pytest.raises(DataError, match=r"source 'shop', entry 'person': codes must be integers, as in training .found float32"):
        prepare_source(wrong, (), Normalization.of(source))


def test_take_takes_of_every_entry() -> None:
    source = shop(6)
    taken = source.take(np.array([4, 1]))
    assert len(taken) == 2 and source.input_shape == {"image": (1, 4, 4), "table": (2,), "person": ()}
    for name, entry in taken.inputs.items():
        np.testing.assert_array_equal(entry, source.inputs[name][[4, 1]])


ROWS = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "at least one entry"),
        ({"image": ROWS, "table": ROWS[:2]}, "same number of rows .found image: 3, table: 2"),
        ({3: ROWS}, "name of an entry must be a text .found 3"),
        ({"": ROWS}, "name of an entry must be a text"),
        ({"image": 5.0}, "entry 'image': an entry must have one row per input"),
        ({"image": [[1, 2], [3]]}, "entry 'image': an entry must be an array"),
    ],
)
def test_entries_are_checked(inputs: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        Source("shop", inputs, {"size": np.zeros(3)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": np.full((40, 2), np.nan)}, "source 'shop', entry 'table', row 0: inputs must be finite"),
        ({"table": np.array([["a", "b"]] * 40)}, "source 'shop', entry 'table': inputs must be numbers"),
        ({"price": np.zeros(40)}, "source 'shop', entry 'price', inputs: .*features"),
    ],
)
def test_bad_entries_are_named(nets: ModuleType, change: dict[str, Any], message: str) -> None:
    source = shop(40)
    bad = Source("shop", source.inputs | change, source.labels)
    with pytest.raises(DataError, match=message):
        fit(nets.Shop(TASKS), [bad], tasks=TASKS)


def refused(call: Any) -> str:
    with pytest.raises((ConfigError, DataError)) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_encoders_of_polytask_refuse_entries_and_say_what_takes_them(nets: ModuleType) -> None:
    source, tasks = shop(40), TASKS
    flat = nn.Flatten()
    network = fit(tasks, [joined(source)], epochs=1, threads=1).model
    calls: Sequence[Any] = (
        lambda: fit(tasks, [source]),
        lambda: fit(tasks, [source], encoder="mlp"),
        lambda: fit(tasks, [source], encoder=flat),
        lambda: fit(network, [source]),
        lambda: pt.Study([source], tasks, test=lambda: (source,)).run(),
    )
    for call in calls:
        assert "model=make" in refused(call)
    arms = {"arms": ["single", "equal", "linear"], "model": nets.make_shop, "test": lambda: (source,)}
    assert "Leave out the arm 'linear'" in refused(lambda: pt.Study([source], tasks, **arms).run())


def test_a_module_that_cannot_use_the_entries_is_told_their_shapes() -> None:
    class Wrong(nn.Module):
        def __init__(self, tasks: Sequence[Task]) -> None:
            super().__init__()
            self.layer = nn.Linear(3, len(tasks))

        def forward(self, inputs: Any) -> dict[str, Tensor]:
            return {"brightness": self.layer(inputs["table"]), "bought": self.layer(inputs["table"])}

    message = refused(lambda: fit(Wrong(TASKS), [shop(40)], tasks=TASKS))
    assert "(3, 2) and type torch.float32, entry 'table'" in message
