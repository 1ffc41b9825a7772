"""Vector stores: files cut into pieces, embedded, searched."""
