// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A recording and the file that it says was mapped: the recording's size (u32)
 * and bytes, then the ELF file.  Read, paired, unwound, named.
 */
#include "fuzz.h"
#include "ustack.h"

#define FRAMES 32

static void sample_use(struct ustack_unwinder *unwinder,
		       const struct ustack_sample *s)
{
	static struct ustack_regs regs[FRAMES];
	struct ustack_frame frames[FRAMES], again[FRAMES];
	struct ustack_symbol sym = { .sz = sizeof(sym) };
	struct ustack_stack stack = {
		.sz = sizeof(stack),
		.space = s->space,
		.regs = &s->regs,
		.ranges = s->ranges,
		.nr_ranges = s->nr_ranges,
	};
	enum ustack_end end, end_again;
	int nr;

	nr = ustack_unwind(unwinder, &stack, frames, FRAMES, &end);
	if (nr < 0 || nr > FRAMES || !ustack_end_name(end))
		abort();
	/* Frames are the same whether their registers are wanted or not. */
	stack.frame_regs = regs;
	if (ustack_unwind(unwinder, &stack, again, FRAMES, &end_again) != nr ||
	    end_again != end || memcmp(again, frames, nr * sizeof(*frames)))
		abort();
	for (int i = 0; i < nr; i++)
		ustack_symbolize(s->space,
				 frames[i].ip -
					 !!(frames[i].flags & USTACK_FRAME_RETURN),
				 &sym);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ustack_sample *sample;
	struct input in = { data, size };
	struct ustack_unwinder *unwinder;
	struct ustack_images *images;
	struct ustack_reader *reader;
	struct ustack_stats stats = { .sz = sizeof(stats) };
	uint32_t data_size;

	input_take(&in, &data_size, sizeof(data_size));
	if (data_size > in.left)
		data_size = in.left;
	file_data = (struct file){ in.p, data_size, true };
	in.p += data_size;
	in.left -= data_size;
	file_image = (struct file){ in.p, in.left, true };

	if (ustack_images_new(&images, NULL) ||
	    ustack_unwinder_new(&unwinder) ||
	    ustack_reader_new(&reader, images))
		abort();
	if (!ustack_reader_open(reader, FILE_DATA))
		while (ustack_reader_next(reader, &sample) == 1)
			sample_use(unwinder, sample);
	/* Every sample left once, with its cause. */
	ustack_reader_stats(reader, &stats);
	if (stats.samples !=
	    stats.legacy + stats.paired + stats.lost + stats.none)
		abort();
	ustack_reader_free(reader);
	ustack_unwinder_free(unwinder);
	ustack_images_free(images);
	return 0;
}
