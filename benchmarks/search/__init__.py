"""Searches side by side: scenarios, one accounting for every method, tables and plots. See README.md."""
