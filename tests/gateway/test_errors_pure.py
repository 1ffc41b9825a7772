"""Every error that a lower app can raise has its answer."""

from __future__ import annotations

import inspect

import pytest

from accounts import errors as accounts
from gateway.errors import TABLE, translate
from providers import errors as providers


def _leaves(module: object, root: type[Exception]) -> list[type[Exception]]:
    members = inspect.getmembers(module, inspect.isclass)
    return [kind for _, kind in members if issubclass(kind, root) and not kind.__subclasses__()]


KNOWN = _leaves(accounts, accounts.Refused) + _leaves(providers, providers.ProviderError)


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_an_error_has_a_status_and_the_whole_envelope(kind: type[Exception]) -> None:
    error = kind("gpt") if kind is providers.UnknownModel else kind()
    answer = translate(error)
    assert 400 <= answer.status < 600
    assert any(known in TABLE for known in kind.__mro__)
    assert set(answer.envelope["error"]) == {"message", "type", "param", "code"}
    assert answer.message


def test_what_nobody_foresaw_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    answer = translate(ZeroDivisionError("secret sauce"))
    assert answer.status == 500
    assert "sauce" not in answer.message
    assert "ZeroDivisionError" in caplog.text
