"""What notebooks call: `Lab`, its parts, and the orders it hands out.

It may import every room but the portal and the services: it reaches them as anybody would, over HTTP and the broker.
"""
