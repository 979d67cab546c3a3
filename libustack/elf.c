// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* ELF files: the cache of images, and the parts of one file. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unwind.h"

/* --- one file ------------------------------------------------------------ */

/* A file's own claim about a section or segment, checked against its size. */
static bool image_holds(const struct image *image, uint64_t offset,
			uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

const uint8_t *image_at(const struct image *image, uint64_t vaddr,
			size_t *size)
{
	for (size_t i = 0; i < image->nr_segments; i++) {
		const struct segment *seg = &image->segments[i];

		if (vaddr - seg->vaddr >= seg->size)
			continue;
		*size = seg->size - (vaddr - seg->vaddr);
		return image->data + seg->offset + (vaddr - seg->vaddr);
	}
	*size = 0;
	return NULL;
}

static int image_read_file(struct image *image, const char *path)
{
	struct stat st;
	void *data;
	int fd, err = 0;

	/* O_NONBLOCK: a process can have mapped a device or a FIFO's name. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		err = -errno;
	} else if (!S_ISREG(st.st_mode) || st.st_size < EI_NIDENT) {
		err = -ENOEXEC;
	} else {
		data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED) {
			err = -errno;
		} else {
			image->data = data;
			image->size = st.st_size;
			image->mmapped = true;
		}
	}
	close(fd);
	return err;
}

/* The vDSO has no file; the kernel maps all of it, section headers included. */
static int image_read_vdso(struct image *image)
{
	const Elf64_Ehdr *ehdr = (void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *phdr;
	uint64_t end;

	if (!ehdr || ehdr->e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOENT;
	end = ehdr->e_shoff + (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;
	phdr = (void *)((const uint8_t *)ehdr + ehdr->e_phoff);
	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_LOAD &&
		    phdr[i].p_offset + phdr[i].p_filesz > end)
			end = phdr[i].p_offset + phdr[i].p_filesz;
	image->data = (const uint8_t *)ehdr;
	image->size = end;
	return 0;
}

static int image_read_segments(struct image *image, bool *build_id_differs)
{
	GElf_Ehdr ehdr;
	size_t nr;

	if (!gelf_getehdr(image->elf, &ehdr) || ehdr.e_machine != EM_X86_64 ||
	    ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN) ||
	    elf_getphdrnum(image->elf, &nr) || !nr)
		return -ENOEXEC;
	image->entry = ehdr.e_entry;
	image->segments = calloc(nr, sizeof(*image->segments));
	if (!image->segments)
		return -ENOMEM;

	for (size_t i = 0; i < nr; i++) {
		struct segment *seg = &image->segments[image->nr_segments];
		GElf_Phdr ph;

		if (!gelf_getphdr(image->elf, i, &ph))
			return -ENOEXEC;
		/* A cut file keeps what it still has of a segment. */
		if (ph.p_offset >= image->size)
			continue;
		if (!image_holds(image, ph.p_offset, ph.p_filesz))
			ph.p_filesz = image->size - ph.p_offset;
		if (ph.p_type == PT_LOAD) {
			seg->vaddr = ph.p_vaddr;
			seg->offset = ph.p_offset;
			seg->size = ph.p_filesz;
			seg->flags = ph.p_flags;
			image->nr_segments++;
		} else if (ph.p_type == PT_GNU_EH_FRAME) {
			image->eh_frame_hdr.data = image->data + ph.p_offset;
			image->eh_frame_hdr.size = ph.p_filesz;
			image->eh_frame_hdr.vaddr = ph.p_vaddr;
		} else if (ph.p_type == PT_NOTE && image->build_id) {
			Elf_Data *data = elf_getdata_rawchunk(
				image->elf, ph.p_offset, ph.p_filesz,
				ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
			size_t at = 0, name, desc;
			GElf_Nhdr nhdr;

			while (data && (at = gelf_getnote(data, at, &nhdr,
							  &name, &desc))) {
				const char *d = data->d_buf;

				if (nhdr.n_type != NT_GNU_BUILD_ID ||
				    nhdr.n_namesz != sizeof("GNU") ||
				    memcmp(d + name, "GNU", sizeof("GNU")))
					continue;
				*build_id_differs =
					nhdr.n_descsz != image->build_id_size ||
					memcmp(d + desc, image->build_id,
					       image->build_id_size);
			}
		}
	}
	return image->nr_segments ? 0 : -ENOEXEC;
}

static void image_read_sections(struct image *image)
{
	static const struct {
		const char *name;
		size_t at;
	} wanted[] = {
		{ ".eh_frame", offsetof(struct image, eh_frame) },
		{ ".debug_frame", offsetof(struct image, debug_frame) },
		{ ".init", offsetof(struct image, init) },
		{ ".fini", offsetof(struct image, fini) },
	};
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(image->elf, &names))
		return;
	while ((scn = elf_nextscn(image->elf, scn))) {
		const char *name;
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
		    sh.sh_flags & SHF_COMPRESSED ||
		    !image_holds(image, sh.sh_offset, sh.sh_size))
			continue;
		name = elf_strptr(image->elf, names, sh.sh_name);
		for (size_t i = 0; name && i < 4; i++) {
			struct section *s;

			if (strcmp(name, wanted[i].name))
				continue;
			s = (void *)((char *)image + wanted[i].at);
			s->data = image->data + sh.sh_offset;
			s->size = sh.sh_size;
			s->vaddr = sh.sh_addr;
		}
	}
}

static void image_close(struct image *image)
{
	cfi_free(&image->cfi);
	symbols_free(image->symbols);
	image->symbols = NULL;
	free(image->segments);
	image->segments = NULL;
	image->nr_segments = 0;
	elf_end(image->elf);
	image->elf = NULL;
	if (image->mmapped)
		munmap((void *)image->data, image->size);
	image->data = NULL;
}

static int image_load(struct ustack_images *images, struct image *image)
{
	const char *path = image->path;
	bool differs = false;
	char *full = NULL;
	int err;

	if (!strcmp(path, "[vdso]")) {
		err = images->vdso ? image_read_file(image, images->vdso) :
				     image_read_vdso(image);
	} else if (*path == '/') {
		const char *root = images->root ? images->root : "";
		size_t size = strlen(root) + strlen(path) + 1;

		full = malloc(size);
		if (!full)
			return -ENOMEM;
		snprintf(full, size, "%s%s", root, path);
		err = image_read_file(image, full);
		free(full);
	} else {
		err = -ENOENT;
	}
	if (err)
		return err;
	elf_version(EV_CURRENT);
	/* libelf only reads: the const of a read-only mapping is safe. */
	image->elf = elf_memory((char *)image->data, image->size);
	if (!image->elf || elf_kind(image->elf) != ELF_K_ELF)
		return -ENOEXEC;
	err = image_read_segments(image, &differs);
	if (err)
		return err;
	if (differs)
		return -ESTALE;
	image_read_sections(image);
	return cfi_init(&image->cfi, image);
}

int image_open(struct ustack_images *images, struct image *image)
{
	int state = __atomic_load_n(&image->state, __ATOMIC_ACQUIRE);

	if (state != 1)
		return state;
	pthread_mutex_lock(&images->lock);
	state = image->state;
	if (state == 1) {
		state = image_load(images, image);
		if (state)
			image_close(image);
		__atomic_store_n(&image->state, state, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&images->lock);
	return state;
}

/* --- all files ----------------------------------------------------------- */

int ustack_images_new(struct ustack_images **out,
		      const struct ustack_images_opts *opts)
{
	struct ustack_images *images;

	*out = NULL;
	images = calloc(1, sizeof(*images));
	if (!images)
		return -ENOMEM;
	pthread_mutex_init(&images->lock, NULL);
	if (opts && opts->sz >= offsetof(struct ustack_images_opts, vdso)) {
		const char *vdso = opts->sz >= sizeof(*opts) ? opts->vdso : NULL;

		if (opts->root && *opts->root)
			images->root = strdup(opts->root);
		if (vdso && *vdso)
			images->vdso = strdup(vdso);
		if ((opts->root && *opts->root && !images->root) ||
		    (vdso && *vdso && !images->vdso)) {
			ustack_images_free(images);
			return -ENOMEM;
		}
	}
	*out = images;
	return 0;
}

void ustack_images_free(struct ustack_images *images)
{
	if (!images)
		return;
	for (int i = 0; i < IMAGES_BUCKETS; i++) {
		struct image *image = images->bucket[i], *next;

		for (; image; image = next) {
			next = image->next;
			image_close(image);
			free(image->path);
			free(image->build_id);
			free(image);
		}
	}
	pthread_mutex_destroy(&images->lock);
	free(images->root);
	free(images->vdso);
	free(images);
}

static struct image *images_find(struct ustack_images *images, uint32_t hash,
				 const char *path, const uint8_t *build_id,
				 size_t build_id_size)
{
	struct image *image = images->bucket[hash % IMAGES_BUCKETS];

	for (; image; image = image->next)
		if (image->hash == hash &&
		    image->build_id_size == build_id_size &&
		    (!build_id_size ||
		     !memcmp(image->build_id, build_id, build_id_size)) &&
		    !strcmp(image->path, path))
			return image;

	image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->state = 1;
	image->hash = hash;
	image->path = strdup(path);
	if (build_id_size) {
		image->build_id = malloc(build_id_size);
		image->build_id_size = build_id_size;
	}
	if (!image->path || (build_id_size && !image->build_id)) {
		free(image->path);
		free(image->build_id);
		free(image);
		return NULL;
	}
	if (build_id_size)
		memcpy(image->build_id, build_id, build_id_size);
	image->next = images->bucket[hash % IMAGES_BUCKETS];
	images->bucket[hash % IMAGES_BUCKETS] = image;
	return image;
}

struct image *images_get(struct ustack_images *images, const char *path,
			 const uint8_t *build_id, size_t build_id_size)
{
	uint32_t hash = 5381;
	struct image *image;

	if (!build_id)
		build_id_size = 0;
	for (const char *p = path; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	pthread_mutex_lock(&images->lock);
	image = images_find(images, hash, path, build_id, build_id_size);
	pthread_mutex_unlock(&images->lock);
	return image;
}
