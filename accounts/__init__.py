"""Who asks: users, teams, API keys, roles, the audit log."""
