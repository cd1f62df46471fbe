"""A channel over ssh with OAuth tokens, which is refused."""
