"""The door: HTTP in, HTTP out; also the Django project."""

from gateway.celery import app as celery_app

__all__ = ["celery_app"]
