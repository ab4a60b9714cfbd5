"""What the operator configures, read from the environment and from an optional ``.env`` file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured


def data_directory(value: str) -> Path:
    """The folder of everything that is kept, made where it is missing.

    Raises ``ImproperlyConfigured`` when it cannot be made or written to.
    """
    path = Path(value).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR is {value!r}: the folder cannot be made ({error.strerror}). "
            "Name a folder that this user may write to."
        ) from None
    if not os.access(path, os.W_OK):
        raise ImproperlyConfigured(
            f"DATA_DIR is {value!r}: this user may not write there. Name another folder."
        )
    return path


def demo_secret(data_dir: Path) -> str:
    """The demo's own signing key: drawn once, kept in ``DATA_DIR``, readable by its owner only."""
    path = data_dir / "demo-secret-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()


def storage(url: str, data_dir: Path) -> dict[str, Any]:
    """Django storage settings from ``STORAGE_URL``.

    ``file:///srv/scans`` is a local folder; ``s3://bucket/prefix?endpoint_url=https://...`` any
    S3-compatible store (credentials from ``AWS_ACCESS_KEY_ID`` / ``AWS_SECRET_ACCESS_KEY``).

    Raises ``ImproperlyConfigured`` for any other scheme.
    """
    if not url:
        url = f"file://{data_dir / 'scans'}"
    parts = urlsplit(url)
    if parts.scheme == "file":
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": parts.path, "file_permissions_mode": 0o600},
        }
    if parts.scheme == "s3":
        options: dict[str, Any] = {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "default_acl": None,
            "file_overwrite": True,
            "querystring_auth": True,
        }
        options.update(parse_qsl(parts.query))
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    raise ImproperlyConfigured(
        f"STORAGE_URL is {url!r}: it must begin with file:// or s3:// (see .env.example)"
    )


def database_options(database: dict[str, Any]) -> dict[str, Any]:
    """The database with what each engine needs to be used by several processes at once."""
    if database["ENGINE"].endswith("sqlite3"):
        # A deferred transaction that reads and then writes fails at once under contention, busy
        # timeout or not; IMMEDIATE takes the write lock at its start and so waits its turn.
        database.setdefault("OPTIONS", {}).update(
            transaction_mode="IMMEDIATE",
            timeout=30,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        )
    else:
        database.setdefault("CONN_MAX_AGE", 60)
        database.setdefault("CONN_HEALTH_CHECKS", True)
    return database


def openid_connect(server: str, *, client: str, secret: str, name: str) -> dict[str, Any]:
    """django-allauth's providers with the hospital's OpenID Connect server as the only one.

    Every sign-in carries a PKCE proof (RFC 7636), which also guards a confidential client's codes.
    """
    app = {
        "provider_id": "oidc",
        "name": name,
        "client_id": client,
        "secret": secret,
        "settings": {"server_url": server, "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}
