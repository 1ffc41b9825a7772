"""The URLs of vector stores."""

from __future__ import annotations

from gateway.vectors import views
from gateway.views.api import ApiView

STORE = "vector_stores/<str:vector_store_id>"
BATCH = f"{STORE}/file_batches/<str:batch_id>"

resources: list[tuple[str, type[ApiView]]] = [
    ("vector_stores", views.VectorStores),
    (STORE, views.VectorStore),
    (f"{STORE}/search", views.Search),
    (f"{STORE}/files", views.Files),
    (f"{STORE}/files/<str:file_id>", views.File),
    (f"{STORE}/files/<str:file_id>/content", views.FileContent),
    (f"{STORE}/file_batches", views.FileBatches),
    (BATCH, views.FileBatch),
    (f"{BATCH}/cancel", views.CancelFileBatch),
    (f"{BATCH}/files", views.FileBatchFiles),
]
