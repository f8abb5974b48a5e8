/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * affinity.h - on which CPUs the process and its threads run: cpu-map, cpu-set. Control thread, then each worker for itself.
 */
#ifndef LBD_PROCESS_AFFINITY_H
#define LBD_PROCESS_AFFINITY_H

void affinity_init(void);
/* `cpu-set`: the whole process, before the number of threads is chosen from the CPUs there are. */
void affinity_apply_process(void);
/* `cpu-map`: worker @tid (0-based) binds itself; where none of its CPUs may be used, nothing changes. */
void affinity_apply_worker(int tid);

#endif
