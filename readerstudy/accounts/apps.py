from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "readerstudy.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from readerstudy.accounts import signing_in  # noqa: F401  connects the signals
