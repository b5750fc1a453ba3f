"""A client of the Redis protocol for what needs no speed: it prepares servers and asks them what they hold."""

import socket


def request(words):
    """The bytes of a request of `words`, each bytes or anything that has a text."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """A connection to a port of this machine."""

    def __init__(self, port, timeout_seconds=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.replies.close()
        self.socket.close()

    def send(self, commands):
        self.socket.sendall(b"".join(map(request, commands)))

    def reply(self):
        """A string's bytes, or the line of any other reply with the mark before it. Arrays are not taken apart."""
        line = self.replies.readline().rstrip(b"\r\n")
        if not line:
            raise ConnectionError("the server closed the connection")
        if line[:1] == b"$" and int(line[1:]) >= 0:
            return self.replies.read(int(line[1:]) + 2)[:-2]
        return line

    def ask(self, *words):
        self.send([words])
        return self.reply()


def ask(port, *words):
    """One request on a connection of its own."""
    with Client(port) as client:
        return client.ask(*words)
