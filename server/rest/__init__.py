"""REST: the read endpoints below /api/v2/aibridge, as existing dashboards and scripts know them.

Endpoints read parameters, ask the same resolvers as GraphQL, and encode rows. They hold no SQL and
no rules of access.
"""
