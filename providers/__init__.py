"""Where it goes: providers, routes, adapters, the client."""
