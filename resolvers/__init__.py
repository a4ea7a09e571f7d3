"""What can be asked: who may see what, paging, and the look-ups behind every field and endpoint.

Every edge of the graph is one function here, from many parents to their results: a *batch*. It
knows principals, paging and rules, and neither GraphQL nor HTTP nor SQL, so GraphQL, REST and the
command line ask the same functions.
"""
