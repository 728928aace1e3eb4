"""The report: one HTML file that needs no network, every number in it traceable to a row of a table."""
