// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * info.c - `show info`: one row per field of the process, in HAProxy's order. Fields of features that are not here are
 * zero, which is their true value. Costs one walk over all frontends' counters. Control thread.
 */
#include "admin/private.h"

#include "base/arena.h"
#include "config/version.h"
#include "log/log.h"
#include "loop/thread.h"
#include "process/start.h"
#include "stick/peers.h"
#include "stream/session.h"
#include "stream/process_rate.h"
#include "stream/splice.h"
#include "transport/tls.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What one `show info` needs of all proxies, collected once per command. */
struct totals {
	uint64_t curr_conns, cum_conns, cum_req, bytes_out;
	uint64_t conn_rate, sess_rate;
	uint32_t listeners;
};
static struct totals sum;
static uint64_t conn_rate_max, sess_rate_max;         /* highest seen */
static uint64_t start_mono_ms, start_wall_s, boot_ms; /* boot_ms: CPU time until ready */
static bool as_float;

/* Events of the last second: the current one counts as much as the second before has still to give. */
static uint64_t last_second(const uint64_t *sec, const uint64_t *cur, const uint64_t *prev,
			    uint64_t now_s, uint64_t ms)
{
	uint64_t second = count_get(sec);

	if (second == now_s)
		return count_get(cur) + count_get(prev) * (1000 - ms) / 1000;
	return second + 1 == now_s ? count_get(cur) * (1000 - ms) / 1000 : 0;
}

static void collect_frontend(const struct proxy *px, uint64_t now_s, uint64_t ms)
{
	const struct bind_conf *b;

	sum.curr_conns += atomic_load_explicit(&px->fe_conns, memory_order_relaxed);
	list_for_each_entry(b, &px->binds, node)
		sum.listeners += !px->stopped;
	if (!px->fe_count)
		return;
	for (int t = 0; t <= worker_count; t++) {
		const struct fe_counters *c = &px->fe_count[t];

		sum.cum_conns += count_get(&c->cum_conn);
		sum.cum_req += count_get(px->mode == MODE_HTTP ? &c->cum_req : &c->cum_sess);
		sum.bytes_out += count_get(&c->bytes_out);
		sum.conn_rate += last_second(&c->conn_sec, &c->conn_cur, &c->conn_prev, now_s, ms);
		sum.sess_rate += last_second(&c->sess_sec, &c->sess_cur, &c->sess_prev, now_s, ms);
		count_max(&conn_rate_max, count_get(&c->conn_max));
		count_max(&sess_rate_max, count_get(&c->sess_max));
	}
}

static void collect(void)
{
	const struct proxy *px;
	uint64_t ms = control_loop.now_ms;

	sum = (struct totals){ 0 };
	list_for_each_entry(px, &config->proxies, node)
		if (px->caps & PX_FRONTEND)
			collect_frontend(px, ms / 1000, ms % 1000);
	if (sum.conn_rate > conn_rate_max)
		conn_rate_max = sum.conn_rate;
	if (sum.sess_rate > sess_rate_max)
		sess_rate_max = sum.sess_rate;
}

/* ---- values ---- */

static uint64_t uptime_ms(void)
{
	return control_loop.now_ms - start_mono_ms;
}

static uint64_t fd_limit(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) ? 0 : r.rlim_cur;
}

static void write_zero(struct strbuf *o)
{
	strbuf_addc(o, '0');
}

static void write_activepeers(struct strbuf *o)
{
	strbuf_add_u64(o, peers_count(true));
}

static void write_connectedpeers(struct strbuf *o)
{
	strbuf_add_u64(o, peers_count(false));
}

/* ---- TLS ---- */

#define WRITE_SSL(member)                                \
	static void write_ssl_##member(struct strbuf *o) \
	{                                                \
		struct tls_numbers n;                    \
                                                         \
		tls_numbers(&n);                         \
		strbuf_add_u64(o, n.member);             \
	}
WRITE_SSL(total)
WRITE_SSL(rate)
WRITE_SSL(rate_max)
WRITE_SSL(front_keys)
WRITE_SSL(front_keys_max)
WRITE_SSL(reuse_percent)
WRITE_SSL(back_keys)
WRITE_SSL(back_keys_max)
WRITE_SSL(cache_lookups)
WRITE_SSL(cache_misses)

static void write_one(struct strbuf *o)
{
	strbuf_addc(o, '1');
}

static void write_name(struct strbuf *o)
{
	strbuf_adds(o, "lbd");
}

static void write_version(struct strbuf *o)
{
	strbuf_adds(o, LANGUAGE_VERSION "-lbd" LBD_VERSION);
}

static void write_release_date(struct strbuf *o)
{
	strbuf_adds(o, LBD_DATE);
}

static void write_nbthread(struct strbuf *o)
{
	strbuf_add_u64(o, (uint64_t)worker_count);
}

static void write_pid(struct strbuf *o)
{
	strbuf_add_u64(o, (uint64_t)getpid());
}

static void write_uptime(struct strbuf *o)
{
	unsigned long s = uptime_ms() / 1000;

	strbuf_addf(o, "%lud %luh%02lum%02lus", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

static void write_uptime_sec(struct strbuf *o)
{
	if (as_float)
		strbuf_addf(o, "%.6f", (double)uptime_ms() / 1000);
	else
		strbuf_add_u64(o, uptime_ms() / 1000);
}

static void write_poolalloc_bytes(struct strbuf *o)
{
	struct mallinfo2 m = mallinfo2();

	strbuf_add_u64(o, m.arena + m.hblkhd);
}

static void write_poolused_bytes(struct strbuf *o)
{
	struct mallinfo2 m = mallinfo2();

	strbuf_add_u64(o, m.uordblks + m.hblkhd);
}

static void write_poolalloc_mb(struct strbuf *o)
{
	struct mallinfo2 m = mallinfo2();

	strbuf_add_u64(o, (m.arena + m.hblkhd) >> 20);
}

static void write_poolused_mb(struct strbuf *o)
{
	struct mallinfo2 m = mallinfo2();

	strbuf_add_u64(o, (m.uordblks + m.hblkhd) >> 20);
}

static void write_ulimit_n(struct strbuf *o)
{
	strbuf_add_u64(o, fd_limit());
}

static void write_maxsock(struct strbuf *o)
{
	strbuf_add_u64(o, fd_limit());
}

static void write_maxconn(struct strbuf *o)
{
	strbuf_add_u64(o, config->global.maxconn);
}

static void write_currconns(struct strbuf *o)
{
	strbuf_add_u64(o, sum.curr_conns);
}

static void write_cumconns(struct strbuf *o)
{
	strbuf_add_u64(o, sum.cum_conns);
}

static void write_cumreq(struct strbuf *o)
{
	strbuf_add_u64(o, sum.cum_req);
}

static void write_connrate(struct strbuf *o)
{
	strbuf_add_u64(o, sum.conn_rate);
}

static void write_maxconnrate(struct strbuf *o)
{
	strbuf_add_u64(o, conn_rate_max);
}

static void write_connratelimit(struct strbuf *o)
{
	strbuf_add_u64(o, atomic_load(&process_rates[RATE_CONN].limit));
}

static void write_sessratelimit(struct strbuf *o)
{
	strbuf_add_u64(o, atomic_load(&process_rates[RATE_SESS].limit));
}

static void write_sslratelimit(struct strbuf *o)
{
	strbuf_add_u64(o, atomic_load(&process_rates[RATE_SSL].limit));
}

static void write_maxsslconns(struct strbuf *o)
{
	strbuf_add_u64(o, atomic_load(&tls_conns_limit));
}

static void write_currsslconns(struct strbuf *o)
{
	strbuf_add_u64(o, atomic_load(&tls_conns));
}

static void write_maxpipes(struct strbuf *o)
{
	strbuf_add_u64(o, splice_max_pipes);
}

static void write_busypolling(struct strbuf *o)
{
	strbuf_addc(o, loop_busy_polling ? '1' : '0');
}

static void write_sessrate(struct strbuf *o)
{
	strbuf_add_u64(o, sum.sess_rate);
}

static void write_maxsessrate(struct strbuf *o)
{
	strbuf_add_u64(o, sess_rate_max);
}

/* Sessions, listeners, and the loops themselves. */
static void write_tasks(struct strbuf *o)
{
	strbuf_add_u64(o, sum.curr_conns + (uint64_t)worker_count + 1 + admin_nclients);
}

static void write_run_queue(struct strbuf *o)
{
	strbuf_add_u64(o, list_empty(&control_loop.runnable) ? 0 : 1);
}

static void write_idle_pct(struct strbuf *o)
{
	double idle = 0;

	for (int i = 0; i < worker_count; i++)
		idle += loop_idle_share(&worker_loops[i]);
	strbuf_addf(o, "%d", worker_count ? (int)(idle * 100 / worker_count + 0.5) : 100);
}

static void write_node(struct strbuf *o)
{
	char host[256] = "localhost";

	gethostname(host, sizeof(host) - 1);
	strbuf_adds(o, config->global.node ? config->global.node : host);
}

static void write_description(struct strbuf *o)
{
	if (config->global.description)
		strbuf_adds(o, config->global.description);
}

static void write_stopping(struct strbuf *o)
{
	strbuf_addc(o, process_is_stopping() ? '1' : '0');
}

static void write_listeners(struct strbuf *o)
{
	struct admin_socket *s;
	uint32_t n = sum.listeners;

	list_for_each_entry(s, &admin_sockets, node)
		n++;
	strbuf_add_u64(o, n);
}

static void write_jobs(struct strbuf *o)
{
	struct admin_socket *s;
	uint64_t n = sum.listeners + sum.curr_conns + admin_nclients;

	list_for_each_entry(s, &admin_sockets, node)
		n++;
	strbuf_add_u64(o, n);
}

static void write_droppedlogs(struct strbuf *o)
{
	strbuf_add_u64(o, log_dropped_lines);
}

static void write_totalbytesout(struct strbuf *o)
{
	strbuf_add_u64(o, sum.bytes_out);
}

static void write_spliced(struct strbuf *o)
{
	strbuf_add_u64(o, spliced_bytes);
}

static void write_pipesused(struct strbuf *o)
{
	strbuf_add_u64(o, pipes_used);
}

static void write_pipesfree(struct strbuf *o)
{
	strbuf_add_u64(o, pipes_free);
}

/* Over the time since the last question, at least one second. */
static void write_bytesoutrate(struct strbuf *o)
{
	static uint64_t at_ms, bytes, rate;
	uint64_t gone = control_loop.now_ms - at_ms;

	if (gone >= 1000) {
		rate = (sum.bytes_out - bytes) * 1000 / gone;
		at_ms = control_loop.now_ms;
		bytes = sum.bytes_out;
	}
	strbuf_add_u64(o, rate);
}

static void write_build_info(struct strbuf *o)
{
	strbuf_adds(o, "lbd " LBD_VERSION);
}

static void write_start_time_sec(struct strbuf *o)
{
	strbuf_add_u64(o, start_wall_s);
}

static void write_totalwarnings(struct strbuf *o)
{
	strbuf_add_u64(o, config->diag ? (uint64_t)config->diag->warnings : 0);
}

static void write_maxconnreached(struct strbuf *o)
{
	strbuf_add_u64(o, sessions_limit_hits);
}

static void write_boottime_ms(struct strbuf *o)
{
	strbuf_add_u64(o, boot_ms);
}

static void write_currstreams(struct strbuf *o)
{
	strbuf_add_u64(o, sum.curr_conns);
}

static void write_cumstreams(struct strbuf *o)
{
	strbuf_add_u64(o, sum.cum_req);
}

/* ---- the rows; their position is the field's number in the typed form ---- */

struct info_field {
	const char *name;
	const char *tags; /* origin, nature, scope: manual 9.2 */
	const char *type;
	void (*write)(struct strbuf *o); /* nothing written: the field is left out */
	const char *help;
};

static const struct info_field fields[] = {
	{ "Name", "POS", "str", write_name, "Product name" },
	{ "Version", "POS", "str", write_version, "Product version" },
	{ "Release_date", "POS", "str", write_release_date, "Date of latest source code update" },
	{ "Nbthread", "CGS", "u32", write_nbthread, "Number of started threads (global.nbthread)" },
	{ "Nbproc", "CGS", "u32", write_one,
	  "Number of started worker processes (historical, always 1)" },
	{ "Process_num", "KGP", "u32", write_one, "Relative worker process number (1)" },
	{ "Pid", "SGP", "u32", write_pid, "This worker process identifier for the system" },
	{ "Uptime", "MDP", "str", write_uptime,
	  "How long ago this worker process was started (days+hours+minutes+seconds)" },
	{ "Uptime_sec", "MDP", "u32", write_uptime_sec,
	  "How long ago this worker process was started (seconds)" },
	{ "Memmax_MB", "CLP", "u32", write_zero,
	  "Worker process's hard limit on memory usage in MB (-m on command line)" },
	{ "PoolAlloc_MB", "MGP", "u32", write_poolalloc_mb,
	  "Amount of memory allocated in pools (in MB)" },
	{ "PoolUsed_MB", "MGP", "u32", write_poolused_mb,
	  "Amount of pool memory currently used (in MB)" },
	{ "PoolFailed", "MCP", "u32", write_zero,
	  "Number of failed pool allocations since this worker was started" },
	{ "Ulimit-n", "CLP", "u32", write_ulimit_n,
	  "Hard limit on the number of per-process file descriptors" },
	{ "Maxsock", "CLP", "u32", write_maxsock,
	  "Hard limit on the number of per-process sockets" },
	{ "Maxconn", "CLP", "u32", write_maxconn,
	  "Hard limit on the number of per-process connections (configured or imposed by "
	  "Ulimit-n)" },
	{ "Hard_maxconn", "CLP", "u32", write_maxconn,
	  "Hard limit on the number of per-process connections (imposed by Memmax_MB or "
	  "Ulimit-n)" },
	{ "CurrConns", "MGP", "u32", write_currconns,
	  "Current number of connections on this worker process" },
	{ "CumConns", "MCP", "u32", write_cumconns,
	  "Total number of connections on this worker process since started" },
	{ "CumReq", "MCP", "u32", write_cumreq,
	  "Total number of requests on this worker process since started" },
	{ "MaxSslConns", "MMP", "u32", write_maxsslconns,
	  "Hard limit on the number of per-process SSL endpoints (front+back), 0=unlimited" },
	{ "CurrSslConns", "MGP", "u32", write_currsslconns,
	  "Current number of SSL endpoints on this worker process (front+back)" },
	{ "CumSslConns", "MCP", "u32", write_ssl_total,
	  "Total number of SSL endpoints on this worker process since started (front+back)" },
	{ "Maxpipes", "CLP", "u32", write_maxpipes,
	  "Hard limit on the number of pipes for splicing, 0=unlimited" },
	{ "PipesUsed", "MGP", "u32", write_pipesused,
	  "Current number of pipes in use in this worker process" },
	{ "PipesFree", "MGP", "u32", write_pipesfree,
	  "Current number of allocated and available pipes in this worker process" },
	{ "ConnRate", "MRP", "u32", write_connrate,
	  "Number of front connections created on this worker process over the last second" },
	{ "ConnRateLimit", "CLP", "u32", write_connratelimit,
	  "Hard limit for ConnRate (global.maxconnrate)" },
	{ "MaxConnRate", "MMP", "u32", write_maxconnrate,
	  "Highest ConnRate reached on this worker process since started (in connections per "
	  "second)" },
	{ "SessRate", "MRP", "u32", write_sessrate,
	  "Number of sessions created on this worker process over the last second" },
	{ "SessRateLimit", "CLP", "u32", write_sessratelimit,
	  "Hard limit for SessRate (global.maxsessrate)" },
	{ "MaxSessRate", "MRP", "u32", write_maxsessrate,
	  "Highest SessRate reached on this worker process since started (in sessions per "
	  "second)" },
	{ "SslRate", "MRP", "u32", write_ssl_rate,
	  "Number of SSL connections created on this worker process over the last second" },
	{ "SslRateLimit", "CLP", "u32", write_sslratelimit,
	  "Hard limit for SslRate (global.maxsslrate)" },
	{ "MaxSslRate", "MMP", "u32", write_ssl_rate_max,
	  "Highest SslRate reached on this worker process since started (in connections per "
	  "second)" },
	{ "SslFrontendKeyRate", "MGP", "u32", write_ssl_front_keys,
	  "Number of SSL keys created on frontends in this worker process over the last second" },
	{ "SslFrontendMaxKeyRate", "MMP", "u32", write_ssl_front_keys_max,
	  "Highest SslFrontendKeyRate reached on this worker process since started (in SSL keys "
	  "per second)" },
	{ "SslFrontendSessionReuse_pct", "MGP", "u32", write_ssl_reuse_percent,
	  "Percent of frontend SSL connections which did not require a new key" },
	{ "SslBackendKeyRate", "MRP", "u32", write_ssl_back_keys,
	  "Number of SSL keys created on backends in this worker process over the last second" },
	{ "SslBackendMaxKeyRate", "MMP", "u32", write_ssl_back_keys_max,
	  "Highest SslBackendKeyRate reached on this worker process since started (in SSL keys per "
	  "second)" },
	{ "SslCacheLookups", "MCP", "u32", write_ssl_cache_lookups,
	  "Total number of SSL session ID lookups in the SSL session cache on this worker since "
	  "started" },
	{ "SslCacheMisses", "MCP", "u32", write_ssl_cache_misses,
	  "Total number of SSL session ID lookups that didn't find a session in the SSL session "
	  "cache on this worker since started" },
	{ "CompressBpsIn", "MRP", "u32", write_zero,
	  "Number of bytes submitted to the HTTP compressor in this worker process over the last "
	  "second" },
	{ "CompressBpsOut", "MRP", "u32", write_zero,
	  "Number of bytes emitted by the HTTP compressor in this worker process over the last "
	  "second" },
	{ "CompressBpsRateLim", "CLP", "u32", write_zero,
	  "Limit of CompressBpsOut beyond which HTTP compression is automatically disabled" },
	{ "ZlibMemUsage", "MGP", "u32", write_zero,
	  "Amount of memory currently used by HTTP compression on the current worker process (in "
	  "bytes)" },
	{ "MaxZlibMemUsage", "CLP", "u32", write_zero,
	  "Limit on the amount of memory used by HTTP compression above which it is automatically "
	  "disabled (in bytes, see global.maxzlibmem)" },
	{ "Tasks", "MGP", "u32", write_tasks,
	  "Total number of tasks in the current worker process (active + sleeping)" },
	{ "Run_queue", "MGP", "u32", write_run_queue,
	  "Total number of active tasks+tasklets in the current worker process" },
	{ "Idle_pct", "MaP", "u32", write_idle_pct,
	  "Percentage of last second spent waiting in the current worker thread" },
	{ "node", "COS", "str", write_node, "Node name (global.node)" },
	{ "description", "COS", "str", write_description, "Node description (global.description)" },
	{ "Stopping", "MGP", "u32", write_stopping,
	  "1 if the worker process is currently stopping, otherwise zero" },
	{ "Jobs", "MGP", "u32", write_jobs,
	  "Current number of active jobs on the current worker process (frontend connections, "
	  "master connections, listeners)" },
	{ "Unstoppable Jobs", "MGP", "u32", write_zero,
	  "Current number of unstoppable jobs on the current worker process (master connections)" },
	{ "Listeners", "MGP", "u32", write_listeners,
	  "Current number of active listeners on the current worker process" },
	{ "ActivePeers", "MGP", "u32", write_activepeers,
	  "Current number of verified active peers connections on the current worker process" },
	{ "ConnectedPeers", "MGP", "u32", write_connectedpeers,
	  "Current number of peers having passed the connection step on the current worker "
	  "process" },
	{ "DroppedLogs", "MGP", "u32", write_droppedlogs,
	  "Total number of dropped logs for current worker process since started" },
	{ "BusyPolling", "MGP", "u32", write_busypolling,
	  "1 if busy-polling is currently in use on the worker process, otherwise zero "
	  "(config.busy-polling)" },
	{ "FailedResolutions", "MGP", "u32", write_zero,
	  "Total number of failed DNS resolutions in current worker process since started" },
	{ "TotalBytesOut", "MGP", "u64", write_totalbytesout,
	  "Total number of bytes emitted by current worker process since started" },
	{ "TotalSplicedBytesOut", "MGP", "u64", write_spliced,
	  "Total number of bytes emitted by current worker process through a kernel pipe since "
	  "started" },
	{ "BytesOutRate", "MRP", "u64", write_bytesoutrate,
	  "Number of bytes emitted by current worker process over the last second" },
	{ "DebugCommandsIssued", "MGP", "u32", write_zero,
	  "Number of debug commands issued on this process (anything > 0 is unsafe)" },
	{ "CumRecvLogs", "MCP", "u32", write_zero,
	  "Total number of log messages received by log-forwarding listeners on this worker "
	  "process since started" },
	{ "Build info", "POS", "str", write_build_info, "Build info" },
	{ "Memmax_bytes", "CLP", "u32", write_zero,
	  "Worker process's hard limit on memory usage in bytes (-m on command line)" },
	{ "PoolAlloc_bytes", "MGP", "u64", write_poolalloc_bytes,
	  "Amount of memory allocated in pools (in bytes)" },
	{ "PoolUsed_bytes", "MGP", "u64", write_poolused_bytes,
	  "Amount of pool memory currently used (in bytes)" },
	{ "Start_time_sec", "MDP", "u32", write_start_time_sec, "Start time in seconds" },
	{ "Tainted", "SGP", "str", write_zero, "Experimental features used" },
	{ "TotalWarnings", "MCP", "u32", write_totalwarnings, "Total warnings issued" },
	{ "MaxconnReached", "MCP", "u32", write_maxconnreached,
	  "Number of times an accepted connection resulted in Maxconn being reached" },
	{ "BootTime_ms", "MDP", "u32", write_boottime_ms,
	  "How long ago it took to parse and process the config before being ready "
	  "(milliseconds)" },
	{ "Niced_tasks", "MGP", "u32", write_zero,
	  "Total number of active tasks+tasklets in the current worker process (Run_queue) that "
	  "are niced" },
	{ "CurrStreams", "MGP", "u64", write_currstreams,
	  "Current number of streams on this worker process" },
	{ "CumStreams", "MCP", "u64", write_cumstreams,
	  "Total number of streams created on this worker process since started" },
	{ "BlockedTrafficWarnings", "MCP", "u32", write_zero,
	  "Total number of warnings issued about traffic being blocked by too slow a task" },
	{ "PatternsAdded", "MCP", "u64", write_zero,
	  "Total number of patterns added (acl/map entries)" },
	{ "PatternsFreed", "MCP", "u64", write_zero,
	  "Total number of patterns freed (acl/map entries)" },
	{ "NbThreadGroups", "CGS", "u32", write_one,
	  "Number of started thread groups (global.thread-groups)" },
};

/* ---- forms ---- */

enum { FORM_TEXT, FORM_TYPED, FORM_JSON };

static const char *tag_word(char c, int k)
{
	static const struct {
		int k;
		char c;
		const char *word;
	} words[] = {
		{ 0, 'M', "Metric" },  { 0, 'S', "Status" },  { 0, 'K', "Key" },
		{ 0, 'C', "Config" },  { 0, 'P', "Product" }, { 1, 'A', "Age" },
		{ 1, 'a', "Avg" },     { 1, 'C', "Counter" }, { 1, 'D', "Duration" },
		{ 1, 'G', "Gauge" },   { 1, 'L', "Limit" },   { 1, 'M', "Max" },
		{ 1, 'm', "Min" },     { 1, 'N', "Name" },    { 1, 'O', "Output" },
		{ 1, 'R', "Rate" },    { 1, 'T', "Time" },    { 2, 'C', "Cluster" },
		{ 2, 'P', "Process" }, { 2, 'S', "Service" }, { 2, 's', "System" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].k == k && words[i].c == c)
			return words[i].word;
	return "";
}

void stats_json_value(struct strbuf *o, const char *tags, const char *type, struct slice value)
{
	strbuf_addf(o,
		    "\"processNum\":1,\"tags\":{\"origin\":\"%s\",\"nature\":\"%s\",\"scope\":\"%"
		    "s\"},\"value\":{\"type\":\"%s\","
		    "\"value\":",
		    tag_word(tags[0], 0), tag_word(tags[1], 1), tag_word(tags[2], 2), type);
	if (strcmp(type, "str") == 0)
		strbuf_add_json(o, value);
	else
		strbuf_add_slice(o, value);
	strbuf_adds(o, "}}");
}

static void add_field(struct strbuf *o, size_t i, struct slice value, int form, bool desc,
		      bool first)
{
	const struct info_field *f = &fields[i];

	if (form == FORM_JSON) {
		strbuf_addf(o, "%s{\"field\":{\"pos\":%zu,\"name\":\"%s\"},", first ? "" : ",", i,
			    f->name);
		stats_json_value(o, f->tags, f->type, value);
		return;
	}
	if (form == FORM_TYPED)
		strbuf_addf(o, "%zu.%s.1:%s:%s:%.*s", i, f->name, f->tags, f->type,
			    SLICE_FMT(value));
	else
		strbuf_addf(o, "%s: %.*s", f->name, SLICE_FMT(value));
	if (desc)
		strbuf_addf(o, ":\"%s\"", f->help);
	strbuf_addc(o, '\n');
}

static enum cli_result run_info(struct cli_request *r)
{
	struct strbuf value = STRBUF_INIT;
	int form = FORM_TEXT;
	bool desc = false, first = true;

	as_float = false;
	for (int k = 0; *cli_arg(r, k); k++) {
		if (strcmp(cli_arg(r, k), "typed") == 0)
			form = FORM_TYPED;
		else if (strcmp(cli_arg(r, k), "json") == 0)
			form = FORM_JSON;
		else if (strcmp(cli_arg(r, k), "desc") == 0)
			desc = true;
		else if (strcmp(cli_arg(r, k), "float") == 0)
			as_float = true;
	}
	collect();
	if (form == FORM_JSON)
		strbuf_addc(r->out, '[');
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		strbuf_reset(&value);
		fields[i].write(&value);
		if (!value.n)
			continue;
		add_field(r->out, i, strbuf_slice(&value), form, desc, first);
		first = false;
	}
	if (form == FORM_JSON)
		strbuf_adds(r->out, "]\n");
	strbuf_fini(&value);
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show info", CLI_USER, run_info, "show info [desc|json|typed|float]*",
	  "report information about the running process" },
};

static void walk_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		emit(ctx, "show-info-field", fields[i].name);
}

/* The process is ready: uptime counts from here. */
void info_start(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	start_mono_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	start_wall_s = (uint64_t)time(NULL);
	boot_ms = (uint64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

void info_init(void)
{
	static const struct name_walker walker = { "svc", walk_names };

	cli_register(rows, ARRAY_SIZE(rows));
	names_register(&walker);
}
