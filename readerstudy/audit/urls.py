from django.urls import path

from readerstudy.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.entries, name="entries"),
    path("verify/", views.verify, name="verify"),
    path("entries.csv", views.as_csv, name="csv"),
]
