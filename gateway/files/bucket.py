"""A bucket of files, as django-storages has it: a part at a time in memory, and read as it comes."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

NOT_FOUND = 404


class Bucket(S3Storage):
    """One part at a time; what is read is not fetched whole first."""

    def get_default_settings(self) -> dict[str, Any]:
        return {**super().get_default_settings(), "transfer_config": TransferConfig(use_threads=False)}

    def _open(self, name: str, mode: str = "rb") -> File:
        """Raises ``FileNotFoundError``, as a folder does."""
        key = self._normalize_name(clean_name(name))
        try:
            return File(self.bucket.Object(key).get()["Body"], name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != NOT_FOUND:
                raise
            raise FileNotFoundError(name) from error
