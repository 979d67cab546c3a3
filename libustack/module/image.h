/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * In: a file that was found, or bytes the caller has.  Out: one struct image,
 * all that unwinding and names need of the file, whoever maps it and as what.
 */
#ifndef USTACK_MODULE_IMAGE_H
#define USTACK_MODULE_IMAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ustack.h"
#include "module/fde.h"
#include "module/mapping.h"
#include "module/section.h"
#include "util/hash.h"
#include "util/once.h"

/* A build-id, of a file or as a map tells it. */
struct elf_id {
	uint8_t size;		/* 0: none */
	uint8_t bytes[63];
};

/* Is told the build-id of what has file? */
bool elf_id_is(const struct elf_id *file, const struct elf_id *told);

/* A file as a map describes it.  Several origins can be one image. */
struct origin {
	struct hash_node node;
	struct image *image;
	struct origin *next;	/* of the same image */
	size_t refs;		/* maps that have it; at 0 trim may free it */
	uint32_t maj, min;
	uint64_t ino, generation;
	struct elf_id build_id;
	uint64_t seen;		/* see struct ustack_map */
	bool is_jit;		/* path is that of names which a JIT wrote */
	bool is_kernel;		/* the kernel, or a module of it */
	char path[];
};

struct segment {
	uint64_t vaddr, offset, size;	/* size: bytes in the file */
	uint32_t flags;			/* PF_* */
};

/* A segment of code in the memory of a process, whatever the file has of it. */
struct code_segment {
	uint64_t vaddr, size;
};

struct symbols;
struct sources;
struct Elf;
struct buffer;
struct layout;

struct image {
	struct ustack_images *images;
	uint64_t id;		/* never reused: caches compare it */

	/* Of images.c, under the images' lock. */
	struct hash_node node;
	struct image *next;	/* of all */
	struct origin *origins;
	uint8_t *given;		/* a copy of the bytes that the caller gave */
	size_t given_size;

	/* Of the last attempt to open it.  Strings in map are origin's. */
	const struct origin *origin;
	struct ustack_map map;
	int err;
	bool replaced;		/* what had build_id had taken the place of what was mapped */
	int lacks;		/* -errno: it is used, but not all is there */
	bool cut;		/* segments lack bytes, or have zeroes in their place */
	struct once opened;	/* from then on all below is read-only */

	const uint8_t *data;	/* the whole file */
	size_t size;
	struct mapping mapping;	/* of data, if it was mapped */
	struct elf_id id_found;	/* the build-id in the file */
	bool is_64;		/* ELFCLASS64 */
	bool is_go;		/* there is code of Go, and of C with cgo */
	uint64_t entry;		/* 0: nothing starts there */
	uint64_t base;		/* vaddr of the first segment */
	struct segment *segments;
	size_t nr_segments;
	struct code_segment *code;
	size_t nr_code;
	struct section eh_frame_hdr, eh_frame, debug_frame;

	/* For elf and buffers, see image_elf(), and for a JIT's symbols. */
	pthread_mutex_t lock;
	struct Elf *elf;
	struct buffer *buffers;

	struct once debugdata_unpacked, debug_file_found;
	struct image *debugdata, *debug_file;	/* NULL: there is none */
	uint8_t *unpacked;	/* data, if it was compressed in another file */
	struct layout *layout;	/* of an object file of a kernel module, else NULL */

	/* all_cfi: .eh_frame once more, for what the table of cfi has lost. */
	struct cfi cfi, all_cfi, debug_cfi;
	struct once table_checked, all_cfi_made, debug_cfi_made;
	struct once symbols_read;	/* of a JIT, again and again */
	struct symbols *symbols;
	void (*symbols_free)(struct symbols *symbols);
	struct once sources_opened;
	struct sources *sources; /* NULL: there is no debug information */
	void (*sources_free)(struct sources *sources);
};

/* An empty one, for images.c and for debug_file.c.  NULL: no memory. */
struct image *image_new(struct ustack_images *images);
void image_free(struct image *image);

/* Copies bytes that the caller gave, if any, to given.  0 or -ENOMEM. */
int image_copy_data(struct image *image, const void *data, size_t size);

/*
 * Opens origin's image, if it is not open yet, for map.  If several threads need
 * it one opens it and the others wait.  An image that failed to open is tried
 * again only for another origin or, unless below a root, another pid.  0 or
 * -errno; -EDEADLK: see once_make().
 */
int image_open(const struct origin *origin, const struct ustack_map *map);
/* The same, from the bytes or the descriptor in map. */
int image_open_given(const struct origin *origin, const struct ustack_map *map);

/* Sets lacks, which ustack_images_unusable() reads at any time. */
static inline void image_lacks(struct image *image, int err)
{
	__atomic_store_n(&image->lacks, err, __ATOMIC_RELAXED);
}

static inline int image_lack(const struct image *image)
{
	return __atomic_load_n(&image->lacks, __ATOMIC_RELAXED);
}

/* The file is shorter than what is mapped of it.  Async-signal-safe. */
void image_was_cut(struct image *image);
/* Is it, or the one that has CFI for it? */
bool image_is_cut(const struct image *image);

/* The bytes of the file at vaddr, *size of them up to the segment's end. */
const uint8_t *image_at(const struct image *image, uint64_t vaddr,
			size_t *size);

#endif
