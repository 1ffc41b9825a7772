#!/usr/bin/env python
"""Django's command line."""

from gateway.cli import main

if __name__ == "__main__":
    main()
