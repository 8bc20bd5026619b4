"""kuketty: the process that keeps the terminals of containers, one for an instance.

It is started as a script without site-packages, so everything here imports the standard library only, and little of
that: modules such as `dataclasses` and `typing` would cost more memory than twenty terminals do.
"""
