"""Parsl's provider for hosts that ssh reaches, until 2024."""
