"""How code outside of the services reaches a running lab: its addresses, its tables, its queues, its button.

It may import `orderlab.stack` (where a lab's home is) and what is below. It draws nothing and judges nothing.
"""
