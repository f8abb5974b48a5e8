// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * set.c - making, opening and closing a set of pinned maps, and who may write to it.
 */
#include "set_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* ---- Opening one map ---------------------------------------------------------------------------- */

static bool row_is_mapped(const struct map_row *r)
{
	return r->flags & BPF_F_MMAPABLE;
}

static size_t element_stride(uint32_t value_size)
{
	return (value_size + 7) & ~7u;
}

static int pin_path(char *buf, const char *pin, const char *name)
{
	return snprintf(buf, PATH_MAX, "%s/%s", pin, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int map_is_row(int fd, const struct map_row *r, uint32_t *entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != r->type || info.key_size != r->key_size ||
	    info.value_size != r->value_size)
		return -EPROTO;
	*entries = info.max_entries;
	return 0;
}

static int map_mmap(struct lbdmap_set *set, int id)
{
	size_t page = sysconf(_SC_PAGESIZE), len;
	int prot = PROT_READ | (set->writable ? PROT_WRITE : 0);
	void *p;

	len = element_stride(map_rows[id].value_size) * set->entries[id];
	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, prot, MAP_SHARED, set->fd[id], 0);
	if (p == MAP_FAILED)
		return -errno;
	set->mem[id] = p;
	set->mem_len[id] = len;
	return 0;
}

static int map_open(struct lbdmap_set *set, int id, struct lbdmap_error *err)
{
	const struct map_row *r = &map_rows[id];
	/* A read-only descriptor cannot be mapped: do_mmap() takes VM_SHARED away and bpf_map_mmap() wants it (6.18). */
	bool mapped = r->flags & BPF_F_MMAPABLE;
	LIBBPF_OPTS(bpf_obj_get_opts, opts,
		    .file_flags = set->writable || mapped ? 0 : BPF_F_RDONLY);
	char path[PATH_MAX];
	int fd, rc;

	rc = pin_path(path, set->pin, r->name);
	if (rc)
		return lbdmap_fail(err, rc, "'%s': the path is too long", set->pin);
	fd = bpf_obj_get_opts(path, &opts);
	if (fd < 0)
		return lbdmap_fail(err, -errno, "cannot open map '%s': %s", path, strerror(errno));
	rc = map_is_row(fd, r, &set->entries[id]);
	if (rc) {
		close(fd);
		return lbdmap_fail(err, rc,
				   "map '%s' has another layout than this program's (ABI %d): "
				   "stop the services and run 'lbadm cleanup'",
				   path, LBD_ABI);
	}
	set->fd[id] = fd;
	return 0;
}

static int map_create_pinned(struct lbdmap_set *set, int id, const struct lbdmap_sizes *sizes,
			     struct lbdmap_error *err)
{
	const struct map_row *r = &map_rows[id];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = r->flags);
	char path[PATH_MAX];
	int fd, rc = 0;

	set->entries[id] = r->entries(sizes);
	fd = bpf_map_create(r->type, r->name, r->key_size, r->value_size, set->entries[id], &opts);
	if (fd < 0)
		return lbdmap_fail(err, -errno, "cannot make map '%s' of %u elements: %s%s",
				   r->name, set->entries[id], strerror(errno),
				   errno == EPERM ? " (CAP_BPF and CAP_NET_ADMIN are needed)" : "");
	set->fd[id] = fd;
	if (id == LBDMAP_CONTROL) /* pinned last, when its contents stand */
		return 0;
	rc = pin_path(path, set->pin, r->name);
	if (!rc && bpf_obj_pin(fd, path))
		rc = -errno;
	return rc ? lbdmap_fail(err, rc, "cannot pin map '%s': %s", path, strerror(-rc)) : 0;
}

/* ---- The set --------------------------------------------------------------------------------------- */

static struct lbdmap_set *set_alloc(const char *pin, bool writable)
{
	struct lbdmap_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	/* libbpf reads /sys for it and keeps the number: after a chroot it could not be read any more */
	if (libbpf_num_possible_cpus() < 1) {
		free(set);
		return NULL;
	}
	snprintf(set->pin, sizeof(set->pin), "%s", pin);
	set->writable = writable;
	set->dir_fd = -1;
	for (int i = 0; i < LBDMAP_MAPS; i++)
		set->fd[i] = -1;
	return set;
}

static int pin_dir_open(struct lbdmap_set *set, bool make, struct lbdmap_error *err)
{
	struct statfs fs;

	if (make && mkdir(set->pin, 0700) && errno != EEXIST)
		return lbdmap_fail(err, -errno, "cannot make the pin directory '%s': %s", set->pin,
				   strerror(errno));
	set->dir_fd = open(set->pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set->dir_fd < 0)
		return lbdmap_fail(err, -errno, "cannot open the pin directory '%s': %s", set->pin,
				   strerror(errno));
	if (fstatfs(set->dir_fd, &fs) || fs.f_type != BPF_FS_MAGIC) {
		if (make)
			rmdir(set->pin);
		return lbdmap_fail(err, -ENODEV,
				   "'%s' is not on a BPF file system: mount -t bpf bpf /sys/fs/bpf",
				   set->pin);
	}
	return 0;
}

static int set_map_all(struct lbdmap_set *set, struct lbdmap_error *err)
{
	for (int i = 0; i < LBDMAP_MAPS; i++) {
		int rc = row_is_mapped(&map_rows[i]) ? map_mmap(set, i) : 0;

		if (rc)
			return lbdmap_fail(err, rc, "cannot map '%s' into memory: %s",
					   map_rows[i].name, strerror(-rc));
	}
	return 0;
}

static bool set_exists(const char *pin)
{
	char path[PATH_MAX];

	return !pin_path(path, pin, map_rows[LBDMAP_CONTROL].name) && access(path, F_OK) == 0;
}

static void unlink_maps(const char *pin)
{
	char path[PATH_MAX];

	for (int i = 0; i < LBDMAP_MAPS; i++)
		if (!pin_path(path, pin, map_rows[i].name))
			unlink(path);
}

static int set_open_maps(struct lbdmap_set *set, struct lbdmap_error *err)
{
	int rc = map_open(set, LBDMAP_CONTROL, err);

	if (rc)
		return rc;
	rc = map_mmap(set, LBDMAP_CONTROL);
	if (rc)
		return lbdmap_fail(err, rc, "cannot map '%s/control' into memory: %s", set->pin,
				   strerror(-rc));
	if (MEM(set, CONTROL, struct lbd_control)->abi != LBD_ABI)
		return lbdmap_fail(
			err, -EPROTO,
			"'%s' was made with ABI %u, this program has %d: run the lbd that made it, "
			"or stop the services and run 'lbadm cleanup'",
			set->pin, MEM(set, CONTROL, struct lbd_control)->abi, LBD_ABI);
	munmap(set->mem[LBDMAP_CONTROL], set->mem_len[LBDMAP_CONTROL]);
	set->mem[LBDMAP_CONTROL] = NULL;
	for (int i = 0; i < LBDMAP_MAPS && !rc; i++)
		if (i != LBDMAP_CONTROL)
			rc = map_open(set, i, err);
	return rc ? rc : set_map_all(set, err);
}

static int control_init(struct lbdmap_set *set, const struct lbdmap_sizes *sizes)
{
	struct lbd_control *c = MEM(set, CONTROL, struct lbd_control);

	c->abi = LBD_ABI;
	if (getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		return -EIO;
	c->flow_sets = set->entries[LBDMAP_FLOW_TAG];
	c->rev_sets = set->entries[LBDMAP_FLOW_REV];
	c->flows = sizes->flows;
	c->port_lo = 1024;
	c->port_hi = 32767;
	c->embryonic_ticks = LBD_TICKS_S(60);
	return 0;
}

static int set_make(struct lbdmap_set *set, const struct lbdmap_sizes *sizes,
		    struct lbdmap_error *err)
{
	char path[PATH_MAX];
	int rc = 0;

	unlink_maps(set->pin); /* of a set that was never finished */
	for (int i = 0; i < LBDMAP_MAPS && !rc; i++)
		rc = map_create_pinned(set, i, sizes, err);
	if (!rc)
		rc = set_map_all(set, err);
	if (!rc)
		rc = control_init(set, sizes);
	if (!rc)
		rc = pin_path(path, set->pin, map_rows[LBDMAP_CONTROL].name);
	if (!rc && bpf_obj_pin(set->fd[LBDMAP_CONTROL], path))
		rc = lbdmap_fail(err, -errno, "cannot pin map '%s': %s", path, strerror(errno));
	if (rc)
		unlink_maps(set->pin);
	return rc;
}

int lbdmap_create(const char *pin, const struct lbdmap_sizes *sizes, struct lbdmap_set **out,
		  bool *adopted, struct lbdmap_error *err)
{
	struct lbdmap_sizes want = sizes ? *sizes : (struct lbdmap_sizes){};
	struct lbdmap_set *set = set_alloc(pin, true);
	bool exists;
	int rc;

	if (!set)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	sizes_default(&want);
	rc = pin_dir_open(set, true, err);
	/* Two starting at the same time: one makes the set, the other finds it. Or finds its owner. */
	if (!rc && flock(set->dir_fd, LOCK_EX | LOCK_NB)) {
		struct lbdmap_set *other = NULL;

		flock(set->dir_fd, LOCK_UN);
		lbdmap_close(set);
		rc = lbdmap_open(pin, true, &other, err);
		if (rc)
			return rc;
		*out = other;
		*adopted = true;
		return 0;
	}
	exists = set_exists(pin);
	if (!rc)
		rc = exists ? set_open_maps(set, err) : set_make(set, &want, err);
	if (set->dir_fd >= 0)
		flock(set->dir_fd, LOCK_UN);
	if (rc) {
		lbdmap_close(set);
		return rc;
	}
	*out = set;
	*adopted = exists;
	return 0;
}

int lbdmap_open(const char *pin, bool writable, struct lbdmap_set **out, struct lbdmap_error *err)
{
	struct lbdmap_set *set = set_alloc(pin, writable);
	int rc;

	if (!set)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	rc = pin_dir_open(set, false, err);
	if (!rc && !set_exists(pin))
		rc = lbdmap_fail(err, -ENOENT,
				 "'%s' holds no maps of lbd: no kernel path was ever started here",
				 pin);
	if (!rc)
		rc = set_open_maps(set, err);
	if (rc) {
		lbdmap_close(set);
		return rc;
	}
	*out = set;
	return 0;
}

void lbdmap_close(struct lbdmap_set *set)
{
	if (!set)
		return;
	lbdmap_disown(set);
	tables_free(set);
	for (int i = 0; i < LBDMAP_MAPS; i++) {
		if (set->mem[i])
			munmap(set->mem[i], set->mem_len[i]);
		if (set->fd[i] >= 0)
			close(set->fd[i]);
		free(set->taken[i]);
	}
	if (set->dir_fd >= 0)
		close(set->dir_fd);
	free(set);
}

int lbdmap_cleanup(const char *pin, struct lbdmap_error *err)
{
	struct lbdmap_set *set = set_alloc(pin, false);
	char path[PATH_MAX];
	int rc;

	if (!set)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	rc = pin_dir_open(set, false, err);
	if (!rc && flock(set->dir_fd, LOCK_EX | LOCK_NB))
		rc = lbdmap_fail(err, -EBUSY, "'%s' is in use by a running lbd: stop it first",
				 pin);
	if (!rc)
		rc = lbdmap_detach_all(pin, 0, err);
	if (rc >= 0) {
		unlink_maps(pin);
		rc = pin_path(path, pin, "links");
		if (!rc)
			rmdir(path);
		rmdir(pin);
	}
	lbdmap_close(set);
	return rc < 0 ? rc : 0;
}

/* ---- Ownership ---------------------------------------------------------------------------------------- */

int lbdmap_own(struct lbdmap_set *set, const char *program, struct lbdmap_error *err)
{
	struct lbd_owner o = {};
	struct timespec t;
	__u32 zero = 0;
	int rc;

	if (set->owner)
		return 0;
	if (!set->writable)
		return lbdmap_fail(err, -EROFS, "'%s' was opened for reading only", set->pin);
	bpf_map_lookup_elem(set->fd[LBDMAP_OWNER], &zero, &o);
	if (flock(set->dir_fd, LOCK_EX | LOCK_NB))
		return lbdmap_fail(
			err, -EBUSY,
			"'%s' belongs to %.15s, pid %u: stop it, or let it do the change", set->pin,
			o.program[0] ? o.program : "another process", o.pid);
	clock_gettime(CLOCK_REALTIME, &t);
	o.pid = getpid();
	o.epoch++;
	o.since_ns = t.tv_sec * 1000000000ULL + t.tv_nsec;
	snprintf(o.program, sizeof(o.program), "%s", program ? program : "lbd");
	if (bpf_map_update_elem(set->fd[LBDMAP_OWNER], &zero, &o, BPF_ANY)) {
		rc = -errno;
		flock(set->dir_fd, LOCK_UN);
		return lbdmap_fail(err, rc, "cannot write the owner: %s", strerror(-rc));
	}
	set->owner = true;
	rc = tables_adopt(set);
	if (rc) {
		lbdmap_disown(set);
		return lbdmap_fail(err, rc, "cannot read the tables of '%s': %s", set->pin,
				   strerror(-rc));
	}
	return 0;
}

void lbdmap_disown(struct lbdmap_set *set)
{
	if (!set->owner)
		return;
	set->owner = false;
	tables_free(set);
	flock(set->dir_fd, LOCK_UN);
}

bool lbdmap_is_owner(const struct lbdmap_set *set)
{
	return set->owner;
}

int set_must_own(const struct lbdmap_set *set)
{
	return set->owner ? 0 : -EROFS;
}

void lbdmap_owner(struct lbdmap_set *set, struct lbd_owner *out)
{
	__u32 zero = 0;

	memset(out, 0, sizeof(*out));
	bpf_map_lookup_elem(set->fd[LBDMAP_OWNER], &zero, out);
	if (set->owner)
		return;
	if (flock(set->dir_fd, LOCK_EX | LOCK_NB) == 0) {
		flock(set->dir_fd, LOCK_UN);
		out->pid = 0;
	}
}

void lbdmap_heartbeat(struct lbdmap_set *set)
{
	if (set->owner)
		__atomic_store_n(&MEM(set, CONTROL, struct lbd_control)->heartbeat, lbdmap_tick(),
				 __ATOMIC_RELAXED);
}

bool lbdmap_daemon_is_alive(struct lbdmap_set *set)
{
	uint32_t beat = __atomic_load_n(&lbdmap_control(set)->heartbeat, __ATOMIC_RELAXED);

	return beat && (int32_t)(lbdmap_tick() - beat) <= (int32_t)LBD_HEARTBEAT_TICKS;
}

/* ---- Views -------------------------------------------------------------------------------------------- */

const struct lbd_control *lbdmap_control(const struct lbdmap_set *set)
{
	return MEM(set, CONTROL, struct lbd_control);
}

#define VIEW(fn, type, id)                                                                         \
	const struct type *fn(const struct lbdmap_set *set, uint32_t slot)                         \
	{                                                                                          \
		return slot < set->entries[LBDMAP_##id] ? &MEM(set, id, struct type)[slot] : NULL; \
	}
VIEW(lbdmap_service, lbd_service, SERVICE)
VIEW(lbdmap_server, lbd_server, SERVER)
VIEW(lbdmap_load, lbd_load, LOAD)
VIEW(lbdmap_source, lbd_source, SOURCE)
VIEW(lbdmap_nexthop, lbd_nexthop, NEXTHOP)

const uint32_t *lbdmap_words(const struct lbdmap_set *set, uint32_t offset, uint32_t n)
{
	uint64_t all = (uint64_t)set->entries[LBDMAP_SLOTS] * LBD_SLOT_WORDS;

	return (uint64_t)offset + n <= all ? MEM(set, SLOTS, uint32_t) + offset : NULL;
}

uint32_t lbdmap_entries(const struct lbdmap_set *set, enum lbdmap_id id)
{
	return set->entries[id];
}

int lbdmap_fd(const struct lbdmap_set *set, enum lbdmap_id id)
{
	return set->fd[id];
}

const char *lbdmap_pin(const struct lbdmap_set *set)
{
	return set->pin;
}

const char *lbdmap_name(enum lbdmap_id id)
{
	return map_rows[id].name;
}

uint64_t lbdmap_memory(const struct lbdmap_set *set)
{
	uint64_t sum = 0;

	for (int i = 0; i < LBDMAP_MAPS; i++) {
		uint64_t each = element_stride(map_rows[i].value_size) +
				(map_rows[i].key_size > 4 ? 64 : 0);

		if (map_rows[i].flags & BPF_F_NO_PREALLOC)
			continue;
		if (map_rows[i].type == BPF_MAP_TYPE_RINGBUF)
			each = 1;
		if (map_rows[i].type == BPF_MAP_TYPE_PERCPU_ARRAY)
			each *= libbpf_num_possible_cpus();
		sum += each * set->entries[i];
	}
	return sum;
}
