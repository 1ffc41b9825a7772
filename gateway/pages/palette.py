"""What the command palette (Ctrl or ⌘ and K) finds beside people, keys and routes: pages, and what has an id."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from billing.models import UsageRecord
from gateway.assistants.rows import Assistant, Run, Thread
from gateway.pages.navigation import GROUPS

REQUEST = "req_"
MOST = 5
KEPT = {"asst_": (Assistant, "smart_toy"), "thread_": (Thread, "forum"), "run_": (Run, "directions_run")}


def search(request: HttpRequest, words: str) -> list[SearchResult]:
    return [*_pages(words), *_requests(words), *_kept(words)]


def _pages(words: str) -> list[SearchResult]:
    pages = [page for _, items in GROUPS for page in items]
    return [
        SearchResult(title=title, description="page", link=reverse(url), icon=icon)
        for title, icon, url in pages
        if words in title.lower()
    ]


def _requests(words: str) -> list[SearchResult]:
    """Find whole ids by their index; nothing is scanned."""
    if not words.startswith(REQUEST):
        return []
    return [
        SearchResult(
            title=f"{record.request_id}: {record.model}, {record.get_status_display()}",
            description="request",
            link=reverse("admin:billing_usagerecord_change", args=[record.pk]),
            icon="receipt_long",
        )
        for record in UsageRecord.objects.filter(request_id=words)[:MOST]
    ]


def _kept(words: str) -> list[SearchResult]:
    """Find assistants, threads and runs by their whole ids."""
    prefix = words.partition("_")[0] + "_"
    if prefix not in KEPT:
        return []
    rows, icon = KEPT[prefix]
    name = rows._meta.model_name
    return [
        SearchResult(
            title=row.handle, description=name, link=reverse(f"admin:gateway_{name}_change", args=[row.pk]), icon=icon
        )
        for row in rows.objects.filter(handle=words)[:MOST]
    ]
