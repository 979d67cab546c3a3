// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* perf.data to single records; bit 0 of the first byte: out of a pipe. */
#include "fuzz.h"
#include "read/datafile.h"
#include "read/perf_abi.h"

/* A pool of its own for every run would take most of the time. */
static struct chunk_pool pool;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	bool piped = input_u8(&in) & 1;
	struct build_ids ids = { 0 };
	struct events events = { 0 };
	struct errline line = { 0 };
	struct datafile df;
	struct record rec;
	uint64_t id;

	file_data = (struct file){ in.p, in.left, !piped };
	if (!datafile_open(&df, FILE_DATA, &pool, &events, &ids, &line))
		while (datafile_next(&df, &rec) == 1) {
			if (record_size(&rec) < 8 || (uintptr_t)rec.data & 7)
				abort();
			if (record_type(&rec) < REC_USER_TYPES)
				events_of(&events, &rec, &id);
			else if (record_type(&rec) == REC_EVENT_UPDATE)
				events_update(&events, rec.data, record_size(&rec));
			record_put(&pool, &rec);
		}
	datafile_close(&df);
	if (pool.nr_live != !!pool.pack)
		abort();	/* a reference was lost */
	events_free(&events);
	build_ids_free(&ids);
	return 0;
}
