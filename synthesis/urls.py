"""Addresses of the generators."""

from django.urls import path, register_converter

from synthesis import exploring_views, regeneration_views, training_views, upload_views, views


class FileNameConverter:
    """Names of files that the house itself wrote."""

    regex = r"[a-z]+(-[0-9]+)?\.(png|gif|mp4)"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(FileNameConverter, "picture")

app_name = "synthesis"
urlpatterns = [
    path("", views.generators, name="list"),
    path("bring/", upload_views.bring, name="bring"),
    path("uploads/<uuid:public_id>/", upload_views.upload, name="upload"),
    path("uploads/<uuid:public_id>/discard/", upload_views.discard, name="discard"),
    path(
        "uploads/<uuid:public_id>/samples/<int:number>.png",
        upload_views.sample,
        name="upload-sample",
    ),
    path("runs/", training_views.runs, name="runs"),
    path("runs/new/", training_views.train, name="train"),
    path("runs/<uuid:public_id>/", training_views.run, name="run"),
    path("runs/<uuid:public_id>/live/", training_views.live, name="run-live"),
    path("runs/<uuid:public_id>/adopt/", training_views.adopt, name="adopt"),
    path("runs/<uuid:public_id>/log.jsonl", training_views.log, name="run-log"),
    path("runs/<uuid:public_id>/grids/<picture:name>", training_views.grid, name="grid"),
    path("regenerate/", regeneration_views.closed_studies, name="closed-studies"),
    path("regenerate/<uuid:public_id>/", regeneration_views.regenerate, name="regenerate"),
    path("scans/<uuid:public_id>.dcm", views.scan_dicom, name="dicom"),
    path("<uuid:public_id>/", views.generator, name="generator"),
    path("<uuid:public_id>/samples/<int:number>.png", views.sample, name="sample"),
    path("<uuid:public_id>/walks/", exploring_views.walks, name="walks"),
    path("<uuid:public_id>/walks/<uuid:job_id>/", exploring_views.walk, name="walk"),
    path(
        "<uuid:public_id>/walks/<uuid:job_id>/<picture:name>",
        exploring_views.walk_file,
        name="walk-file",
    ),
    path("<uuid:public_id>/neighbours/", exploring_views.comparisons, name="comparisons"),
    path(
        "<uuid:public_id>/neighbours/<uuid:job_id>/", exploring_views.neighbours, name="neighbours"
    ),
    path(
        "<uuid:public_id>/neighbours/<uuid:job_id>/samples/<int:number>.png",
        exploring_views.neighbour_sample,
        name="neighbour-sample",
    ),
]
