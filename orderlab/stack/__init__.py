"""Brings the lab up and down: private servers, the services one process each, a supervisor over them."""

from orderlab.stack.home import Home, StackError, State, default_home
from orderlab.stack.lifecycle import Service, Status, attached, down, reset, scale, status, up
from orderlab.stack.one import kill, pids, send, start, stop

__all__ = [
    "Home",
    "Service",
    "StackError",
    "State",
    "Status",
    "attached",
    "default_home",
    "down",
    "kill",
    "pids",
    "reset",
    "scale",
    "send",
    "start",
    "status",
    "stop",
    "up",
]
