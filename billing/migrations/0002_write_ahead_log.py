"""SQLite writes ahead, so that readers and the writer do not wait for each other; set once, the file remembers it."""

from django.db import migrations


def write_ahead(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunPython(write_ahead, migrations.RunPython.noop)]
