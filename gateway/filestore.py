"""Where the bytes of files lie, as a URL says it, in the words of Django's storages. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BUCKET = "gateway.files.bucket.Bucket"
BUCKET_NEEDS = ("boto3", "storages")
S3_OPTIONS = {"region": "region_name", "endpoint": "endpoint_url", "addressing": "addressing_style"}


def storage_of(url: str, folder: Path) -> dict[str, Any]:
    """Return the storage of ``url``: `s3://bucket/prefix?region=…&endpoint=…&addressing=path`, a folder's path, or ""
    for ``folder``. Raises ``ValueError``.
    """
    if not url or url.startswith("/"):
        return _folder(url or str(folder))
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ValueError("TOLLGATE_FILES must be the path of a folder or s3://bucket/prefix")
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := said.keys() - S3_OPTIONS.keys():
        raise ValueError(f"TOLLGATE_FILES: unknown {', '.join(sorted(unknown))}; known: {', '.join(S3_OPTIONS)}")
    options = {S3_OPTIONS[name]: value for name, value in said.items()}
    return _s3(parts.hostname, parts.path.strip("/"), options)


def _folder(location: str) -> dict[str, Any]:
    modes = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": location, **modes}}


def _s3(bucket: str, prefix: str, options: dict[str, str]) -> dict[str, Any]:
    return {
        "BACKEND": BUCKET,
        "OPTIONS": {"bucket_name": bucket, "location": prefix, **options},
    }
