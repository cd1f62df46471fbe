"""Usage tracking levels are accepted, and nothing is ever sent."""
