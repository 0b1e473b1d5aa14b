from django.apps import AppConfig


class KaitowebConfig(AppConfig):
    name = "kaitoweb"

    def ready(self) -> None:
        # Tasks sent by any process belong to this application, else Celery would look for a broker of its own choice.
        from kaitoweb import celery  # noqa: F401, PLC0415 - settings must be ready first
