"""Makes a host match kukeon documents: containerd, cgroups, CNI, nftables."""
