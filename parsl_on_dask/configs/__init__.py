"""Sample configurations: ``from parsl.configs.htex_local import config``."""
