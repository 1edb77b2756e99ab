"""A station that really polls: what it says and hears are octets, which pass a medium to each device's engine and back.

``bus`` has one exchange under way at a time, ``scanner`` has it poll, ``downlink`` has it write, and ``known`` is what
the station knows of it. All of it runs on site time; what a command takes between two steps is taken of wall time.
"""
