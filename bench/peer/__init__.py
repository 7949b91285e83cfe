"""The peer: the flow of the diagram as a Python team would build it today, doing the same work as orderlab.

FastAPI, FastStream and psycopg (async) on uvloop; one process per role. orderlab's tables, topology and contract; code
and SQL of its own, so that the yardstick stays where it is when orderlab changes.
"""
