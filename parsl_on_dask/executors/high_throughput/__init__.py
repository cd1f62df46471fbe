"""Worker processes, in blocks that a provider gives."""
