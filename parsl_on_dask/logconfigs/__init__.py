"""Where log records go: one class per kind of log, given as ``Config(initialize_logging=...)``."""
