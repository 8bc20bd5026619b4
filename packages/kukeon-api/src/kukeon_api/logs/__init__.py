"""Logs of containers as they are on disk: the format of a line, files that are rotated while they are read, selection.

kukeond reads them for its clients and kuke reads them itself where it may, so this is the one place that knows them.
"""
