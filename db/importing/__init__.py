"""Interceptions from files into the tables, by COPY, in constant memory.

`sources` finds the records in a file, `records` decodes and judges one of them, `chunks` gathers
some thousands with their rows (`batches`), `writing` puts a batch into the tables, and `running`
is the whole import with its result. Nothing that is there already is ever changed.
"""
