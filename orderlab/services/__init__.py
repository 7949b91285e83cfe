"""The four services of the diagram, each in a process of its own: orders-api, worker, notifier, relay."""
