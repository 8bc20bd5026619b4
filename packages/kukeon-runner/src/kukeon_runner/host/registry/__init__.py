"""The OCI distribution protocol: pull from and push to registries. Knows nothing of containerd.

`client.Registry` is the way in. The standard is distribution-spec (spec.md) of the Open Containers Initiative; tokens
are those of the Docker registry (its docs/spec/auth), and hosts are configured in containerd's format.
"""
