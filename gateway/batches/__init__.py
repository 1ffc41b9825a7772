"""Many calls from one file, worked off in the background."""
