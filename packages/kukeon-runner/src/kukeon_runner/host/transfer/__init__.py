"""Images between registries and containerd: pull and push.

What is on its way is under a lease and has no name; a name is given when everything is there, checked and unpacked.
"""
