#!/usr/bin/env python3
"""An auth server for Martlet, to start from.

Martlet asks over HTTP who a client is and where the mailbox lives. This server answers from a file
of users, one a line: a login, blanks, and the password as it is. Lines that begin with # are comments.

    demo@example.org  martlet

The question comes in headers of the request, the answer goes into headers of the response:

    Auth-Method: plain                        Auth-Status: OK
    Auth-User: demo@example.org               Auth-Server: 127.0.0.1
    Auth-Pass: martlet                        Auth-Port: 10143
    Auth-Protocol: imap
    Auth-Login-Attempt: 1                 or  Auth-Status: Invalid login or password
    Client-IP: 192.0.2.1                      Auth-Wait: 3

How each method is answered stands at its function below. A real server keeps hashes rather than
passwords (which rules out apop and cram-md5), and talks to Martlet over loopback or a UNIX socket,
because passwords cross that connection in the clear.
"""

import argparse
import hashlib
import hmac
import os
import re
import signal
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_to_bytes

SECONDS_AFTER_WRONG_PASSWORD = 3
ATTEMPTS_PER_CONNECTION = 5


class Refusal(Exception):
    """A no, in the words that the client shall read."""


# One function for each Auth-Method. It returns what Martlet is to be told besides the server, or
# raises a Refusal. Logins and passwords are bytes: not every client sends UTF-8.


def plain(question, users):
    """A password in the clear, however the client sent it."""
    expected = users.get(question.login)
    # Compared in constant time, also where there is no such user.
    if not hmac.compare_digest(question.password, expected or b"") or not expected:
        raise Refusal("Invalid login or password")
    return {}


def apop(question, users):
    """APOP: the client proves the password by a digest of the salt and it. The upstream has another
    salt, so Martlet needs the password itself: the answer carries it."""
    expected = users.get(question.login, b"")
    digest = hashlib.md5(question.salt + expected).hexdigest().encode()
    return password_if(hmac.compare_digest(question.password, digest), expected)


def cram_md5(question, users):
    """CRAM-MD5: the same with another digest."""
    expected = users.get(question.login, b"")
    digest = hmac.new(expected, question.salt, hashlib.md5).hexdigest().encode()
    return password_if(hmac.compare_digest(question.password, digest), expected)


def password_if(is_right, password):
    if not is_right or not password:
        raise Refusal("Invalid login or password")
    return {"Auth-Pass": password}


def none(question, users):
    """SMTP without a login (smtp_auth none): mail for our own users is welcome, nothing else is."""
    recipient = re.match(rb"RCPT TO:\s*<([^<>]*)>", question.header("Auth-SMTP-To"), re.IGNORECASE)
    if question.protocol != "smtp" or not recipient or recipient[1].lower() not in users:
        raise Refusal("No such user here")
    return {}


METHODS = {"plain": plain, "apop": apop, "cram-md5": cram_md5, "none": none}


class Question(BaseHTTPRequestHandler):
    """One request. Connections are kept open, and questions on one may follow each other at once."""

    protocol_version = "HTTP/1.1"
    server_version = "auth-server"

    def setup(self):
        self.disable_nagle_algorithm = self.request.family != socket.AF_UNIX
        super().setup()

    def header(self, name):
        # http.server reads headers as Latin-1, which keeps every byte.
        return self.headers.get(name, "").encode("latin-1")

    def do_GET(self):
        # Martlet escapes blanks, control bytes and % in these two.
        self.login = unquote_to_bytes(self.header("Auth-User"))
        self.password = unquote_to_bytes(self.header("Auth-Pass"))
        self.salt = self.header("Auth-Salt")
        self.protocol = self.headers.get("Auth-Protocol", "")
        try:
            self.answer(self.accept())
        except Refusal as refusal:
            self.answer(self.refuse(refusal))

    def accept(self):
        method = METHODS.get(self.headers.get("Auth-Method", ""))
        server = self.server.upstreams.get(self.protocol)
        if not method or not server:
            raise Refusal("Login method not supported")
        return {
            "Auth-Status": "OK",
            # Always an address, never a name.
            "Auth-Server": server[0],
            "Auth-Port": server[1],
            # Whether Martlet speaks TLS with the mail server; without it, "proxy_ssl" decides.
            **({"Auth-SSL": self.server.auth_ssl} if self.server.auth_ssl else {}),
            **method(self, self.server.users),
        }

    def refuse(self, refusal):
        answer = {"Auth-Status": refusal}
        if self.protocol == "smtp" and self.headers.get("Auth-Method") == "none":
            answer["Auth-Error-Code"] = "550 5.1.1"
        # With Auth-Wait the client may try again, so nobody but this server ends the guessing:
        # without it, Martlet closes the connection.
        attempt = self.headers.get("Auth-Login-Attempt", "")
        if attempt.isdecimal() and int(attempt) < ATTEMPTS_PER_CONNECTION:
            answer["Auth-Wait"] = SECONDS_AFTER_WRONG_PASSWORD
        return answer

    def answer(self, headers):
        self.log_message("%a %a from %a: %s", self.protocol, self.login, self.headers.get("Client-IP"),
                         headers["Auth-Status"])
        # The status is 200 even for a refusal. Anything else says that this server is at fault.
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value.decode("latin-1") if isinstance(value, bytes) else value)
        self.send_header("Content-Length", 0)
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def log_request(self, code="-", size="-"):
        pass

    def log_message(self, form, *values):
        # One line for each question, without its password.
        print(form % values, file=sys.stderr, flush=True)


class AuthServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, listen, users, upstreams, auth_ssl):
        self.users, self.upstreams, self.auth_ssl = users, upstreams, auth_ssl
        self.path = listen.removeprefix("unix:") if listen.startswith("unix:") else None
        if self.path:
            self.address_family = socket.AF_UNIX
            if os.path.exists(self.path):
                os.unlink(self.path)
        super().__init__(self.path or address(listen), Question)

    def server_bind(self):
        # HTTPServer would ask the DNS for its own name here.
        socketserver.TCPServer.server_bind(self)

    def server_close(self):
        super().server_close()
        if self.path:
            os.unlink(self.path)


def address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


def read_users(path):
    users = {}
    with open(path, "rb") as file:
        for line in file.read().splitlines():
            if line and not line.startswith(b"#"):
                login, _, password = line.partition(b" ")
                users[login] = password.strip()
    return users


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:9143", metavar="ADDRESS",
                        help="ADDRESS:PORT or unix:PATH (default: %(default)s)")
    parser.add_argument("--users", required=True, metavar="FILE", help="the file of users")
    parser.add_argument("--imap", type=address, metavar="ADDRESS:PORT", help="where IMAP clients go")
    parser.add_argument("--pop3", type=address, metavar="ADDRESS:PORT", help="where POP3 clients go")
    parser.add_argument("--smtp", type=address, metavar="ADDRESS:PORT", help="where SMTP clients go")
    parser.add_argument("--auth-ssl", choices=["off", "on", "starttls"],
                        help="how Martlet is to secure its connection to the mail server")
    options = parser.parse_args()

    upstreams = {"imap": options.imap, "pop3": options.pop3, "smtp": options.smtp}
    server = AuthServer(options.listen, read_users(options.users), upstreams, options.auth_ssl)
    # shutdown() waits for the loop that it ends, so it needs a thread of its own.
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"auth-server: listening on {options.listen}", file=sys.stderr, flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
