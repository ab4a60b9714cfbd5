"""Addresses of the archive."""

from django.urls import path

from readerstudy.imaging import archive_audit_views, importing, views

app_name = "archive"
urlpatterns = [
    path("", views.scan_list, name="list"),
    path("scans/<uuid:public_id>/", views.scan_page, name="scan"),
    path("scans/<uuid:public_id>/thumbnail.jpg", views.thumbnail, name="thumbnail"),
    path("scans/<uuid:public_id>/pixels", views.scan_pixels, name="pixels"),
    path("scans/<uuid:public_id>/text/", views.review_text, name="review-text"),
    path("scans/<uuid:public_id>/delete/", views.delete, name="delete"),
    path("text/", views.review_page, name="review-page"),
    path("duplicates/", views.duplicates, name="duplicates"),
    path("import/", importing.import_page, name="import"),
    path("import/<uuid:upload>/files/", importing.upload_file, name="upload"),
    path("import/<uuid:upload>/", importing.upload_state, name="upload-state"),
    path("imports/", importing.batch_list, name="batches"),
    path("imports/<uuid:public_id>/", importing.batch_page, name="batch"),
    path("imports/<uuid:public_id>/delete/", importing.take_back, name="take-back"),
    path(
        "imports/<uuid:public_id>/deidentification.csv",
        importing.batch_report,
        name="batch-report",
    ),
    path("audit/", archive_audit_views.audit_page, name="audit"),
    path(
        "audit/<uuid:job_id>/<int:place>.jpg",
        archive_audit_views.rendered_picture,
        name="rendered",
    ),
]
