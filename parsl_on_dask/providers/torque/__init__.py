"""Blocks of workers from Torque."""
