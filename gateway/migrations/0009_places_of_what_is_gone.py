from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0008_batch_members"),
    ]

    operations = [
        migrations.CreateModel(
            name="Gone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("list", models.CharField(max_length=64)),
                ("item", models.CharField(max_length=64)),
                ("place", models.BigIntegerField()),
                ("gone_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "gone",
                "indexes": [
                    models.Index(fields=["list", "item"], name="gone_place"),
                    models.Index(fields=["gone_at"], name="gone_age"),
                ],
            },
        ),
    ]
