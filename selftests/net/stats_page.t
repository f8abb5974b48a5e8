#!/usr/bin/env python3
# tap: timeout=60
"""The statistics page: who gets it, its forms, what it tells; where it can be compared, with Debian's haproxy."""
import base64
import csv
import html.parser
import io
import json
import os
import shutil
import subprocess
from lbt import *

CONFIG = """
global
    description Edge
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:@web@
    stats enable
    stats uri /s
    stats refresh 5s
    stats show-legends
    stats show-node n1
    stats show-desc some <text> & more
    default_backend app
frontend default
    bind 127.0.0.1:@default@
    stats enable
    default_backend app
frontend secret
    bind 127.0.0.1:@secret@
    stats uri /s
    stats auth ann:one
    stats auth bob:t:wo
    stats realm My\\ Realm
    stats scope .
    stats scope app
    default_backend app
listen db
    mode tcp
    bind 127.0.0.1:@db@
    server d1 127.0.0.1:1
backend app
    server s1 127.0.0.1:{0}
    server s2 127.0.0.1:1 disabled
"""

back = HttpServer("s1")
lbd, oracle = Lbd(CONFIG.replace("{0}", str(back.port))), Haproxy(CONFIG.replace("{0}", str(back.port)))


def get(p, where, path, user=None, **kw):
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    return http(p.at(where), path, headers=headers, **kw)


def head_of(r):
    return (r.status, r.header("content-type"), r.header("cache-control"), r.header("refresh"), r.header("location"),
            r.header("www-authenticate"))


@cases("{0}{1} as {2}: status and headers as haproxy's", [
    ("web", "/s", None), ("web", "/s;csv", None), ("web", "/s;csv;norefresh", None), ("web", "/s;norefresh", None),
    ("web", "/s?x=y;csv", None), ("web", "/sss", None), ("web", "/other", None), ("web", "/s;json", None),
    ("default", "/haproxy?stats", None), ("default", "/haproxy?stats;csv", None), ("default", "/haproxy", None),
    ("secret", "/s", None), ("secret", "/s", "ann:one"), ("secret", "/s", "bob:t:wo"), ("secret", "/s", "ann:two"),
    ("secret", "/s", "ann:"), ("secret", "/s", ":one"), ("secret", "/s", "bob:t"), ("secret", "/s", "an:none"),
])
def _(where, path, user):
    mine, his = [get(p, where, path, user) for p in (lbd, oracle)]
    plain = [tuple(str(v).replace("; charset=utf-8", "") for v in head_of(r)) for r in (mine, his)]
    equal(plain[0], plain[1], "status and headers")


@case("HEAD has no body, and the connection goes on")
def _():
    c = Conn(lbd.at("web"))
    equal(c.request("/s", method="HEAD").status, 200, "status")
    equal(c.request("/other").server, "s1", "the next request's server")


@case("a POST is not taken")
def _():
    mine, his = [get(p, "web", "/s", method="POST", body=b"s=s1&action=maint&b=app") for p in (lbd, oracle)]
    equal((mine.status, mine.header("location")), (his.status, his.header("location")), "answer")
    equal(lbd.stat("app", "s1")["status"], "no check", "state of s1")


@case("the CSV is show stat's without what only legends tell")
def _():
    page = list(csv.reader(io.StringIO(get(lbd, "web", "/s;csv").body.decode()[2:])))
    sock = list(csv.reader(io.StringIO(lbd.cmd("show stat")[2:].rstrip("\n"))))
    equal(page[0], sock[0], "columns")
    equal([r[:2] for r in page], [r[:2] for r in sock], "objects")
    plain = list(csv.DictReader(io.StringIO(get(lbd, "default", "/haproxy?stats;csv").body.decode()[2:])))
    equal({r["addr"] + r["algo"] for r in plain}, {""}, "addresses without show-legends")


@case("stats scope hides other sections in every form")
def _():
    names = {"secret", "app"}
    rows = csv.DictReader(io.StringIO(get(lbd, "secret", "/s;csv", "ann:one").body.decode()[2:]))
    equal({r["pxname"] for r in rows}, names, "sections in the CSV")
    objects = json.loads(get(lbd, "secret", "/s;json", "ann:one").body)
    equal({o[0]["value"]["value"] for o in objects}, names, "sections in the JSON")
    text = get(lbd, "secret", "/s", "ann:one").body.decode()
    true('id="app"' in text and 'id="db"' not in text and 'id="web"' not in text, "sections in the page")


class Reader(html.parser.HTMLParser):
    """Checks that tags nest, and keeps links, words and what would be loaded."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.loads, self.words = [], [], [], []
        self.feed(text)
        equal(self.open, [], "tags left open")

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag == "a":
            self.links.append(attrs["href"])
        if "src" in attrs or tag in ("script", "iframe", "img") or (tag == "link" and attrs["href"] != "data:,"):
            self.loads.append((tag, attrs))

    def handle_endtag(self, tag):
        equal(self.open.pop() if self.open else None, tag, "the tag that is closed")

    def handle_data(self, data):
        self.words.append(data)


@case("the page is well-formed, loads nothing, escapes text, and its links work")
def _():
    http(lbd.at("web"), "/")
    page = Reader(get(lbd, "web", "/s").body.decode())
    equal(page.loads, [], "things that would be loaded")
    contains(" ".join(page.words), "some <text> & more", "words of the page")
    for word in ("s1", "s2", "MAINT", "no check", "OPEN", f"127.0.0.1:{back.port}", "node n1"):
        contains(" ".join(page.words), word, "words of the page")
    for link in page.links:
        equal(get(lbd, "web", link).status, 200, f"status of {link}")


@case("';up' leaves out what is down")
def _():
    true(">s2<" not in get(lbd, "web", "/s;up").body.decode(), "s2 is in maintenance")
    true(">s2<" not in get(lbd, "web", "/s;up;csv").body.decode() and "s2" not in
         [r[1] for r in csv.reader(io.StringIO(get(lbd, "web", "/s;up;csv").body.decode()))], "s2 in the CSV")


@case("hide-version hides it")
def _():
    text = CONFIG.replace("{0}", str(back.port))
    p = Lbd(text.replace("stats show-legends", "stats hide-version", 1))
    with_it, without = get(lbd, "web", "/s").body.decode(), get(p, "web", "/s").body.decode()
    version = lbd.info()["Build info"].split()[1]
    true(version in with_it, "the version is told")
    true(version not in without, "the version is hidden")


@case("a page of a thousand backends comes whole, also to a slow reader, and others are served meanwhile")
def _():
    backends = "\n".join(f"backend b{i}\n    server s1 127.0.0.1:1\n    server s2 127.0.0.1:1 disabled" for i in range(1000))
    p = Lbd(CONFIG.replace("{0}", str(back.port)) + backends + "\n")
    slow = Conn(p.at("web"), rcvbuf=4096)
    slow.send(b"GET /s;csv HTTP/1.1\r\nHost: x\r\n\r\n")
    equal(http(p.at("web"), "/").server, "s1", "another client's answer")
    rows = slow.read_response().body.decode().splitlines()
    equal(len(rows), 1 + 3 + 3 + 3 + 3000, "lines")
    contains(get(p, "web", "/s").body.decode(), 'id="b999"', "the last section")
    true(p.alive(), "it runs")


@case("readers that leave in the middle leak nothing that stops it")
def _():
    for _ in range(50):
        c = Conn(lbd.at("web"), rcvbuf=2048)
        c.send(b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n")
        c.reset()
    equal(get(lbd, "web", "/s").status, 200, "status")


@case("a browser renders it")
def _():
    browser = shutil.which("chromium") or skip("chromium is not installed")
    out = os.path.join(TMP, "page.png")
    r = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={TMP}/browser",
                        "--window-size=1400,700", f"--screenshot={out}", f"http://127.0.0.1:{lbd.port('web')}/s"],
                       capture_output=True, timeout=40)
    true(os.path.exists(out) and os.path.getsize(out) > 20000, f"a picture: {r.stderr[-300:]}")


main()
