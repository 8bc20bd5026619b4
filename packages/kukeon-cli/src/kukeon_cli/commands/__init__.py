"""One module a verb: click parses, then a plain function of a client, options and an output does the work."""
