"""Engines on the gateway's own machine: speech, hearing and drawing without an account anywhere."""
