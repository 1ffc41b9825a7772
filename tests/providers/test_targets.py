"""From a model's public name to its targets."""

from __future__ import annotations

import pytest

from providers.errors import UnknownModel
from providers.targets import Route, RouteTable, Target, Upstream

UP = Upstream("up", "openai", "https://example.com/v1", "sk-very-secret", {"headers": {"x-key": "sk-other-secret"}})


CHAT = "chat.completions"


def route(model: str, upstream_model: str = "", **fields: object) -> Route:
    return Route(model, targets=(Target(1, UP, upstream_model),), **fields)


TABLE = RouteTable(
    [
        route(
            "gpt-4o", "gpt-4o-2026", aliases=("latest", "gpt-4o-mini"), operations=("chat.completions",), default=True
        ),
        route("plain", aliases=("other-plain",)),
        route("gpt-4o-mini", "mini"),
        route("*", "catch-all"),
        route("openai/*"),
        route("openai/gpt-*", "prefixed"),
        route("claude-*"),
        route("local/*", "team/*"),
    ]
)


@pytest.mark.parametrize(
    ("model", "upstream_model"),
    [
        ("gpt-4o", "gpt-4o-2026"),
        ("latest", "gpt-4o-2026"),
        ("gpt-4o-mini", "mini"),
        ("plain", "plain"),
        ("other-plain", "plain"),
        ("openai/o3", "o3"),
        ("openai/gpt-5", "prefixed"),
        ("claude-opus", "claude-opus"),
        ("local/llama", "team/llama"),
        ("anything", "catch-all"),
        ("openai/", "catch-all"),
    ],
)
def test_a_name_an_alias_or_the_longest_prefix_decides(model, upstream_model):
    assert TABLE.resolve(model).targets[0].upstream_model == upstream_model


def test_a_family_is_known_by_the_name_that_was_called():
    assert TABLE.resolve("openai/o3").model == "openai/o3"
    assert TABLE.resolve("latest").model == "gpt-4o"


@pytest.mark.parametrize("model", ["x", "", "x" * 5000])
def test_an_unknown_model_is_named(model):
    table = RouteTable([route("gpt-4o"), route("openai/*")])
    with pytest.raises(UnknownModel) as caught:
        table.resolve(model)
    assert len(str(caught.value)) <= 200


def test_absurd_names_belong_to_no_family():
    with pytest.raises(UnknownModel):
        TABLE.resolve("openai/" + "x" * 500)


def test_the_list_has_names_and_no_families():
    assert [each.model for each in TABLE.listed()] == ["gpt-4o", "plain", "gpt-4o-mini"]


def test_the_default_is_of_an_operation():
    assert TABLE.default_for(CHAT).model == "gpt-4o"
    assert TABLE.default_for("embeddings") is None


def test_no_repr_has_a_secret():
    assert "secret" not in repr(TABLE.resolve("gpt-4o"))
