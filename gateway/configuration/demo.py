"""The demo provider: its routes and prices, made at first start for trying out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction

from accounts.audit import audited
from billing.models import Price
from providers.models import ModelRoute, Provider, Target
from providers.operations import MEDIA

NAME = "demo"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ROUTES = {
    "demo": {
        "operations": ["chat.completions", "completions", "embeddings", "moderations", "rerank", *sorted(MEDIA)],
        "default": True,
    },
    "demo-embedding": {"operations": ["embeddings"], "default": False},
}
USD_PER_MILLION = {"input": Decimal(1), "output": Decimal(2)}
# of sound, what is heard is read and what is said is written, by the character; a length is cheap
OF_SOUND = {"audio_in": Decimal(1), "character": Decimal(1), "second": Decimal(1)}
PRICES = {"demo": USD_PER_MILLION | OF_SOUND, "demo-embedding": USD_PER_MILLION}


@transaction.atomic
def seed_demo(actor: str = "first start") -> bool:
    """Make what is missing of the demo provider, leave what is there; return whether anything was made."""
    with audited(actor):
        provider, made = Provider.objects.get_or_create(name=NAME, defaults={"adapter": "demo", "price_book": NAME})
        made_any = [made]
        for model, fields in ROUTES.items():
            made_any += [_route(provider, model, fields), *(_price(model, name) for name in PRICES[model])]
    return any(made_any)


def _route(provider: Provider, model: str, fields: dict[str, object]) -> bool:
    # a second default would make the first one's place uncertain
    is_default = fields["default"] and not ModelRoute.objects.filter(default=True).exclude(model=model).exists()
    route, made = ModelRoute.objects.get_or_create(model=model, defaults={**fields, "default": is_default})
    if made:
        Target.objects.create(route=route, provider=provider, upstream_model=model)
    return made


def _price(model: str, component: str) -> bool:
    _, made = Price.objects.get_or_create(
        provider=NAME,
        upstream_model=model,
        component=component,
        defaults={"amount": PRICES[model][component], "valid_from": SINCE, "source": NAME},
    )
    return made
