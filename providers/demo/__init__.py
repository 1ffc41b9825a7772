"""The demo model: for trying out and for tests, with no network and no model behind it."""
