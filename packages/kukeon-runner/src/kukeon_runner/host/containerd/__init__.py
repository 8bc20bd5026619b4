"""The door to containerd.  Start with `client.Containerd.connect(socket)`."""
