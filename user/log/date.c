// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * date.c - the dates of log lines: broken down once per second and thread, then copied.
 * Not for timers: those are monotonic (struct stream_times). Any thread.
 */
#include "log/private.h"

#include <stdio.h>
#include <stdlib.h>

int64_t log_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void date_fill(struct log_date *d, int64_t sec)
{
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)sec;
	struct tm lt, gt;
	long off;

	localtime_r(&t, &lt);
	gmtime_r(&t, &gt);
	off = lt.tm_gmtoff / 60;
	snprintf(d->local, sizeof(d->local), "%02d/%s/%04d:%02d:%02d:%02d", lt.tm_mday,
		 month[lt.tm_mon], lt.tm_year + 1900, lt.tm_hour, lt.tm_min, lt.tm_sec);
	snprintf(d->gmt, sizeof(d->gmt), "%02d/%s/%04d:%02d:%02d:%02d", gt.tm_mday,
		 month[gt.tm_mon], gt.tm_year + 1900, gt.tm_hour, gt.tm_min, gt.tm_sec);
	snprintf(d->syslog, sizeof(d->syslog), "%s %2d %02d:%02d:%02d", month[lt.tm_mon],
		 lt.tm_mday, lt.tm_hour, lt.tm_min, lt.tm_sec);
	snprintf(d->iso, sizeof(d->iso), "%04d-%02d-%02dT%02d:%02d:%02d", lt.tm_year + 1900,
		 lt.tm_mon + 1, lt.tm_mday, lt.tm_hour, lt.tm_min, lt.tm_sec);
	snprintf(d->zone, sizeof(d->zone), "%c%02ld%02ld", off < 0 ? '-' : '+',
		 labs(off) / 60 % 100, labs(off) % 60);
	snprintf(d->iso_zone, sizeof(d->iso_zone), "%c%02ld:%02ld", off < 0 ? '-' : '+',
		 labs(off) / 60 % 100, labs(off) % 60);
	d->sec = sec;
}

const struct log_date *log_date(int64_t sec)
{
	static __thread struct log_date cache[8];
	struct log_date *d = &cache[sec & 7];

	if (d->sec != sec || !d->local[0])
		date_fill(d, sec);
	return d;
}
