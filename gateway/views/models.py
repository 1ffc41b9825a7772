"""GET /v1/models and /v1/models/{id}: the models as the caller may use them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rest_framework.request import Request

from billing import clock
from gateway import runtime
from gateway.dialects import ANTHROPIC, Dialect
from gateway.errors import ModelNotAllowed
from gateway.inquiry import Inquiry
from gateway.messages import models as anthropic
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of
from providers.errors import UnknownModel
from providers.routes import Route

OWNER = "tollgate"


class _ModelView(ApiView):
    """What OpenAI's clients and Anthropic's both ask for."""

    key_headers = anthropic.KEY_HEADERS

    @classmethod
    def speaks_to(cls, inquiry: Inquiry) -> Dialect:
        return ANTHROPIC if anthropic.asks(inquiry) else cls.dialect


class Models(_ModelView):
    """List every model the key may use, aliases included; families (`openai/*`) by their pattern."""

    async def get(self, request: Request) -> Reply:
        caller, now = inquiry_of(request).caller, clock.now()
        routes = runtime.current().configuration.routes
        found = {
            name: route
            for route in routes.listed()
            for name in (route.model, *route.aliases)
            if caller.may_use(name, now)
        }
        for model in sorted(caller.granted_models(now) - found.keys()):
            with suppress(UnknownModel):  # one of a family, which is listed by its pattern only
                found[model] = routes.resolve(model)
        listed = {"object": "list", "data": [described(*each) for each in found.items()]}
        return Reply.json(anthropic.listed(listed) if anthropic.asks(inquiry_of(request)) else listed)


class Model(_ModelView):
    """Describe one model."""

    async def get(self, request: Request, model: str) -> Reply:
        route = runtime.current().configuration.routes.resolve(model)
        if not inquiry_of(request).caller.may_use(model, clock.now()):
            raise ModelNotAllowed(model)
        if not route.targets:
            raise UnknownModel(model)
        said = described(model, route)
        return Reply.json(anthropic.described(said) if anthropic.asks(inquiry_of(request)) else said)


def described(name: str, route: Route) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": route.created, "owned_by": OWNER}
