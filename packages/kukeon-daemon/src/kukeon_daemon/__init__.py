"""kukeond: serves the kukeon runner over gRPC on a unix socket."""

__version__ = "0.1.0"
