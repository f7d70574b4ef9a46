"""The S3 object store, through boto3: whole files by key, uploaded from disk so that memory stays flat."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recsys.errors import NotReadyError, UnavailableError
from recsys.settings import ObjectStoreSettings


@dataclass(frozen=True)
class StoredObject:
    """An entry of a listing; `size` in bytes."""

    key: str
    size: int


class ObjectStore:
    """One bucket of an S3 server."""

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key.get_secret_value(),
            region_name=settings.region,
            config=Config(
                connect_timeout=3,
                read_timeout=60,
                retries={"max_attempts": 3},
                s3={"addressing_style": "path"},
                # Several S3 servers (rclone among them) do not know the newer default checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def wait(self, say: Callable[[str], None]) -> None:
        """Return once the store answers and the bucket exists (it is created if need be).

        Raises:
            UnavailableError: no answer within `settings.connect_timeout_s`.
        """
        deadline = time.monotonic() + self.settings.connect_timeout_s
        said = False
        while True:
            try:
                self._ensure_bucket()
                return
            except (BotoCoreError, ClientError) as error:
                problem = UnavailableError(
                    f"The object store at {self.settings.endpoint_url or 'AWS'} is not usable: {error}.",
                    remedy="Start it (`recsys up`) or correct S3_ENDPOINT_URL, S3_ACCESS_KEY and S3_SECRET_KEY.",
                )
                if time.monotonic() >= deadline:
                    raise problem from error
                if not said:
                    say(f"Waiting up to {self.settings.connect_timeout_s:.0f} s: {problem.message}")
                    said = True
                time.sleep(0.5)

    def _ensure_bucket(self) -> None:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
                raise
            self.client.create_bucket(Bucket=self.bucket)

    def upload(self, path: Path, key: str) -> None:
        """Store the file at `path` under `key`, replacing what was there."""
        with self._named(key):
            self.client.upload_file(str(path), self.bucket, key)

    def download(self, key: str, path: Path) -> None:
        """Write the object to `path`; the file appears whole or not at all."""
        part = path.with_name(path.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._named(key):
                self.client.download_file(self.bucket, key, str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def put(self, key: str, body: bytes) -> None:
        """Store a small object from memory."""
        with self._named(key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        """Read a small object into memory."""
        with self._named(key):
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return body

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key starts with `prefix`, a page at a time."""
        with self._named(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"])

    def delete(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix`; returns how many."""
        if not prefix:
            raise ValueError("refusing to delete the whole bucket")
        keys = [entry.key for entry in self.list(prefix)]
        with self._named(prefix):
            for key in keys:
                self.client.delete_object(Bucket=self.bucket, Key=key)
        return len(keys)

    def _named(self, key: str) -> "_NamedErrors":
        return _NamedErrors(self, key)


class _NamedErrors:
    """Turns botocore's errors into ours, naming the object."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self.store, self.key = store, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        where = f"s3://{self.store.bucket}/{self.key}"
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in {
            "404",
            "NoSuchKey",
            "NoSuchBucket",
        }:
            raise NotReadyError(f"{where} does not exist.", remedy="Run the step that writes it first.") from error
        if isinstance(error, BotoCoreError | Boto3Error | ClientError):
            raise UnavailableError(
                f"{where} could not be reached: {error}.",
                remedy="See whether the object store is up: `recsys status`.",
            ) from error
