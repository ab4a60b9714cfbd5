"""The product's one settings file, in the environment that tests need."""

import os
import tempfile

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ["DATA_DIR"] = os.environ.get("TEST_DATA_DIR") or tempfile.mkdtemp(
    prefix="readerstudy-test-"
)
os.environ["STATIC_ROOT"] = tempfile.mkdtemp(prefix="readerstudy-static-")
os.environ["DEBUG"] = "0"
os.environ["DEMO"] = "0"
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
if not os.environ["DATABASE_URL"]:
    del os.environ["DATABASE_URL"]
os.environ.setdefault("LOG_LEVEL", "WARNING")

from readerstudy.config.settings import *  # noqa: F403

# Quick hashing and unhashed static names; everything else is as in production.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,  # noqa: F405
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CELERY_TASK_ALWAYS_EAGER = True
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
