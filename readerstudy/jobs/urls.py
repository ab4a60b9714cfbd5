"""Addresses of the jobs room."""

from django.urls import path

from readerstudy.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.jobs, name="list"),
    path("<uuid:public_id>/", views.job, name="detail"),
    path("<uuid:public_id>/live/", views.live, name="live"),
    path("<uuid:public_id>/log/", views.log, name="log"),
    path("<uuid:public_id>/state/", views.state, name="state"),
    path("<uuid:public_id>/stop/", views.stop, name="stop"),
    path("<uuid:public_id>/retry/", views.retry, name="retry"),
]
