from django.urls import path

from readerstudy.reading import views

app_name = "reading"
urlpatterns = [
    path("", views.studies, name="list"),
    path("<uuid:study>/", views.room, name="room"),
]
