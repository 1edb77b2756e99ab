"""The application of IEC 60870-5-101 and -104 at the controlled station: all but what it travels in.

``options`` is what a site file may say of either, ``asdu`` and ``times`` the codec, ``table`` the objects of a group
and what of them moved. ``station`` is what masters share: ``events`` and whose they are (``groups``), ``counters``,
selections (``commands``). ``application`` is what one master asks and is told, with ``outbox``, ``replies`` and
``control``. How wide addresses are is the business of a ``Format``.
"""
