/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc that are written: sysctls with empty, bad and displaced writes, min_free_kbytes and the
 * watermarks that follow from it, oom_score_adj with and without privilege, comm of others, and the lines of
 * status, among them NoNewPrivs. Run as root, in a machine whose sysctls nobody else needs.
 */
#include "guest.h"
#include <sys/prctl.h>

static char text[1 << 16];

static long put(const char *path, const char *what, size_t n, off_t at)
{
	int fd = MUST(open(path, O_WRONLY)), error;
	long ret = at < 0 ? write(fd, what, n) : pwrite(fd, what, n, at);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

static const char *get(const char *path)
{
	MUST(read_file(path, text, sizeof(text)));
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void sysctls(void)
{
	const char *file = "/proc/sys/vm/swappiness";
	SHOW(put(file, "", 0, -1));
	SHOW(put(file, "70", 2, -1));
	SHOW(put(file, "7x", 2, -1));
	SHOW(put(file, "\n", 1, -1));
	SHOW(put(file, "201", 3, -1));
	SHOW(put(file, "-1", 2, -1));
	SHOW(put(file, "99999999999", 11, -1));
	printf("swappiness %s\n", get(file));
	SHOW(put(file, "0x3c", 4, -1));
	printf("swappiness %s\n", get(file));
	SHOW(put("/proc/sys/kernel/hostname", "", 0, -1));
	SHOW(put("/proc/sys/vm/drop_caches", "", 0, -1));
	SHOW(put("/proc/sys/vm/drop_caches", "5", 1, -1));
	SHOW(put("/proc/sys/vm/drop_caches", "0", 1, -1));
	SHOW(put("/proc/self/oom_score_adj", "", 0, -1));
	SHOW(put("/proc/self/clear_refs", "", 0, -1));
	SHOW(put("/proc/self/clear_refs", "9", 1, -1));
}

/* The sum of the zones' min, in KiB. */
static long marks(void)
{
	long sum = 0;
	MUST(read_file("/proc/zoneinfo", text, sizeof(text)));
	for (char *line = text; (line = strstr(line, "\n        min ")); line++)
		sum += atol(line + 13) * 4;
	return sum;
}

static void watermarks(void)
{
	const char *file = "/proc/sys/vm/min_free_kbytes";
	long wanted = 4000, sum;
	SHOW(put(file, "", 0, -1));
	SHOW(put(file, "4000\n", 5, -1));
	printf("min_free_kbytes %s\n", get(file));
	sum = marks();
	printf("min of all zones: %s\n", sum > wanted * 9 / 10 && sum < wanted * 11 / 10 ? "about that" : "something else");
	SHOW(put(file, "-5", 2, -1));
	SHOW(put(file, "many", 4, -1));
	SHOW(put(file, "9999999999", 10, -1));
	printf("min_free_kbytes %s\n", get(file));
	SHOW(put(file, "1400", 4, -1));
	sum = marks();
	printf("min of all zones: %s\n", sum > 1200 && sum < 1600 ? "about 1400" : "something else");
}

static int unprivileged(void *unused)
{
	const char *file = "/proc/self/oom_score_adj";
	(void)unused;
	SHOW(put(file, "100", 3, -1));
	MUST(setresuid(1000, 1000, 1000));
	MUST(prctl(PR_SET_DUMPABLE, 1));
	SHOW(put(file, "500", 3, -1));
	SHOW(put(file, "100", 3, -1)); /* down to where root put it */
	SHOW(put(file, "99", 2, -1));
	SHOW(put(file, "1001", 4, -1));
	SHOW(put(file, "0x64", 4, -1));
	SHOW(put("/proc/self/oom_adj", "8", 1, -1)); /* the old file: 470 */
	SHOW(put("/proc/self/oom_adj", "7", 1, -1)); /* never down without privilege */
	SHOW(put(file, "100", 3, -1));
	printf("oom_score_adj %s\n", get(file));
	SHOW_OK(open("/proc/sys/vm/swappiness", O_WRONLY));
	return 0;
}

static int rename_parent(void *unused)
{
	char path[64];
	(void)unused;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)getppid());
	SHOW(put(path, "other", 5, -1));
	SHOW(put("/proc/self/comm", "mine", 4, -1));
	printf("comm %s\n", get("/proc/self/comm"));
	return 0;
}

static void status_lines(void)
{
	MUST(read_file("/proc/self/status", text, sizeof(text)));
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		int length = (int)strcspn(line, ":");
		printf("%.*s ", length, line);
	}
	printf("\n");
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(read_file("/proc/self/status", text, sizeof(text)));
	printf("%.13s\n", strstr(text, "NoNewPrivs"));
}

int main(void)
{
	sysctls();
	watermarks();
	run_child(unprivileged, NULL);
	run_child(rename_parent, NULL);
	status_lines();
	return 0;
}
