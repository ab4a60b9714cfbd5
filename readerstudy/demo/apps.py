from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "readerstudy.demo"
    verbose_name = "Demo"
