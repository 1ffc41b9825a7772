"""Files that callers keep here."""
