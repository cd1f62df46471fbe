"""Queries of a monitoring database."""
