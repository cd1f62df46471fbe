"""The workloads: one runnable module each, the same for all systems.

Functions that run on workers live in these modules, which run as ``__main__``, because that is where a user's
functions live; they import what they need themselves, as Parsl's users are told to.
"""
