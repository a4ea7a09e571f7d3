"""The database: tables, statements and the rows that they return.

This layer imports nothing of ours and knows neither requests nor callers. A query takes a
`Snapshot` and plain values and returns frozen rows. All SQL of the project is written here.
"""
