"""The doors to the host: one module per outside thing, each translating its errors once."""
