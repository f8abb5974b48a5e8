#!/usr/bin/env python3
# tap: timeout=110
"""Checks that speak a protocol - mysql, pgsql, redis, smtp, ldap, TLS hello, tcp-check - against Debian's haproxy: what is
sent to the server and what the columns of the statistics say about its answer. Every row runs in both.
"""
import socket
import threading
from lbt import *

CONFIG = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
    timeout check 400ms
frontend f
    bind 127.0.0.1:@f@
"""


class Script:
    """A server: says @first, then for each of @answers reads something and says it; then closes, or hangs."""

    def __init__(self, first, answers, hang=True):
        self.first, self.answers, self.hang, self.got = first, answers, hang, []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        at_end(self.refuse)

    def refuse(self):
        if self.sock.fileno() >= 0:
            self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        got = []
        try:
            conn.settimeout(2)
            if self.first:
                conn.sendall(self.first)
            for a in self.answers:
                got.append(conn.recv(4096))
                conn.sendall(a)
            if self.hang:
                while (data := conn.recv(4096)):
                    got.append(data)
        except OSError:
            pass
        self.got.append(b"".join(got))
        conn.close()


COLUMNS = ("check_status", "check_code", "last_chk", "check_desc")


def settled(p, backend):
    """The check's columns once one has ended."""
    def row():
        r = p.stat(backend, "s")
        return r if r["check_status"] not in ("", "INI") and r["check_status"][0] != "*" else None
    r = wait_for(row, 5, f"a check has ended in {p.label}")
    return [r[c] for c in COLUMNS]


def run_all(P, rows):
    """One process with a backend for each row; what the columns say and what the servers got."""
    targets = [Script(first, answers, hang) for _, _, first, answers, hang in rows]
    text = CONFIG
    for i, (_, lines, first, _, _) in enumerate(rows):
        if first is None:  # nobody listens
            targets[i].refuse()
        text += (f"backend b{i}\n" + "".join(f"    {ln}\n" for ln in lines)
                 + f"    server s 127.0.0.1:{targets[i].port} inter 200ms check\n")
    p, seen = P(text), []
    for i, (words, lines, first, _, _) in enumerate(rows):
        columns = settled(p, f"b{i}")
        if first is not None:
            wait_for(lambda: targets[i].got, 5, f"{words}: the check's connection ended")
        sent = targets[i].got[0] if targets[i].got else b""
        if "ssl-hello" in lines[0]:
            sent = sent[:11] + sent[43:]  # its random part
        seen.append((columns, sent))
    p.stop()
    return seen


def compare(rows):
    """Rows: words, lines, what the server says first (None: it refuses), its answers[, hang]."""
    rows = [r if len(r) == 5 else (*r, True) for r in rows]
    his, mine = run_all(Haproxy, rows), run_all(Lbd, rows)
    wrong = [f"{row[0]}: got {m}, wanted {h}" for row, h, m in zip(rows, his, mine) if h != m]
    true(not wrong, "the same in both\n" + "\n".join(wrong))


# ---- mysql ----------------------------------------------------------------------------------------

def packet(n, body):
    return len(body).to_bytes(3, "little") + bytes([n]) + body


GREETING = packet(0, b"\x0a5.5.5-10.11.6-MariaDB\0" + b"\x01\0\0\0" + b"12345678\0" + b"\xfe\xf7" + b"\x2d\x02\0"
                  + b"\xff\x81\x15" + bytes(7) + b"\x1d\0\0\0" + b"abcdefghijkl\0" + b"mysql_native_password\0")
OK = packet(2, b"\0\0\0\2\0\0\0")
DENIED = packet(2, b"\xff\x15\x04#28000Access denied for user 'x'@'y' (using password: NO)")
BLOCKED = packet(0, b"\xff\x6a\x04Host '10.1.1.1' is not allowed to connect to this MariaDB server")


@case("mysql-check")
def _():
    compare([(words, ["option mysql-check " + " ".join(args)], first, answers) for words, args, first, answers in [
        ("a greeting", [], GREETING, []),
        ("a refusal", [], BLOCKED, []),
        ("a refusal without words", [], packet(0, b"\xff\x6a\x04"), []),
        ("not mysql", [], b"220 smtp.example ESMTP\r\n", []),
        ("silence", [], b"", []),
        ("an empty packet", [], packet(0, b""), []),
        ("two bytes of a greeting", [], GREETING[:2], []),
        ("half a greeting", [], GREETING[:9], []),
        ("user, ok", ["user haproxy"], GREETING, [OK]),
        ("user post-41, ok", ["user haproxy post-41"], GREETING, [OK]),
        ("user pre-41, ok", ["user haproxy pre-41"], GREETING, [OK]),
        ("user, denied", ["user haproxy"], GREETING, [DENIED]),
        ("user, silence", ["user haproxy"], GREETING, [b""]),
        ("user, another packet", ["user haproxy"], GREETING, [packet(2, b"\xfemysql_old_password\0")]),
    ]])


# ---- others ---------------------------------------------------------------------------------------

def pg(kind, body):
    return kind + (len(body) + 4).to_bytes(4, "big") + body


@case("pgsql, redis, smtp, ldap, TLS hello")
def _():
    compare([(f"{kind}: {words}", lines, first, answers) for kind, words, lines, first, answers in [
        ("pgsql-check", "asks for a password", ["option pgsql-check user lbd"], b"", [pg(b"R", b"\0\0\0\3")]),
        ("pgsql-check", "ok", ["option pgsql-check user lbd"], b"", [pg(b"R", b"\0\0\0\0")]),
        ("pgsql-check", "error", ["option pgsql-check user lbd"], b"",
         [pg(b"E", b"SFATAL\0C28000\0Mno entry in pg_hba.conf\0\0")]),
        ("pgsql-check", "not postgres", ["option pgsql-check user lbd"], b"", [b"HTTP/1.0 400 Bad\r\n"]),
        ("pgsql-check", "asks for SCRAM", ["option pgsql-check user lbd"], b"", [pg(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")]),
        ("pgsql-check", "silence", ["option pgsql-check user lbd"], b"", [b""]),
        ("redis-check", "pong", ["option redis-check"], b"", [b"+PONG\r\n"]),
        ("redis-check", "needs a password", ["option redis-check"], b"", [b"-NOAUTH Authentication required.\r\n"]),
        ("redis-check", "half a pong", ["option redis-check"], b"", [b"+PO"]),
        ("smtpchk", "ok", ["option smtpchk"], b"220 mx.example ESMTP\r\n", [b"250 mx.example\r\n", b"221 bye\r\n"]),
        ("smtpchk", "EHLO and a name", ["option smtpchk EHLO lbd.example"], b"220 mx.example ESMTP\r\n",
         [b"250-mx.example\r\n250 SIZE 1\r\n", b"221 bye\r\n"]),
        ("smtpchk", "another word is HELO", ["option smtpchk HOLA lbd.example"], b"220 mx.example ESMTP\r\n",
         [b"250 mx.example\r\n", b"221 bye\r\n"]),
        ("smtpchk", "too busy", ["option smtpchk"], b"421 mx.example too busy\r\n", []),
        ("smtpchk", "HELO refused", ["option smtpchk"], b"220 mx.example ESMTP\r\n", [b"550 go away\r\n"]),
        ("smtpchk", "no code", ["option smtpchk"], b"SSH-2.0-OpenSSH_9.2\r\n", []),
        ("smtpchk", "silence", ["option smtpchk"], b"", []),
        ("ldap-check", "ok", ["option ldap-check"], b"", [bytes.fromhex("300c02010161070a010004000400")]),
        ("ldap-check", "refused", ["option ldap-check"], b"", [bytes.fromhex("300c02010161070a013104000400")]),
        ("ldap-check", "not ldap", ["option ldap-check"], b"", [b"HTTP/1.0 400 Bad request, really\r\n"]),
        ("ldap-check", "a long length", ["option ldap-check"], b"", [bytes.fromhex("308400000010020101618400000007"
                                                                                  "0a010004000400")]),
        ("ssl-hello-chk", "server hello", ["option ssl-hello-chk"], b"", [bytes.fromhex("160300004a") + bytes(74)]),
        ("ssl-hello-chk", "alert", ["option ssl-hello-chk"], b"", [bytes.fromhex("15030000020228")]),
        ("ssl-hello-chk", "not TLS", ["option ssl-hello-chk"], b"", [b"HTTP/1.0 400\r\n"]),
    ]])


# ---- tcp-check ------------------------------------------------------------------------------------

@case("tcp-check")
def _():
    compare([(words, ["option tcp-check"] + ["tcp-check " + r for r in rules], first, answers) for words, rules, first, answers in [
        ("only sent", ["send PING\\r\\n"], b"", []),
        ("twice the same bytes", ["expect string abc", "expect string bcd"], b"abcdef", []),
        ("not the bytes of before", ["expect string abc", "send x", "expect string def"], b"abcdef", [b"ghi"]),
        ("expect, send, expect the same", ["expect string abc", "send x", "expect string abc"], b"abcdef", [b"ghi"]),
        ("connect twice", ["connect", "expect string abc", "connect", "expect string abc"], b"abc", []),
        ("connect twice, the second fails", ["connect", "expect string abc", "connect port 1", "expect string abc"], b"abc", []),
        ("min-recv, closed before", ["expect min-recv 8 string cd"], b"abcd", []),
        ("min-recv of the rule set", ["expect string x"], b"", []),
        ("expect string", ["expect string hello"], b"well hello you", []),
        ("expect string, wrong", ["expect string hello"], b"good bye, well", []),
        ("send and expect", ["send PING\\r\\n", "expect string +PONG"], b"", [b"+PONG\r\n"]),
        ("send and expect, wrong", ["send PING\\r\\n", "expect string +PONG"], b"", [b"-ERR what\r\n"]),
        ("send-binary, expect binary", ["send-binary 50494e470d0a", "expect binary 2b504f4e47"], b"", [b"+PONG\r\n"]),
        ("expect binary, wrong", ["send-binary 50494e470d0a", "expect binary ffff"], b"", [b"+PONG\r\n"]),
        ("expect rstring", ["expect rstring ^SSH-[0-9]"], b"SSH-2.0-x\r\n", []),
        ("expect rstring, wrong", ["expect rstring ^SSH-[0-9]"], b"FTP-2.0-x\r\n", []),
        ("expect rbinary", ["expect rbinary ^5353"], b"SSH-2.0-x\r\n", []),
        ("expect rbinary, wrong", ["expect rbinary ^5454"], b"SSH-2.0-x\r\n", []),
        ("expect ! string", ["expect ! string error"], b"fine", []),
        ("expect ! string, there", ["expect ! string error"], b"an error", []),
        ("min-recv", ["expect min-recv 8 string cd"], b"abcdefgh", []),
        ("two steps", ["expect string 220", "send QUIT\\r\\n", "expect string 221"], b"220 hi\r\n", [b"221 bye\r\n"]),
        ("two steps, the second wrong", ["expect string 220", "send QUIT\\r\\n", "expect string 221"], b"220 hi\r\n",
         [b"500 no\r\n"]),
        ("silence", ["expect string x"], b"", []),
        ("comment", ["comment first\\ words", "expect string x"], b"yyyyyyyyy", []),
        ("comment of its own", ["expect comment own\\ words string x"], b"yyyyyyyyy", []),
        ("connect", ["connect", "expect string x"], b"xxx", []),
        ("ok-status", ["expect ok-status L6OK string x"], b"xxx", []),
        ("error-status", ["expect error-status L7STS string x"], b"yyy", []),
        ("tout-status", ["expect tout-status L6TOUT string x"], b"", []),
        ("on-success", ["expect on-success fine string x"], b"xxx", []),
        ("on-error", ["expect on-error oh\\ no string x"], b"yyy", []),
        ("on-error with a sample", ["expect on-error %[res.payload(0,3)]! string x"], b"yyyzz", []),
        ("status-code", ["expect error-status L7STS status-code res.payload(0,3) string x"], b"404 yyy", []),
        ("comment in a send", ["send PING comment ping", "expect string x"], b"", [b"yyy"]),
    ]])


@case("a refused connection")
def _():
    compare([(words, lines, None, []) for words, lines in [
        ("tcp-check", ["option tcp-check", "tcp-check expect string x"]),
        ("tcp-check without rules", ["option tcp-check"]),
        ("tcp-check connect", ["option tcp-check", "tcp-check connect", "tcp-check expect string x"]),
        ("tcp-check connect port", ["option tcp-check", "tcp-check connect port 1", "tcp-check expect string x"]),
        ("tcp-check connect addr", ["option tcp-check", "tcp-check connect addr 127.0.0.1 port 1 comment the\\ other",
                                    "tcp-check expect string x"]),
        ("mysql-check", ["option mysql-check"]),
        ("redis-check", ["option redis-check"]),
        ("ssl-hello-chk", ["option ssl-hello-chk"]),
    ]])


@case("answers, then the server closes")
def _():
    compare([(f"{kind}: {words}", lines, first, answers, False) for kind, words, lines, first, answers in [
        ("mysql-check", "nothing", ["option mysql-check"], b"", []),
        ("mysql-check", "half a greeting", ["option mysql-check user x"], GREETING[:20], []),
        ("pgsql-check", "nothing", ["option pgsql-check user lbd"], b"", [b""]),
        ("pgsql-check", "half an answer", ["option pgsql-check user lbd"], b"", [b"R\0"]),
        ("pgsql-check", "half an error", ["option pgsql-check user lbd"], b"", [b"E\0"]),
        ("redis-check", "needs a password", ["option redis-check"], b"", [b"-NOAUTH Authentication required.\r\n"]),
        ("redis-check", "nothing", ["option redis-check"], b"", [b""]),
        ("smtpchk", "HELO refused", ["option smtpchk"], b"220 mx.example ESMTP\r\n", [b"550 go away\r\n"]),
        ("smtpchk", "QUIT refused", ["option smtpchk"], b"220 mx.example ESMTP\r\n", [b"250 hi\r\n", b"500 no\r\n"]),
        ("smtpchk", "two digits", ["option smtpchk"], b"22", []),
        ("ldap-check", "a few bytes", ["option ldap-check"], b"", [bytes.fromhex("300c0201")]),
        ("ldap-check", "nothing", ["option ldap-check"], b"", [b""]),
        ("ssl-hello-chk", "two bytes", ["option ssl-hello-chk"], b"", [b"\x16\x03"]),
        ("ssl-hello-chk", "nothing", ["option ssl-hello-chk"], b"", [b""]),
        ("tcp-check", "nothing", ["option tcp-check", "tcp-check expect string x"], b"", []),
    ]])


@case("tcp-check expect, then the server closes")
def _():
    compare([(rule, ["option tcp-check", "tcp-check expect " + rule], first, [], False) for rule, first in [
        ("string x", b"yyy"),
        ("rstring ^x", b"yyy"),
        ("binary 787878", b"yyy"),
        ("rbinary ^78", b"yyy"),
        ("! string y", b"yyy"),
        ("! rstring y", b"yyy"),
        ("! binary 79", b"yyy"),
        ("! rbinary 79", b"yyy"),
        ("! string x", b"yyy"),
        ("! rstring x", b"yyy"),
        ("comment own\\ words string x", b"yyy"),
        ("comment own\\ words ! rstring y", b"yyy"),
        ("error-status L7STS string x", b"yyy"),
        ("error-status L4CON string x", b"yyy"),
        ("error-status L7OKC string x", b"yyy"),
        ("error-status L6RSP string x", b"yyy"),
        ("ok-status L7OKC string y", b"yyy"),
        ("ok-status L4OK string y", b"yyy"),
        ("on-error oh\\ no string x", b"yyy"),
        ("on-error %[res.payload(0,3)]! string x", b"yyyzz"),
        ("on-success %[res.payload(0,3)]! string y", b"yyyzz"),
        ("error-status L7STS status-code res.payload(0,3) string x", b"404 yyy"),
        ("status-code res.payload(0,3) string yy", b"201 yyy"),
        ("error-status L7STS status-code res.payload(0,3) on-error %[res.payload(4,0)] string x", b"404 yyy"),
        ("min-recv 8 string cd", b"abcd"),
        ("min-recv 8 string xx", b"abcd"),
        ("min-recv 2 string xx", b"abcd"),
        ("min-recv 0 string xx", b"abcd"),
        ("min-recv -1 string xx", b"abcd"),
        ("string-lf %[str(ab)]cd", b"abcd"),
        ("string-lf %[str(ab)]cd", b"abxx"),
        ("binary-lf %[str(61)]62", b"abcd"),
        ("binary-lf %[str(61)]62", b"xxxx"),
    ]])


@case("tcp-check send")
def _():
    compare([(rule, ["option tcp-check", "tcp-check " + rule, "tcp-check expect string ok"], b"", [b"ok"]) for (rule,) in [
        ("send-lf %[str(PI)]NG\\r\\n",),
        ("send-binary-lf %[str(50)]49",),
        ("send a\\ b",),
    ]])


main()
