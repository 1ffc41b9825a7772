"""Figures beside peers, and checks with other people's clients: everything here drives Tollgate from outside."""
