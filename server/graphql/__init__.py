"""GraphQL over HTTP: from a request to an operation, and from its result to an answer.

The endpoint is a thin view of our own over graphql-core: `request` reads, `documents` parses and
judges, `execution` runs, `response` answers.
"""
