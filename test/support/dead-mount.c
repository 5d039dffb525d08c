/* A mount that is dead: while the file $DEAD_WHEN exists, opening or looking at a file below $DEAD_BELOW
 * never returns. Loaded by LD_PRELOAD; covers the calls of libuv. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct statx;

static void hang(const char *path) {
  const char *below = getenv("DEAD_BELOW"), *when = getenv("DEAD_WHEN");
  if (path == NULL || below == NULL || when == NULL) return;
  while (strncmp(path, below, strlen(below)) == 0 && access(when, F_OK) == 0) pause();
}

static int opened(const char *name, const char *path, int flags, mode_t mode) {
  hang(path);
  int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
  return next(path, flags, mode);
}

#define OPEN(name)                                                             \
  int name(const char *path, int flags, ...) {                                 \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    mode_t mode = va_arg(rest, mode_t);                                        \
    va_end(rest);                                                              \
    return opened(#name, path, flags, mode);                                   \
  }
OPEN(open)
OPEN(open64)

int statx(int at, const char *path, int flags, unsigned mask, struct statx *into) {
  hang(path);
  int (*next)(int, const char *, int, unsigned, struct statx *) =
      (int (*)(int, const char *, int, unsigned, struct statx *))dlsym(RTLD_NEXT, "statx");
  return next(at, path, flags, mask, into);
}

long syscall(long number, ...) {
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_statx) hang((const char *)a[1]);
  long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
