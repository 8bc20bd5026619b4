"""Talk to kukeond from Python."""
