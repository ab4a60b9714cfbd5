from django.urls import path

from readerstudy.accounts import views

app_name = "accounts"
urlpatterns = [
    path("me/", views.profile, name="profile"),
]
