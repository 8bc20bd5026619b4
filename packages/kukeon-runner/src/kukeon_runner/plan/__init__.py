"""Deciding: what is wanted and what is observed become steps. No I/O happens here."""
