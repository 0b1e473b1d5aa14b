from django.apps import AppConfig


class KaitowebConfig(AppConfig):
    name = "kaitoweb"
