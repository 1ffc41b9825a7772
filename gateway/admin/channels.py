"""Alert channels: whom alerts go to. What signs or opens one is written here and never read back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from billing.models import Alert
from gateway.admin.base import OK, WARN, Admin, count, pill
from gateway.alerts import senders, signing, words
from gateway.alerts.addresses import shown
from gateway.models import AlertChannel
from gateway.templatetags import figures
from providers.addresses import AddressRefused, check_url, look_up
from providers.secrets import encrypt

SIGNING_HELP = "Of webhooks: signs what they get, as standardwebhooks.com says; base64, after whsec_ or without."


class ChannelForm(forms.ModelForm):
    kind = forms.ChoiceField(choices=AlertChannel.KINDS, widget=UnfoldAdminSelectWidget)
    signing_secret = forms.CharField(
        required=False,
        strip=True,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = AlertChannel
        fields = ["kind", "address", "allow_private", "is_active"]
        widgets = {
            "address": UnfoldAdminTextInputWidget,
            "allow_private": UnfoldBooleanSwitchWidget,
            "is_active": UnfoldBooleanSwitchWidget,
        }
        help_texts = {"address": "An e-mail address, or the URL that a webhook or a chat program gave you."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_new = self.instance.pk is None
        if "signing_secret" not in self.fields:  # who may only look has no form
            return
        if self.is_new:
            self.initial["signing_secret"] = signing.new_secret()
            self.fields["signing_secret"].help_text = f"{SIGNING_HELP} Copy it now: it is not shown again."
        else:
            self.fields["kind"].disabled = True
            self.fields["signing_secret"].help_text = f"{SIGNING_HELP} Leave empty to keep what is stored."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind, address = cleaned.get("kind"), cleaned.get("address") or ""
        try:
            if kind == "email":
                validate_email(address)
            elif not self._is_kept(address):
                check_reachable(address, cleaned.get("allow_private", False))
        except ValidationError as refused:
            self.add_error("address", refused)
        if kind == "webhook":
            self._check_secret(cleaned.get("signing_secret", ""))
        return cleaned

    def _is_kept(self, address: str) -> bool:
        """Whether this is what is shown of a URL that is stored as a secret."""
        return self.instance.kind == "slack" and not self.is_new and address == self.initial["address"]

    def _check_secret(self, secret: str) -> None:
        if not secret and not self.is_new:
            return
        try:
            signing.key_of(secret)
        except signing.SecretUnusable as refused:
            self.add_error("signing_secret", f"{str(refused)[:1].upper()}{str(refused)[1:]}.")

    def _post_clean(self) -> None:
        """What is shown of a secret URL takes its place before the row is compared with others."""
        given = self.cleaned_data
        url = given.get("address")
        if given.get("kind") == "slack" and url and not self._is_kept(url) and "address" not in self.errors:
            given["address"], self._secret_url = shown(url), url
        super()._post_clean()

    def save(self, commit: bool = True) -> AlertChannel:
        secret = getattr(self, "_secret_url", "")
        if self.cleaned_data["kind"] == "webhook":
            secret = self.cleaned_data["signing_secret"]
        if secret:
            self.instance.secret = encrypt(secret)
        return super().save(commit)


def check_reachable(url: str, allow_private: bool) -> None:
    """Raise ``ValidationError`` for what is no URL, or leads where the channel may not go."""
    try:
        check_url(url, allow_private=True)
    except (AddressRefused, ValueError) as refused:
        raise ValidationError(f"{str(refused)[:1].upper()}{str(refused)[1:]}.") from None
    try:
        check_url(url, allow_private=allow_private, look_up=look_up)
    except AddressRefused:
        raise ValidationError(
            "This leads to an address that is not public. Switch “private addresses” on if that is meant."
        ) from None


@admin.register(AlertChannel)
class ChannelAdmin(Admin):
    form = ChannelForm
    add_words = "Add channel"
    list_display = ["where", "kind_shown", "told", "status"]
    search_fields = ["address"]
    actions_detail = ["test"]
    fieldsets = [
        (None, {"fields": ["kind", "address", "signing_secret", "allow_private", "is_active"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: AlertChannel | None = None) -> list[tuple[str | None, dict]]:
        """Who may only look sees no URL: it may let its readers in."""
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": ["kind", "allow_private", "is_active"]})]
        if obj is not None and obj.kind != "webhook":
            return [(None, {"fields": ["kind", "address", "allow_private", "is_active"]})]
        return super().get_fieldsets(request, obj)

    def describe(self, rows: list[AlertChannel]) -> None:
        newest: dict[int, Any] = {}
        for delivered, sent_at in Alert.objects.order_by("-created_at").values_list("delivered", "created_at")[:500]:
            for channel in delivered:
                newest.setdefault(channel, sent_at)
        for row in rows:
            row.told_at = newest.get(row.pk)

    def list_state(self, request: HttpRequest) -> SafeString | str:
        active = AlertChannel.objects.filter(is_active=True).count()
        if not active:
            return "Alerts reach nobody: there is no active channel."
        return format_html("Alerts go to <b>{}</b>", count(active, "channel"))

    def row_state(self, request: HttpRequest, row: AlertChannel) -> SafeString:
        return format_html("{} Alerts go to {}", self.status(row), row)

    @action(description="Send a test", url_path="test", icon="send", permissions=["change"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = self.get_object(request, object_id)
        if channel is None:
            raise Http404
        outcome = self._sent(channel) if request.method == "POST" else None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Test {channel}",
            "channel": channel,
            "outcome": outcome,
        }
        return TemplateResponse(request, "gateway/admin/channel_test.html", context)

    def _sent(self, channel: AlertChannel) -> str:
        """Send; return what went wrong, or nothing."""
        now = timezone.now()
        try:
            senders.send(channel, words.of_test(), f"test-{channel.pk}-{now:%Y%m%d%H%M%S%f}", now.isoformat())
        except senders.NotSent as reason:
            return str(reason)
        return ""

    @display(description="Where", ordering="address")
    def where(self, channel: AlertChannel) -> str:
        return str(channel).partition(" ")[2]

    @display(description="As", ordering="kind")
    def kind_shown(self, channel: AlertChannel) -> str:
        return channel.get_kind_display()

    @display(description="Last alert")
    def told(self, channel: AlertChannel) -> SafeString | str:
        return figures.ago(channel.told_at)

    @display(description="Status", ordering="is_active")
    def status(self, channel: AlertChannel) -> SafeString:
        return pill("active", OK) if channel.is_active else pill("switched off", WARN)
