/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbdmap.h - all of the map library; README.md beside the sources shows its use. */
#ifndef LBDMAP_LBDMAP_H
#define LBDMAP_LBDMAP_H

#include <lbdmap/set.h>
#include <lbdmap/edit.h>
#include <lbdmap/read.h>
#include <lbdmap/prog.h>

#endif
