"""A channel over ssh, which is refused."""
