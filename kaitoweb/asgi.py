"""The web process: Django under uvicorn."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from kaitoweb.limiting import limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kaitoweb.settings")
application = limited(get_asgi_application(), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
