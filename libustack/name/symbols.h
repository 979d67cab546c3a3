/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The functions of one image, by address.  Readers fill them in: from ELF symbol
 * tables, PLT stubs, the file that a JIT writes and the kernel's list.  A look-up
 * comes out.
 */
#ifndef USTACK_NAME_SYMBOLS_H
#define USTACK_NAME_SYMBOLS_H

#include <sys/types.h>
#include <time.h>

#include "module/space.h"

struct symbol {
	uint64_t start, end;
	const char *name;	/* as it is in the file */
	char *shown;		/* made when first needed; name itself if it is the same */
	uint32_t order;		/* it was added as the nth */
	uint8_t bind;
	bool plt;		/* a stub: name is the function it leads to */
};

/* Names, which symbols point into. */
struct text {
	struct text *next;
	size_t size;
	char bytes[];
};

/* What was read of a JIT's file; all zero: nothing. */
struct jit_file {
	dev_t dev;
	ino_t ino;
	off_t size, done;	/* of the file then, and up to the last whole entry */
	struct timespec mtime;
	int lack;		/* -errno: not all could be read up to size */
	bool skipped;		/* damaged entries, before done */
	off_t known_at;		/* some bytes of it, to see whether they still are there */
	size_t known_size;
	char known[256];
};

struct symbols {
	struct symbol *v;
	size_t nr, max;
	/* Of a JIT; these and those above change under the image's lock. */
	struct text *texts;
	size_t text_size;	/* of a JIT's */
	size_t bytes_read;	/* of its file, to find these */
	size_t look_ups_owed;	/* until its file is read again */
	struct jit_file read;
};

/* A new one, zero but for order; NULL: no memory. */
struct symbol *symbols_add(struct symbols *symbols);
/* A copy of size bytes of name that lives as long as symbols; NULL: no memory. */
const char *symbols_keep(struct symbols *symbols, const char *name, size_t size);
/* Sorts them; of several at one address the first by compare stays. */
void symbols_sort(struct symbols *symbols,
		  int (*compare)(const void *a, const void *b));
/*
 * Adds those of from, which is sorted by start and takes precedence, to those in
 * to; replace: they take the place of all.  0 or -ENOMEM.
 */
int symbols_merge(struct symbols *to, const struct symbols *from, bool replace);
/* For that: by address; of several names for one, first the one that perf prints. */
int symbols_by_preference(const void *a, const void *b);
struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr);
void symbols_free(struct symbols *symbols);

/*
 * What an image's symbol tables name, and its PLT stubs; the addresses are those
 * of its ELF file.  0, -ENOMEM, or -EDEADLK as once_make() has it.
 */
int symtab_read(struct symbols *symbols, struct image *image);
/*
 * The functions of a table of Go's, .gopclntab; text: where its code begins, if the
 * table does not say.  0, also if it is broken: those before stay; or -ENOMEM.
 */
int go_read(struct symbols *symbols, const struct section *table, uint64_t text);
/* The stubs alone; the symbols so far are sorted.  0 or -ENOMEM. */
int plt_read(struct symbols *symbols, struct image *image);
/*
 * Adds the symbols that a JIT wrote since it was called last, by user address, to
 * those of map's image.  0, also if there is no file; -E2BIG if not all of it was
 * read; -ENOMEM; or -errno if it could not be.
 */
int jit_read(const struct map *map);
/*
 * The same of a jitdump: what size bytes of fd hold from *done on, or all of it if
 * that is 0.  *done becomes where the first record begins that is not whole.
 * -EBADMSG: that is none, or broken; -ENOEXEC: it is of another machine; -E2BIG:
 * names are longer than room.  A function whose record alone is broken is left out,
 * which symbols->read.skipped tells.
 */
int jitdump_read(struct symbols *symbols, int fd, off_t size, off_t *done,
		 size_t room);
/*
 * What the list of the kernel has of image, which is that kernel or a module of it.
 * 0; -ENOKEY, -ESTALE: see kernel_open_kallsyms(); -EACCES: it hides addresses;
 * -EBADMSG: it is no such list; -E2BIG, -ENOMEM; or -errno if it could not be read.
 */
int kallsyms_read(struct symbols *symbols, struct image *image);
/*
 * The same for a module that is not loaded here, from a file of it: -ENOENT, -ESTALE
 * as kernel_module_file(); -EBADMSG, -ENOMEM.
 */
int kmodule_read(struct symbols *symbols, struct image *image);
/*
 * Might jit_read() find more?  Asked for each address without a name: not, for a
 * while, if it was much work and found little.
 */
bool jit_changed(const struct map *map);

#endif
