"""Addresses of the generators."""

from django.urls import path

from synthesis import views

app_name = "synthesis"
urlpatterns = [
    path("", views.generators, name="list"),
    path("<uuid:public_id>/", views.generator, name="generator"),
    path("<uuid:public_id>/samples/<int:number>.png", views.sample, name="sample"),
]
