"""The upstream that a request names itself, where its key may: a target for this one call.

Nothing of ours goes to an address of the caller's choosing: neither the secret of a provider's row nor its headers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.litellm.words import ADAPTERS as WORDS
from gateway.options import Override
from providers.adapters import ADAPTERS, needs_url
from providers.addresses import AddressRefused, check_url
from providers.targets import Route, Target, Upstream

# What such a provider is called in headers, records and price lists.
NAME = "override"


def target_of(route: Route, override: Override) -> Target:
    """Return where the call goes instead; one of the route's own where ``override`` says no more than which.

    Raises ``Invalid``, never with the key in it.
    """
    like = _like(route, override.provider)
    adapter = like.provider.adapter if like is not None else _adapter(override.provider)
    if not (override.base_url or override.api_key):
        return _narrowed(like, override)
    provider = Upstream(
        name=NAME,
        adapter=adapter,
        base_url=_address(adapter, like, override),
        secret=override.api_key,
        options=_options(like, override),
        quirks=like.provider.quirks if like is not None and not override.base_url else ADAPTERS[adapter].quirks,
        price_book=NAME,
    )
    return _of(like or next(iter(route.targets), None), provider, route.model)


def _like(route: Route, said: str) -> Target | None:
    """Return the route's target that the request means: the first, or the first of the provider that it names."""
    if not said:
        if not route.targets:
            raise Invalid("This model has no upstream to put another in place of: name one.", "custom_llm_provider")
        return route.targets[0]
    adapter = WORDS.get(said, said)
    named = (target for target in route.targets if said == target.provider.name or adapter == target.provider.adapter)
    return next(named, None)


def _adapter(said: str) -> str:
    adapter = WORDS.get(said, said)
    if adapter not in ADAPTERS or adapter == "demo":
        raise Invalid(
            f"Invalid value for 'custom_llm_provider': '{said}' is no provider known here.", "custom_llm_provider"
        )
    return adapter


def _narrowed(like: Target | None, override: Override) -> Target:
    """The gateway's own account, and of it one provider or another version of its API."""
    if like is None:
        message = "Missing required parameter: 'api_key'. The gateway has no account there for this model."
        raise Invalid(message, "api_key", "missing_required_parameter")
    if not override.api_version:
        return like
    options = {**like.provider.options, "api_version": override.api_version}
    return replace(like, provider=replace(like.provider, options=options), cooldown=None)


def _of(like: Target | None, provider: Upstream, model: str) -> Target:
    """A bad key of one caller says nothing about anybody's upstream: such a target never cools."""
    if like is None:
        return Target(0, provider, model, cooldown=None)
    return Target(
        0,
        provider,
        like.upstream_model,
        timeout=like.timeout,
        context_window=like.context_window,
        max_output=like.max_output,
        refuses=like.refuses,
        cooldown=None,
    )


def _address(adapter: str, like: Target | None, override: Override) -> str:
    if not override.base_url:
        if like is None and needs_url(adapter):
            raise Invalid("Missing required parameter: 'api_base'.", "api_base", "missing_required_parameter")
        return like.provider.base_url if like is not None else ADAPTERS[adapter].base_url
    try:
        check_url(override.base_url, allow_private=_is_private_allowed(like))
    except AddressRefused as error:
        raise Invalid(f"Invalid value for 'api_base': {error}.", "api_base") from None
    return override.base_url


def _options(like: Target | None, override: Override) -> dict[str, Any]:
    known = dict(like.provider.options) if like is not None else {}
    if override.base_url:
        known = {name: known[name] for name in ("timeouts", "allow_private") if name in known}
    known.pop("headers", None)
    return {**known, **({"api_version": override.api_version} if override.api_version else {})}


def _is_private_allowed(like: Target | None) -> bool:
    return like is not None and like.provider.options.get("allow_private") is True
