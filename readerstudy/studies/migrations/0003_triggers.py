"""Immutability by trigger: hand-written, to be kept when other migrations are squashed."""

from django.db import migrations

from readerstudy.studies import triggers


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


def remove(apps, schema_editor):
    triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("studies", "0002_design_and_people"), ("imaging", "0001_initial")]

    operations = [migrations.RunPython(install, remove)]
