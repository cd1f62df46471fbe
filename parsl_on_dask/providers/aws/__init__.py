"""Workers of Amazon's EC2."""
