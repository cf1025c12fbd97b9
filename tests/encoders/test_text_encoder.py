"""The encoder of sentences: padding changes nothing, and words stay words."""

from __future__ import annotations

import pytest
import torch

from polytask.encoders import TextEncoder
from polytask.errors import ConfigError

FORMS = pytest.mark.parametrize("form", ["gru", "transformer"])


def encoder(form: str, **options: object) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder((6,), words=12, variant=form, embedding=6, width=8, **options).eval()  # type: ignore[arg-type]


@FORMS
def test_more_padding_changes_nothing(form: str) -> None:
    text = encoder(form)
    short, long = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 4, 5, 0, 0, 0, 0]])
    a, b = text(short), text(long)
    assert torch.allclose(a, b[:, :4], atol=1e-6)
    assert not b[:, 4:].any()


@FORMS
def test_rows_do_not_know_of_each_other(form: str) -> None:
    text = encoder(form)
    rows = torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0]])
    assert torch.allclose(text(rows)[1:], text(rows[1:]), atol=1e-6)


@FORMS
def test_a_sentence_without_words_is_zeros_with_finite_gradients(form: str) -> None:
    text = encoder(form).train()
    features = text(torch.tensor([[0, 0, 0], [4, 0, 0]]))
    assert not features[0].any()
    features.square().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in text.parameters() if p.grad is not None)


@FORMS
def test_words_see_their_context_on_both_sides(form: str) -> None:
    text = encoder(form)
    middle = [text(torch.tensor([row]))[0, 2] for row in ([3, 4, 5], [9, 4, 5], [3, 4, 9])]
    assert not torch.allclose(middle[0], middle[1])
    assert not torch.allclose(middle[0], middle[2])


def test_unknown_words_are_learned_from_forgotten_ones() -> None:
    text = encoder("gru", word_dropout=0.5, dropout=0.0).train()
    text(torch.full((50, 6), 7)).sum().backward()
    gradient = text.stem.table.weight.grad  # type: ignore[union-attr]
    assert gradient[1].any()
    assert not gradient[0].any()


def test_gates_see_the_mean_over_words() -> None:
    text = encoder("gru")
    seen = [text.summary(text.stem(torch.tensor([row]))) for row in ([3, 4, 0], [4, 3, 0], [3, 4, 0])]
    assert torch.allclose(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"variant": "lstm"}, "unknown variant"),
        ({"words": 1}, "sizes must be at least 1, `words` at least 2"),
        ({"width": 7}, "divisible by 2"),
        ({"variant": "transformer", "width": 6}, "divisible by 4"),
        ({"dropout": 1.0}, "', dropout: a rate must be at least 0 and below 1"),
        ({"word_dropout": -0.1}, "', word_dropout: a rate must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        TextEncoder((6,), **({"words": 9} | options))  # type: ignore[arg-type]


def test_images_are_no_sentences() -> None:
    with pytest.raises(ConfigError, match="codes of words"):
        TextEncoder((1, 28, 28), words=9)
