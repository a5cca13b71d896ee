"""One client's connection through the proxy, and the bytes of both directions."""
