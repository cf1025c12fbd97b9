"""What is registered while a program runs, and what installed packages offer."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from polytask.balancing import CAGrad
from polytask.errors import ConfigError
from polytask.registry import ComponentSpec, find, load_class, names, register, registered
from polytask.registry.registered import registrations, spec_of, take_over
from polytask.registry.resolve import resolve


def test_by_import_path_nothing_is_imported_before_it_is_used(clean: None) -> None:
    register("balancer", "later", "nowhere.at.all:Later")
    assert "later" in names("balancer")
    with pytest.raises(ConfigError, match="the class cannot be imported"):
        load_class(find("balancer", "later"))


def test_a_class_is_registered_as_it_is(clean: None) -> None:
    class Mine(CAGrad):  # type: ignore[misc]
        """Mine."""

    register("balancer", "mine", Mine)
    assert resolve("balancer", "mine(c=0.2)").cls is Mine
    assert str(Mine(c=0.2)) == "mine(c=0.2)"
    register("balancer", "mine", Mine)
    assert names("balancer").count("mine") == 1, "twice is once"


@pytest.mark.parametrize(
    ("group", "name", "component", "text"),
    [
        ("balancer", "equal", "mypkg.mod:Mine", "this name is taken"),
        ("balancer", "smooth-weights", "mypkg.mod:Mine", "this name is taken"),
        ("balancer wrapper", "equal", "mypkg.mod:Mine", "this name is taken"),
        ("balancer", "mine", "mypkg.mod", "must be a class or an import path"),
        ("balancer", "mine", 3, "must be a class or an import path"),
        ("balancer", "mine", CAGrad(), "must be a class or an import path"),
        ("ballancer", "mine", "mypkg.mod:Mine", "unknown group of components. Did you mean 'balancer'"),
        ("balancer", "mine", int, "Derive it from Balancer"),
        ("encoder", "mine", CAGrad, "Derive it from Encoder"),
        ("balancer", "MyMethod", "mypkg.mod:Mine", "such as my-method"),
    ],
)
def test_what_cannot_be_registered(clean: None, group: str, name: str, component: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        register(group, name, component)
    assert "\n" not in str(caught.value)


def test_groups_are_written_with_hyphens_or_spaces(clean: None) -> None:
    register("task-kind", "mine", "mypkg.mod:Mine")
    assert find("task-kind", "mine") == find("task kind", "mine")


def test_one_name_in_two_groups(clean: None) -> None:
    register("encoder", "equal", "mypkg.mod:Mine")
    assert find("encoder", "equal").target == "mypkg.mod:Mine"


def test_another_process_takes_registrations_over(theirs: str) -> None:
    register("balancer", "theirs", f"{theirs}:Mine")
    sent = registrations()
    registered._registered.clear()
    assert "theirs" not in names("balancer")
    take_over(sent)
    assert resolve("balancer", "theirs").cls.__name__ == "Mine"


@pytest.fixture
def offered(clean: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets installed packages offer components."""

    def offer(**points: str) -> None:
        found = [EntryPoint(name.replace("__", "."), value, "polytask.components") for name, value in points.items()]
        monkeypatch.setattr(registered, "entry_points", lambda group: found)
        registered.installed.cache_clear()

    yield offer
    registered.installed.cache_clear()


def test_installed_packages_offer_components(offered: Any, theirs: str) -> None:
    offered(**{"balancer__theirs": f"{theirs}:Mine", "balancer-wrapper__theirs-twice": f"{theirs} : Twice"})
    assert resolve("balancer", "theirs-twice:theirs(weight=2)").text == "theirs-twice:theirs(weight=2)"
    assert spec_of(load_class(find("balancer", "theirs")), "balancer").display == "my weights"


def test_a_broken_one_disturbs_nobody_before_it_is_used(offered: Any) -> None:
    offered(balancer__broken="nowhere.at.all:Broken", nonsense="x", balancer__Odd="y:Z")
    assert "broken" in names("balancer")
    assert resolve("balancer", "equal").name == "equal"
    with pytest.raises(ConfigError, match=r"the class cannot be imported \(found nowhere.at.all:Broken") as caught:
        resolve("balancer", "broken")
    assert "\n" not in str(caught.value)


def test_two_packages_of_one_name_are_refused_on_use(offered: Any, theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [EntryPoint("balancer.same", value, "polytask.components") for value in ("one.mod:Same", "other.mod:Same")]
    monkeypatch.setattr(registered, "entry_points", lambda group: found)
    registered.installed.cache_clear()
    with pytest.raises(ConfigError, match=r"two packages offer a balancer of this name \(found one.mod:Same and other.mod:Same\)"):
        find("balancer", "same")


def test_what_ships_keeps_its_name(offered: Any) -> None:
    offered(balancer__equal="nowhere.at.all:Equal")
    assert find("balancer", "equal").target == "polytask.balancing.loss_based.equal:Equal"


def test_a_class_declares_itself(theirs: str) -> None:
    mine = resolve("balancer", f"{theirs}:Mine").cls
    assert spec_of(mine, "balancer") == ComponentSpec(
        "balancer", "mine", f"{theirs}:Mine", "all weights alike", display="my weights", ranges=mine.spec.ranges
    )
