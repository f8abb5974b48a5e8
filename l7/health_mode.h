// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mode health`: see health_mode.c.
 */
#ifndef LBD_HEALTH_MODE_H
#define LBD_HEALTH_MODE_H

/* Registers the protocol; before the configuration is read. */
void health_mode_init(void);

#endif
