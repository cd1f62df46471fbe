"""Before a script runs: what its Configs become, and what would be refused."""
