"""What a person calls: arguments are checked by their name, and what goes wrong is told in one line.

It may import what is on the ground floor. Rooms above add kinds of arguments that are their own (`kinds.KINDS`).
"""
