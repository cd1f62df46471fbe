"""Parsl's provider for Cobalt, until 2024."""
