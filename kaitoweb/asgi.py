"""The web process: Django under uvicorn."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from kaitoweb.limiting import limited
from kaitoweb.proxies import behind_proxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kaitoweb.settings")
application = limited(get_asgi_application(), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
if settings.KAITOWEB_BEHIND_PROXY:
    application = behind_proxies(application, settings.KAITOWEB_TRUSTED_PROXIES)
