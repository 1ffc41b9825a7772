"""The base of the API's views: DRF's request, negotiation and exceptions with an async dispatch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView

from gateway.consumers import StreamConsumer
from gateway.dialects import OPENAI, Dialect
from gateway.forms import MEGABYTE, Limits
from gateway.inquiry import Inquiry
from gateway.replies import Reply


class ApiView(APIView):
    """A DRF view whose handlers are coroutines; the door asks first whether it ``serves`` the method, and turns
    what rises from it into answers.

    ``needs_key``: the door finds the caller first, by the bearer key or one in a header of ``key_headers`` (lower
    case). ``dialect``: how errors are said here, and below this path. ``consumer``: who streams when the body says
    ``stream: true``, or in any case where the view ``always_streams``. ``body``: what is sent here; of a form no more
    than ``form_limits``. ``calls_models``: each answer says how many attempts upstream it took. ``model_in_path``: the
    path names the model.
    """

    http_method_names: ClassVar[list[str]] = ["get", "post", "delete"]
    needs_key: ClassVar[bool] = True
    calls_models: ClassVar[bool] = False
    key_headers: ClassVar[tuple[bytes, ...]] = ()
    dialect: ClassVar[Dialect] = OPENAI
    body: ClassVar[Literal["json", "form", "either"]] = "json"
    body_is_optional: ClassVar[bool] = False
    form_limits: ClassVar[Limits] = Limits(files=25 * MEGABYTE)
    consumer: ClassVar[type[StreamConsumer] | None] = None
    always_streams: ClassVar[bool] = False
    model_in_path: ClassVar[bool] = False

    @classmethod
    def speaks_to(cls, inquiry: Inquiry) -> Dialect:
        """Return how errors are said to this client."""
        return cls.dialect

    @classmethod
    def serves(cls, method: str) -> bool:
        return method.upper() in cls.served()

    @classmethod
    def served(cls) -> list[str]:
        """Return the methods, HEAD left out: the door has made a GET of it."""
        return [name.upper() for name in cls.http_method_names if hasattr(cls, name)]

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Reply:
        self.request = self.initialize_request(request, *args, **kwargs)
        return await getattr(self, request.method.lower())(self.request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        drf_request = Request(request)
        drf_request._full_data = drf_request._data = request.inquiry.body
        return drf_request


def inquiry_of(request: Request) -> Inquiry:
    return request._request.inquiry
