"""The outermost layer: settings, command line, HTTP, who is calling, REST, passthrough, logs.

It imports the layers below; nothing imports it.
"""
