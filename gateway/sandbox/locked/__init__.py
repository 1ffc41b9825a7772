"""What stands between the gateway and code that a model wrote: a program of its own, in the standard library alone.

It is started as ``locked.launcher`` without the gateway's packages, environment and settings; so that none of them is
loaded with it, its modules import each other relatively and nothing else.
"""
