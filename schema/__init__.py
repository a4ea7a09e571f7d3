"""The GraphQL schema: names, nullability and descriptions of what `resolvers` can be asked.

A field says where its value is found (a column of the row, or a look-up), and nothing more: rules
live in `resolvers`. The objects of the graph are the rows themselves.
"""
