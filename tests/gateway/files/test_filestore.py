"""Where files are kept, as TOLLGATE_FILES says it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

from gateway.filestore import storage_of
from tests.live import ROOT

FOLDER = Path("/state/files")


@pytest.mark.parametrize(("url", "location"), [("", "/state/files"), ("/mnt/shared", "/mnt/shared")])
def test_a_path_is_a_folder_for_nobody_else(url: str, location: str) -> None:
    storage = storage_of(url, FOLDER)
    assert storage["OPTIONS"]["location"] == location
    assert storage["OPTIONS"]["file_permissions_mode"] == 0o600


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket", {"bucket_name": "bucket", "location": ""}),
        (
            "s3://bucket/a/b/?region=eu-central-1&endpoint=https://minio:9000&addressing=path",
            {
                "bucket_name": "bucket", "location": "a/b", "region_name": "eu-central-1",
                "endpoint_url": "https://minio:9000", "addressing_style": "path",
            },
        ),
    ],
)  # fmt: skip
def test_a_bucket_is_one(url: str, said: dict[str, str]) -> None:
    storage = storage_of(url, FOLDER)
    assert storage["OPTIONS"].items() >= said.items()
    pytest.importorskip("storages.backends.s3", reason="tollgate[s3] is not installed")
    assert import_string(storage["BACKEND"])(**storage["OPTIONS"]).bucket_name == "bucket"


def test_what_a_bucket_has_not_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = pytest.importorskip("botocore.stub", reason="tollgate[s3] is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    storage = storage_of("s3://bucket?region=eu-central-1", FOLDER)
    bucket = import_string(storage["BACKEND"])(**storage["OPTIONS"])
    with stub.Stubber(bucket.bucket.meta.client) as answers:
        answers.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        with pytest.raises(FileNotFoundError):
            bucket.open("no/file", "rb")


@pytest.mark.parametrize("url", ["files", "http://bucket", "s3://", "s3://bucket?acl=public", "ftp://x/y"])
def test_what_is_neither_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="TOLLGATE_FILES"):
        storage_of(url, FOLDER)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("gateway.cli", ["tollgate", "serve", "--port", "9"]),
        ("celery.__main__", ["celery", "-A", "gateway", "worker", "--pool", "threads"]),
    ],
)
def test_nothing_starts_that_could_not_reach_its_bucket(tmp_path: Path, module: str, command: list[str]) -> None:
    started = subprocess.run(
        [sys.executable, "-c", f"""
import sys
sys.modules["boto3"] = None  # as where the extra is not installed
sys.argv = {command!r}
from {module} import main
main()
"""],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "TOLLGATE_DATA": str(tmp_path), "TOLLGATE_FILES": "s3://bucket"},
    )  # fmt: skip
    assert started.returncode == 1, started.stderr
    assert "(gateway.E001) TOLLGATE_FILES names a bucket" in started.stderr
    assert 'pip install "tollgate[s3]"' in started.stderr
