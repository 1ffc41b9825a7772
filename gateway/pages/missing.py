"""What is said where nothing is: a page for people, the API's error for programs that have missed it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from gateway.errors import translate
from gateway.inquiry import Inquiry
from gateway.pages.home import wants_html


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    if wants_html(request):
        return defaults.page_not_found(request, exception)
    answer = translate(exception)
    headers = {"x-request-id": Inquiry({}).request_id}
    return HttpResponse(answer.reply.body, "application/json", answer.status, headers=headers)
