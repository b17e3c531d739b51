/* SPDX-License-Identifier: MIT */
/* test_agent_device_parse.c - answers of vendor tools, good, odd and broken. */
#include "device_fixture.h"

#define HEAD                                                                   \
	"index, uuid, name, memory.total [MiB], memory.free [MiB], "           \
	"utilization.gpu [%], temperature.gpu, power.draw [W]\n"
#define U "GPU-00000000-0000-0000-0000-00000000000"
#define GPUS_SHOWN 3

typedef int (*parser)(const char *text, size_t len, struct ag_sample_list *out,
		      struct gw_err *err);

static const struct {
	const char *file;
	parser parse;
	const char *gpu[GPUS_SHOWN]; /* NULL = not one of the list */
	size_t n;
	const char *error; /* part of it; NULL = none */
} cases[] = {
	{"nvidia-two.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA GeForce RTX 4090' '" U "1' 24564/23000 MiB 3% 41C 21540mW",
	  "1 'NVIDIA GeForce RTX 3060' '" U
	  "2' 12288/12036 MiB 100% 67C 168990mW"},
	 2,
	 NULL},
	{"nvidia-crlf.csv",
	 ag_nvidia_parse,
	 {NULL, "1 'NVIDIA GeForce RTX 3060' '" U
		"2' 12288/12036 MiB 100% 67C 168990mW"},
	 2,
	 NULL},
	{"nvidia-eight.csv",
	 ag_nvidia_parse,
	 {NULL, NULL,
	  "2 'NVIDIA H100 80GB HBM3' '" U "2' 81559/81078 MiB 0% 30C 71200mW"},
	 8,
	 NULL},
	{"nvidia-unified-gb10.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA GB10' '" U "1' -1/-1 MiB 0% 35C 11170mW"},
	 1,
	 NULL},
	{"nvidia-unified-jetson.csv",
	 ag_nvidia_parse,
	 {"0 'Orin (nvgpu)' '' -1/-1 MiB -1% -1C -1mW"},
	 1,
	 NULL},
	{"nvidia-mig.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA A100-SXM4-80GB' '" U "1' 81920/45383 MiB -1% 33C 87020mW"},
	 2,
	 NULL},
	{"nvidia-permissions.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA A100-SXM4-40GB MIG 3g.20gb' '" U
	  "1' -1/-1 MiB -1% -1C -1mW"},
	 1,
	 NULL},
	{"nvidia-reset.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA H100 PCIe' '" U "1' 81559/81559 MiB -1% -1C -1mW",
	  "1 'NVIDIA H100 PCIe' '" U "2' 81559/80000 MiB 7% 44C 120000mW"},
	 2,
	 NULL},
	{"nvidia-not-supported.csv",
	 ag_nvidia_parse,
	 {"0 'GeForce GTX 770' '" U "1' 1998/1702 MiB -1% 52C -1mW"},
	 1,
	 NULL},
	{"nvidia-unknown-error.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA GeForce RTX 2080 Ti' '" U
	  "1' 11264/10989 MiB -1% 56C -1mW"},
	 1,
	 NULL},
	{"nvidia-lost-one.csv",
	 ag_nvidia_parse,
	 {NULL, "2 'NVIDIA GeForce RTX 2080 Ti' '" U
		"3' 11264/11004 MiB 0% 40C 15000mW"},
	 2,
	 NULL},
	{"nvidia-lost-inside.csv",
	 ag_nvidia_parse,
	 {NULL, "2 'NVIDIA GeForce RTX 2080 Ti' '" U
		"3' 11264/11004 MiB 0% 40C 15000mW"},
	 2,
	 NULL},
	{"nvidia-inforom.csv",
	 ag_nvidia_parse,
	 {"0 'NVIDIA GeForce RTX 2080 Ti' '" U
	  "1' 11264/10989 MiB 0% 56C 20000mW"},
	 1,
	 NULL},
	{"nvidia-none.txt", ag_nvidia_parse, {NULL}, 0, NULL},
	{"nvidia-no-driver.txt",
	 ag_nvidia_parse,
	 {NULL},
	 0,
	 "couldn't communicate with the NVIDIA driver"},
	{"nvidia-mismatch.txt",
	 ag_nvidia_parse,
	 {NULL},
	 0,
	 "Driver/library version mismatch"},
	{"nvidia-lost-only.txt", ag_nvidia_parse, {NULL}, 0, "GPU is lost"},
	{"nvidia-bad-field.txt",
	 ag_nvidia_parse,
	 {NULL},
	 0,
	 "not a valid field to query"},
	{"rocm-4.json",
	 ag_rocm_parse,
	 {"0 '0xc1e' '0x1' 16368/16351 MiB 0% 40C 15000mW"},
	 1,
	 NULL},
	{"rocm-5.json",
	 ag_rocm_parse,
	 {"0 'AMD Radeon RX 6800 XT' '0x1' 16368/15344 MiB 12% 45C 128000mW",
	  "1 'AMD Radeon RX 6800 XT' '' 16368/15707 MiB 0% 38C 9000mW"},
	 2,
	 NULL},
	{"rocm-6.json",
	 ag_rocm_parse,
	 {"0 'Radeon RX 7900 XT' '0x1' 20464/20437 MiB 100% 42C -1mW",
	  "1 'Raphael' '0x2' 64/39 MiB 0% 39C 4000mW"},
	 2,
	 NULL},
	{"rocm-6-device-name.json",
	 ag_rocm_parse,
	 {"0 'Phoenix3' '' 4096/512 MiB 19% 31C 7222mW"},
	 1,
	 NULL},
	{"rocm-mi300.json",
	 ag_rocm_parse,
	 {"0 'AMD Instinct MI300X' '0x1' 196592/5089 MiB 99% 60C 717000mW",
	  "1 'AMD Instinct MI300X' '0x2' 196592/196304 MiB 0% 43C 140000mW"},
	 2,
	 NULL},
	{"rocm-7-low-power.txt",
	 ag_rocm_parse,
	 {"0 'AMD Radeon 8060S Graphics' '' 512/24 MiB 2% 54C 20358mW"},
	 1,
	 NULL},
	{"rocm-noise.txt",
	 ag_rocm_parse,
	 {"0 '0x744a' '0x1' -1/-1 MiB -1% -1C -1mW"},
	 1,
	 NULL},
	{"rocm-none.txt", ag_rocm_parse, {NULL}, 0, NULL},
	{"rocm-no-data.txt", ag_rocm_parse, {NULL}, 0, NULL},
	{"rocm-no-driver.txt",
	 ag_rocm_parse,
	 {NULL},
	 0,
	 "Driver not initialized"},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static struct ag_sample_list list;

static void
fixtures(void)
{
	char got[300], title[200];

	for (size_t i = 0; i < CASES; i++) {
		struct gw_err err = {0};
		size_t len;
		char *text = fixture_read(cases[i].file, &len);
		int rc = cases[i].parse(text, len, &list, &err);

		ok((rc < 0) == (cases[i].error != NULL) &&
			   (rc == 0 || err.code == GW_ERR_INTERNAL) &&
			   (!cases[i].error || strstr(err.msg, cases[i].error)),
		   "parse: %s -> %s", cases[i].file,
		   cases[i].error ? cases[i].error : "accepted");
		snprintf(title, sizeof(title), "parse: %s -> number of GPUs",
			 cases[i].file);
		if (rc == 0)
			is_int((long long)list.n, (long long)cases[i].n, title);
		for (size_t g = 0; rc == 0 && g < GPUS_SHOWN; g++) {
			if (!cases[i].gpu[g])
				continue;
			snprintf(title, sizeof(title),
				 "parse: %s -> GPU %zu as it was told",
				 cases[i].file, g);
			is_str(g < list.n ? sample_text(&list.sample[g], got,
							sizeof(got))
					  : NULL,
			       cases[i].gpu[g], title);
		}
		free(text);
	}
}

/* The message, or NULL when the text is accepted. */
static const char *
parse_bytes(parser parse, const char *text, size_t len)
{
	static struct gw_err err;

	err = (struct gw_err){0};
	return parse(text, len, &list, &err) < 0 ? err.msg : NULL;
}

static const char *
parse_text(parser parse, const char *text)
{
	return parse_bytes(parse, text, strlen(text));
}

static void
refused(parser parse, const char *text, const char *part, const char *title)
{
	const char *msg = parse_text(parse, text);

	if (!ok(msg && strstr(msg, part), "%s", title))
		printf("# got: %s\n", msg ? msg : "accepted");
}

static void
malformed_tables(void)
{
	refused(ag_nvidia_parse, "", "no head line",
		"parse: an empty table -> an error");
	refused(ag_nvidia_parse, "\n \n", "no head line",
		"parse: blank lines only -> an error");
	refused(ag_nvidia_parse,
		HEAD "0, GPU-1, A, 1 MiB, 1 MiB, 1 %, 1, 1 W\n1, GPU-2, B\n",
		"line 3: another number of columns than the head line: "
		"1, GPU-2, B",
		"parse: a truncated row -> an error that quotes it");
	refused(ag_nvidia_parse,
		HEAD "0, GPU-1, A, 1 MiB, 1 MiB, 1 %, 1, 1 W, 9\n",
		"line 2: another number of columns",
		"parse: a row with a column more -> an error");
	refused(ag_nvidia_parse, HEAD "x, U, A, 1 MiB, 1 MiB, 1 %, 1, 1 W\n",
		"line 2: no index", "parse: an index of no number -> an error");
	refused(ag_nvidia_parse, HEAD "10000, U, A, 1, 1, 1, 1, 1\n",
		"line 2: no index", "parse: a huge index -> an error");
	refused(ag_nvidia_parse, "index, name\n3, A\n3, B\n",
		"GPU 3 is listed twice", "parse: an index twice -> an error");
	ok(!parse_text(ag_nvidia_parse, HEAD) && list.n == 0,
	   "parse: a head line alone -> a list of none");
	ok(!parse_text(ag_nvidia_parse, "name, index\nB, 7\nA, 2") &&
		   list.n == 2 && list.sample[0].index == 2 &&
		   strcmp(list.sample[1].name, "B") == 0,
	   "parse: other columns, no end of line -> found by the head line, "
	   "sorted");
}

/* @n GPUs as a table. */
static char *
many(size_t n)
{
	struct gw_buf b = GW_BUF_INIT(1 << 20);

	if (gw_buf_puts(&b, "index, name\n") < 0)
		exit(1);
	for (size_t i = 0; i < n; i++)
		if (gw_buf_printf(&b, "%zu, A\n", i) < 0)
			exit(1);
	return b.data;
}

/* @n GPUs as an object. */
static char *
many_cards(size_t n)
{
	struct gw_buf b = GW_BUF_INIT(1 << 20);

	for (size_t i = 0; i < n; i++)
		if (gw_buf_printf(&b, "%s\"card%zu\":{}", i ? "," : "{", i) < 0)
			exit(1);
	if (gw_buf_puts(&b, "}") < 0)
		exit(1);
	return b.data;
}

static void
bounds(void)
{
	char *text = many(AG_GPUS_MAX);

	ok(!parse_text(ag_nvidia_parse, text) && list.n == AG_GPUS_MAX,
	   "parse: a table of as many GPUs as there may be -> accepted");
	free(text);
	text = many(AG_GPUS_MAX + 1);
	refused(ag_nvidia_parse, text, "more GPUs",
		"parse: a table of one GPU more -> an error");
	free(text);
	text = many_cards(AG_GPUS_MAX);
	ok(!parse_text(ag_rocm_parse, text) && list.n == AG_GPUS_MAX,
	   "parse: an object of as many cards as there may be -> accepted");
	free(text);
	text = many_cards(AG_GPUS_MAX + 1);
	refused(ag_rocm_parse, text, "more than 64 GPUs",
		"parse: an object of one card more -> an error");
	free(text);
	text = malloc(10000);
	memset(text, ',', 9999);
	text[9999] = '\0';
	refused(ag_nvidia_parse, text, "no head line",
		"parse: ten thousand columns -> an error");
	free(text);
}

static void
odd_values(void)
{
	static const char nul[] = HEAD "0, U\0U, A\0B, 1 MiB, 1 MiB, 1 %, 1, 1";
	char got[300];

	ok(!parse_text(ag_nvidia_parse,
		       HEAD "0, U, A, 99999999999999999999999 MiB, "
			    "999999999999999 MiB, 101 %, 1001, "
			    "999999999999999 W\n"),
	   "parse: numbers beyond belief -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 'A' 'U' -1/-1 MiB -1% -1C -1mW",
	       "parse: numbers beyond belief -> unknown");
	ok(!parse_text(ag_nvidia_parse,
		       HEAD "0, U, A, 5 GiB, 0x10, -1 %, 4x, 1.2.3 W\n"),
	   "parse: values that are no numbers -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 'A' 'U' -1/-1 MiB -1% -1C -1mW",
	       "parse: values that are no numbers -> unknown");
	ok(!parse_text(ag_nvidia_parse,
		       HEAD "0, U, A, 24564, 0, 7, 35.5, 1.0019\n"),
	   "parse: numbers without units -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 'A' 'U' 24564/0 MiB 7% 36C 1001mW",
	       "parse: numbers without units -> taken");
	ok(!parse_bytes(ag_nvidia_parse, nul, sizeof(nul) - 1),
	   "parse: NUL bytes in names -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 'A?B' 'U?U' 1/1 MiB 1% 1C 1000mW",
	       "parse: NUL bytes in names -> question marks");
	ok(!parse_text(ag_nvidia_parse,
		       "index, name\n0, caf\xc3\xa9 \xff\x1b\n"),
	   "parse: bytes that are no text -> accepted");
	is_str(list.sample[0].name, "caf\xc3\xa9 ??",
	       "parse: bytes that are no text -> question marks");
}

/* A name is cut between two characters; 95 bytes fit. */
static void
long_names(void)
{
	char text[300] = "index, name\n0, ";
	size_t at = strlen(text);

	memset(text + at, 'a', 94);
	snprintf(text + at + 94, 8, "%s", "\xc3\xa9zz\n");
	ok(!parse_text(ag_nvidia_parse, text) &&
		   strlen(list.sample[0].name) == 94,
	   "parse: a name that is too long -> cut between characters");
}

static void
malformed_objects(void)
{
	char got[300];

	refused(ag_rocm_parse, "", "no JSON object",
		"parse: nothing from rocm-smi -> an error");
	refused(ag_rocm_parse, "{\"card0\": {\"GPU use (%)\": \"7",
		"not valid JSON", "parse: a truncated object -> an error");
	refused(ag_rocm_parse, "[{\"card0\": {}}]", "no JSON object",
		"parse: an array -> an error");
	refused(ag_rocm_parse, "{\"card0\":{\"a\":{\"b\":{\"c\":{}}}}}",
		"nested", "parse: an object nested deep -> an error");
	ok(!parse_text(ag_rocm_parse, "{}") && list.n == 0,
	   "parse: an empty object -> a list of none");
	ok(!parse_text(ag_rocm_parse,
		       "{\"card\":{},\"card01\":{},\"card1x\":{},"
		       "\"card12345\":{},\"card3\":7,\"system\":{}}") &&
		   list.n == 0,
	   "parse: members that are no cards -> passed over");
	ok(!parse_text(
		   ag_rocm_parse,
		   "{\"card0\":{\"gpu use (%)\":7,\"card series\":\"}{\\\"\","
		   "\"VRAM Total Memory (B)\":1048576,"
		   "\"VRAM Total Used Memory (B)\":\"9048576\","
		   "\"Temperature (Sensor edge) (C)\":41.5}} trailing }"),
	   "parse: numbers, braces in texts, text behind -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 '}{\"' '' 1/-1 MiB 7% 42C -1mW",
	       "parse: more used than there is -> free memory is unknown");
	ok(!parse_text(ag_rocm_parse,
		       "{\"card0\":{\"VRAM Total Memory (B)\":"
		       "\"99999999999999999999\",\"GPU use (%)\":\"1e3\","
		       "\"Average Graphics Package Power (W)\":\"inf\"}}"),
	   "parse: numbers beyond belief in an object -> accepted");
	is_str(sample_text(&list.sample[0], got, sizeof(got)),
	       "0 '' '' -1/-1 MiB -1% -1C -1mW",
	       "parse: numbers beyond belief in an object -> unknown");
}

static void
machine(void)
{
	size_t len;
	char *meminfo = fixture_read("meminfo.txt", &len);
	char *cpuinfo = fixture_read("cpuinfo.txt", &len);
	struct ag_sample s;
	char got[300], name[96];

	ag_cpu_sample(meminfo, "1.50 0.58 0.59 3/602 1234\n", 4, &s);
	is_str(sample_text(&s, got, sizeof(got)),
	       "0 'CPU' '' 128000/96000 MiB 37% -1C -1mW",
	       "parse: /proc -> memory, and load by cores");
	ag_cpu_sample(meminfo, "90.00 0 0 1/1 1", 4, &s);
	is_int(s.utilisation_pct, 100,
	       "parse: more load than cores -> 100 per cent");
	ag_cpu_sample("", "", 4, &s);
	is_str(sample_text(&s, got, sizeof(got)),
	       "0 'CPU' '' -1/-1 MiB -1% -1C -1mW",
	       "parse: nothing in /proc -> nothing known");
	ag_cpu_sample("MemTotal:\nMemAvailable: x kB\n", "1", 0, &s);
	is_str(sample_text(&s, got, sizeof(got)),
	       "0 'CPU' '' -1/-1 MiB -1% -1C -1mW",
	       "parse: broken /proc, no cores -> nothing known");
	ag_cpu_name(cpuinfo, name, sizeof(name));
	is_str(name, "AMD Ryzen 9 7950X 16-Core Processor",
	       "parse: cpuinfo -> the name of the model");
	ag_cpu_name("Hardware\t: X\n", name, sizeof(name));
	is_str(name, "CPU", "parse: cpuinfo without a model -> CPU");
	free(meminfo);
	free(cpuinfo);
}

/* In a block of its own size, so that a sanitizer sees a byte too far. */
static void
feed(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	struct gw_err err;

	memcpy(copy, text, len);
	for (int i = 0; i < 2; i++) {
		parser parse = i ? ag_rocm_parse : ag_nvidia_parse;

		if (parse(copy, len, &list, &err) == 0 && list.n > AG_GPUS_MAX)
			abort();
	}
	free(copy);
}

static void
broken_in_every_place(void)
{
	static const char bytes[] = {'\0', '\n', ',', '"', '{',	 '}',
				     '9',  ' ',	 '[', ':', '\\', '\xff'};

	for (size_t i = 0; i < CASES; i++) {
		size_t len;
		char *text = fixture_read(cases[i].file, &len);

		for (size_t n = 0; n <= len; n++)
			feed(text, n);
		for (size_t at = 0; at < len; at++) {
			char was = text[at];

			for (size_t b = 0; b < sizeof(bytes); b++) {
				text[at] = bytes[b];
				feed(text, len);
			}
			text[at] = was;
		}
		ok(true, "parse: %s cut and changed everywhere -> no fault",
		   cases[i].file);
		free(text);
	}
}

int
main(void)
{
	fixtures();
	malformed_tables();
	bounds();
	odd_values();
	long_names();
	malformed_objects();
	machine();
	broken_in_every_place();
	return done_testing();
}
