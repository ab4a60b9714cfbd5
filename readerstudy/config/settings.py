"""One settings file, driven by the environment. ``.env.example`` names every variable."""

from __future__ import annotations

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from readerstudy.config import environment
from readerstudy.config.logs import configure_logging

BASE_DIR = Path(__file__).resolve().parents[2]

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# -- Where things are -----------------------------------------------------------------------------

DATA_DIR = environment.data_directory(env.str("DATA_DIR", default=str(BASE_DIR / "data")))

# The demo is a full instance with drawn secrets and printed passwords. Never for real readers.
DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)

SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEMO:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Put a long random value into the environment or .env "
            "(see .env.example), or set DEMO=1 to try the demo."
        )
    SECRET_KEY = environment.demo_secret(DATA_DIR)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# -- The rooms ------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "readerstudy.accounts",
    "readerstudy.audit",
    "readerstudy.jobs",
    "readerstudy.imaging",
    "readerstudy.studies",
    "readerstudy.reading",
    "readerstudy.reports",
    "readerstudy.demo",
    "synthesis",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "readerstudy.config.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "readerstudy.config.middleware.PrivateByDefaultMiddleware",
]

ROOT_URLCONF = "readerstudy.config.urls"
WSGI_APPLICATION = "readerstudy.config.wsgi.application"
ASGI_APPLICATION = "readerstudy.config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "readerstudy.config.context.house",
            ],
        },
    },
]

# -- Data -----------------------------------------------------------------------------------------

DATABASES = {
    "default": environment.database_options(
        env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'readerstudy.sqlite3'}")
    )
}

STORAGES = {
    # Scans, thumbnails and blinded frames. Never under a public URL: views serve them.
    "default": environment.storage(env.str("STORAGE_URL", default=""), DATA_DIR),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]

# Many files in one browser upload; each is bounded by the intake itself.
DATA_UPLOAD_MAX_NUMBER_FILES = 2000
FILE_UPLOAD_TEMP_DIR = None

# -- Room for generated scans ---------------------------------------------------------------------

# At most so many generated scans in the archive; 0 for no limit.
GENERATED_SCANS_LIMIT = env.int("GENERATED_SCANS_LIMIT", default=100_000)
# Free space of a local storage that generating and training leave alone.
DISK_RESERVE_MIB = env.int("DISK_RESERVE_MIB", default=1024)
CHECKPOINT_UPLOAD_LIMIT_MIB = env.int("CHECKPOINT_UPLOAD_LIMIT_MIB", default=2048)

# -- Jobs -----------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT = "readerstudy.jobs.mailbox:Transport"
    _mail = DATA_DIR / "broker"
    for _folder in ("messages", "control"):
        (_mail / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_mail / "messages"),
        "data_folder_out": str(_mail / "messages"),
        "control_folder": str(_mail / "control"),
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
# A message only nudges: the job's row decides whether there is work, so late acknowledgement and
# doubled delivery are harmless.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ALWAYS_EAGER = env.bool("CELERY_TASK_ALWAYS_EAGER", default=False)

# -- People ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "readerstudy.accounts.adapter.InvitationOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/300s/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# The codes of the half minute before and after are taken too: clocks differ and people type slowly.
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO or DEBUG
SOCIALACCOUNT_ADAPTER = "readerstudy.accounts.adapter.KnownPeopleSocialAdapter"
SOCIALACCOUNT_PROVIDERS = (
    environment.openid_connect(
        env.str("OIDC_SERVER_URL"),
        client=env.str("OIDC_CLIENT_ID"),
        secret=env.str("OIDC_CLIENT_SECRET"),
        name=env.str("OIDC_NAME", default="Hospital sign-in"),
    )
    if env.str("OIDC_SERVER_URL", default="")
    else {}
)

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
if env.str("EMAIL_URL", default=""):
    globals().update(env.email_url("EMAIL_URL"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Reader Study <no-reply@localhost>")

CACHES = {
    "default": env.cache_url("CACHE_URL")
    if env.str("CACHE_URL", default="")
    else {
        # Shared by the web processes (sign-in throttling counts here), needs no server.
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(DATA_DIR / "cache"),
        # Beyond this entries are dropped at random, a guesser's count among them.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

# -- Security -------------------------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "worker-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# -- Language, time, logs -------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True

LOGGING_CONFIG = None
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="text")
configure_logging(level=LOG_LEVEL, fmt=LOG_FORMAT)
