"""The revisions of the tables, and the newest of them."""

# Stated here so that a server can compare without loading Alembic; a test holds it true.
HEAD = "0002"
