/* Text as a jq program, under a fuzzer: it is parsed, looked through, and compiled, whatever it is. */
#include <assert.h>

#include "base/buf.h"
#include "model/host/jq/compile.h"
#include "model/host/jq/decide.h"
#include "model/host/jq/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool knows(void *prelude, struct slice name, unsigned arity)
{
	return compile_knows(prelude, name, arity);
}

static void compile(struct parse *p)
{
	static struct prelude prelude;
	struct program program;
	struct decision decision;
	auto_buf struct buf text = {0};
	const char *why;

	prelude_parse(&prelude, p);
	assert(prelude.n > 50);
	decide(p->tree, knows, &prelude, &decision);
	bool compiled = program_compile(&program, p, &prelude, &why);
	assert(compiled == !why);
	decide_explain(&program, why, &text);
	assert(text.len > 0);
	program_deinit(&program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice program = {(const char *)data, size};
	struct parse p;

	parse_init(&p, program, false);
	/* Where it is wrong is in the text, or at its end. */
	if (p.error)
		assert(p.at.data >= program.data && p.at.data + p.at.len <= program.data + program.len);
	if (p.tree)
		compile(&p);
	parse_deinit(&p);
	return 0;
}
