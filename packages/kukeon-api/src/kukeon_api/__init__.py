"""The vocabulary of kukeon: documents, manifests, wire format, errors."""
