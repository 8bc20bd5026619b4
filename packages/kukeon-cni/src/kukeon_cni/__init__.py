"""CNI networks for namespaces, per the CNI specification."""
