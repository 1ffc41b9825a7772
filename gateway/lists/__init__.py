"""Lists that callers read page by page while they change."""
