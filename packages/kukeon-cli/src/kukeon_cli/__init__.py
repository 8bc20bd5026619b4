"""kuke: the command line of kukeon.

Nothing here is an interface for programs; they use `kukeon_sdk`.
"""

__version__ = "0.1.0"
