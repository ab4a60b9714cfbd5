from django.urls import path

from readerstudy.reports import views

app_name = "reports"
urlpatterns = [
    path("<uuid:study_id>/report/", views.report, name="report"),
    path("<uuid:study_id>/report/underway/", views.underway, name="underway"),
    path("<uuid:study_id>/report/again/", views.again, name="again"),
    path("<uuid:study_id>/report/figures/<slug:name>.svg", views.figure, name="figure"),
    path("<uuid:study_id>/report/judgments.csv", views.judgment_table, name="judgments"),
    path("<uuid:study_id>/report/numbers.json", views.numbers, name="numbers"),
]
