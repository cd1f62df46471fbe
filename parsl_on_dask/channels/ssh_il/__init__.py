"""A channel over ssh with a password prompt, which is refused."""
