"""Parsl's provider for the Jetstream cloud, until 2020."""
