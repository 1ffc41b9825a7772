import django.db.models.deletion
from django.db import migrations, models

AT_ONCE = 1_000


def keep_members(apps, schema_editor):
    """Let each file be a member of the batch that it was of."""
    file = apps.get_model("gateway", "VectorFile")
    member = file.batches.through
    files = file.objects.filter(batch__isnull=False).values_list("pk", "batch_id")
    members = (member(vectorfile_id=id, vectorbatch_id=batch) for id, batch in files.iterator(chunk_size=AT_ONCE))
    member.objects.bulk_create(members, batch_size=AT_ONCE)


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0007_assistants"),
    ]

    operations = [
        # its name for the files of a batch is taken over
        migrations.AlterField(
            model_name="vectorfile",
            name="batch",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="gateway.vectorbatch"
            ),
        ),
        migrations.AddField(
            model_name="vectorfile",
            name="batches",
            field=models.ManyToManyField(related_name="files", to="gateway.vectorbatch"),
        ),
        migrations.RunPython(keep_members, migrations.RunPython.noop),
        migrations.RemoveField(
            model_name="vectorfile",
            name="batch",
        ),
    ]
