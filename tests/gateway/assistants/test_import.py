"""``tollgate import_assistants``: what it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from accounts.models import Membership, Team, User
from billing import clock
from gateway.assistants.rows import Assistant, Message, Run, Thread
from gateway.files.rows import PROCESSED, StoredFile
from tests.gateway.assistants.test_exported_pure import ASSISTANT, THREAD, message, page

pytestmark = pytest.mark.django_db
SAID = (message(1, 5), message(2, 9, role="assistant", run_id="run_1", assistant_id="asst_1"))
OWNER = ("--user", "grace@example.com", "--team", "navy")


@pytest.fixture(autouse=True)
def owner() -> User:
    user = User.objects.create_user("grace@example.com", "a long password")
    Membership.objects.create(user=user, team=Team.objects.create(name="navy"))
    return user


@pytest.fixture
def imported(tmp_path: Path) -> Any:
    def run(*objects: Any, options: tuple[str, ...] = OWNER, dry: bool = False) -> tuple[int, str]:
        """Return the exit code and what is printed."""
        path, out = tmp_path / "export.json", StringIO()
        path.write_text(json.dumps(objects))
        try:
            call_command("import_assistants", str(path), *options, *(["--dry-run"] if dry else []), stdout=out)
        except SystemExit as end:
            return int(str(end.code)), out.getvalue()
        return 0, out.getvalue()

    return run


def export(*messages: Any, **assistant: Any) -> list[Any]:
    return [page({**ASSISTANT, "tool_resources": {}, **assistant}), THREAD, page(*messages)]


def said() -> list[tuple[str, str]]:
    return list(Message.objects.order_by("pk").values_list("handle", "role"))


def test_a_picture_shows_the_file_that_its_owner_has_here(imported: Any, owner: User, tmp_path: Path) -> None:
    StoredFile.objects.create(
        id="file-here", name="re/file-here", filename="a.png", bytes=3, purpose="vision", status=PROCESSED,
        created_at=clock.now(), user=owner, team=Team.objects.get(),
    )  # fmt: skip
    (tmp_path / "ids.csv").write_text("file-there,file-here\n")
    content = [{"type": "image_file", "image_file": {"file_id": "file-there"}}]
    options = (*OWNER, "--ids", str(tmp_path / "ids.csv"))
    assert imported(*export(message(1, content=content)), options=options)[0] == 0
    assert Message.objects.get().content[0]["image_file"]["file_id"] == "file-here"


def test_a_dry_run_changes_nothing_and_says_what_would(imported: Any) -> None:
    code, told = imported(*export(*SAID), dry=True)
    assert code == 2
    assert "+ assistant asst_1\n    name: Desk" in told
    assert "+ thread thread_1\n    messages: 2" in told
    assert not Assistant.objects.exists()
    assert not Thread.objects.exists()
    assert not LogEntry.objects.filter(additional_data__event="assistants imported").exists()


def test_rows_are_their_owners_and_as_old_as_they_were(imported: Any, owner: User) -> None:
    assert imported(*export(*SAID))[0] == 0
    assistant, thread = Assistant.objects.get(), Thread.objects.get()
    assert (assistant.user, assistant.team.name, assistant.api_key) == (owner, "navy", None)
    assert (thread.user, int(thread.created_at.timestamp())) == (owner, 1714250900)
    assert said() == [("msg_1", "user"), ("msg_2", "assistant")]


def test_doing_it_again_adds_nothing_and_changes_nothing_back(imported: Any) -> None:
    imported(*export(*SAID))
    row = Assistant.objects.get()
    row.body = {**row.body, "name": "Changed here"}
    row.save()
    for dry in (False, True):
        code, told = imported(*export(*SAID), dry=dry)
        assert (code, "Nothing to change." in told) == (0, True)
    assert Assistant.objects.get().body["name"] == "Changed here"
    assert len(said()) == 2


def test_later_messages_are_added_behind_those_that_are_here(imported: Any) -> None:
    imported(*export(SAID[0]))
    code, told = imported(*export(*SAID))
    assert (code, "messages: 1" in told) == (0, True)
    assert said() == [("msg_1", "user"), ("msg_2", "assistant")]


def test_nothing_is_put_into_a_thread_that_went_on_here(imported: Any) -> None:
    imported(*export(*SAID))
    thread, now = Thread.objects.get(), clock.now()
    Message.objects.create(thread=thread, handle="msg_here", role="user", created_at=now)
    code, told = imported(*export(*SAID, message(3, 20)))
    assert code == 0
    assert "thread_1: was gone on with here: 1 of its messages are not added" in told
    assert len(said()) == 3


def test_nothing_is_put_into_a_thread_on_which_a_run_works(imported: Any, owner: User) -> None:
    imported(*export(*SAID))
    now = clock.now()
    Run.objects.create(
        thread=Thread.objects.get(), handle="run_x", assistant="asst_1", status="in_progress", asked={"model": "demo"},
        created_at=now, expires_at=now, user=owner,
    )  # fmt: skip
    assert "1 of its messages are not added" in imported(*export(*SAID, message(3, 20)))[1]


def test_what_is_somebody_elses_is_an_error_and_nothing_is_changed(imported: Any) -> None:
    imported(*export(*SAID))
    with pytest.raises(CommandError) as refused:
        imported(*export(*SAID), {**ASSISTANT, "id": "asst_new"}, options=("--team", "navy"))
    assert "asst_1: is here already, and somebody else's" in str(refused.value)
    assert "thread_1: is here already, and somebody else's" in str(refused.value)
    assert Assistant.objects.count() == 1


def test_a_message_is_in_one_thread_only(imported: Any) -> None:
    imported(*export(*SAID))
    with pytest.raises(CommandError, match="msg_1: is here already, in another thread"):
        imported({**THREAD, "id": "thread_2", "messages": [message(1)]})


def test_all_that_is_wrong_is_said_by_its_place(imported: Any) -> None:
    with pytest.raises(CommandError) as refused:
        imported({**ASSISTANT, "model": None}, message(1, role="system"), {"a": 1}, THREAD)
    told = str(refused.value)
    assert told.startswith("nothing is imported:\n")
    for place in ("[0]: Missing required parameter: 'model'.", "[1]: Invalid value for 'role'", "[2]: is no assistant"):
        assert f"export.json{place}" in told
    assert not Thread.objects.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "name --user EMAIL, or --team T, or both"),
        (("--user", "nobody@example.com"), "there is no user 'nobody@example.com'"),
        (("--team", "nothing"), "there is no team 'nothing'"),
        (("--user", "lone@example.com", "--team", "navy"), "lone@example.com is not in the team navy"),
    ],
)
def test_whose_it_becomes_has_to_be_said(imported: Any, options: tuple[str, ...], told: str) -> None:
    User.objects.create_user("lone@example.com", "a long password")
    with pytest.raises(CommandError, match=told):
        imported(*export(), options=options)


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "ids.csv").write_text("a,b\nonly-one\n")
    (tmp_path / "good.json").write_text("[]")
    for words, told in (
        ([str(tmp_path / "missing")], "missing: No such file"),
        ([str(tmp_path / "binary")], "is not UTF-8 text"),
        ([str(tmp_path / "good.json"), "--ids", str(tmp_path / "ids.csv")], "ids.csv, line 2: wants two ids"),
    ):
        with pytest.raises(CommandError, match=told):
            call_command("import_assistants", *words, *OWNER)


def test_a_model_without_a_route_is_told(imported: Any) -> None:
    assert "asst_1.model: there is no route for 'gpt-4o' here yet" in imported(*export())[1]


def test_it_stands_in_the_audit_log(imported: Any, owner: User) -> None:
    imported(*export(*SAID))
    entry = LogEntry.objects.get(additional_data__event="assistants imported")
    assert (entry.object_repr, entry.additional_data["objects"]) == (str(owner), 2)
    assert "import_assistants" in entry.additional_data["by"]


def test_many_messages_are_one_import(imported: Any) -> None:
    messages = [message(number, at=number) for number in range(2500)]
    code, told = imported(*export(*reversed(messages)))
    assert (code, "messages: 2500" in told) == (0, True)
    assert [handle for handle, _ in said()] == [f"msg_{number}" for number in range(2500)]
