from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0004_routing"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelroute",
            name="cache",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text=(
                    'How long answers are given again to whom, as {"ttl": 300, "share": "key"}: '
                    "seconds, and key, team or all; off where empty."
                ),
            ),
        ),
        migrations.AddField(
            model_name="modelroute",
            name="cache_version",
            field=models.PositiveIntegerField(default=0, editable=False, help_text="Raised to forget what is cached."),
        ),
    ]
