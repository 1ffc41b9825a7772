"""Providers' usage and cost exports, read into lines of days and models. Pure."""
