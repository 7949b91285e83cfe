"""What runs before there is an environment: finds an installer, makes the environment, fetches RabbitMQ.

Standard library only, on whatever Python 3.11 to 3.13 `./lab` found.
"""
