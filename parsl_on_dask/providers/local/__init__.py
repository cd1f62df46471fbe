"""Blocks of workers on this machine."""
