"""Every setting, read once: from the environment, else from files under ``TOLLGATE_DATA``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dj_database_url
from celery.schedules import crontab
from kombu import Queue

from gateway import filestore, keyfiles, mail

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("TOLLGATE_DATA", BASE_DIR / "var")).resolve()
DATA.mkdir(mode=0o700, parents=True, exist_ok=True)  # keys, journals and the ledger: nobody else's

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8000"))
DEBUG = False
SECRET_KEY = os.environ.get("TOLLGATE_SECRET_KEY") or keyfiles.secret_key(DATA / "secret.key")
ENCRYPTION_KEYS = keyfiles.encryption_keys(os.environ.get("TOLLGATE_ENCRYPTION_KEYS", ""), DATA / "encryption.key")
ALLOWED_HOSTS = os.environ.get("TOLLGATE_HOSTS", "*").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("TOLLGATE_ORIGINS", "").split(",") if origin]
TRUSTED_PROXIES = [net for net in os.environ.get("TOLLGATE_TRUSTED_PROXIES", "").split(",") if net]

# The API ---------------------------------------------------------------------------------------------------------
MAX_BODY_BYTES = int(os.environ.get("TOLLGATE_MAX_BODY_BYTES", 20 * 1024 * 1024))
MAX_AUDIO_BYTES = int(os.environ.get("TOLLGATE_MAX_AUDIO_BYTES", 25 * 1024 * 1024))
MAX_IMAGE_BYTES = int(os.environ.get("TOLLGATE_MAX_IMAGE_BYTES", 64 * 1024 * 1024))  # of all images of one request
MAX_UPLOAD_BYTES = int(os.environ.get("TOLLGATE_MAX_UPLOAD_BYTES", 512 * 1024 * 1024))
UPLOADS = DATA / "uploads"  # files on their way in; they have no name there
UPLOADS.mkdir(mode=0o700, exist_ok=True)
# lines of batches that one process has in flight, and how long one that works on a batch need not be heard of
BATCH_CONCURRENCY = int(os.environ.get("TOLLGATE_BATCH_CONCURRENCY", "8"))
BATCH_LEASE_SECONDS = float(os.environ.get("TOLLGATE_BATCH_LEASE_SECONDS", "30"))
# how long a process that works on a run need not be heard of
RUN_LEASE_SECONDS = float(os.environ.get("TOLLGATE_RUN_LEASE_SECONDS", "30"))
# files that vector stores read: the largest, how long a process that reads one need not be heard of, and how much of
# its memory each process has for vectors that were searched lately
MAX_READ_BYTES = int(os.environ.get("TOLLGATE_MAX_READ_BYTES", 64 * 1024 * 1024))
VECTOR_LEASE_SECONDS = float(os.environ.get("TOLLGATE_VECTOR_LEASE_SECONDS", "30"))
VECTOR_CACHE_BYTES = int(os.environ.get("TOLLGATE_VECTOR_CACHE_BYTES", 128 * 1024 * 1024))
# of each user, and of each team's service accounts
MAX_STORED_BYTES = int(os.environ.get("TOLLGATE_MAX_STORED_BYTES", 10 * 1024**3))
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": filestore.storage_of(os.environ.get("TOLLGATE_FILES", ""), DATA / "files"),
}
# for how many days responses are stored; 0: for ever
RESPONSE_DAYS = int(os.environ.get("TOLLGATE_RESPONSE_DAYS", "30"))
# where code that models write is executed ("": nowhere), by which Python ("": the gateway's own, without its packages)
SANDBOX = os.environ.get("TOLLGATE_SANDBOX", "")
if SANDBOX not in ("", "namespaces", "process"):
    raise ValueError("TOLLGATE_SANDBOX must be namespaces, process or empty")
SANDBOX_PYTHON = os.environ.get("TOLLGATE_SANDBOX_PYTHON", "")
SANDBOX_SECONDS = float(os.environ.get("TOLLGATE_SANDBOX_SECONDS", "30"))
SANDBOX_MEMORY_BYTES = int(os.environ.get("TOLLGATE_SANDBOX_MEMORY_BYTES", 512 * 1024**2))
SANDBOX_FILES_BYTES = int(os.environ.get("TOLLGATE_SANDBOX_FILES_BYTES", 64 * 1024**2))
SANDBOX_OUTPUT_BYTES = int(os.environ.get("TOLLGATE_SANDBOX_OUTPUT_BYTES", 64 * 1024))
SANDBOX_PARALLEL = int(os.environ.get("TOLLGATE_SANDBOX_PARALLEL", "2"))  # of one process
DRAIN_SECONDS = float(os.environ.get("TOLLGATE_DRAIN_SECONDS", "60"))
# what GET /ollama_logs shows admins the end of; empty: nothing
OLLAMA_LOG = os.environ.get("TOLLGATE_OLLAMA_LOG", "~/.ollama/logs/server.log")
OLLAMA_LOG_BYTES = int(os.environ.get("TOLLGATE_OLLAMA_LOG_BYTES", 1024 * 1024))
# how long a dead process keeps the slots of parallel limits that its requests had
SLOT_LEASE_MS = int(float(os.environ.get("TOLLGATE_SLOT_LEASE_SECONDS", "60")) * 1000)
# after how much silence of Redis each process holds rate limits by itself
REDIS_PATIENCE_SECONDS = float(os.environ.get("TOLLGATE_REDIS_PATIENCE_SECONDS", "0.1"))
# where answers are cached: another Redis than REDIS_URL, or how many bytes of each process's memory where there is none
CACHE_REDIS_URL = os.environ.get("TOLLGATE_CACHE_REDIS_URL") or os.environ.get("REDIS_URL", "")
CACHE_BYTES = int(os.environ.get("TOLLGATE_CACHE_BYTES", str(64 * 1024 * 1024)))
CACHE_ANSWER_BYTES = int(os.environ.get("TOLLGATE_CACHE_ANSWER_BYTES", str(1024 * 1024)))

# The database, and what is in the process where no Redis is given -------------------------------------------------
DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
JOURNAL = DATA / "journal"

SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA / "tollgate.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA synchronous=NORMAL;"},
    "TEST": {"NAME": DATA / "test.sqlite3"},
}
# The pool is opened by the processes that serve pages; threads of our own keep one connection each. What a busy moment
# has opened is closed again, one each ``max_idle`` seconds, as PostgreSQL has 100 for all processes of all gateways.
POOL = {"min_size": 1, "max_size": int(os.environ.get("TOLLGATE_DATABASE_POOL", "12")), "timeout": 5, "max_idle": 5}


# a peer that vanished is noticed in seconds, not in the kernel's fifteen minutes
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def _database() -> dict[str, object]:
    if not DATABASE_URL:
        return SQLITE
    config = dj_database_url.parse(DATABASE_URL)
    if config["ENGINE"].endswith("postgresql"):
        options = {"connect_timeout": 3, **KEEPALIVE, **config.get("OPTIONS", {}), "pool": POOL}
        return {**config, "OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    return {**SQLITE, **config, "OPTIONS": SQLITE["OPTIONS"]}


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = (
    {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}}
    if REDIS_URL
    else {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
)

CELERY_BROKER_URL = REDIS_URL or "memory://"
# memory:// looks for tasks each second unless told otherwise
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600} if REDIS_URL else {"polling_interval": 0.05}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA / "celerybeat-schedule")
# batches have a queue of their own, so that workers may be told apart; one that is told nothing takes both
CELERY_TASK_QUEUES = [Queue("celery"), Queue("batches")]
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_ROUTES = {"gateway.batches.tasks.*": {"queue": "batches"}}
CELERY_BEAT_SCHEDULE = {
    "post": {"task": "billing.tasks.post_all", "schedule": 10.0},
    "machines": {"task": "billing.tasks.write_off_lost_machines", "schedule": 10.0},
    "partitions": {"task": "billing.tasks.make_partitions", "schedule": crontab(minute=7)},
    "alerts": {"task": "gateway.tasks.deliver_alerts", "schedule": 10.0},
    # asks all day and verifies once a night, so that a machine that sleeps at night is verified too
    "proof": {"task": "gateway.tasks.verify_ledger", "schedule": crontab(minute="0,10,20,30,50")},
    "files": {"task": "gateway.tasks.sweep_files", "schedule": crontab(minute="*/5")},
    "batches": {"task": "gateway.batches.tasks.sweep", "schedule": 5.0, "options": {"expires": 30}},
    "responses": {"task": "gateway.responses.tasks.sweep", "schedule": 10.0},
    "vectors": {"task": "gateway.vectors.tasks.begin", "schedule": 5.0, "options": {"expires": 30}},
    "stores": {"task": "gateway.vectors.tasks.tidy", "schedule": crontab(minute="*/5")},
    "runs": {"task": "gateway.assistants.tasks.sweep", "schedule": 5.0, "options": {"expires": 30}},
    "run-logs": {"task": "gateway.assistants.tasks.drop_old_events", "schedule": crontab(minute=55)},
    "stored": {"task": "gateway.responses.tasks.drop_expired", "schedule": crontab(minute=25)},
    # not while the proof reads everything: a month goes only when nobody looks at it
    "retention": {"task": "gateway.tasks.drop_old_months", "schedule": crontab(minute=40)},
}

# E-mail, which alerts go by ---------------------------------------------------------------------------------------
MAIL = mail.server_of(os.environ.get("TOLLGATE_EMAIL_URL", ""))
EMAIL_HOST, EMAIL_PORT = MAIL.host, MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL.user, MAIL.password
EMAIL_USE_SSL, EMAIL_USE_TLS = MAIL.use_ssl, MAIL.use_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("TOLLGATE_EMAIL_FROM", "tollgate@localhost")

# Pages -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),  # it loads Twisted, which no other process needs
    "unfold",
    "unfold.contrib.filters",
    # commands, workers and hints to them show no pages: the admin is loaded with the URLs (gateway/urls.py)
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "auditlog",
    "channels",
    "rest_framework",
    "accounts",
    "billing",
    "providers",
    "gateway",
]
MIDDLEWARE = [
    "gateway.csp.content_security_policy",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.audit",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
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
            ]
        },
    }
]
ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/admin/"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.signin.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# behind a proxy that speaks TLS, TOLLGATE_ORIGINS says so, and cookies stay on it
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(CSRF_TRUSTED_ORIGINS) and all(
    origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS
)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

UNFOLD = {
    "SITE_TITLE": "Tollgate",
    "SITE_HEADER": "Tollgate",
    "SITE_SUBHEADER": "LLM gateway",
    "SITE_SYMBOL": "toll",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}tollgate/icon.svg"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [f"{STATIC_URL}tollgate/tollgate.css"],
    "SCRIPTS": [f"{STATIC_URL}tollgate/tollgate.js"],
    "GLOBAL_CALLBACK": "gateway.pages.frame.context",
    "DASHBOARD_CALLBACK": "gateway.pages.overview.context",
    "COMMAND": {
        "search_models": [
            "accounts.apikey",
            "accounts.user",
            "accounts.team",
            "providers.modelroute",
            "providers.provider",
        ],
        "search_callback": "gateway.pages.palette.search",
    },
    "SIDEBAR": {"command_search": True, "show_search": True, "navigation": "gateway.pages.navigation.groups"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "gateway.openapi.inspector.DescribedSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "GET_MOCK_REQUEST": "gateway.openapi.inspector.no_request",
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("TOLLGATE_LOG_LEVEL", "INFO")},
    "loggers": {
        # these name every request or connection at INFO
        **{name: {"level": "WARNING"} for name in ("httpx", "httpx2", "daphne", "celery", "kombu", "asyncio")},
        # these repeat at WARNING what is expected, or said once elsewhere
        **{name: {"level": "ERROR"} for name in ("kombu.connection", "psycopg.pool", "python_multipart.multipart")},
    },
}
