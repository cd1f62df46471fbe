"""Workers of Kubernetes."""
