"""What all pages of the admin share: nothing is deleted, lists open with a sentence of state."""

from __future__ import annotations

import json
from datetime import datetime

from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from gateway.templatetags import figures


def words_of(json_list: str) -> str:
    """Return a list as who may only look reads it."""
    try:
        return ", ".join(json.loads(json_list)) or "–"
    except ValueError:
        return json_list


class Admin(ModelAdmin):
    """A table of rows that end by being deactivated, revoked or paused, never by deletion."""

    actions = None
    compressed_fields = True
    list_fullwidth = True
    list_filter_submit = True
    list_per_page = 50
    list_before_template = "gateway/admin/list_state.html"
    change_form_outer_before_template = "gateway/admin/row_state.html"
    warn_unsaved_form = True
    readonly_preprocess_fields = dict.fromkeys(("models_allowed", "addresses", "aliases", "operations"), words_of)
    add_words = "Add"

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def list_state(self, request: HttpRequest) -> SafeString | str:
        """Return the sentence that the list opens with."""
        return ""

    def row_state(self, request: HttpRequest, row: Model) -> SafeString | str:
        """Return the sentence that the page of one row opens with."""
        return ""

    def row_context(self, row: Model) -> dict[str, object]:
        """Return what the templates around the form of one row are given."""
        return {}

    def describe(self, rows: list[Model]) -> None:
        """Add to the rows of one page of the list what their own table does not know."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"state": self.list_state(request), **(extra_context or {})})

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = list(changelist.result_list)
        self.describe(changelist.result_list)
        return changelist

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        context = {"state": self.row_state(request, row) if row else "", "row": row, **(extra_context or {})}
        context |= self.row_context(row) if row else {}
        context |= {"may_bound": request.user.has_perm("billing.add_budget")}
        context |= {"show_save_and_add_another": False, "title": str(row) if row else f"Add {self.opts.verbose_name}"}
        return super().changeform_view(request, object_id, form_url, context)

    def log_addition(self, request: HttpRequest, obj: Model, message: object) -> None:
        """The audit log has it, with the address and the values before and after."""

    log_change = log_addition

    def log_deletions(self, request: HttpRequest, queryset: QuerySet) -> None:
        """As above."""


class ReadOnlyAdmin(Admin):
    """A table that only the gateway writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


# how well a state is, in the words of the style sheet
OK, WARN, BAD, PLAIN = "tg-ok", "tg-warn", "tg-bad", ""


def since(moment: datetime | None, verb: str) -> SafeString | str:
    """Return "last used 3 min ago", or that it never was: ``verb`` is "used"."""
    return format_html("last {} {}", verb, figures.ago(moment)) if moment else f"never {verb}"


def pill(text: str, tone: str = PLAIN) -> SafeString:
    return format_html('<span class="tg-pill {}">{}</span>', tone, text)


def mono(text: str) -> SafeString:
    return format_html('<span class="tg-mono">{}</span>', text)


def count(number: int, word: str) -> str:
    """Return "1 key", "3 keys"."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")
