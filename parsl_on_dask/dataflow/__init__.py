"""What happens to a call: kernel, task records and states, futures, dependencies, retries, joins."""
