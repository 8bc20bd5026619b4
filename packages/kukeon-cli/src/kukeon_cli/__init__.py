"""kuke: the command line of kukeon."""
