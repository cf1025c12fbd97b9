"""Heads that depend on heads: what feeds what, whose parameters are shared, and products of probabilities."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from polytask import Study, fit
from polytask.architectures import AITM, MultiTaskModel, NetworkPlan, network_parts
from polytask.architectures.task_graphs.esmm import logit_of_product
from polytask.balancing.factory import balancer_named
from polytask.data import Source, Sources, conditional_labels, entire_space_labels
from polytask.encoders import MLP, TextEncoder
from polytask.errors import ConfigError, DataError
from polytask.gradients import Backward
from polytask.tasks import Binary, Multiclass, Regression, Tagging, Task

TASKS: tuple[Task, ...] = (Binary(name="click"), Binary(name="buy"), Regression(name="spent"))
NAMES = ("click", "buy", "spent")
EDGES = "task-graph(edges=[[click, buy], [buy, spent], [click, spent]])"
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 20, "threads": 1, "precision": "float32", "patience": None}


def network(spelled: str, hidden: tuple[int, ...] = (3,), tasks: tuple[Task, ...] = TASKS) -> MultiTaskModel:
    return MultiTaskModel(MLP((4,), hidden=(8, 6)), tasks, architecture=spelled, hidden=hidden, initialization="framework")


def losses_of(model: MultiTaskModel) -> dict[str, torch.Tensor]:
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    return {task: (output - 0.3).square().mean() for task, output in model(x).items()}


def test_an_edge_is_the_hidden_state_beside_the_features() -> None:
    model, x = network(EDGES).eval(), torch.randn(5, 4)
    z = model.architecture(x, NAMES)["click"]
    click, buy, spent = (cast("torch.nn.Sequential", model.head(task)) for task in NAMES)
    u = click[:-1](z)
    v = buy[:-1](torch.cat([z, u], 1))
    by_hand = {"click": click(z), "buy": buy(torch.cat([z, u], 1)), "spent": spent(torch.cat([z, v, u], 1))}
    outputs = model(x)
    assert all(torch.equal(outputs[task], by_hand[task]) for task in NAMES)
    assert torch.equal(model(x, ("spent",))["spent"], by_hand["spent"])


def test_without_hidden_layers_features_go_on() -> None:
    model = network("task-graph(edges=[[click, buy]])", hidden=())
    assert model.head("buy")[0].in_features == 12  # type: ignore[index, union-attr]
    assert model(torch.zeros(2, 4))["buy"].shape == (2, 1)


@pytest.mark.parametrize("spelled", [EDGES, "esmm", "aitm", "hard"])
def test_shared_parameters_are_those_that_autograd_finds(spelled: str) -> None:
    model = network(spelled).eval()
    parameters = {id(p): p for p in model.parameters()}
    counts = dict.fromkeys(parameters, 0)
    for loss in losses_of(model).values():
        found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
        for key, gradient in zip(parameters, found, strict=True):
            counts[key] += gradient is not None
    assert {id(p) for p in model.shared_parameters().values()} == {key for key, count in counts.items() if count > 1}
    reached = {part.name: part.tasks for part in network_parts(model)}
    assert reached["head of click"] == tuple(task for task in NAMES if "click" in model.architecture.reachable_heads(task))


@pytest.mark.parametrize("spelled", [EDGES, "esmm", "aitm"])
@pytest.mark.parametrize("balancer", ["equal", "pcgrad", "uncertainty", "famo", "gradnorm", "metabalance"])
def test_balancers_go_with_it(spelled: str, balancer: str) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4)).astype("float32")
    clicked = (x[:, 0] > 0).astype(object)
    bought = entire_space_labels((x[:, 1] > 0).astype(object), clicked)
    bought[::6] = None
    source = Source("shop", x, {"click": clicked, "buy": bought, "spent": x[:, 2].astype(float)})
    run = fit(network(spelled, tasks=(Binary(name="click", classes=(False, True)), *TASKS[1:])), [relabeled(source)], balancer, **QUICK)
    assert all(bool(torch.isfinite(value).all()) for value in run.model.state_dict().values())


def relabeled(source: Source) -> Source:
    labels = dict(source.labels) | {"buy": np.array([None if v is None else int(v) for v in source.labels["buy"]], dtype=object)}
    return Source(source.name, source.inputs, labels)


def test_methods_of_representations_are_told_that_heads_are_shared() -> None:
    model = network(EDGES)
    z = model.architecture(torch.randn(5, 4), NAMES)
    losses = {task: output.mean() for task, output in model.outputs(z).items()}
    backward = Backward(balancer_named("graddrop", {}, {}), tasks=NAMES, shared=model.shared_parameters(), model=model)
    with pytest.raises(ConfigError, match=r"must reach shared parameters only through .features."):
        backward(losses, features=[z["click"]])


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        ("task-graph(edges=[[click, sell]])", "there is no such task"),
        ("task-graph(edges=[[click, buy], [buy, click]])", "edges must not form a cycle"),
        ("task-graph(edges=[[click, click]])", "edges must not form a cycle"),
        ("task-graph(edges=[click])", "an edge must be a pair"),
        ("task-graph(edges=[[click, buy, spent]])", "an edge must be a pair"),
        ("esmm(chain=[click, sell])", "there is no such task"),
        ("esmm(chain=[click, click])", "each task may occur once"),
        ("esmm(chain=[click, spent])", "only binary tasks can be part of a chain.*regression"),
        ("aitm(size=0)", "`size` must be at least 1"),
        ("aitm(calibration=-1)", "`calibration` finite and at least 0"),
    ],
)
def test_what_cannot_be_is_one_line(spelled: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network(spelled)
    assert pytest.importorskip("re").search(text, str(caught.value))


def test_of_a_sentence_and_its_words() -> None:
    tasks = (Multiclass(name="intent", classes=("a", "b")), Tagging(name="slots", classes=("O", "B-x")))
    text = TextEncoder((5,), words=9, embedding=4, width=4)
    model = MultiTaskModel(text, tasks, architecture="task-graph(edges=[[intent, slots]])", hidden=(3,))
    assert {task: tuple(y.shape) for task, y in model(torch.ones(2, 5, dtype=torch.int64)).items()} == {
        "intent": (2, 2),
        "slots": (2, 5, 2),
    }
    with pytest.raises(ConfigError, match="tokens cannot feed"):
        MultiTaskModel(text, tasks, architecture="task-graph(edges=[[slots, intent]])", hidden=(3,))


def test_an_esmm_chain_is_the_product_of_its_heads() -> None:
    tasks = (*TASKS[:2], Binary(name="return"), TASKS[2])
    model = network("esmm", tasks=tasks).double().eval()
    x = torch.randn(7, 4, dtype=torch.float64)
    z = model.architecture(x, ("click",))["click"]
    own = {task.name: torch.sigmoid(model.head(task.name)(z)) for task in tasks}
    outputs = {task: torch.sigmoid(y) for task, y in model(x).items()}
    assert torch.allclose(outputs["click"], own["click"], atol=1e-12)
    assert torch.allclose(outputs["buy"], own["click"] * own["buy"], atol=1e-12)
    assert torch.allclose(outputs["return"], own["click"] * own["buy"] * own["return"], atol=1e-12)
    assert torch.equal(model(x)["spent"], model.head("spent")(z))
    assert torch.equal(model(x, ("buy",))["buy"], model(x)["buy"])


@pytest.mark.parametrize("a", [-100.0, -1.0, 0.0, 1.0, 100.0])
@pytest.mark.parametrize("b", [-100.0, 0.0, 100.0])
def test_logits_of_products_are_exact_at_the_ends(a: float, b: float) -> None:
    logits = [torch.tensor(value, dtype=torch.float32, requires_grad=True) for value in (a, b)]
    output = logit_of_product(logits)
    output.backward()  # type: ignore[no-untyped-call]
    exact = [torch.tensor(value, dtype=torch.float64) for value in (a, b)]
    log_p = sum(torch.nn.functional.logsigmoid(value) for value in exact)
    log_q = torch.logaddexp(
        torch.nn.functional.logsigmoid(-exact[0]), torch.nn.functional.logsigmoid(exact[0]) + torch.nn.functional.logsigmoid(-exact[1])
    )
    assert output.item() == pytest.approx(float(log_p - log_q), rel=1e-5, abs=1e-5)
    assert all(bool(torch.isfinite(logit.grad)) for logit in logits)  # type: ignore[arg-type]


def test_slopes_of_products_are_right() -> None:
    logits = tuple(torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda *given: logit_of_product(given), logits)


def test_aitm_without_a_task_before_is_a_tower() -> None:
    chained, alone = network("aitm(chain=[click, buy])").eval(), network("aitm(chain=[])").eval()
    x = torch.randn(5, 4)
    assert torch.equal(chained(x)["click"], alone(x)["click"])
    assert torch.equal(chained(x)["spent"], alone(x)["spent"])
    assert not torch.equal(chained(x)["buy"], alone(x)["buy"])


def test_aitm_hears_what_the_paper_says() -> None:
    model = network("aitm(size=5)").eval()
    sharing, x = cast("AITM", model.architecture), torch.randn(6, 4)
    z = sharing.hard(x, ("click",))["click"]
    first = torch.relu(sharing.towers["head_click"](z))
    own, heard = torch.relu(sharing.towers["head_buy"](z)), torch.relu(sharing.passes["head_buy"](first))
    maps = sharing.transfers["head_buy"].maps  # type: ignore[union-attr]
    scores = torch.stack([(maps[0](u) * maps[1](u)).sum(1) / 5**0.5 for u in (heard, own)])  # type: ignore[index]
    weights = torch.softmax(scores, 0)
    by_hand = weights[0, :, None] * maps[2](heard) + weights[1, :, None] * maps[2](own)  # type: ignore[index]
    assert torch.allclose(sharing(x, ("buy",))["buy"], by_hand, atol=1e-6)


def test_the_calibration_is_what_later_tasks_are_too_probable() -> None:
    model = network("aitm(calibration=2.0)").train()
    outputs = model(torch.randn(6, 4))
    excess = torch.relu(torch.sigmoid(outputs["buy"]) - torch.sigmoid(outputs["click"])).mean()
    penalty = model.architecture.penalty()
    assert penalty is not None
    assert torch.allclose(penalty, 2.0 * excess)
    assert model.architecture.penalty() is None


def test_conditional_labels_there_and_back() -> None:
    clicked = np.array([1, 1, 0, None, 1], dtype=object)
    bought = np.array([1, 0, 0, 1, None], dtype=object)
    assert conditional_labels(bought, clicked).tolist() == [1, 0, None, None, None]
    assert entire_space_labels(conditional_labels(bought, clicked), clicked).tolist() == [1, 0, 0, None, None]
    with pytest.raises(DataError, match="must have the same shape"):
        conditional_labels(bought[:2], clicked)


@pytest.mark.parametrize(
    "spelled", ["mtan", "adapters", "mmoe", "ple", "lora", "film", "aitm", "task-layers(paths=[layers.1.0])", "separate"]
)
def test_what_lies_below_representations_and_is_one_task_s_own_is_trained(spelled: str) -> None:
    """Masks, gates, adapters: through the representations they get the plain gradient of their task."""
    model = network(spelled).eval()
    z = model.architecture(torch.randn(9, 4), NAMES)
    losses = {task: (output - 0.3).square().mean() for task, output in model.outputs(z).items()}
    shared = {id(p) for p in model.shared_parameters().values()}
    own = [p for p in model.parameters() if id(p) not in shared]
    expected = torch.autograd.grad(sum(losses.values()), own, retain_graph=True)  # type: ignore[arg-type]
    backward = Backward(balancer_named("graddrop", {}, {}), tasks=NAMES, shared=model.shared_parameters(), model=model)
    backward(losses, features=list({id(v): v for v in z.values()}.values()))
    assert all(p.grad is not None and torch.allclose(p.grad, g, atol=1e-6) for p, g in zip(own, expected, strict=True))


@pytest.mark.parametrize(
    ("spelled", "left"),
    [
        ("task-graph(edges=[[a, b], [b, c]])", "task-graph(edges=[[b, c]])"),
        ("esmm(chain=[a, b, c])", "esmm(chain=[b, c])"),
        ("aitm(chain=[a, c])", "aitm(chain=[c])"),
        ("esmm", "esmm"),
        ("mmoe(experts=3)", "mmoe(experts=3)"),
        ("task-graph(edges=[[b, c]])", "task-graph(edges=[[b, c]])"),
    ],
)
def test_a_network_without_a_task_has_no_edges_to_it(spelled: str, left: str) -> None:
    plan = NetworkPlan("mlp", (3,), architecture=spelled).without_tasks(["a"])
    assert plan.architecture == left
    plan.build([Binary(name="b"), Binary(name="c")], seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("spelled", ["task-graph(edges=[[a, b]])", "esmm(chain=[a, b])", "aitm(chain=[a, b])"])
def test_studies_compare_graphs_with_single_tasks(spelled: str) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    labels = {"a": (x[:, 0] > 0).astype(int), "b": ((x[:, 0] > 0) & (x[:, 1] > 0)).astype(int)}
    sources = Sources((Source("table", x, labels),), lambda: (Source("table", 1.01 * x, labels),))
    tasks = [Binary(name=name, classes=(0, 1)) for name in labels]
    study = Study(sources, tasks, arms=["single", "equal"], architecture=spelled, encoder="mlp", seeds=2, workers=1, training={"epochs": 1})
    assert set(study.run().verdict.tasks) == {"a", "b"}


def test_esmm_needs_a_binary_task() -> None:
    with pytest.raises(ConfigError, match=r"architecture 'esmm': a task of this kind is needed: binary .found regression."):
        network("esmm", tasks=(Regression(name="a"), Regression(name="b")))
    assert network("esmm", tasks=(Regression(name="a"),)) is not None, "the network of a single task in a study"
