"""Settings from the environment; whatever is missing or weak is refused with a sentence.

`make run` sets KAITOWEB_EMBEDDED=1 (by manage.py up) and gets embedded defaults; anything else is production.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from kaitoweb import embedded
from kaitoweb.environment import Environment, with_password

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()  # NAME or NAME_FILE, the latter for mounted secrets

# Where `make run` keeps its database, sockets and sandbox; delete it to start afresh.
KAITOWEB_STATE = Path(env.str("KAITOWEB_STATE", default=str(BASE_DIR / ".state"))).resolve()
# True under `manage.py up` and its children, and for the commands that build nothing but files.
KAITOWEB_EMBEDDED = env.bool("KAITOWEB_EMBEDDED", default=False) or (
    len(sys.argv) > 1 and sys.argv[1] in embedded.COMMANDS_WITHOUT_SECRETS
)


def required(name: str, *, embedded_default: str) -> str:
    value = env.plain(name) or (embedded_default if KAITOWEB_EMBEDDED else "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} (or {name}_FILE) is not set. It is needed outside `make run`; see docs/production.md."
        )
    return value


SECRET_KEY = required(
    "SECRET_KEY", embedded_default=embedded.secret_key(KAITOWEB_STATE) if KAITOWEB_EMBEDDED else ""
)
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5:
    raise ImproperlyConfigured("SECRET_KEY is weak: use at least 50 random characters.")
DEBUG = False
ALLOWED_HOSTS = [
    host.strip()
    for host in required("ALLOWED_HOSTS", embedded_default="127.0.0.1,localhost,[::1]").split(",")
]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "kaitoweb",
    "playground",
    "workspaces",
    "clusters",
    "accounts",
    "audit",
    "sandbox",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pads at random, so that sizes tell nothing (BREACH)
    "csp.middleware.CSPMiddleware",
    "kaitoweb.middleware.NothingKeptMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "kaitoweb.middleware.ProbesMiddleware",
    "accounts.middleware.RequestIdMiddleware",
    "kaitoweb.middleware.ReadableMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "kaitoweb.urls"
ASGI_APPLICATION = "kaitoweb.asgi.application"
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
                "kaitoweb.context.frame",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(
        required(
            "DATABASE_URL", embedded_default=f"sqlite:///{KAITOWEB_STATE / 'kaitoweb.sqlite3'}"
        )
    )
}
if password := env.plain("DATABASE_PASSWORD"):  # needs no escaping, as it would in the URL
    DATABASES["default"]["PASSWORD"] = password
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Web, worker and watcher write at once: write-ahead log, writers queue at BEGIN instead of failing at COMMIT.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # s
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    # Under ASGI each request runs in a thread of its own, so a connection kept for the next one would only pile up.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    # A frozen or unplugged worker must not keep the locks of its last transaction, and with them the watch of a cluster.
    # Its threads that wait for such a lock give up before the one that has it: else each would be the next to keep it.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        options="-c idle_in_transaction_session_timeout=10s -c lock_timeout=5s",
        connect_timeout=5,  # s; a server that swallows packets is a database that is away, and is said to be
        tcp_user_timeout=15_000,  # ms
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker and pub/sub, disposable: redis://…, rediss://… or unix:///path.
REDIS_URL = with_password(
    required(
        "REDIS_URL",
        embedded_default=f"unix://{embedded.valkey_socket(KAITOWEB_STATE)}"
        if KAITOWEB_EMBEDDED
        else "",
    ),
    env.plain("REDIS_PASSWORD"),
)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Of the first administrator; `manage.py ensure_administrator` alone reads it.
KAITOWEB_ADMIN_PASSWORD = env.plain("KAITOWEB_ADMIN_PASSWORD")
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "workspaces:list"
LOGOUT_REDIRECT_URL = "accounts:sign_in"

SESSION_COOKIE_AGE = 8 * 3600  # s, absolute
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "kaitoweb.errors.csrf_failure"
CSRF_COOKIE_HTTPONLY = True  # htmx sends the token from <body hx-headers>
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not KAITOWEB_EMBEDDED  # `make run` is http on loopback
if not KAITOWEB_EMBEDDED:
    # Browsers take such names from this very host only, not from a neighbour of its domain.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not KAITOWEB_EMBEDDED)
SECURE_HSTS_SECONDS = 0 if KAITOWEB_EMBEDDED else 365 * 24 * 3600  # s
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not KAITOWEB_EMBEDDED
SECURE_REDIRECT_EXEMPT = [
    r"^healthz$",
    r"^readyz$",
    r"^metrics$",
]  # probes ask this process, not the proxy
# Whether a proxy that speaks TLS stands before the web, and from which addresses and networks its headers are believed.
KAITOWEB_BEHIND_PROXY = env.bool("KAITOWEB_BEHIND_PROXY", default=False)
KAITOWEB_TRUSTED_PROXIES = env.list("KAITOWEB_TRUSTED_PROXIES", default=["127.0.0.1", "::1"])
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; a kubeconfig is at most 256 KiB, a prompt less
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
# Collected static files; an image brings them, and is read-only.
STATIC_ROOT = Path(env.str("KAITOWEB_STATIC_ROOT", default=str(KAITOWEB_STATE / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}

# How long a worker may hold a cluster's watch without renewing, s; a third of it is the renewal period.
KAITOWEB_LEASE_S = env.float("KAITOWEB_LEASE_S", default=9.0)
# A running operation whose worker has not been heard of for so long is taken by another, s.
KAITOWEB_OPERATION_STALE_S = env.float("KAITOWEB_OPERATION_STALE_S", default=8.0)
# An operation still queued after so long is dispatched (again), s.
KAITOWEB_DISPATCH_AFTER_S = env.float("KAITOWEB_DISPATCH_AFTER_S", default=3.0)
# Longest silence of a model before the playground gives up, s: long prompts on CPU are silent for minutes.
KAITOWEB_PROMPT_IDLE_S = env.float("KAITOWEB_PROMPT_IDLE_S", default=120.0)
# How fast the sandbox's deployments move, ratio; 1 takes about 25 s to Ready.
KAITOWEB_SANDBOX_SPEED = env.float("KAITOWEB_SANDBOX_SPEED", default=1.0)
# Which KAITO the sandbox plays: 0.12, or 0.7 as older clusters have it.
KAITOWEB_SANDBOX_KAITO_VERSION = env.str("KAITOWEB_SANDBOX_KAITO_VERSION", default="0.12")
# Who makes nodes in the sandbox: azure-gpu-provisioner, or byo for nobody.
KAITOWEB_SANDBOX_NODE_PROVISIONER = env.str(
    "KAITOWEB_SANDBOX_NODE_PROVISIONER", default="azure-gpu-provisioner"
)
# Which model answers in the sandbox: smollm2, echo, or auto (the real one where installed).
KAITOWEB_SANDBOX_MODEL = env.str("KAITOWEB_SANDBOX_MODEL", default="auto")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("KAITOWEB_LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "urllib3": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
        # A sweep every two seconds is no news.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
