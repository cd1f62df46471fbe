"""How names are found: the import alias ``parsl``, and modules that are imported when they are asked for."""
