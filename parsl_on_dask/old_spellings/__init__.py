"""What Parsl once had: old names and arguments, modules without a file here, defaults of earlier releases."""
