"""The configuration: which tables hold it, the schema of tollgate.yaml, and the applying of such a file."""
