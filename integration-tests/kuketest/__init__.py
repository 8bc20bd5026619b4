"""What the stories share: an instance of its own, traces on the host, manifests, archives, and waiting."""
