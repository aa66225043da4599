/* The other side of the comparison: compiles a list of rule files with libyara and scans a list of data files.
 * Usage: libyara RULES DATA; both are files with one path a line. Prints what main.go prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <yara.h>

static long rules_hit, places, faults;

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_utime.tv_usec / 1e6;
}

static double wall(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void complain(int level, const char *file, int line, const YR_RULE *rule, const char *text, void *arg) {
  (void) rule;
  (void) arg;
  if (level == YARA_ERROR_LEVEL_ERROR) {
    faults++;
    fprintf(stderr, "%s:%d: %s\n", file ? file : "", line, text);
  }
}

static int seen(YR_SCAN_CONTEXT *c, int message, void *data, void *arg) {
  YR_STRING *s;
  YR_MATCH *m;
  (void) arg;
  if (message == CALLBACK_MSG_RULE_MATCHING) {
    YR_RULE *r = data;
    rules_hit++;
    yr_rule_strings_foreach(r, s) yr_string_matches_foreach(c, s, m) places++;
  }
  return CALLBACK_CONTINUE;
}

static char *slurp(const char *name, size_t *n) {
  static char *buf;
  static size_t size;
  FILE *f = fopen(name, "rb");
  if (!f) { perror(name); exit(1); }
  *n = 0;
  for (;;) {
    if (*n + 65536 > size) buf = realloc(buf, size = size * 2 + 65536);
    size_t k = fread(buf + *n, 1, 65536, f);
    if (k == 0) break;
    *n += k;
  }
  fclose(f);
  return buf;
}

int main(int argc, char **argv) {
  static const char *externals[] = {"filename", "filepath", "extension", "filetype", "owner"};
  YR_COMPILER *c;
  YR_RULES *rules;
  char line[4096];
  if (argc != 3 || yr_initialize() || yr_compiler_create(&c)) return 1;
  double c0 = cpu(), w0 = wall();
  yr_compiler_set_callback(c, complain, NULL);
  for (size_t i = 0; i < 5; i++) yr_compiler_define_string_variable(c, externals[i], "");
  FILE *list = fopen(argv[1], "r");
  while (list && fgets(line, sizeof line, list)) {
    line[strcspn(line, "\n")] = 0;
    FILE *f = fopen(line, "r");
    if (!f) { perror(line); return 1; }
    yr_compiler_add_file(c, f, line, line);
    fclose(f);
  }
  if (faults || yr_compiler_get_rules(c, &rules)) return 1;
  yr_compiler_destroy(c);
  double c1 = cpu(), w1 = wall();
  YR_SCANNER *scanner;
  if (yr_scanner_create(rules, &scanner)) return 1;
  yr_scanner_set_callback(scanner, seen, NULL);
  double sc = 0, sw = 0;
  long bytes = 0, files = 0;
  list = fopen(argv[2], "r");
  while (list && fgets(line, sizeof line, list)) {
    size_t n;
    line[strcspn(line, "\n")] = 0;
    char *data = slurp(line, &n);
    double a = cpu(), b = wall();
    int e = yr_scanner_scan_mem(scanner, (uint8_t *) data, n);
    if (e) { fprintf(stderr, "%s: error %d\n", line, e); return 1; }
    sc += cpu() - a;
    sw += wall() - b;
    bytes += n;
    files++;
  }
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  printf("%.3f %.3f %.3f %.3f %ld %ld %ld %ld %ld\n", c1 - c0, w1 - w0, sc, sw, bytes, files, u.ru_maxrss, rules_hit, places);
  return 0;
}
