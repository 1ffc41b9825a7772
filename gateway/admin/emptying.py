"""The button on a route's page that empties its answer cache."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from gateway.caching.emptying import empty


class EmptiesCache:
    """What the admin of routes can do beside changing them."""

    actions_detail = ["empty_cache"]

    @action(description="Empty the answer cache", url_path="empty-cache", icon="mop", permissions=["change"])
    def empty_cache(self, request: HttpRequest, object_id: str) -> HttpResponse:
        route = self.get_object(request, object_id)
        if route is None:
            raise Http404
        if request.method == "POST":
            empty(route.pk)
            messages.success(request, f"The answer cache of {route} is empty.")
            return HttpResponseRedirect(reverse("admin:providers_modelroute_change", args=[route.pk]))
        context = {**self.admin_site.each_context(request), "title": f"Empty the cache of {route}", "route": route}
        return TemplateResponse(request, "gateway/admin/cache_empty.html", context)
