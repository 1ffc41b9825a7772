"""Checks against things we did not make up, read at run time from `../shared` beside the checkout."""
