// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Functions counted, and their table. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/top.h"

#define FADE (7.0 / 8) /* what a sample counts in the next table */
#define FORGET 1e-5 /* of all: functions with less */
#define ROWS 50 /* where there is no terminal */
#define COLUMNS 512 /* the same */
#define ROW_MAX 4096

struct function {
	struct hash_node node;
	double self, total;
	uint64_t last; /* sample that it was in */
	const char *file; /* behind the name */
	char name[];
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int top_begin(struct top *t, struct ustack_images *images)
{
	struct termios raw;
	int ret = ustack_space_new(&t->kernel, images);

	if (ret)
		return ret;
	/* Without, its functions are all [kernel]. */
	if (ustack_space_add_kernel(t->kernel)) {
		ustack_space_free(t->kernel);
		t->kernel = NULL;
	}
	t->terminal = isatty(STDOUT_FILENO);
	t->keys = t->terminal && !tcgetattr(STDIN_FILENO, &t->was);
	if (t->keys) {
		raw = t->was;
		raw.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	t->begin = now();
	t->next = t->begin + t->interval;
	return 0;
}

/* --- counting ------------------------------------------------------------------ */

static struct function *find(struct top *t, const struct frame *f)
{
	char room[FRAME_ROOM];
	const char *name = frame_text(f, room);
	const char *file = f->path ? f->path : "";
	const size_t len = strlen(name) + 1, file_len = strlen(file) + 1;
	const uint64_t key = hash_mix(hash_bytes(name, len),
				      hash_bytes(file, file_len));
	struct function *e;
	struct hash_node *n;

	for (n = hash_find(&t->functions, key); n; n = hash_next(n)) {
		e = container_of(n, struct function, node);
		if (!strcmp(e->name, name) && !strcmp(e->file, file))
			return e;
	}
	e = calloc(1, sizeof(*e) + len + file_len);
	if (!e || hash_add(&t->functions, &e->node, key)) {
		free(e);
		return NULL;
	}
	memcpy(e->name, name, len);
	e->file = memcpy(e->name + len, file, file_len);
	return e;
}

int top_sample(struct top *t, const struct ustack_sample *s,
	       const struct chain *c)
{
	struct ustack_sample named = *s;
	const double weight = s->period ? s->period : 1;
	struct function *f;
	size_t i;

	named.kernel = t->kernel;
	t->samples++;
	t->serial++;
	t->all += weight;
	for (i = 0; i < c->nr; i++) {
		line_frames(&t->frames, &named, &c->line[i], false);
		f = find(t, &t->frames.frame[0]);
		if (!f)
			return -ENOMEM;
		if (!i)
			f->self += weight;
		if (f->last != t->serial)
			f->total += weight;
		f->last = t->serial;
	}
	return 0;
}

/* What is old counts less, and what is next to nothing is forgotten. */
static int fade(struct top *t)
{
	struct hash_table kept = { 0 };
	struct hash_node *n;
	int ret = 0;

	t->all *= FADE;
	while ((n = hash_pop(&t->functions))) {
		struct function *f = container_of(n, struct function, node);

		f->self *= FADE;
		f->total *= FADE;
		if (f->total <= t->all * FORGET) {
			free(f);
		} else if (ret || hash_add(&kept, n, n->key)) {
			free(f);
			ret = -ENOMEM;
		}
	}
	hash_free(&t->functions);
	t->functions = kept;
	return ret;
}

/* --- the table ------------------------------------------------------------------ */

static int compare(double a, double b)
{
	return a > b ? -1 : a < b;
}

static int order(const struct function *x, const struct function *y,
		 bool by_total)
{
	int ret = by_total ? compare(x->total, y->total) :
			     compare(x->self, y->self);

	if (!ret)
		ret = by_total ? compare(x->self, y->self) :
				 compare(x->total, y->total);
	return ret ? ret : strcmp(x->name, y->name);
}

static int by_self(const void *a, const void *b)
{
	return order(*(struct function *const *)a,
		     *(struct function *const *)b, false);
}

static int by_total(const void *a, const void *b)
{
	return order(*(struct function *const *)a,
		     *(struct function *const *)b, true);
}

/* At most columns of a line, and no part of a character. */
static void put_line(const char *line, size_t columns)
{
	size_t n = 0, at = 0;

	for (; line[at] && n < columns; n++)
		for (at++; (line[at] & 0xc0) == 0x80; at++)
			;
	fwrite(line, 1, at, stdout);
	putchar('\n');
}

static void put_function(const struct top *t, const struct function *f,
			 size_t columns)
{
	const char *base = strrchr(f->file, '/');
	char line[ROW_MAX * NAME_ROOM], cut[ROW_MAX / 4];
	char *p = line;

	p += sprintf(p, "%6.2f %%  %6.2f %%  ", 100 * f->self / t->all,
		     100 * f->total / t->all);
	snprintf(cut, sizeof(cut), "%s", f->name);
	p = put_name(p, cut);
	if (*f->file) {
		p = stpcpy(p, "  ");
		snprintf(cut, sizeof(cut), "%s", base ? base + 1 : f->file);
		p = put_name(p, cut);
	}
	*p = 0;
	put_line(line, columns);
}

static void put_head(const struct top *t, const struct top_head *head,
		     double seconds, size_t columns)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "%.0f s, %s, %.0f samples/s, %llu lost, %.1f %% complete%s",
		 (now() - t->begin) / 1e9, head->event, t->samples / seconds,
		 (unsigned long long)head->lost, head->complete,
		 t->keys ? "; q ends, s and t sort by self and total" : "");
	put_line(line, columns);
	put_line("    self     total  function  file", columns);
}

static int show(struct top *t, const struct top_head *head, double seconds)
{
	struct winsize size = { 0 };
	size_t nr = t->functions.nr, rows = ROWS, columns = COLUMNS, i;
	struct function **all = malloc((nr + 1) * sizeof(*all));
	struct hash_table table = { 0 };
	int ret = all ? 0 : -ENOMEM;

	if (ret)
		return ret;
	if (t->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) &&
	    size.ws_row > 3) {
		rows = size.ws_row - 3;
		columns = size.ws_col;
	}
	for (i = 0; i < nr; i++) {
		struct hash_node *n = hash_pop(&t->functions);

		all[i] = container_of(n, struct function, node);
	}
	qsort(all, nr, sizeof(*all), t->by_total ? by_total : by_self);
	if (t->terminal)
		fputs("\033[H\033[J", stdout);
	put_head(t, head, seconds, columns);
	for (i = 0; i < nr && i < rows; i++)
		put_function(t, all[i], columns);
	if (!t->terminal)
		putchar('\n');
	if (fflush(stdout))
		cli_write_failed();
	for (i = 0; i < nr; i++)
		if (ret || hash_add(&table, &all[i]->node,
				    all[i]->node.key)) {
			free(all[i]);
			ret = -ENOMEM;
		}
	hash_free(&t->functions);
	t->functions = table;
	free(all);
	return ret;
}

/* False: it shall end. */
static bool read_keys(struct top *t)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	while (t->keys && poll(&p, 1, 0) == 1 && read(p.fd, &key, 1) == 1) {
		if (key == 'q')
			return false;
		if (key == 's' || key == 't')
			t->by_total = key == 't';
	}
	return true;
}

int top_tick(struct top *t, const struct top_head *head)
{
	const uint64_t time = now();
	int ret;

	if (!read_keys(t))
		return 1;
	if (time < t->next)
		return 0;
	ret = show(t, head, (time - t->next + t->interval) / 1e9);
	t->any = true;
	if (!ret)
		ret = fade(t);
	t->samples = 0;
	t->next = time + t->interval;
	if (ret || ferror(stdout))
		return ret ? ret : 1;
	return t->left && !--t->left;
}

int top_last(struct top *t, const struct top_head *head)
{
	return t->any ? 0 : show(t, head, (now() - t->begin) / 1e9);
}

void top_end(struct top *t)
{
	struct hash_node *n;

	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->was);
	t->keys = false;
	while ((n = hash_pop(&t->functions)))
		free(container_of(n, struct function, node));
	hash_free(&t->functions);
	ustack_space_free(t->kernel);
	t->kernel = NULL;
}
