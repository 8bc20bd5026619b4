"""kukeond: serves the kukeon runner over gRPC."""
