"""Networks around modules of users: what tasks share is read off the graph, and what does not fit is refused in one line."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import polytask as pt
from polytask.architectures import InputForm, ModuleNetwork, ModulePlan, MultiTaskModel, measure_cost, network_parts
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.registry.model_factories import factory_written
from polytask.training.hardware import choose_precision

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))
FORM = InputForm((3,), ("sum", "first"))


def table(rows: int = 60, name: str = "toy", tasks: tuple[str, ...] = ("sum", "first")) -> pt.Source:
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")
    return pt.Source(name, x, {task: {"sum": x.sum(1), "first": x[:, 0]}[task] for task in tasks})


def test_sharing_is_read_off_the_graph(nets: ModuleType) -> None:
    network = ModuleNetwork(nets.Table(TASKS), TASKS, {"toy": FORM})
    assert set(network.shared_parameters()) == {f"trunk.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")}
    own = network.module.heads["sum"].parameters()
    assert list(map(id, network.private_parameters("sum"))) == list(map(id, own))
    assert [(part.name, part.tasks, part.parameters) for part in network_parts(network)] == [
        ("trunk", ("sum", "first"), 24),
        ("heads.sum", ("sum",), 5),
        ("heads.first", ("first",), 5),
    ]
    cost = measure_cost(network, {"toy": (3,)}, {"toy": ("sum", "first")})
    assert (cost.parameters, cost.shared_parameters, cost.multiply_adds, cost.saved_multiply_adds) == (34, 24, 3 * 4 + 2 * 4, 3 * 4)


@pytest.mark.parametrize(("model", "layer"), [("OnlyInTraining", "deeper.1"), ("Routed", "experts.1")])
def test_what_an_example_in_evaluation_does_not_reach_is_shared_too(nets: ModuleType, model: str, layer: str) -> None:
    torch.manual_seed(0)
    module = getattr(nets, model)(TASKS)
    start, drawn = module.state_dict(), torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in start.items()}
    network = ModuleNetwork(module, TASKS, {"toy": FORM})
    assert {f"{layer}.weight", f"{layer}.bias"} <= set(network.shared_parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in start.items())
    assert torch.equal(torch.get_rng_state(), drawn) and module.training
    pt.fit(module, [table()], "cagrad", tasks=TASKS, epochs=1, batch_size=16, threads=1, averaging=None, keep="last", patience=None)
    assert not torch.equal(module.state_dict()[f"{layer}.weight"], before[f"{layer}.weight"])


def test_a_parameter_that_only_some_data_share_is_named(nets: ModuleType) -> None:
    with pytest.raises(ConfigError, match=r"^parameter module.heads.sum.weight: the losses of several tasks reach .* 0 \* parameter.sum"):
        pt.fit(nets.Wavering(TASKS), [table()], "cagrad", tasks=TASKS, epochs=1, batch_size=16, threads=1)


def test_frozen_parameters_are_shared_too_but_not_trained(nets: ModuleType) -> None:
    module = nets.Table(TASKS)
    module.trunk.requires_grad_(False)  # noqa: FBT003 - PyTorch's signature
    network = ModuleNetwork(module, TASKS, {"toy": FORM})
    assert network.shared_parameters() == {}
    assert len(network.shared_parameters(trainable_only=False)) == 4
    assert not any(parameter.requires_grad for parameter in module.trunk.parameters())


def test_each_source_reaches_what_its_tasks_reach(nets: ModuleType) -> None:
    forms = {"first": InputForm((3,), ("sum", "first")), "second": InputForm((3,), ("sum",))}
    module = nets.Told(TASKS)
    network = ModuleNetwork(module, TASKS, forms)
    assert "stems.first.weight" in network.shared_parameters()
    assert "stems.second.weight" not in network.shared_parameters()
    assert network.tasks_reaching("stems.second.weight") == ("sum",)
    module.asked.clear()
    assert list(network(torch.zeros(2, 3), ["first"], "first")) == ["first"]
    assert module.asked == [("first",)]


def test_buffers_exist_once_per_source(nets: ModuleType) -> None:
    network = ModuleNetwork(nets.Table(TASKS), TASKS, {"first": FORM, "second": FORM})
    assert network.separate_buffers(network.labeled) == tuple(
        f"module.trunk.1.{b}" for b in ("running_mean", "running_var", "num_batches_tracked")
    )
    network(torch.randn(8, 3) + 5, None, "first")
    means = [network.for_source(source).module.trunk[1].running_mean for source in ("first", "second")]
    assert means[0].abs().sum() > 0 and means[1].abs().sum() == 0


def test_the_penalty_of_a_module_is_added_to_the_losses(nets: ModuleType) -> None:
    def size_after(module: nn.Module) -> float:
        run = pt.fit(module, [table()], tasks=TASKS, epochs=5, batch_size=8, lr=0.05, patience=None, averaging=None, keep="last", threads=1)
        return float(run.model.module.trunk[0].weight.detach().abs().mean())  # type: ignore[operator,union-attr]

    torch.manual_seed(0)
    plain, penalized = nets.Table(TASKS), nets.Penalized(TASKS)
    penalized.load_state_dict(plain.state_dict())
    assert size_after(penalized) < 0.5 * size_after(plain)


def test_a_method_that_needs_arguments_is_no_penalty(nets: ModuleType) -> None:
    assert ModuleNetwork(nets.OwnPenalty(TASKS), TASKS, {"toy": FORM}).penalty() is None
    assert pt.fit(nets.OwnPenalty(TASKS), [table()], tasks=TASKS, epochs=1, threads=1).epochs == 1


@pytest.mark.parametrize("balancer", ["equal", "cagrad", "uncertainty"])
def test_a_module_trains_like_the_same_network_of_polytask(balancer: str) -> None:
    """Up to rounding, as gradients of several tasks are summed in another order where the heads are known."""

    class Same(nn.Module):
        def __init__(self, built: MultiTaskModel) -> None:
            super().__init__()
            self.trunk, self.sum, self.first = built.architecture, built.head("sum"), built.head("first")

        def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
            features = self.trunk(rows, ("sum", "first"))
            return {"sum": self.sum(features["sum"]), "first": self.first(features["first"])}

    first, second = (MultiTaskModel(MLP((3,), hidden=(5,)), TASKS, initialization="framework", seed=3) for _ in range(2))
    own = pt.fit(Same(first), [table()], balancer, tasks=TASKS, epochs=2, batch_size=16, threads=1).model
    built = pt.fit(second, [table()], balancer, epochs=2, batch_size=16, threads=1).model
    for parameter, other in zip(own.parameters(), built.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-4, atol=1e-6)


def test_rates_and_frozen_parts_are_named_like_parameters(nets: ModuleType) -> None:
    module = nets.Table(TASKS)
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    factors = {"trunk": 0.0, "task:sum": 0.0}
    pt.fit(module, [table()], tasks=TASKS, epochs=1, threads=1, averaging=None, lr_multipliers=factors, freeze=("module.heads.first.bias",))
    moved = {name for name, parameter in module.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {"heads.first.weight"}


def test_a_module_reads_words_for_tasks_per_sentence_and_per_word(nets: ModuleType, tmp_path: Path) -> None:
    texts = ["to Rome", "from Oslo to Rome", "from Rome"] * 12
    words = pt.data.WordTokenizer.fit(texts)
    codes = words.encode(texts)
    places = np.full(codes.shape, None, dtype=object)
    for row, text in enumerate(texts):
        for column, word in enumerate(text.split()):
            places[row, column] = "B-place" if word.istitle() else "O"
    starts = np.array([text.split()[0] for text in texts], dtype=object)
    source = pt.Source("texts", codes, {"start": starts, "place": places}, preprocessor=words)
    tasks = (pt.tasks.Multiclass(name="start", classes=("from", "to")), pt.tasks.Tagging(name="place", classes=("B-place", "O")))
    few: dict[str, Any] = {"epochs": 12, "lr": 0.1, "batch_size": 8, "threads": 1, "patience": None}
    run = pt.train([source], tasks, model=nets.Sentences, out=tmp_path / "run", **few)
    found = pt.load(run.folder, components=[nets.Sentences]).predict(["to Rome"])
    assert (found["start"][0], found["place"][0]) == ("to", "O B-place")


def test_weights_of_the_module_are_loaded(nets: ModuleType, tmp_path: Path) -> None:
    module = nets.Table(TASKS)
    save_file(module.state_dict(), tmp_path / "start.safetensors")
    run = pt.fit(nets.Table(TASKS), [table()], tasks=TASKS, epochs=1, threads=1, initial_weights=str(tmp_path / "start.safetensors"))
    assert run.loaded_weights is not None
    assert set(run.loaded_weights.loaded) == {f"module.{name}" for name in module.state_dict()}


@pytest.mark.slow
def test_a_module_that_is_compiled_as_a_whole_hides_what_is_shared(nets: ModuleType) -> None:
    with pytest.raises(ConfigError, match="compiled as a whole does not show what its tasks share"):
        ModuleNetwork(torch.compile(nets.Table(TASKS), backend="aot_eager"), TASKS, {"toy": FORM})


def test_lazy_parameters_are_made_by_an_example(nets: ModuleType) -> None:
    first, second = (ModulePlan("own_nets:Lazy", {"toy": FORM}).build(TASKS, 4).module.state_dict() for _ in range(2))
    assert first["trunk.0.weight"].shape == (4, 3)
    assert torch.equal(first["trunk.0.weight"], second["trunk.0.weight"])


def test_a_module_keeps_the_memory_format_and_the_type_that_it_needs(nets: ModuleType) -> None:
    images = {"toy": InputForm((2, 4, 4), ("sum", "first"))}
    viewed = ModuleNetwork(nets.Viewed(TASKS), TASKS, images)
    assert not choose_precision(viewed, "float32").channels_last
    assert viewed.accepts_float64()
    assert not ModuleNetwork(nets.Single(TASKS), TASKS, {"toy": FORM}).accepts_float64()


def test_a_plan_seeds_the_generator_and_restores_it(nets: ModuleType) -> None:
    plan = ModulePlan("own_nets:Table(width=6)", {"toy": FORM})
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (plan.build(TASKS, seed).module.trunk[0].weight for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert first.shape == (6, 3)
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert ModulePlan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(("model", "form"), [("of_a_matrix", FORM), ("of_vectors", InputForm((5,), FORM.tasks, "codes", "int64"))])
def test_networks_share_no_memory_with_each_other(nets: ModuleType, model: str, form: InputForm) -> None:
    plan = ModulePlan(f"own_nets:{model}", {"toy": form})
    first = plan.build(TASKS, 0)
    start = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    for tensor in first.state_dict().values():
        tensor.add_(1)
    assert all(torch.equal(tensor, start[name]) for name, tensor in plan.build(TASKS, 0).state_dict().items())
    if model == "of_a_matrix":
        module = first.module
        assert module.tied.weight is module.trunk[0].weight and torch.equal(module.matrix, nets.MATRIX + 3)  # named three times


def test_a_network_from_a_matrix_is_trained_alike_every_time(nets: ModuleType) -> None:
    before = nets.MATRIX.clone()
    given: dict[str, Any] = {"model": nets.of_a_matrix, "epochs": 2, "lr": 0.1, "batch_size": 16, "threads": 1, "seed": 0}
    first, *others = (pt.train([table()], TASKS, **given).validation for _ in range(3))
    assert others == [first, first]
    assert torch.equal(nets.MATRIX, before)


FAULTS = [
    (
        "Faulty(fault=tensor)",
        "forward must return a dict of outputs by task (found a tensor of shape (3, 1)). Return {'sum': …, 'first': …}.",
    ),
    ("Faulty(fault=list)", "forward must return a dict of outputs by task (found list)"),
    ("Faulty(fault=missing)", "task 'sum': forward returns no output of a task (found outputs of first)"),
    ("Faulty(fault=extra)", "forward returns an output of no task (found 'colour'). Return outputs only of the tasks"),
    ("Faulty(fault=flat)", "task 'sum': the output for 3 inputs must have the shape (3, 1) (found (3,))"),
    ("Faulty(fault=wide)", "task 'sum': the output for 3 inputs must have the shape (3, 1) (found (3, 2))"),
    ("Faulty(fault=averaged)", "task 'sum': the output for 3 inputs must have the shape (3, 1) (found (1, 1))"),
    ("Faulty(fault=number)", "task 'sum': an output must be a tensor of real numbers (found float)"),
    ("Faulty(fault=integer)", "task 'sum': an output must be a tensor of real numbers (found a tensor of torch.int64)"),
    ("Faulty(fault=undefined)", "task 'sum': outputs must be finite numbers (found NaN or infinity for inputs of source 'toy')"),
    ("Faulty(fault=detached)", "task 'sum': the outputs of this task depend on no parameter. Leave out detach()"),
    (
        "Faulty(fault=crash)",
        "source 'toy': the network cannot process inputs of the shape (3, 3) and type torch.float32 (found RuntimeError: mat1",
    ),
    ("Stateful", "_extra_state: the state of a network must be tensors (found dict). Leave out get_extra_state"),
    ("Auxiliary", "model own_nets:Auxiliary: forward must return a dict of outputs by task (found tuple)"),
    ("Bare", "the network has no parameters to train (found Bare)"),
    ("nothing", "the function must return a torch.nn.Module (found None)"),
    ("failing", "making the network for sum fails (found ValueError: I need two tasks)"),
    ("leaving", "making the network for sum, first fails (found SystemExit: 3)"),
    ("Leaving", "model own_nets:Leaving: forward ends the program (found SystemExit: bye). Raise another error"),
    ("for_all", "forward returns an output of no task (found 'first'). Return outputs only of the tasks that make(tasks, seed) is called"),
    ("kept", "a network shares a parameter with one that was made before (found trunk.0.weight)"),
    ("kept_trunk", "a network shares a parameter with one that was made before (found trunk.0.weight)"),
    (
        "of_the_clock",
        "the same seed must give the same weights (found trunk.0.weight). Draw random numbers from PyTorch's global generator",
    ),
    ("without_seed", "a model factory is called with `tasks` and `seed` (found got an unexpected keyword argument 'seed')"),
    ("wants_more", "a model factory is called with `tasks` and `seed` (found missing a required argument: 'classes')"),
    ("wants_more(clases=3)", "a model factory is called with `tasks` and `seed` (found missing a required argument: 'classes')"),
    ("tabel", "the module has no such function (found own_nets:tabel)"),
    ("_KEPT", "the module has no such function (found own_nets:_KEPT)"),
]


@pytest.mark.parametrize(("model", "text"), FAULTS, ids=[model for model, _ in FAULTS])
def test_a_careless_model_is_refused_in_one_line_before_anything_is_written(
    nets: ModuleType, tmp_path: Path, model: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        pt.study(
            [table()], TASKS, test=lambda: (table(),), model=f"own_nets:{model}", arms=["single", "equal"], seeds=2, out=tmp_path / "run"
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "run.yaml").exists()


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"architecture": "mmoe"}, "architecture: a model of your own has no such part (found mmoe). Leave it out"),
        ({"initialization": "he"}, "initialization: a model of your own has no such part"),
        ({"hidden": (8,)}, "hidden: a model of your own has no such part"),
        ({"encoder": "mlp"}, "encoder: a model of your own has no such part"),
        ({"encoder_options": {"hidden": (3,)}}, "encoder_options: a model of your own has no such part"),
        ({"arms": ["single", "equal@mmoe"]}, "arm 'equal@mmoe': a model of your own has no such part (found mmoe)"),
        ({"arms": ["single", "equal@hard@encoder(hidden=[3])"]}, "a model of your own has no such part"),
        (
            {"arms": ["single", "rotograd"]},
            "a network of your own does not tell the inputs of its heads, which this needs (found RotoGrad)",
        ),
        ({"training": {"gradient_route": "batched"}}, "gradient_route: a network of your own does not tell the inputs of its heads"),
        ({"training": {"layer_decay": 0.5}}, "layer_decay: this network has no layer groups (found 0.5)"),
    ],
)
def test_parts_that_a_model_of_ones_own_does_not_have(nets: ModuleType, choices: dict[str, Any], text: str) -> None:
    given = {"arms": ["single", "equal"], "seeds": 2, "model": nets.Table, **choices}
    with pytest.raises(ConfigError, match=re.escape(text)):
        pt.Study([table()], TASKS, test=lambda: (table(),), **given).run()


def test_factories_are_written_as_import_paths(nets: ModuleType) -> None:
    ways = (nets.Table, "own_nets:Table", functools.partial(nets.Table, width=3), "own_nets:Table(width=3)")
    assert [factory_written(way) for way in ways] == ["own_nets:Table"] * 2 + ["own_nets:Table(width=3)"] * 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (nn.Linear(1, 1), "every network of a run is a new one (found the PyTorch module Linear). Give a function make(tasks, seed)"),
        (lambda tasks, seed: nn.Linear(1, 1), "files and worker processes refer to a function by its import path"),
        (type("Inner", (nn.Module,), {"__qualname__": "f.<locals>.Inner"}), "a class inside a function cannot be stored or sent"),
        (3, "a function that makes networks is needed (found 3)"),
        ("own_nets.Table", "a model is named by an import path (found 'own_nets.Table'). Write it as package.module:make"),
        (
            "no_such_module:make",
            "(found no_such_module:make: No module named 'no_such_module'). Install its package, or name its folder with --import-path",
        ),
    ],
)
def test_what_is_no_model(given: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        factory_written(given)
    assert str(caught.value).startswith("model: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "tasks", "text"),
    [
        (nn.Linear(3, 1), None, "a module does not tell its tasks, which are needed (found the PyTorch module Linear). Give its tasks too"),
        (TASKS, TASKS, "tasks are given twice"),
        (MultiTaskModel(MLP((3,)), TASKS), TASKS, "a network has its tasks already"),
    ],
)
def test_fit_wants_the_tasks_once(model: Any, tasks: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        pt.fit(model, [table()], tasks=tasks)
