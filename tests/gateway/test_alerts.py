"""Alerts get to people: to every channel once, whatever fails on the way."""

from __future__ import annotations

import base64
import hmac
import threading
from datetime import timedelta
from email import message_from_string
from email.policy import default
from hashlib import sha256

import pytest
from auditlog.models import LogEntry
from django.db import connection, connections
from django.utils import timezone

from accounts import roles
from accounts.models import Team, User
from billing import alerts, calendars, clock, database, lost
from billing.models import Alert, Budget, BudgetPeriod, Holder, Verification
from gateway import proof
from gateway.alerts import claims, delivery, senders, signing
from gateway.models import AlertChannel
from gateway.tasks import deliver_alerts
from providers.secrets import decrypt, encrypt
from tests.gateway.receivers import MailServer, WebReceiver

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = signing.new_secret()


@pytest.fixture
def receiver():
    running = WebReceiver()
    yield running
    running.stop()


@pytest.fixture
def mail_server(settings):
    running = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
    settings.DEFAULT_FROM_EMAIL = "Tollgate <tollgate@example.com>"
    yield running
    running.stop()


@pytest.fixture
def budget_alert():
    team = Team.objects.create(name="data <!channel>")
    budget = Budget.objects.create(amount=500 * 10**10, team=team, alert_at=[0.8], timezone="Europe/Berlin")
    start = budget_start(budget)
    period = BudgetPeriod.objects.create(budget=budget, start=start, posted=401 * 10**10)
    return Alert.objects.create(kind="budget", period=period, threshold=0.8, created_at=timezone.now())


def budget_start(budget):
    return calendars.start_of(budget.period, budget.timezone, budget.rolling, clock.now())


def text_alert(text="2 differences", **fields):
    return Alert.objects.create(kind="ledger", text=text, created_at=timezone.now(), **fields)


def webhook(receiver, path="", **fields):
    given = {"address": receiver.url + path, "allow_private": True, "secret": encrypt(SECRET), **fields}
    return AlertChannel.objects.create(kind="webhook", **given)


def slack(receiver, path="/slack"):
    return AlertChannel.objects.create(
        kind="slack", address="https://chat.example.com/…", secret=encrypt(receiver.url + path), allow_private=True
    )


def email(address="ops@example.com"):
    return AlertChannel.objects.create(kind="email", address=address)


def now_due(alert):
    Alert.objects.filter(pk=alert.pk).update(next_at=timezone.now() - timedelta(seconds=1))


def test_every_channel_gets_the_same_facts(receiver, mail_server, budget_alert):
    """Complaint of many gateways: alerts reach one kind of receiver, or say nothing one can act on."""
    channels = [webhook(receiver), slack(receiver), email()]
    deliver_alerts()
    hook, chat = receiver.deliveries
    mail = message_from_string(mail_server.mails[0], policy=default)
    sentence = "has spent $401.00 of $500.00 this month. Requests are refused when it is used up. It renews on"
    assert hook.json["type"] == "budget.threshold"
    assert hook.json["data"]["spent"] == "401.0000000000"
    assert sentence in hook.json["data"]["text"]
    assert sentence in chat.json["text"]
    assert "&lt;!channel&gt;" in chat.json["text"]
    assert sentence in mail.get_content().replace("\n", " ")
    assert mail["To"] == "ops@example.com"
    assert mail["Subject"].startswith("Tollgate: 80 % of a budget is used: the team data")
    budget_alert.refresh_from_db()
    assert budget_alert.sent_at is not None
    assert budget_alert.delivered == [channel.pk for channel in channels]
    assert budget_alert.error == ""


def test_a_webhook_is_signed_and_a_secret_is_in_no_body(receiver):
    webhook(receiver)
    text_alert()
    deliver_alerts()
    (hook,) = receiver.deliveries
    signed = f"{hook.headers['webhook-id']}.{hook.headers['webhook-timestamp']}.".encode() + hook.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    assert hook.headers["webhook-signature"] == f"v1,{expected}"
    assert SECRET not in str(hook)


def test_one_broken_channel_neither_blocks_the_others_nor_sends_to_them_twice(receiver):
    whole, broken = webhook(receiver), webhook(receiver, "/broken")
    alert = text_alert()
    receiver.statuses = [204, 500]
    deliver_alerts()
    alert.refresh_from_db()
    assert (alert.delivered, alert.sent_at) == ([whole.pk], None)
    assert alert.error == f"{broken}: it answered 500"
    deliver_alerts()
    assert len(receiver.deliveries) == 2, "not yet due again"
    now_due(alert)
    deliver_alerts()
    alert.refresh_from_db()
    assert [each.path for each in receiver.deliveries] == ["/alerts", "/alerts/broken", "/alerts/broken"]
    assert (alert.delivered, alert.error) == ([whole.pk, broken.pk], "")
    first, second = (each.headers["webhook-id"] for each in receiver.deliveries[1:])
    assert first == second, "a receiver may drop what it has"


def test_it_is_given_up_after_a_day_and_sent_when_asked_again(receiver):
    webhook(receiver)
    alert = text_alert()
    receiver.statuses = [503] * 8
    for _ in range(12):
        now_due(alert)
        deliver_alerts()
    alert.refresh_from_db()
    assert len(receiver.deliveries) == alert.tries == 8
    assert alert.sent_at is not None
    assert "503" in alert.error
    claims.again(alert)
    deliver_alerts()
    alert.refresh_from_db()
    assert len(receiver.deliveries) == 9
    assert alert.error == ""


def test_a_dead_channel_is_asked_once_in_a_pass(receiver):
    webhook(receiver)
    receiver.statuses = [500] * 5
    for _ in range(5):
        text_alert()
    assert delivery.deliver() == 5
    assert len(receiver.deliveries) == 1
    assert Alert.objects.filter(error__contains="500", sent_at=None).count() == 5


def test_without_a_channel_an_alert_says_so_and_waits_for_nobody():
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert alert.error == claims.NO_CHANNEL
    assert alert.sent_at is not None


def test_two_workers_do_not_send_the_same_alert(receiver):
    webhook(receiver)
    for _ in range(3):
        text_alert()
    receiver.gate.clear()

    def work():
        deliver_alerts()
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    receiver.arrived.wait(5)
    receiver.gate.set()
    for worker in workers:
        worker.join(20)
    assert len(receiver.deliveries) == 3
    assert len({each.headers["webhook-id"] for each in receiver.deliveries}) == 3


def test_nobody_holds_a_lock_while_sending(receiver):
    webhook(receiver)
    text_alert()
    receiver.gate.clear()
    worker = threading.Thread(target=lambda: (deliver_alerts(), connections.close_all()))
    worker.start()
    receiver.arrived.wait(5)
    with database.writing():
        text_alert("another")
        assert Alert.objects.select_for_update(nowait=connection.vendor == "postgresql").count() == 2
    receiver.gate.set()
    worker.join(20)


def test_a_worker_that_dies_between_claim_and_sending_loses_nothing(receiver):
    webhook(receiver)
    alert = text_alert()
    assert claims.take() == alert
    assert claims.take() is None, "it is somebody's for now"
    deliver_alerts()
    assert receiver.deliveries == []
    now_due(alert)
    deliver_alerts()
    assert len(receiver.deliveries) == 1


def test_a_claim_that_was_overtaken_changes_nothing(receiver):
    channel = webhook(receiver)
    alert = text_alert()
    slow = claims.take()
    now_due(alert)
    deliver_alerts()
    claims.finish(slow, {"webhook": "too late"})
    alert.refresh_from_db()
    assert (alert.delivered, alert.error) == ([channel.pk], "")


def test_a_channel_that_is_switched_off_gets_nothing(receiver):
    webhook(receiver, is_active=False)
    on = webhook(receiver, "/on")
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert alert.delivered == [on.pk]
    assert [each.path for each in receiver.deliveries] == ["/alerts/on"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9/x", "it has an address the gateway may not connect to"),
        ("http://localhost:9/x", "it has an address the gateway may not connect to"),
        ("http://169.254.169.254/latest/meta-data/", "it has an address the gateway may not connect to"),
        ("http://[::1]:9/", "it has an address the gateway may not connect to"),
    ],
)
def test_a_webhook_leads_to_private_addresses_only_where_the_channel_says_so(address, reason):
    AlertChannel.objects.create(kind="webhook", address=address, secret=encrypt(SECRET))
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert alert.error.endswith(reason)


def test_a_redirect_is_not_followed(receiver):
    webhook(receiver)
    receiver.statuses, receiver.headers = [302], {"Location": receiver.url + "/elsewhere"}
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert alert.error.endswith("it answered 302")
    assert len(receiver.deliveries) == 1


def test_a_receiver_that_never_answers_is_waited_for_shortly(receiver, monkeypatch):
    monkeypatch.setattr(senders, "SECONDS", 0.3)
    webhook(receiver)
    receiver.gate.clear()
    alert = text_alert()
    deliver_alerts()
    receiver.gate.set()
    alert.refresh_from_db()
    assert "no answer within" in alert.error


@pytest.mark.parametrize(
    ("secret", "reason"), [("", "unreadable"), ("gAAAAA", "unreadable"), (None, "a signing secret")]
)
def test_a_secret_that_cannot_be_used_is_named(receiver, secret, reason):
    webhook(receiver, secret=encrypt("short") if secret is None else secret)
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert reason in alert.error


def test_mail_that_is_not_configured_or_refused_says_so(mail_server, settings):
    email()
    mail_server.refuses = True
    alert = text_alert()
    deliver_alerts()
    alert.refresh_from_db()
    assert "nobody here" in alert.error
    settings.EMAIL_HOST = ""
    now_due(alert)
    deliver_alerts()
    alert.refresh_from_db()
    assert "set TOLLGATE_EMAIL_URL" in alert.error


def test_something_unforeseen_with_one_alert_stops_no_other(receiver, monkeypatch):
    webhook(receiver)
    odd, good = text_alert("odd"), text_alert("good")
    message_of = delivery.facts.message_of
    monkeypatch.setattr(delivery.facts, "message_of", lambda alert: message_of(None if alert == odd else alert))
    deliver_alerts()
    odd.refresh_from_db()
    good.refresh_from_db()
    assert (good.error, odd.error) == ("", "Tollgate: AttributeError")


def test_a_ledger_that_does_not_add_up_is_told_of_once_a_day():
    now = timezone.now()
    alerts.of_ledger([], now)
    assert not Alert.objects.exists()
    for _ in range(2):
        alerts.of_ledger([f"difference {n}" for n in range(12)], now)
    (alert,) = Alert.objects.all()
    assert alert.text.splitlines()[-2:] == ["difference 9", "and 2 more"]
    alerts.of_ledger(["still"], now + timedelta(days=1))
    assert Alert.objects.count() == 2


def test_the_nightly_proof_runs_once_a_night_and_tells_of_what_it_finds():
    proof.verify_when_due()
    proof.verify_when_due()
    (first,) = Verification.objects.all()
    assert first.differences == 0
    assert not Alert.objects.exists()
    Verification.objects.update(at=timezone.now() - timedelta(days=2))
    budget = Budget.objects.create(amount=10**10)
    BudgetPeriod.objects.create(budget=budget, start=timezone.now(), lent=5)
    proof.verify_when_due()
    assert proof.last().differences == 1
    assert not Alert.objects.exists(), "a restart at this moment would be no news"
    for _ in range(2):
        proof.verify_when_due()
    assert "5 atoms are lent" in Alert.objects.get(kind="ledger").text
    assert Verification.objects.count() == 3
    Verification.objects.update(at=timezone.now() - timedelta(days=1))
    Alert.objects.update(once="ledger of yesterday")
    BudgetPeriod.objects.update(lent=0)
    proof.verify_when_due()
    assert proof.last().differences == 0
    assert Alert.objects.count() == 1


def test_a_silent_machine_is_told_of_once():
    long_ago = timezone.now() - timedelta(minutes=5)
    for n in range(2):
        Holder.objects.create(pk=f"0000000{n}-0000-7000-8000-000000000000", machine="node-7", started_at=long_ago,
                              seen_at=long_ago)  # fmt: skip
    lost.mark()
    lost.mark()
    (alert,) = Alert.objects.filter(kind="machine")
    assert "Nothing is heard from node-7" in alert.text
    Holder.objects.update(lost_at=timezone.now() - timedelta(minutes=40))
    assert lost.write_off() == 2
    assert Alert.objects.filter(kind="machine", text__contains="is written off: 0 open requests").count() == 2


# the pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("admin@example.com", role=roles.ADMIN))
    return client


@pytest.fixture
def viewer(client):
    client.force_login(User.objects.create_user("viewer@example.com", role=roles.VIEWER))
    return client


def form(**given):
    return {
        "kind": "webhook",
        "address": "https://1.1.1.1/alerts",
        "signing_secret": SECRET,
        "is_active": "on",
        **given,
    }


def test_a_webhook_channel_is_made_with_a_secret_that_is_shown_once(admin):
    page = admin.get("/admin/gateway/alertchannel/add/").content.decode()
    offered = page.partition('value="whsec_')[2].partition('"')[0]
    assert len(offered) == 44
    assert admin.post("/admin/gateway/alertchannel/add/", form()).status_code == 302
    channel = AlertChannel.objects.get()
    assert decrypt(channel.secret) == SECRET
    for path in (f"{channel.pk}/change/", "", f"{channel.pk}/test/"):
        assert SECRET.removeprefix("whsec_") not in admin.get(f"/admin/gateway/alertchannel/{path}").content.decode()
    log = str([(entry.changes, entry.object_repr) for entry in LogEntry.objects.all()])
    assert "webhook 1.1.1.1" in log
    assert SECRET not in log
    assert "/alerts" not in log
    change = f"/admin/gateway/alertchannel/{channel.pk}/change/"
    assert admin.post(change, form(signing_secret="")).status_code == 302
    channel.refresh_from_db()
    assert decrypt(channel.secret) == SECRET
    assert channel.is_active


def test_the_url_of_a_chat_is_a_secret(admin):
    url = "https://1.1.1.1/services/T0/B0/hidden"
    assert admin.post("/admin/gateway/alertchannel/add/", form(kind="slack", address=url)).status_code == 302
    channel = AlertChannel.objects.get()
    assert decrypt(channel.secret) == url
    assert channel.address.startswith("https://1.1.1.1/… ")
    change = f"/admin/gateway/alertchannel/{channel.pk}/change/"
    assert b"T0/B0" not in admin.get(change).content
    assert admin.post(change, form(kind="slack", address=channel.address)).status_code == 302
    channel.refresh_from_db()
    assert decrypt(channel.secret) == url
    assert admin.post("/admin/gateway/alertchannel/add/", form(kind="slack", address=url)).status_code == 200
    assert admin.post(change, form(kind="slack", address=url + "2")).status_code == 302
    channel.refresh_from_db()
    assert decrypt(channel.secret) == url + "2"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "email", "address": "nobody"}, "valid email"),
        ({"address": "http://127.0.0.1/"}, "Switch “private addresses” on"),
        ({"address": "http://localhost:9/"}, "Switch “private addresses” on"),
        ({"address": "ftp://1.1.1.1/"}, "begins with http"),
        ({"address": "https://user:pw@1.1.1.1/"}, "no user name"),
        ({"address": ""}, "required"),
        ({"signing_secret": ""}, "A signing secret has 24 to 64 bytes"),
        ({"signing_secret": "my secret"}, "A signing secret is base64"),
        ({"kind": "slack", "address": "http://10.0.0.1/x"}, "Switch “private addresses” on"),
    ],
)
def test_a_channel_that_could_not_work_is_refused(admin, given, says):
    response = admin.post("/admin/gateway/alertchannel/add/", form(**given))
    assert says in response.content.decode()
    assert not AlertChannel.objects.exists()


def test_a_test_is_sent_and_its_outcome_shown(admin, receiver):
    channel = webhook(receiver)
    path = f"/admin/gateway/alertchannel/{channel.pk}/test/"
    assert b"Send a message that says it is a test" in admin.get(path).content
    assert receiver.deliveries == []
    assert b"The test was taken by" in admin.post(path).content
    receiver.statuses = [410]
    assert b"It answered 410" in admin.post(path).content
    assert [each.json["type"] for each in receiver.deliveries] == ["test", "test"]


def test_an_alert_is_shown_and_sent_again(admin, receiver, budget_alert):
    deliver_alerts()
    path = f"/admin/billing/alert/{budget_alert.pk}"
    page = admin.get(f"{path}/change/").content.decode()
    assert "There is no active channel." in page
    assert "has spent $401.00 of $500.00" in page
    assert "80 % of a budget is used" in admin.get("/admin/billing/alert/").content.decode()
    assert "1 did not get to everybody" in admin.get("/admin/").content.decode()
    webhook(receiver)
    admin.get(f"{path}/again/")
    deliver_alerts()
    assert receiver.deliveries == []
    assert admin.post(f"{path}/again/").status_code == 302
    deliver_alerts()
    assert len(receiver.deliveries) == 1


def test_a_viewer_sees_alerts_and_no_url_and_sends_nothing(viewer, receiver, budget_alert):
    channel = webhook(receiver, "/hidden-path")
    for path in ("/admin/billing/alert/", f"/admin/billing/alert/{budget_alert.pk}/change/",
                 "/admin/gateway/alertchannel/", f"/admin/gateway/alertchannel/{channel.pk}/change/"):  # fmt: skip
        response = viewer.get(path)
        assert response.status_code == 200
        assert b"hidden-path" not in response.content
    for path in (f"/admin/billing/alert/{budget_alert.pk}/again/", f"/admin/gateway/alertchannel/{channel.pk}/test/",
                 "/admin/gateway/alertchannel/add/"):  # fmt: skip
        assert viewer.post(path, form()).status_code == 403
    assert receiver.deliveries == []


def test_the_proof_is_on_the_overview_and_on_the_health_page(admin):
    assert "not verified yet" in admin.get("/admin/").content.decode()
    proof.verify_when_due()
    assert "clean" in admin.get("/admin/").content.decode()
    assert "clean" in admin.get("/admin/health/").content.decode()
    Verification.objects.update(differences=3)
    assert "the ledger has 3 differences" in admin.get("/admin/").content.decode()
    assert "3 differences" in admin.get("/admin/health/").content.decode()
