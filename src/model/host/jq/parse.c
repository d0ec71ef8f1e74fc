#include "model/host/jq/parser.h"

struct arena {
	struct arena *next;
	size_t used, size;
	max_align_t data[];
};

void *parse_alloc(struct parse *p, size_t size)
{
	struct arena *a = p->memory;

	size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!a || a->size - a->used < size) {
		size_t whole = max(size, (size_t)8192);
		a = val_alloc(sizeof(*a) + whole);
		*a = (struct arena){.next = p->memory, .size = whole};
		p->memory = a;
	}
	void *at = (char *)a->data + a->used;
	a->used += size;
	return memset(at, 0, size);
}

void *parser_fail_as(struct parser *p, enum parse_error error)
{
	if (!p->p->error) {
		p->p->error = error;
		p->p->at = p->t.text;
	}
	p->t = (struct token){TOKEN_END, {p->end, 0}};
	return NULL;
}

void *parser_fail(struct parser *p)
{
	return parser_fail_as(p, PARSE_SYNTAX);
}

void parser_advance(struct parser *p)
{
	p->t = token_read(p->t.text.data + p->t.text.len, p->end);
}

bool parser_is(const struct parser *p, const char *text)
{
	return token_is(&p->t, text);
}

bool parser_take(struct parser *p, const char *text)
{
	if (!parser_is(p, text))
		return false;
	parser_advance(p);
	return true;
}

bool parser_expect(struct parser *p, const char *text)
{
	return parser_take(p, text) || parser_fail(p) != NULL;
}

struct slice parser_take_name(struct parser *p)
{
	struct slice name = p->t.text;

	if (p->t.kind == TOKEN_NAME)
		parser_advance(p);
	else
		parser_fail(p);
	return name;
}

struct slice parser_take_variable(struct parser *p)
{
	if (p->p->later && p->t.kind == TOKEN_KEYWORD)
		p->t.kind = TOKEN_NAME;
	return parser_take_name(p);
}

bool parser_at_string(const struct parser *p)
{
	return p->t.kind == TOKEN_QUOTE || p->t.kind == TOKEN_FORMAT;
}

void parse_init(struct parse *ret, struct slice program, bool later)
{
	*ret = (struct parse){.program = program, .later = later};
	struct parser p = {.p = ret, .end = program.data + program.len};

	p.t = token_read(program.data, p.end);
	if (p.t.kind == TOKEN_END)
		return;
	if (parser_is(&p, "import") || parser_is(&p, "include") || parser_is(&p, "module")) {
		parser_fail_as(&p, PARSE_MODULE);
		return;
	}
	ret->tree = parse_expression(&p);
	if (!ret->error && p.t.kind != TOKEN_END)
		parser_fail(&p);
	if (ret->error)
		ret->tree = NULL;
}

unsigned parse_definitions(struct parse *ret, struct slice program, struct definition **list, unsigned cap)
{
	struct parse own = {.memory = ret->memory, .constants = ret->constants};
	struct parser p = {.p = &own, .end = program.data + program.len};
	unsigned n = 0;

	p.t = token_read(program.data, p.end);
	while (n < cap && parser_take(&p, "def"))
		list[n++] = parse_definition(&p);
	ret->memory = own.memory;
	ret->constants = own.constants;
	return own.error ? 0 : n;
}

void parse_deinit(struct parse *p)
{
	for (struct tree *t = p->constants; t; t = t->next_constant)
		val_free(t->value);
	while (p->memory) {
		struct arena *next = p->memory->next;
		free(p->memory);
		p->memory = next;
	}
}
