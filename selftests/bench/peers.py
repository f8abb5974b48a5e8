"""The programs that the bench compares: start with a configuration, CPU and memory so far, stop.

lbd and haproxy get the same file; nginx its own, made by the scenario to do the same work. One
worker thread each (THREADS changes that for all), no logs.
"""
import os
import signal
import subprocess
import time

TOP = os.environ["TOP"]
O = os.environ["O"]
TMP = os.environ["TMPDIR"]
THREADS = int(os.environ.get("THREADS", "1"))

PROXY_HEAD = f"""global
    nbthread {THREADS}
    maxconn 9500
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""
NGINX_HEAD = f"""daemon off;
worker_processes {THREADS};
worker_rlimit_nofile 20000;
pid {TMP}/nginx.pid;
error_log {TMP}/nginx.log error;
user root;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ worker_connections 19900; }}
"""
NGINX_HTTP = f"""http {{
    access_log off;
    keepalive_timeout 60s;
    keepalive_requests 1000000000;
    client_body_temp_path {TMP}/n1; proxy_temp_path {TMP}/n2; fastcgi_temp_path {TMP}/n3;
    uwsgi_temp_path {TMP}/n4; scgi_temp_path {TMP}/n5;
    server_names_hash_bucket_size 128;
    proxy_http_version 1.1;
"""


class Unable(Exception):
    """The program cannot run this scenario here; the text says why."""


def process_cpu_us(pid):
    """CPU that the threads of a process have used so far, to the nanosecond (schedstat)."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    except OSError:
        pass
    return total / 1000


class Peer:
    def __init__(self, name, config, ns=None, suffix=""):
        self.name, self.ns = name, ns
        self.path = f"{TMP}/{name}{suffix}.cfg"
        self.log = f"{TMP}/{name}{suffix}.log"
        with open(self.path, "w") as f:
            f.write(config)
        self.proc = None

    def command(self):
        if self.name == "nginx":
            return ["/usr/sbin/nginx", "-c", self.path, "-p", TMP]
        program = {"lbd": os.environ.get("LBD", f"{O}/lbd"),
                   "haproxy": os.environ.get("HAPROXY", "/usr/sbin/haproxy")}[self.name]
        return [program, "-db", "-f", self.path]

    def start(self):
        cmd = self.command()
        if not os.access(cmd[0], os.X_OK):
            raise Unable(f"{cmd[0]} is not there")
        if self.ns:
            cmd = ["nsenter", f"--net={self.ns.path}"] + cmd
        with open(self.log, "w") as log:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         start_new_session=True)
        return self

    def wait_ready(self, works, timeout=20):
        """Until works() is true; Unable with the program's own words when it ends before."""
        end = time.monotonic() + timeout
        while not works():
            if self.proc.poll() is not None:
                said = [ln for ln in self.said().split("\n") if ln.strip() and "NOTICE" not in ln]
                raise Unable(f"ended at once: {said[0][:160] if said else '(said nothing)'}")
            if time.monotonic() > end:
                self.stop()
                raise Unable(f"does not answer after {timeout} s")
            time.sleep(0.0005)

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def pids(self):
        """The process and its children."""
        found, todo = [], [self.proc.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        todo += [int(p) for p in f.read().split()]
            except OSError:
                pass
        return found

    def cpu_us(self):
        """CPU used so far by all its threads."""
        return sum(process_cpu_us(pid) for pid in self.pids())

    def memory_kb(self):
        """Private memory of its processes; kernel memory of sockets is not in it."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(ln.split()[1]) for ln in f
                                 if ln.startswith(("Private_Dirty:", "Private_Clean:")))
            except OSError:
                pass
        return total

    def stop(self):
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(3)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.proc.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()
        self.proc = None


class Origin:
    """selftests/bench/origin in the background."""

    def __init__(self, *specs, ns=None):
        cmd = [f"{O}/selftests/bench/origin", *specs]
        if ns:
            cmd = ["nsenter", f"--net={ns.path}"] + cmd
        self.proc = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.proc.stdout.readline() != "ready\n":
            raise Unable("origin does not start")

    def stop(self):
        self.proc.kill()
        self.proc.wait()


def load_command(args, ns=None):
    cmd = [f"{O}/selftests/bench/load", *[str(a) for a in args]]
    return ["nsenter", f"--net={ns.path}"] + cmd if ns else cmd


def load(args, counter, ns=None):
    """Runs the load generator; counter() is read when it begins and ends to measure. Returns its
    result line as a dict, with `used` = the difference of counter()."""
    p = subprocess.Popen(load_command(args, ns), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    if p.stdout.readline() != "measure\n":
        p.kill()
        raise Unable("load: " + p.stderr.read().strip())
    before = counter()
    line = p.stdout.readline()
    after = counter()
    p.wait()
    result = {k: float(v) for k, v in (w.split("=") for w in line.split())}
    result["used"] = [b - a for a, b in zip(before, after)] if isinstance(before, tuple) \
        else after - before
    if result["errors"] > result["ops"] / 1000:
        raise Unable(f"{int(result['errors'])} errors in {int(result['ops'])} operations")
    return result


def machine_busy_us():
    """CPU that the whole machine has used: what is not idle. The idle time of tickless CPUs is exact,
    the sampled user and system ticks are not."""
    with open("/proc/stat") as f:
        idle = sum(int(x) for x in f.readline().split()[4:6])
    return (time.monotonic() * os.cpu_count() - idle / os.sysconf("SC_CLK_TCK")) * 1e6
