"""Sources of different forms: each goes through a stem of its own, and they share from there on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from polytask import Study, fit, load
from polytask.architectures import MultiTaskModel, Stem
from polytask.architectures.network.network_plan import EncoderPlan, NetworkPlan
from polytask.architectures.network.sharing_diagram import network_parts
from polytask.balancing import MGDA
from polytask.data import Source, TablePreprocessor, WordTokenizer
from polytask.encoders import MLP, Conv, TextEncoder
from polytask.gradients import Backward
from polytask.tasks import Binary, Regression, Task

TASKS: tuple[Task, ...] = (Regression(name="light"), Binary(name="dark", classes=("no", "yes")), Regression(name="size"))
LABELLED = {"pictures": ("light", "dark"), "people": ("size",)}


def network(architecture: str = "hard") -> MultiTaskModel:
    stems = {"pictures": Stem(Conv((1, 12, 12)), (6,)), "people": Stem(MLP((4,), hidden=(5,)), (6,))}
    model = MultiTaskModel(MLP((6,), hidden=(8, 8)), TASKS, architecture=architecture, stems=stems, initialization="framework")
    model.labeled = LABELLED
    return model


def sources(rows: int = 40) -> list[Source]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (rows, 1, 12, 12), dtype=np.uint8)
    light = images.reshape(rows, -1).mean(1)
    dark = np.where(light < np.median(light), "yes", "no")
    table = pd.DataFrame({"age": random.normal(size=rows), "town": random.choice(["Rome", "Oslo"], rows)})
    columns = TablePreprocessor.fit(table)
    return [
        Source("pictures", images, {"light": light, "dark": dark}),
        Source("people", columns.encode(table), {"size": table["age"].to_numpy() * 2 + 1}, preprocessor=columns),
    ]


def test_a_stem_is_shared_by_the_tasks_of_its_source_alone() -> None:
    model = network()
    shared = {id(parameter) for parameter in model.shared_parameters().values()}
    assert shared >= {id(parameter) for parameter in model.stem("pictures").parameters()}  # type: ignore[union-attr]
    assert not shared & {id(parameter) for parameter in model.stem("people").parameters()}  # type: ignore[union-attr]


def test_stems_are_in_the_picture() -> None:
    model = network()
    parts = network_parts(model)
    assert [(part.name, part.tasks) for part in parts[:2]] == [("stem of pictures", ("light", "dark")), ("stem of people", ("size",))]
    assert sum(part.parameters for part in parts) == sum(parameter.numel() for parameter in model.parameters())


def test_a_step_is_what_autograd_says_it_is() -> None:
    """MGDA sees the trunk and the stem of two tasks; the stem of one task gets that task's gradient."""
    model = network()
    inputs = {"pictures": torch.rand(5, 1, 12, 12), "people": torch.randn(5, 4)}
    losses = {t: z.square().mean() for source, x in inputs.items() for t, z in model(x, LABELLED[source], source).items()}
    shared = model.shared_parameters()
    rows = [torch.autograd.grad(loss, list(shared.values()), retain_graph=True, allow_unused=True) for loss in losses.values()]
    matrix = [[torch.zeros_like(p) if g is None else g for g, p in zip(row, shared.values(), strict=True)] for row in rows]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in matrix])
    own = list(model.stem("people").parameters())  # type: ignore[union-attr]
    alone = torch.autograd.grad(losses["size"], own, retain_graph=True)
    Backward(MGDA(), tasks=tuple(losses), shared=shared, model=model)(losses)
    found = torch.cat([p.grad.flatten() for p in shared.values()])  # type: ignore[union-attr]
    assert torch.allclose(found, MGDA().aggregate(jacobian), atol=1e-6)
    assert all(torch.allclose(p.grad, g) for p, g in zip(own, alone, strict=True))  # type: ignore[arg-type]


@pytest.mark.sampled(3, drawn=True)
@pytest.mark.parametrize("architecture", ["hard", "mmoe", "ple", "cross-stitch", "adapters", "separate", "lora", "branching"])
@pytest.mark.parametrize("balancer", ["equal", "pcgrad", "uncertainty"])
def test_every_way_of_sharing_trains_behind_stems(architecture: str, balancer: str) -> None:
    plans = {"pictures": EncoderPlan("conv", (1, 12, 12)), "people": EncoderPlan("tabular", (2,), facts={"cardinalities": (0, 3)})}
    plan = NetworkPlan("mlp", (6,), {"hidden": (8, 8)}, architecture, (4,), stems=plans)
    again = NetworkPlan.from_dict(plan.to_dict())
    assert again == plan
    run = fit(again.build(TASKS, 0), sources(), balancer, epochs=2, batch_size=20, threads=1, precision="float32")
    assert set(run.validation) == {"light", "dark", "size"}


def test_a_task_more_changes_nobody_s_start() -> None:
    plans = {"pictures": EncoderPlan("conv", (1, 12, 12)), "people": EncoderPlan("mlp", (2,))}
    plan = NetworkPlan("mlp", (6,), {"hidden": (8,)}, stems=plans)
    whole, part = plan.build(TASKS, 3), plan.for_sources(["pictures"]).build(TASKS[:2], 3)
    kept = part.state_dict()
    assert all(torch.equal(whole.state_dict()[name], value) for name, value in kept.items())
    assert not any("people" in name for name in kept)


def test_sentences_go_on_as_their_summary() -> None:
    stem = Stem(TextEncoder((5,), words=9, embedding=4, width=4), (7,))
    assert stem(torch.tensor([[2, 3, 0, 0, 0]])).shape == (1, 7)


@pytest.mark.slow
def test_a_study_of_pictures_texts_and_tables(tmp_path: Path) -> None:
    """Nothing but the sources is given: forms are seen, stems are built, the model predicts from raw inputs."""
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(["good", "bad", "old", "new"], 4)) for _ in range(40)]
    words = WordTokenizer.fit(texts)
    good = np.array(["yes" if text.count("good") > text.count("bad") else "no" for text in texts])
    everything = [*sources(), Source("notes", words.encode(texts), {"praise": good}, preprocessor=words)]
    tasks = (*TASKS, Binary(name="praise", classes=("no", "yes")))
    options: dict[str, Any] = {"epochs": 1, "batch_size": 30, "threads": 1, "precision": "float32"}
    people = everything[1]
    others = np.where(people.inputs % 1 == 0, people.inputs, people.inputs + 0.25)  # test rows that training has are refused
    pictures = Source("pictures", 255 - everything[0].inputs, everything[0].labels)
    fresh = (pictures, Source("people", others, people.labels, preprocessor=people.preprocessor), everything[2])
    study = Study(everything, tasks, test=lambda: fresh, arms=("single", "equal"), seeds=2, training=options, workers=1)
    result = study.run(tmp_path / "run")
    assert set(result.verdict.tasks) == {"light", "dark", "size", "praise"}
    model = load(tmp_path / "run")
    assert set(model.predict(["good good", "never seen"], source="notes")["praise"]) <= {"no", "yes"}
    table = pd.DataFrame({"town": ["Rome", "Bonn"], "age": [1.0, None]})
    assert len(model.predict(table, source="people")["size"]) == 2
