"""The audit of a table: one file per group of checks, one row of the registry per check."""
